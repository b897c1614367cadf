"""Judge: facts, launches and what is required -> findings, stages, verdict. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from mlxdiag import checks
from mlxdiag.checks import gate, speed
from mlxdiag.checks import probes as launches
from mlxdiag.finding import Finding, Severity, Status, Subject
from mlxdiag.inventory import Expect
from mlxdiag.preflight import listeners
from mlxdiag.preflight.asked import ANY, Asked
from mlxdiag.preflight.candidates import Candidate, Ground, best, candidates, ports
from mlxdiag.preflight.stages import BAD, STAGES, Stage, cut, stage
from mlxdiag.probe.judge import Probe
from mlxdiag.probe.matrix import Matrix
from mlxdiag.probe.plan import Plan

EXPECTATIONS = frozenset({"versions-macos-expected", "versions-mlx-expected", "cabling-expected"})
"""What the inventory expects of facts counts whatever backend holds."""

UNMEASURED = "the inventory's thresholds are held to nothing: level quick measures nothing"
OF_A_LAUNCH = frozenset({"probes-collective", "probes-latency", "probes-bandwidth"})


@dataclass(frozen=True)
class Preflight:
    """What came of it. `backend` is the one to start, None where none holds.

    `given_up` are the better ones that will not do today.
    """

    asked: Asked
    candidates: tuple[Candidate, ...]
    stages: tuple[Stage, ...]

    @property
    def chosen(self) -> Candidate | None:
        """The backend to start."""
        return best(self.candidates)

    @property
    def plan(self) -> Plan | None:
        """How it would start; its ports are those of the server."""
        return self.chosen.plan if self.chosen else None

    @property
    def given_up(self) -> tuple[Candidate, ...]:
        """List the backends before the one to start, with what stands against them."""
        chosen = self.chosen
        return self.candidates[: self.candidates.index(chosen)] if chosen else ()


def judge(
    found: Ground,
    probes: Sequence[Probe],
    asked: Asked,
    expect: Expect,
    pairs: Sequence[Matrix] = (),
) -> tuple[tuple[Candidate, ...], tuple[Finding, ...]]:
    """Decide which backend holds, and weigh every finding by what that means."""
    able = candidates(found.site, probes, asked)
    everything = [*found.findings, *_gate(found, asked, able)]
    everything += _launches(able, probes, asked, expect, everything, pairs)
    everything.append(_verdict(able, asked, everything))
    return able, _weighed(everything, _weigh(able, asked))


def staged(
    able: tuple[Candidate, ...],
    findings: Sequence[Finding],
    hosts: int,
    asked: Asked,
    grave: Callable[[Severity], bool],
) -> Preflight:
    """Put the findings that count into stages."""
    chosen = best(able)
    backend = chosen.backend if chosen else asked.require
    stages = [stage(name, findings, grave, backend) for name in STAGES]
    first = Stage("inventory", "ok", f"{hosts} host{'s' if hosts > 1 else ''}")
    return Preflight(asked, able, (first, *(_told(each, stages, able, asked) for each in stages)))


def _told(found: Stage, stages: Sequence[Stage], able: Sequence[Candidate], asked: Asked) -> Stage:
    """Say of the last stages what their findings alone do not."""
    chosen = best(able)
    if found.name == "verdict":
        return _concluded(found, able, asked)
    if found.name == "hostfile" and found.status == "skipped" and not found.blocked_by:
        plan = chosen.plan if chosen else next((c.plan for c in able if c.plan), None)
        if plan is not None:
            return replace(found, status="ok", text=f"{plan.backend}, {len(plan.ranks)} ranks")
        causes = tuple(key for each in stages if each.name == "verdict" for key in each.blocked_by)
        return replace(found, text="no backend to write it for", blocked_by=causes)
    if found.name == "collective" and asked.level == "quick":
        more = f"; {UNMEASURED}" if found.text == UNMEASURED else ""
        return replace(found, text=f"not launched at level quick{more}")
    return found


def _concluded(found: Stage, able: Sequence[Candidate], asked: Asked) -> Stage:
    """Say the verdict in words; it is never skipped, whatever it is blocked by."""
    chosen = best(able)
    if chosen:
        return replace(found, text=f"{chosen.backend} holds")
    is_open = any(each.holds is None for each in able)
    said = {
        (True, True): "no backend is known to hold",
        (True, False): "no backend holds",
        (False, True): f"{asked.require} is not known to hold",
        (False, False): f"{asked.require} does not hold",
    }[asked.require == ANY, is_open]
    why = "; ".join(f"{each.backend}: {each.brief}" for each in able)
    text = said if found.blocked_by else f"{said}; {cut(why)}"
    return replace(found, status="unknown" if is_open else "failed", text=text)


def _gate(found: Ground, asked: Asked, able: Sequence[Candidate]) -> Iterator[Finding]:
    """Ask what a server will meet: who listens, what runs."""
    chosen = best(able)
    plan = chosen.plan if chosen else next((each.plan for each in able if each.plan), None)
    silent = {f.subject.host: f for f in found.findings if f.id == "access-reachable"}
    silent = {host: f for host, f in silent.items() if f.status is Status.UNKNOWN}
    for facts in found.site.cluster.facts:
        name = facts.host.name
        held = listeners.holders(name, facts.captures)
        said = held.by_port if isinstance(held, listeners.Listing) else held
        asked_of = ports(plan, name, asked)
        yield gate.port_free(name, asked_of, held.source, said, silent.get(name))
    for facts in found.site.cluster.facts:
        name = facts.host.name
        yield gate.alone(name, found.site.beside.get(name), silent.get(name))


def _launches(
    able: Sequence[Candidate],
    probes: Sequence[Probe],
    asked: Asked,
    expect: Expect,
    others: Sequence[Finding],
    pairs: Sequence[Matrix],
) -> Iterator[Finding]:
    """Judge what was launched, and say by name what was not; one launch proves no number."""
    for each in able:
        if asked.level == "quick" or each.launched or each.holds:
            continue
        subject = Subject("cluster", interface=each.backend)
        said = f"{each.backend}: {each.reason}"
        cause = _cause(each, others)
        yield Finding(launches.ALLOWED, subject, Status.SKIP, reason=said, blocked_by=cause)
    for check in speed.CHECKS if asked.level == "quick" and expect.thresholds else ():
        yield Finding(check, Subject("cluster"), Status.SKIP, reason=UNMEASURED)
    for finding in launches.findings(probes, (), expect, pairs):
        evidence = finding.evidence
        provisional = evidence is not None and evidence.provisional
        if not (provisional and finding.status is Status.UNKNOWN):
            yield finding


def _cause(candidate: Candidate, findings: Sequence[Finding]) -> Finding | None:
    """Find what a backend that does not hold follows from: the first that its reason names."""
    bad = [f for f in findings if f.status in BAD and f.blocked_by is None]
    if candidate.beside:
        return next((f for f in bad if f.id == gate.ALONE.id), None)
    named = [f for f in bad if f.id in candidate.against]
    return next((f for f in named if f.status is Status.FAIL), next(iter(named), None))


def _verdict(able: Sequence[Candidate], asked: Asked, findings: Sequence[Finding]) -> Finding:
    chosen = best(able)
    if chosen:
        return gate.required(asked.require, True, "", None)
    holds = None if any(each.holds is None for each in able) else False
    many = len(able) > 1
    why = "; ".join(f"{each.backend}: {each.brief if many else each.reason}" for each in able)
    last = able[-1] if asked.require == ANY else able[0]
    cause = _cause(last, findings) if last.holds is holds else None
    matching = cause is not None and (holds is None or cause.status is Status.FAIL)
    return gate.required(asked.require, holds, why, cause if matching else None)


Weigh = Callable[[Finding], Severity | None]


def _weigh(able: Sequence[Candidate], asked: Asked) -> Weigh:
    """Decide what counts: facts that the verdict does not hang on become warnings.

    Where a backend holds that is all of them; where none is known to, and one may, what failed.
    """
    chosen = best(able)
    backend = chosen.backend if chosen else asked.require
    is_open = any(each.holds is None for each in able)
    spared = (Status.FAIL, Status.UNKNOWN) if chosen else (Status.FAIL,) if is_open else ()

    def weigh(finding: Finding) -> Severity | None:
        is_fact = finding.check.area in checks.AREAS and finding.id not in EXPECTATIONS
        lower = checks.lowered_for(finding.check, backend) if is_fact else None
        is_another = chosen and finding.id in OF_A_LAUNCH and finding.subject.interface != backend
        if (is_fact or is_another) and finding.status in spared:
            return lower or (Severity.WARNING if finding.severity is Severity.ERROR else None)
        return lower

    return weigh


def _weighed(findings: Sequence[Finding], weigh: Weigh) -> tuple[Finding, ...]:
    """Give the findings their severities, with their causes among themselves."""
    made: dict[int, Finding] = {}

    def one(finding: Finding) -> Finding:
        if id(finding) not in made:
            cause = one(finding.blocked_by) if finding.blocked_by else None
            severity = weigh(finding) or finding.lowered
            made[id(finding)] = replace(finding, lowered=severity, blocked_by=cause)
        return made[id(finding)]

    return tuple(map(one, findings))
