"""Findings and topology -> which backend the cluster can run, what stands against the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from mlxdiag.cluster import Cluster
from mlxdiag.finding import (
    Check,
    Evidence,
    Finding,
    Fix,
    FixKind,
    Severity,
    Status,
    Subject,
)
from mlxdiag.ladder import LinkState
from mlxdiag.readings import Gap, known
from mlxdiag.topology import Link

if TYPE_CHECKING:
    from mlxdiag.measured import Measured

MESH_MAX_RANKS = 8
"""MESH_MAX_PEERS of mlx mesh.cpp: hosts in total."""

SPOILERS = frozenset({"versions-mlx-jaccl", "versions-macos-frames", "versions-mlx-match"})
"""No cable is at fault, and yet jaccl cannot run, or would compute wrong."""

SILENT = frozenset({"access-reachable", "access-answers", "cabling-peers-listed"})
"""Where a host's cables are not known, one of these says so."""

TOPOLOGY = "cabling-mesh"
RING = "cabling-ring"
MPI = "backend-mpi"
LIBMPI = "every host's interpreter finds libmpi"


@dataclass(frozen=True)
class Blocker:
    """What stands against a backend: a check id (or a word for the shape) and its subjects."""

    id: str
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """One backend: usable, not usable, or not known; `order` is its rank order when usable."""

    backend: str
    usable: bool | None
    blockers: tuple[Blocker, ...] = ()
    order: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Recommendation:
    """The best usable backend and why; `first_fix` is the cheapest step towards a better one.

    `basis` is `measured` where numbers decided; `measured` are those that there are.
    """

    backend: str | None
    confidence: str
    reason: str
    choices: tuple[Choice, ...]
    rank_order: tuple[str, ...]
    first_fix: Finding | None = None
    basis: Literal["topology", "measured"] = "topology"
    measured: Measured | None = None

    @property
    def better(self) -> tuple[Choice, ...]:
        """Backends that are preferred to the recommended one, and not usable as things are."""
        names = [c.backend for c in self.choices]
        before = names.index(self.backend) if self.backend else len(names)
        return tuple(c for c in self.choices[:before] if not c.usable)


def recommend(
    cluster: Cluster, states: Sequence[LinkState], findings: Sequence[Finding]
) -> Recommendation:
    """Judge every backend from topology alone, the best first."""
    judged = (judge(cluster, states, findings) for judge in BACKENDS)
    choices = tuple(choice for choice in judged if choice is not None)
    best = next((c for c in choices if c.usable), None)
    better = choices[: choices.index(best)] if best else choices
    open_ = _open(better)
    return Recommendation(
        backend=best.backend if best else None,
        confidence="low" if open_ else "high",
        reason=_reason(best, open_),
        choices=choices,
        rank_order=best.order if best else (),
        first_fix=_first_fix(better, findings),
    )


def by_numbers(found: Recommendation, measured: Measured) -> Recommendation:
    """Let launches decide between usable backends.

    One that ran is usable where the facts alone do not tell; one that failed in this run is not.
    Where the preferred one has no numbers there is nothing to compare, and topology stands.
    """
    choices = tuple(_as_it_ran(choice, measured) for choice in found.choices)
    standing = [c for c in choices if c.usable]
    names = [c.backend for c in standing]
    compared = [n for n in names if any(measured.duel(n, other) for other in names)]
    found = replace(found, choices=choices, measured=measured)
    if found.basis == "topology" and found.backend == "mpi":
        found = replace(found, reason=_reason(choices[-1], _open(found.better)))
    why = [f"the launch of {name} failed: {text}" for name, text in measured.failed.items()]
    if len(compared) > 1 and compared[0] == names[0]:
        best = measured.best(compared) or names[0]
        duels = [d for other in compared if (d := measured.duel(best, other))]
        sure = all(duel.sure for duel in duels) and len(compared) == len(names)
        reason = "; ".join(duel.reason for duel in duels)
    elif names and found.backend != names[0]:
        best, sure = names[0], False
        reason = "; ".join(("it ran on all hosts" if best in measured.ran else "usable", *why))
    elif found.backend and found.backend in measured.failed:
        return replace(found, backend=None, reason="; ".join(why), confidence="low", rank_order=())
    else:
        return found
    return replace(
        found,
        backend=best,
        basis="measured",
        reason=reason,
        confidence="high" if sure and found.confidence == "high" else "low",
        rank_order=next(c.order for c in standing if c.backend == best),
    )


def _as_it_ran(choice: Choice, measured: Measured) -> Choice:
    if choice.usable is False:
        return choice
    if choice.backend in measured.failed:
        note = f"its launch failed: {measured.failed[choice.backend]}"
        return Choice(choice.backend, usable=False, note=note)
    if choice.usable and choice.backend == "mpi":
        return _as_mpirun_did(choice, measured)
    if choice.usable or choice.backend not in measured.ran:
        return choice
    order, note = measured.ran[choice.backend], "not known from the facts, but it ran on all hosts"
    return Choice(choice.backend, usable=True, order=order, note=note)


def _as_mpirun_did(choice: Choice, measured: Measured) -> Choice:
    """Say what became of the launch: the facts alone only tell that there is a library."""
    if choice.backend in measured.ran:
        return replace(choice, note=f"{LIBMPI}, and it ran on all hosts")
    reason = measured.refused.get(choice.backend)
    return replace(choice, note=f"{LIBMPI}; not launched: {reason}") if reason else choice


def expected(cluster: Cluster, found: Recommendation, findings: Sequence[Finding]) -> Finding:
    """Hold the backend that the inventory expects against what is usable."""
    wanted = cluster.inventory.expect.backend
    subject = Subject("cluster")
    choice = next((c for c in found.choices if c.backend == wanted), None)
    if choice is None:
        why = f"no facts speak about {wanted}" if wanted else "the inventory expects no backend"
        return Finding(EXPECTED, subject, Status.SKIP, reason=why)
    if choice.usable:
        return Finding(EXPECTED, subject, Status.PASS)
    seen = f"{wanted} is {'not usable' if choice.usable is False else 'not known to be usable'}"
    status = Status.FAIL if choice.usable is False else Status.UNKNOWN
    evidence = Evidence("topology", seen, f"{wanted} usable")
    return Finding(EXPECTED, subject, status, evidence, blocked_by=_heaviest(findings, status))


def usable(found: Recommendation, findings: Sequence[Finding]) -> Finding:
    """Say whether any backend is usable."""
    subject = Subject("cluster")
    if found.backend:
        return Finding(USABLE, subject, Status.PASS)
    open_ = any(c.usable is None for c in found.choices)
    status = Status.UNKNOWN if open_ else Status.FAIL
    evidence = Evidence("topology", found.reason, "a backend that all hosts can run")
    return Finding(USABLE, subject, status, evidence, blocked_by=_heaviest(findings, status))


EXPECTED = Check(
    "backend-expected",
    "the backend the inventory expects is usable",
    Severity.ERROR,
    "cluster",
    Fix(FixKind.NONE, "repair what blocks it, or expect a backend that is usable"),
    (),
    "What `expect: backend:` says; decided after all other checks, from their findings.",
)
"""Asked by `expected`: no function of cluster and subject alone can answer it."""


USABLE = Check(
    "backend-usable",
    "at least one backend is usable on all hosts",
    Severity.ERROR,
    "cluster",
    Fix(FixKind.NONE, "take the steps that `mlxdiag recommend` names, the easiest first"),
    (),
    "Without one no rank can be started; asked by `mlxdiag recommend` alone.",
)
"""Asked by `usable`."""


def _jaccl(cluster: Cluster, states: Sequence[LinkState], findings: Sequence[Finding]) -> Choice:
    hosts = cluster.topology.hosts
    if len(hosts) > MESH_MAX_RANKS:
        limit = Blocker("backend-rank-limit", (f"{len(hosts)} hosts, at most {MESH_MAX_RANKS}",))
        return Choice("jaccl", usable=False, blockers=(limit,))
    yes, maybe = _links(states)
    blind = _blind_pairs(cluster, maybe)
    usable: bool | None = False
    if cluster.topology.is_mesh(yes):
        usable = True
    elif _joined(hosts, maybe, blind):
        usable = None
    return _with_mlx("jaccl", usable, TOPOLOGY, cluster, states, findings, hosts)


def _jaccl_ring(
    cluster: Cluster, states: Sequence[LinkState], findings: Sequence[Finding]
) -> Choice:
    hosts = cluster.topology.hosts
    if len(hosts) < 2:
        return Choice("jaccl-ring", usable=False, blockers=(Blocker(RING, ("one host",)),))
    yes, maybe = _links(states)
    ring = cluster.topology.ring(yes)
    if ring.order:
        order = tuple(hosts[i] for i in ring.order)
        return _with_mlx("jaccl-ring", True, RING, cluster, states, findings, order)
    if ring.gave_up:
        gave_up = Blocker(RING, ("no cycle found in time",))
        return Choice("jaccl-ring", None, (gave_up,))
    open_ = bool(blind(cluster)) or cluster.topology.ring(maybe).order is not None
    usable = None if open_ else False
    return _with_mlx("jaccl-ring", usable, RING, cluster, states, findings, ())


def _ring(cluster: Cluster, states: Sequence[LinkState], findings: Sequence[Finding]) -> Choice:
    """Take Thunderbolt IP where a cycle of cables has it, else the network that reaches all."""
    hosts = cluster.topology.hosts
    if len(hosts) < 2:
        return Choice("ring", usable=False, blockers=(Blocker(RING, ("one host",)),))
    lost = tuple(facts.host.name for facts in cluster.facts if not facts.reached)
    if lost:
        return Choice("ring", None, (Blocker("access-reachable", lost),))
    unknown = tuple(f.host.name for f in cluster.facts if isinstance(f.ifconfig, Gap))
    if unknown:
        return Choice("ring", None, (Blocker("access-answers", unknown),))
    without = tuple(name for name in hosts if not _has_ipv4(cluster, name))
    if without:
        return Choice("ring", usable=False, blockers=(Blocker("network-ipv4", without),))
    lacking, doubts = _without_mlx(findings)
    if lacking or doubts:
        usable = False if lacking else None
        return Choice("ring", usable, _blockers(f.root for f in lacking or doubts))
    cycle = cluster.topology.ring([s.link for s in states if s.ring.usable])
    order = tuple(hosts[i] for i in cycle.order) if cycle.order else hosts
    note = "over Thunderbolt IP" if cycle.order else "over the network that carries ssh"
    return Choice("ring", usable=True, order=order, note=note)


def _mpi(
    cluster: Cluster, states: Sequence[LinkState], findings: Sequence[Finding]
) -> Choice | None:
    """Judge MPI only where it is expected, or where every host's interpreter found its library."""
    del states, findings
    hosts = cluster.topology.hosts
    said = {f.host.name: known(f.mlx_runtime) for f in cluster.facts}
    without = tuple(name for name, r in said.items() if r is not None and "mpi" not in r.backends)
    silent = tuple(name for name, runtime in said.items() if runtime is None)
    alone = len(hosts) < 2
    if cluster.inventory.expect.backend != "mpi" and (without or silent or alone):
        return None
    if without or alone:
        return Choice("mpi", usable=False, blockers=(Blocker(MPI, without or ("one host",)),))
    if silent:
        lost = tuple(f.host.name for f in cluster.facts if not f.reached)
        why = Blocker("access-reachable", lost) if lost else Blocker("access-answers", silent)
        return Choice("mpi", None, (why,))
    return Choice("mpi", usable=True, order=hosts, note=f"{LIBMPI}; mpirun was not tried")


Judge = Callable[[Cluster, Sequence[LinkState], Sequence[Finding]], Choice | None]
BACKENDS: tuple[Judge, ...] = (_jaccl, _jaccl_ring, _ring, _mpi)
"""In order of preference."""


def _links(states: Iterable[LinkState]) -> tuple[list[Link], list[Link]]:
    """Return links usable for RDMA, and those that are or may be."""
    found = [(state.link, state.jaccl.usable) for state in states]
    return [link for link, u in found if u], [link for link, u in found if u is not False]


def _blind_pairs(cluster: Cluster, maybe: Sequence[Link]) -> set[frozenset[str]]:
    """Pairs where a cable may exist unseen: no link, and an end that could not say."""
    unseen = blind(cluster)
    seen = {frozenset(link.hosts) for link in maybe}
    pairs = map(frozenset, combinations(cluster.topology.hosts, 2))
    return {pair for pair in pairs if pair & unseen and pair not in seen}


def blind(cluster: Cluster) -> set[str]:
    """Hosts that did not say what is on their ports, or whose peers could not be told apart."""
    unclear = {name for name in cluster.topology.hosts if cluster.topology.unclear(name)}
    return unclear | {f.host.name for f in cluster.facts if isinstance(f.thunderbolt, Gap)}


def _joined(hosts: Sequence[str], maybe: Sequence[Link], blind: set[frozenset[str]]) -> bool:
    have = {frozenset(link.hosts) for link in maybe} | blind
    return len(hosts) > 1 and all(frozenset(p) in have for p in combinations(hosts, 2))


def _with_mlx(
    backend: str,
    usable: bool | None,
    shape: str,
    cluster: Cluster,
    states: Sequence[LinkState],
    findings: Sequence[Finding],
    order: tuple[str, ...],
) -> Choice:
    """Add what the installed MLX says, and name everything that stands against the backend."""
    spoilers = [f for f in findings if f.id in SPOILERS and f.status is Status.FAIL]
    against, doubts = _without_mlx(findings)
    spoilers += against
    if spoilers:
        usable = False
    elif doubts and usable:
        usable = None
    if usable:
        return Choice(backend, usable, order=order)
    open_ = [f for f in findings if f.id in SILENT and f.status is Status.UNKNOWN]
    roots = [f.root for f in (*spoilers, *doubts, *(g for s in states for g in _against(s)))]
    roots += [f for f in open_ if f.blocked_by is None]
    blockers = _blockers(roots)
    missing = _missing(cluster, shape)
    if missing:
        blockers = (*blockers, Blocker(shape, tuple(missing)))
    return Choice(backend, usable, blockers)


def _without_mlx(findings: Sequence[Finding]) -> tuple[list[Finding], list[Finding]]:
    """Hosts whose named interpreter lacks MLX, and those where that is not known."""
    asked = [f for f in findings if f.id == "versions-mlx-present" and f.severity is Severity.ERROR]
    failed = [f for f in asked if f.status is Status.FAIL]
    return failed, [f for f in asked if f.status is Status.UNKNOWN]


def _blockers(roots: Iterable[Finding]) -> tuple[Blocker, ...]:
    by_id: dict[str, dict[str, None]] = {}
    for root in roots:
        by_id.setdefault(root.id, {})[root.subject.label] = None
    return tuple(Blocker(id_, tuple(labels)) for id_, labels in by_id.items())


def _against(state: LinkState) -> list[Finding]:
    blockers = state.jaccl.blockers
    bad = (Status.FAIL, Status.UNKNOWN)
    return [f for f in (*state.a, *state.b) if f.id in blockers and f.status in bad]


def _missing(cluster: Cluster, shape: str) -> list[str]:
    topology = cluster.topology
    if len(topology.hosts) < 2:
        return ["one host"]
    if shape == RING:
        closed = topology.ring(topology.links)
        open_ = closed.order or closed.gave_up or blind(cluster)
        return [] if open_ else ["no cycle of cables through all hosts"]
    unseen = blind(cluster)
    pairs = [(a, b) for a, b in combinations(topology.hosts, 2) if not topology.between(a, b)]
    return [f"no cable {a} - {b}" for a, b in pairs if not {a, b} & unseen]


def _has_ipv4(cluster: Cluster, name: str) -> bool:
    facts = cluster.of(name)
    if facts.host.ip:
        return True
    if isinstance(facts.ifconfig, Gap):
        return False
    return any(
        not address.address.startswith("127.")
        for interface in facts.ifconfig.interfaces
        for address in interface.ipv4
    )


def _open(choices: Sequence[Choice]) -> list[str]:
    return [choice.backend for choice in choices if choice.usable is None]


def _reason(best: Choice | None, open_: Sequence[str]) -> str:
    if best is None:
        return f"no backend is {'known to be ' if open_ else ''}usable"
    reason = {
        "jaccl": "every pair of hosts has a cable that RDMA can use at both ends",
        "jaccl-ring": "a cycle of cables that RDMA can use at both ends joins all hosts",
        "ring": f"TCP {best.note}",
        "mpi": best.note,
    }[best.backend]
    return f"{reason}; not determined: {', '.join(open_)}" if open_ else reason


def _first_fix(better: Sequence[Choice], findings: Sequence[Finding]) -> Finding | None:
    """Choose the cheapest fix of what stands against a better backend; of equals the weightiest."""
    ids = {blocker.id for choice in better for blocker in choice.blockers}
    if ids & {TOPOLOGY, RING}:
        ids.add("cabling-expected")
    bad = (Status.FAIL, Status.UNKNOWN)
    causes = [f for f in findings if f.blocked_by is None and f.id in ids and f.status in bad]
    causes = [f for f in causes if f.fix and f.fix.kind is not FixKind.NONE]
    weights = _weights(findings)
    return min(
        causes,
        key=lambda f: (f.fix.kind.cost if f.fix else 0, -weights.get(f.key, 0)),
        default=None,
    )


def _heaviest(findings: Sequence[Finding], status: Status) -> Finding | None:
    """Find the cause that most of the others follow from."""
    weights = _weights(findings)
    causes = [f for f in findings if f.blocked_by is None and f.status is status]
    causes = [f for f in causes if f.severity is Severity.ERROR] or causes
    return max(causes, key=lambda f: weights.get(f.key, 0), default=None)


def _weights(findings: Iterable[Finding]) -> dict[str, int]:
    weights: dict[str, int] = {}
    for finding in findings:
        if finding.blocked_by is not None:
            weights[finding.root.key] = weights.get(finding.root.key, 0) + 1
    return weights
