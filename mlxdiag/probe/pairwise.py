"""Pairwise: a cluster or a machine -> launches of pairs, round by round, or why not. Pure.

Where send and recv reach other ranks inside a group, and where a launch that fails leaves something
behind, pairs are part of the one launch of all ranks; elsewhere each link is a launch of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlxdiag.backends.backend import Backend, Site
from mlxdiag.finding import link_subject
from mlxdiag.inventory import Host
from mlxdiag.ladder import LinkState, Usable
from mlxdiag.probe import choose
from mlxdiag.probe.pairs import Pair, everybody, rounds
from mlxdiag.probe.plan import Plan, Refusal, Settings, Try


@dataclass(frozen=True)
class Launches:
    """Rounds of launches, those of a round on hosts of their own; and what is not launched."""

    rounds: tuple[tuple[Try, ...], ...]
    refusals: tuple[Refusal, ...] = ()


def within_a_group(backend: Backend) -> bool:
    """Whether pairs are measured inside the launch of all ranks."""
    return backend.any_peer or backend.fragile


def on_machine(backend: Backend, count: int, host: Host, settings: Settings) -> Launches:
    """Plan the pairs of `count` ranks of one machine; they are named after their rank."""
    names = [replace(host, name=f"{host.name}{rank}") for rank in range(count)]
    pairs = everybody(count)

    def attempt(pair: Pair) -> Try:
        def made(port: int, nonce: str) -> Plan | Refusal:
            plan = choose.on_machine(backend, 2, host, port, nonce, settings)
            return plan if isinstance(plan, Refusal) else _of_two(plan, [names[n] for n in pair])

        return made

    return Launches(tuple(tuple(attempt(pairs[at]) for at in some) for some in rounds(pairs)))


def over_site(
    backend: Backend, site: Site, settings: Settings, *, everyone: bool = False
) -> Launches:
    """Plan a launch per cable that the backend can use; with `everyone`, also of pairs without."""
    hosts = site.cluster.topology.hosts
    pairs: list[Pair] = []
    attempts: list[Try] = []
    refusals: list[Refusal] = []
    for pair in everybody(len(hosts)):
        order = tuple(hosts[n] for n in pair)
        states = site.between(*order)
        ways: list[tuple[LinkState, ...]] = [(s,) for s in states if _usable(backend, s).usable]
        for way in ways or ([()] if everyone else []):
            pairs.append(pair)
            attempts.append(_over(backend, replace(site, states=way), order, settings))
        if not ways and not everyone:
            refusals += [_unusable(backend, state) for state in states]
    if not pairs and not refusals:
        refusals.append(Refusal(backend.name, "no two hosts have a cable between them"))
    order_of = tuple(tuple(attempts[at] for at in some) for some in rounds(pairs))
    return Launches(order_of, tuple(refusals))


def inside(backend: Backend, plan: Plan, sizes: Sequence[int], site: Site | None = None) -> Plan:
    """Add pairs to a launch of all ranks: those with a cable where there is a `site`, else all.

    Without `any_peer` only neighbours reach each other.
    """
    count = len(plan.ranks)
    names = [rank.host.name for rank in plan.ranks]
    pairs = [
        (a, b)
        for a, b in everybody(count)
        if (backend.any_peer or b - a in (1, count - 1))
        and (
            site is None
            or any(_usable(backend, s).usable for s in site.between(names[a], names[b]))
        )
    ]
    whole = tuple(sorted({max(4, size // 4 * 4) for size in sizes}))
    played = tuple(tuple(pairs[at] for at in some) for some in rounds(pairs))
    return replace(plan, rounds=played, pair_sizes=whole if played else ())


def _over(backend: Backend, site: Site, order: Sequence[str], settings: Settings) -> Try:
    def made(port: int, nonce: str) -> Plan | Refusal:
        plan = choose.over_site(backend, site, order, port, nonce, settings)
        return plan if isinstance(plan, Refusal) else replace(plan, part="pair")

    return made


def _of_two(plan: Plan, hosts: Sequence[Host]) -> Plan:
    ranks = tuple(replace(rank, host=host) for rank, host in zip(plan.ranks, hosts, strict=True))
    return replace(plan, part="pair", ranks=ranks)


def _usable(backend: Backend, state: LinkState) -> Usable:
    return state.jaccl if backend.mlx_name == "jaccl" else state.ring


def _unusable(backend: Backend, state: LinkState) -> Refusal:
    found = _usable(backend, state)
    why = ", ".join(found.blockers) or "not known to be usable"
    return Refusal(backend.name, f"{link_subject(state.link).label}: {why}", found.usable)
