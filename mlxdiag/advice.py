"""Advice: what the present choice costs, what unlocks a better one, who could run it today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mlxdiag.checks.versions import LARGE_BUFFERS_MACOS
from mlxdiag.cluster import Cluster
from mlxdiag.finding import Finding, Status
from mlxdiag.ladder import LinkState
from mlxdiag.readings import known
from mlxdiag.recommend import MESH_MAX_RANKS, Choice, Recommendation

if TYPE_CHECKING:
    from mlxdiag.measured import Measured
    from mlxdiag.subset import Subset
    from mlxdiag.unlock import Unlock


@dataclass(frozen=True)
class Present:
    """The choice as it stands: what the inventory expects, else what is usable today.

    `costs` are the numbers against it, empty where no other backend is faster; None: not measured.
    """

    backend: str
    source: Literal["inventory", "usable today"]
    costs: tuple[str, ...] | None


@dataclass(frozen=True)
class Runnable:
    """The most hosts that could run a backend today, in rank order; `complete` if surely so."""

    backend: str
    hosts: tuple[str, ...]
    complete: bool


@dataclass(frozen=True)
class Advice:
    """All of it; `unlocks` the least effort first."""

    present: Present | None
    unlocks: tuple[Unlock, ...]
    runnable: tuple[Runnable, ...]


def advise(
    cluster: Cluster,
    states: Sequence[LinkState],
    findings: Sequence[Finding],
    found: Recommendation,
) -> Advice:
    """Work out what else there is to say about a recommendation."""
    better = [c for c in found.better if c.backend != "mpi"]
    return Advice(
        present=_present(cluster, found),
        unlocks=_unlocks(cluster, states, findings, better) if better else (),
        runnable=_runnable(cluster, states, findings, found.choices),
    )


def _unlocks(
    cluster: Cluster,
    states: Sequence[LinkState],
    findings: Sequence[Finding],
    better: Sequence[Choice],
) -> tuple[Unlock, ...]:
    from mlxdiag.unlock import unlocks  # noqa: PLC0415  # a healthy mesh does without

    return unlocks(cluster, states, findings, better)


def _present(cluster: Cluster, found: Recommendation) -> Present | None:
    wanted = cluster.inventory.expect.backend
    today = next((c.backend for c in found.choices if c.usable), None)
    backend = wanted or today
    if backend is None:
        return None
    costs = _costs(backend, found.measured) if found.measured else None
    return Present(backend, "inventory" if wanted else "usable today", costs)


def _costs(backend: str, measured: Measured) -> tuple[str, ...] | None:
    duels = [duel for duel in measured.duels if backend in duel.backends]
    if not duels:
        return None
    return tuple(m.cost(backend) for duel in duels for m in duel.margins if m.against(backend))


def _runnable(
    cluster: Cluster,
    states: Sequence[LinkState],
    findings: Sequence[Finding],
    choices: Sequence[Choice],
) -> tuple[Runnable, ...]:
    """Find the largest part of the cluster for each RDMA backend that not all of it can run."""
    usable = {c.backend: c.usable for c in choices}
    hosts = cluster.topology.hosts
    if not states or usable["jaccl"]:
        return ()
    from mlxdiag.subset import largest_clique, longest_cycle  # noqa: PLC0415

    edges = _edges(cluster, states, findings)
    clique = largest_clique(len(hosts), edges, MESH_MAX_RANKS)
    found = [_named("jaccl", clique, hosts)]
    if not usable["jaccl-ring"]:
        cycle = longest_cycle(len(hosts), edges)
        if len(cycle.members) > len(clique.members):
            found.append(_named("jaccl-ring", cycle, hosts))
    return tuple(one for one in found if one.hosts)


def _named(backend: str, subset: Subset, hosts: Sequence[str]) -> Runnable:
    names = tuple(hosts[member] for member in subset.members)
    return Runnable(backend, names, not subset.gave_up)


def _edges(
    cluster: Cluster, states: Sequence[LinkState], findings: Sequence[Finding]
) -> list[tuple[int, int]]:
    """List pairs that have a usable cable, and whose MLX and macOS go together."""
    index = {host: i for i, host in enumerate(cluster.topology.hosts)}
    bad = (Status.FAIL, Status.UNKNOWN)
    without = {"versions-mlx-jaccl", "versions-mlx-present"}
    out = {f.subject.host for f in findings if f.id in without and f.status in bad}
    alike = {host: _kind(cluster, host) for host in index}
    pairs = {state.link.hosts for state in states if state.jaccl.usable}
    return sorted(
        (index[a], index[b])
        for a, b in pairs
        if not {a, b} & out and alike[a] == alike[b] is not None
    )


def _kind(cluster: Cluster, host: str) -> tuple[str, bool] | None:
    """What must be equal on all hosts: the version of mlx, and the side of macOS 26.3."""
    facts = cluster.of(host)
    runtime, macos = known(facts.mlx_runtime), known(facts.sw_vers)
    if runtime is None or runtime.mlx is None or macos is None:
        return None
    return runtime.mlx, macos.number >= LARGE_BUFFERS_MACOS
