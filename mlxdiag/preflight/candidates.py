"""Candidates: facts and launches -> which backend holds, what is given up, what to launch next.

Pure: the live run and a replay ask the same questions of the same recording.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mlxdiag import checks, cluster
from mlxdiag.backends import BACKENDS
from mlxdiag.backends.backend import Backend, Site
from mlxdiag.finding import Finding
from mlxdiag.ladder import climb
from mlxdiag.preflight.asked import ANY, Asked
from mlxdiag.probe import choose, fit, neighbours
from mlxdiag.probe.judge import Probe
from mlxdiag.probe.plan import Plan, Refusal, Settings
from mlxdiag.readings import HostFacts
from mlxdiag.recommend import recommend
from mlxdiag.recording import Recording

SPENT = "not launched after a failed launch of {}: each failed one may leak a protection domain"
UNFIT = ("access-reachable", "versions-mlx-present", "versions-mlx-match", "versions-mlx-jaccl")
"""Checks that say what `probe.fit` refuses for."""


@dataclass(frozen=True)
class Ground:
    """What the hosts said, and all that follows from it before anything is launched."""

    site: Site
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Candidate:
    """A backend that will do. `plan` is how it would start; `holds` None: not known.

    `reason` says what stands against it, `against` which checks say so. `beside`: only MLX jobs on
    the hosts do.
    """

    backend: str
    plan: Plan | None
    holds: bool | None
    reason: str = ""
    launched: bool = False
    beside: bool = False
    against: tuple[str, ...] = ()

    @property
    def brief(self) -> str:
        """The first of the reasons."""
        return self.reason.partition("; ")[0]


def ground(recording: Recording, early: Mapping[str, HostFacts] = {}) -> Ground:
    """Read and join what the hosts said; the inventory's own backend decides nothing here."""
    expect = replace(recording.inventory.expect, backend=None)
    inventory = replace(recording.inventory, expect=expect)
    seen = fit.settled(cluster.build(inventory, recording.hosts, early))
    findings = checks.run(seen)
    states = climb(seen.topology, findings)
    beside = neighbours.found(recording.hosts)
    return Ground(Site(seen, states, recommend(seen, states, findings), beside=beside), findings)


def candidates(site: Site, probes: Sequence[Probe], asked: Asked) -> tuple[Candidate, ...]:
    """Judge every backend that will do, the best first."""
    failed = [p.plan.backend for p in probes if p.plan.fragile and p.run.end != "done"]
    return tuple(
        _candidate(BACKENDS[name], site, [p for p in probes if p.plan.backend == name], asked)
        if name in failed or not failed or not BACKENDS[name].fragile
        else Candidate(name, None, None, SPENT.format(failed[0]))
        for name in asked.wanted
    )


def best(found: Sequence[Candidate]) -> Candidate | None:
    """Choose the first that holds."""
    return next((each for each in found if each.holds), None)


def to_launch(found: Sequence[Candidate], asked: Asked) -> str | None:
    """Name the backend to launch next; of any, none after one that holds, unless at level full."""
    if asked.level == "quick":
        return None
    for each in found:
        if each.plan is not None and not each.launched:
            return each.backend
        if each.holds and asked.require == ANY and asked.level != "full":
            return None
    return None


def ports(plan: Plan | None, host: str, asked: Asked) -> tuple[int, ...]:
    """List the ports that mlx.launch would have the ranks of a host listen at."""
    if plan is None:
        return (asked.port,)
    found: list[int] = []
    for rank in plan.ranks:
        if rank.host.name == host:
            places = json.loads(rank.files.get("MLX_HOSTFILE", "[]"))
            found += [
                int(each.rpartition(":")[2]) for row in places[rank.rank :][:1] for each in row
            ]
        if rank.host.name == host and rank.rank == 0 and "MLX_JACCL_COORDINATOR" in rank.env:
            found.append(int(rank.env["MLX_JACCL_COORDINATOR"].rpartition(":")[2]))
    return tuple(found)


def _candidate(backend: Backend, site: Site, probes: Sequence[Probe], asked: Asked) -> Candidate:
    made = _planned(backend, site, asked)
    whole = [probe for probe in probes if probe.plan.part == "whole"]
    if whole:
        return _launched(backend, made if isinstance(made, Plan) else None, whole)
    if isinstance(made, Refusal):
        alone = replace(site, beside=dict.fromkeys(site.cluster.topology.hosts, ()))
        if isinstance(_planned(backend, alone, asked), Plan):
            return Candidate(backend.name, None, None, made.reason, beside=True)
        against = _against(backend, site)
        return Candidate(backend.name, None, made.usable, made.reason, against=against)
    choice = site.choice(backend.name)
    if asked.level != "quick" and not (choice and choice.usable is False):
        return Candidate(backend.name, made, None, "no collective was launched")
    if choice is not None and choice.usable:
        return Candidate(backend.name, made, holds=True)
    said = [f"{b.id}: {', '.join(b.subjects)}" for b in choice.blockers] if choice else []
    reason = "; ".join(said) or "not known to work"
    holds = choice.usable if choice else None
    plan = None if holds is False else made
    return Candidate(backend.name, plan, holds, reason, against=_against(backend, site))


def _against(backend: Backend, site: Site) -> tuple[str, ...]:
    """Name the checks that a backend fails by: those of what hosts lack, else of its links."""
    if fit.unfit(backend, site, choose.order_of(backend, site)):
        return UNFIT
    choice = site.choice(backend.name)
    return tuple(blocker.id for blocker in choice.blockers) if choice else ()


def _planned(backend: Backend, site: Site, asked: Asked) -> Plan | Refusal:
    order = choose.order_of(backend, site)
    return choose.over_site(backend, site, order, asked.port, "", Settings())


def _launched(backend: Backend, plan: Plan | None, probes: Sequence[Probe]) -> Candidate:
    """Let the launches decide."""
    bad = next((probe for probe in probes if not probe.passed), None)
    if bad is None:
        return Candidate(backend.name, plan, holds=True, launched=True)
    holds = None if bad.run.end == "interrupted" else False
    hosts = [rank.host.name for rank in bad.plan.ranks]
    blame = bad.blame
    who = ", ".join(f"rank {r} ({hosts[r]}) " for r in blame.ranks) if blame else ""
    text = f"{who}{blame.text}" if blame else "did not end"
    return Candidate(backend.name, plan, holds, f"its collective failed: {text}", launched=True)
