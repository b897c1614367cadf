"""Report: everything that was established, its verdict and exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from mlxdiag import checks, cluster
from mlxdiag.cluster import Cluster
from mlxdiag.errors import RecordingError
from mlxdiag.finding import Asked, Finding, Severity, Status
from mlxdiag.ladder import LinkState, climb
from mlxdiag.readings import HostFacts
from mlxdiag.recommend import Recommendation, by_numbers, expected, recommend, usable
from mlxdiag.recording import Ended, Recording
from mlxdiag.silence import silenced

if TYPE_CHECKING:
    from mlxdiag.advice import Advice
    from mlxdiag.diagnose.judged import Judged
    from mlxdiag.hang.verdict import Hang
    from mlxdiag.measured import Launch, Measured
    from mlxdiag.preflight.judge import Preflight
    from mlxdiag.probe.judge import Probe
    from mlxdiag.probe.matrix import Matrix
    from mlxdiag.repair.step import Plan
    from mlxdiag.server.judge import Served

Verdict = Literal["pass", "fail", "unknown"]
ENDED_CODES: dict[Ended, int] = {"timeout": 124, "interrupted": 130, "terminated": 143}
LEVELS = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}


@dataclass(frozen=True)
class HeldFile:
    """A hostfile that the findings are about: its ranks by name, and what it should say.

    `corrected` is the text of a file that is right, None where there is none, and `why` says so;
    `diff` is empty where nothing is to be changed.
    """

    path: str
    backend: str
    ranks: tuple[str, ...]
    corrected: str | None
    diff: str = ""
    why: str = ""


@dataclass(frozen=True)
class Report:
    """What every format renders. `findings` are the chosen ones; the rest rests on all of them.

    `facts` are all findings about the facts, chosen or not.
    """

    command: str
    tool_version: str
    started_at: str
    duration_s: float
    ended: Ended
    cluster: Cluster
    links: tuple[LinkState, ...]
    findings: tuple[Finding, ...]
    recommendation: Recommendation
    fail_on: Severity = Severity.ERROR
    probes: tuple[Probe, ...] = ()
    file: HeldFile | None = None
    facts: tuple[Finding, ...] = ()
    pairs: tuple[Matrix, ...] = ()
    preflight: Preflight | None = None
    hang: Hang | None = None
    diagnosed: Judged | None = None
    server: Served | None = None
    plan: Plan | None = None

    @cached_property
    def _by_pair(self) -> dict[frozenset[str], tuple[LinkState, ...]]:
        found: dict[frozenset[str], tuple[LinkState, ...]] = {}
        for state in self.links:
            pair = frozenset(state.link.hosts)
            found[pair] = (*found.get(pair, ()), state)
        return found

    def between(self, one: str, other: str) -> tuple[LinkState, ...]:
        """List the links of a pair with what was found on them."""
        return self._by_pair.get(frozenset((one, other)), ())

    @cached_property
    def advice(self) -> Advice:
        """What else there is to say about the choice; worked out when a format asks for it."""
        from mlxdiag.advice import advise  # noqa: PLC0415  # the table of `ports` does without

        return advise(self.cluster, self.links, self.facts, self.recommendation)

    @property
    def verdict(self) -> Verdict:
        """Fail before unknown before pass; pass needs at least one check that passed.

        A log that was diagnosed is never a pass: what is not in it may have failed as well.
        """
        if self.diagnosed is not None:
            return "fail" if self.diagnosed.recognised else "unknown"
        grave = [f for f in self.findings if LEVELS[f.severity] >= LEVELS[self.fail_on]]
        statuses = {f.status for f in grave}
        if Status.FAIL in statuses:
            return "fail"
        if Status.UNKNOWN in statuses or not any(f.status is Status.PASS for f in self.findings):
            return "unknown"
        return "pass"

    @property
    def exit_code(self) -> int:
        """The process's exit status: docs/contract.md."""
        if self.ended != "complete":
            return ENDED_CODES[self.ended]
        return {"pass": 0, "fail": 1, "unknown": 3}[self.verdict]

    @property
    def summary(self) -> dict[str, int]:
        """Count findings by status; a failed warning or hint is counted as what it is."""
        counted = Counter(
            f.severity.value
            if f.status is Status.FAIL and f.severity is not Severity.ERROR
            else f.status.value
            for f in self.findings
        )
        return {k: counted[k] for k in ("pass", "fail", "warning", "info", "skip", "unknown")}

    @cached_property
    def _chosen(self) -> frozenset[int]:
        return frozenset(map(id, self.findings))

    def blocker(self, finding: Finding) -> Finding | None:
        """Find the nearest cause of a finding that is in the report."""
        cause = finding.blocked_by
        while cause is not None and id(cause) not in self._chosen:
            cause = cause.blocked_by
        return cause

    @cached_property
    def _followers(self) -> dict[int, list[Finding]]:
        found: dict[int, list[Finding]] = {}
        for finding in self.findings:
            if finding.status is Status.SKIP:
                continue
            root = finding
            while (cause := self.blocker(root)) is not None:
                root = cause
            if root is not finding:
                found.setdefault(id(root), []).append(finding)
        return found

    @property
    def causes(self) -> tuple[Finding, ...]:
        """What went wrong or is not known and follows from nothing else, worst first."""
        bad = [f for f in self.findings if f.status in (Status.FAIL, Status.UNKNOWN)]
        own = [f for f in bad if self.blocker(f) is None]
        return tuple(sorted(own, key=self._gravity))

    def consequences(self, cause: Finding) -> tuple[Finding, ...]:
        """List what follows from a cause, directly or through others."""
        return tuple(self._followers.get(id(cause), ()))

    def severity(self, cause: Finding) -> Severity:
        """How bad a cause is with all that follows from it."""
        whole = (cause, *self.consequences(cause))
        return max((f.severity for f in whole), key=LEVELS.__getitem__)

    def _gravity(self, cause: Finding) -> tuple[int, bool, int]:
        cost = cause.fix.kind.cost if cause.fix else 0
        return -LEVELS[self.severity(cause)], cause.status is Status.UNKNOWN, cost


def build(
    recording: Recording,
    command: str,
    tool_version: str,
    *,
    wanted: Callable[[Finding], bool] = lambda _: True,
    fail_on: Severity = Severity.ERROR,
    early: Mapping[str, HostFacts] = {},
    launches: Sequence[Launch] = (),
) -> Report:
    """Take a recording all the way: facts, topology, checks, ladder, recommendation.

    `launches` are measurements of other runs, for the recommendation alone. Raises RecordingError
    for a recording that says nothing about what the command judges.
    """
    _check_hosts(recording, command)
    if command == "server":
        return _server(recording, tool_version, wanted, fail_on)
    if command == "preflight":
        return _preflight(recording, tool_version, wanted, fail_on, early)
    if command == "hang":
        return _hang(recording, tool_version)
    seen = cluster.build(recording.inventory, recording.hosts, early)
    findings: Sequence[Finding] = checks.run(seen, _asked(command))
    links = climb(seen.topology, findings)
    found = recommend(seen, links, findings)
    probes = _judged(recording)
    pairs = _paired(probes, seen.topology.hosts)
    if probes or launches or recording.refusals:
        found = by_numbers(found, _measured(recording, found, probes, launches))
    facts = findings = (*findings, expected(seen, found, findings))
    if command in ("probe", "recommend"):
        from mlxdiag.checks.probes import findings as probe_findings  # noqa: PLC0415

        asked = probe_findings(probes, recording.refusals, recording.inventory.expect, pairs)
        about = (*findings, usable(found, findings)) if command == "recommend" else ()
        findings = (*about, *asked)
    return Report(
        command=command,
        tool_version=tool_version,
        started_at=recording.started_at,
        duration_s=recording.duration_s,
        ended=recording.ended,
        cluster=seen,
        links=links,
        findings=silenced((f for f in findings if wanted(f)), recording.inventory.silence),
        recommendation=found,
        fail_on=fail_on,
        probes=probes,
        facts=facts,
        pairs=pairs,
    )


def _check_hosts(recording: Recording, command: str) -> None:
    """Refuse a recording without hosts; logs alone are diagnosed without any."""
    if recording.inventory.hosts or command == "server":
        return
    if command == "probe" and recording.server is None:
        return
    if command != "diagnose" or recording.server is not None:
        raise RecordingError(
            "this recording names no host: it is one of `mlxdiag server`, and read again by"
            " `mlxdiag server --replay`"
        )


def _preflight(
    recording: Recording,
    tool_version: str,
    wanted: Callable[[Finding], bool],
    fail_on: Severity,
    early: Mapping[str, HostFacts],
) -> Report:
    """Do the same for a preflight, whose findings are weighed by what it requires."""
    from mlxdiag.preflight import candidates  # noqa: PLC0415
    from mlxdiag.preflight.asked import Asked  # noqa: PLC0415
    from mlxdiag.preflight.judge import judge, staged  # noqa: PLC0415

    asked = recording.preflight or Asked()
    ground = candidates.ground(recording, early)
    probes = _judged(recording)
    pairs = _paired(probes, ground.site.cluster.topology.hosts)
    able, findings = judge(ground, probes, asked, recording.inventory.expect, pairs)
    shown = silenced((f for f in findings if wanted(f)), recording.inventory.silence)
    grave = [level for level, weight in LEVELS.items() if weight >= LEVELS[fail_on]]
    return Report(
        command="preflight",
        tool_version=tool_version,
        started_at=recording.started_at,
        duration_s=recording.duration_s,
        ended=recording.ended,
        cluster=ground.site.cluster,
        links=ground.site.states,
        findings=shown,
        recommendation=ground.site.recommendation,
        fail_on=fail_on,
        probes=probes,
        facts=ground.findings,
        pairs=pairs,
        preflight=staged(able, shown, len(recording.inventory.hosts), asked, grave.__contains__),
    )


def _server(
    recording: Recording,
    tool_version: str,
    wanted: Callable[[Finding], bool],
    fail_on: Severity,
) -> Report:
    """Do the same for a look at a server from outside: no host was asked, so there is none."""
    from mlxdiag.checks import served as asked  # noqa: PLC0415
    from mlxdiag.server.hanging import concluded  # noqa: PLC0415
    from mlxdiag.server.judge import judge  # noqa: PLC0415

    if recording.server is None:
        raise RecordingError("this recording has no server.json: it is not one of `mlxdiag server`")
    served = judge(recording.server, recording.ended, concluded(recording))
    seen = cluster.build(replace(recording.inventory, hosts=()), {})
    return Report(
        command="server",
        tool_version=tool_version,
        started_at=recording.started_at,
        duration_s=recording.duration_s,
        ended=recording.ended,
        cluster=seen,
        links=(),
        findings=silenced(
            (f for f in asked.findings(served) if wanted(f)), recording.inventory.silence
        ),
        recommendation=Recommendation(None, "low", "no host was asked", (), ()),
        fail_on=fail_on,
        server=served,
    )


def _hang(recording: Recording, tool_version: str) -> Report:
    """Judge two looks at ranks. Ports and cables were not asked, so nothing is known of them."""
    from mlxdiag.checks.hang import findings  # noqa: PLC0415
    from mlxdiag.hang.judge import judge  # noqa: PLC0415

    if recording.hang is None:
        raise RecordingError("this recording has no hang.json: it is not one of `mlxdiag hang`")
    seen = cluster.build(recording.inventory, recording.hosts)
    facts = checks.run(seen)
    links = climb(seen.topology, facts)
    hang = judge(recording)
    return Report(
        command="hang",
        tool_version=tool_version,
        started_at=recording.started_at,
        duration_s=recording.duration_s,
        ended=recording.ended,
        cluster=seen,
        links=links,
        findings=silenced(findings(hang), recording.inventory.silence),
        recommendation=recommend(seen, links, facts),
        facts=facts,
        hang=hang,
    )


def _asked(command: str) -> Sequence[Asked[Any]]:
    """List the checks about facts that a command asks."""
    if command not in ("check", "fix", "diagnose"):
        return checks.CHECKS
    from mlxdiag.checks import whole  # noqa: PLC0415  # other commands do without

    return whole.CHECKS


def _judged(recording: Recording) -> tuple[Probe, ...]:
    if not recording.probes:
        return ()
    from mlxdiag.probe.judge import judge  # noqa: PLC0415  # most recordings have no launches

    return tuple(judge(plan, run) for plan, run in recording.probes)


def _measured(
    recording: Recording,
    found: Recommendation,
    probes: Sequence[Probe],
    launches: Sequence[Launch],
) -> Measured:
    """Put the launches of this run beside those of others and compare the backends."""
    from mlxdiag.measured import compare  # noqa: PLC0415  # only where something was launched

    hosts = [host.name for host in recording.inventory.hosts]
    backends = [c.backend for c in found.choices if c.usable is not False]
    refused = {refusal.backend: refusal.reason for refusal in recording.refusals}
    return compare((*launches, *map(launch_of, probes)), hosts, backends, refused)


def launch_of(probe: Probe, source: str | None = None) -> Launch:
    """Take from a judged launch what is compared; `source` is another run that it is from."""
    from mlxdiag.measured import OWN, Launch, Timing  # noqa: PLC0415

    stopped = probe.run.end == "interrupted"
    names = [rank.host.name for rank in probe.plan.ranks]
    blame = probe.blame
    who = ", ".join(f"rank {rank} ({names[rank]})" for rank in blame.ranks) if blame else ""
    return Launch(
        backend=probe.plan.backend,
        op=probe.plan.settings.op,
        dtype=probe.plan.settings.dtype,
        hosts=tuple(names),
        timings=tuple(Timing(row.size, row.p50_us, row.busbw_gb_per_s) for row in probe.rows),
        failed=f"{who} {blame.text}".strip() if blame and not stopped else "",
        stopped=stopped,
        source=source or OWN,
    )


def launches_of(recording: Recording, source: str) -> tuple[Launch, ...]:
    """Take the launches of another recording."""
    of = f"{source} of {recording.started_at}"
    return tuple(launch_of(probe, of) for probe in _judged(recording))


def _paired(probes: tuple[Probe, ...], hosts: Sequence[str]) -> tuple[Matrix, ...]:
    if not probes:
        return ()
    from mlxdiag.probe import matrix  # noqa: PLC0415  # most recordings have no launches

    return matrix.build(probes, hosts)
