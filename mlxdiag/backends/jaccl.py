"""Jaccl: RDMA over Thunderbolt between every two ranks. A matrix of devices, and a coordinator."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Interface
from itertools import combinations

from mlxdiag.backends.backend import Backend, Layout, Site, wire
from mlxdiag.backends.jaccl_words import WORDS
from mlxdiag.inventory import Host
from mlxdiag.probe.plan import RankPlan, Refusal
from mlxdiag.readings import Gap
from mlxdiag.recommend import MESH_MAX_RANKS
from mlxdiag.topology import Cell, Link

NAME = "jaccl"
UNTRIED = "mlxdiag's jaccl launches were tested on modelled outputs only, never on RDMA hardware"
UNREACHED = "no network is shared by all hosts: whether they reach the coordinator {} is not known"

DEADLINES_S: Mapping[str, float] = {"init": 30.0}
"""The others try rank 0 at 0, 1, 3 and 7 s and give up at 15 s (mlx tcp.cpp); the rest takes as
long as the driver. Ours is later than their own end, which has a message."""

Pair = tuple[str, str]


def local(count: int, host: Host, port: int, connections: int) -> Refusal:
    """Refuse: a machine has no RDMA to itself."""
    del count, host, port, connections
    return Refusal(NAME, "needs RDMA hardware between hosts: not with --local")


def lay(site: Site, order: Sequence[str], port: int, connections: int) -> Layout | Refusal:
    """Plan a mesh: every pair by its cables."""
    del connections
    if len(order) > MESH_MAX_RANKS:
        reason = f"{len(order)} ranks, a mesh has at most {MESH_MAX_RANKS}"
        return Refusal(NAME, reason)
    cables = wiring(NAME, site, tuple(combinations(order, 2)))
    return cables if isinstance(cables, Refusal) else layout(NAME, site, order, port, cables, {})


def wiring(
    backend: str, site: Site, pairs: Sequence[Pair], most: int | None = None
) -> Mapping[Pair, tuple[Link, ...]] | Refusal:
    """Choose the cables of these pairs: as many for each as the poorest has, up to `most`.

    A matrix with different counts is one that MLX does not take (ring), or that its ranks would
    read differently (mesh).
    """
    found = {pair: site.rdma(*pair) for pair in pairs}
    missing = [pair for pair, links in found.items() if not links]
    if missing:
        told = ", ".join(f"{a} - {b}" for a, b in missing)
        return Refusal(backend, f"no cable with RDMA known at both ends: {told}")
    count = min(map(len, found.values()), default=0)
    if most is not None and count > most:
        if not site.force:
            reason = f"{count} wires between all neighbours, MLX takes at most {most}"
            return Refusal(backend, reason)
        count = most
    return {pair: links[:count] for pair, links in found.items()}


def layout(
    backend: str,
    site: Site,
    order: Sequence[str],
    port: int,
    cables: Mapping[Pair, tuple[Link, ...]],
    env: Mapping[str, str],
) -> Layout | Refusal:
    """Give every rank the same matrix of devices, and the address at which rank 0 listens."""
    where = _coordinator(backend, site, order)
    if isinstance(where, Refusal):
        return where
    address, notes = where
    used = [link for links in cables.values() for link in links]
    text = json.dumps(matrix(site, order, used))
    ranks = tuple(
        RankPlan(
            rank,
            site.cluster.of(name).host,
            {"MLX_RANK": str(rank), "MLX_JACCL_COORDINATOR": f"{address}:{port}", **env},
            {"MLX_IBV_DEVICES": text},
        )
        for rank, name in enumerate(order)
    )
    wires = tuple(wire(link, order) for link in used)
    return Layout(ranks, wires, (UNTRIED, *notes, *_left_out(site, cables)))


def matrix(site: Site, order: Sequence[str], links: Sequence[Link]) -> list[list[Cell]]:
    """Build MLX's matrix in rank order: a row per rank, a cell per peer."""
    topology = site.cluster.topology
    cells, place = topology.matrix(links), [topology.hosts.index(name) for name in order]
    return [[cells[row][column] for column in place] for row in place]


def _left_out(site: Site, cables: Mapping[Pair, tuple[Link, ...]]) -> tuple[str, ...]:
    """Name the cables of a pair that the launch does not use, and why."""
    notes = []
    for (a, b), links in cables.items():
        out = [s for s in site.between(a, b) if s.link not in links]
        blockers = sorted({id_ for s in out if not s.jaccl.usable for id_ in s.jaccl.blockers})
        if out:
            why = ", ".join(blockers) or "MLX wants the same number of wires everywhere"
            ports = ", ".join(" to ".join(end.name for end in s.link.ends) for s in out)
            notes.append(f"{a} - {b}: not used: {ports} ({why})")
    return tuple(notes)


def _coordinator(
    backend: str, site: Site, order: Sequence[str]
) -> tuple[str, tuple[str, ...]] | Refusal:
    """Find an IPv4 address that rank 0 holds and the others reach: the inventory's `ip`, or one.

    Of its own addresses, one in a network that all hosts share.
    """
    facts = site.cluster.of(order[0])
    ip = facts.host.ip
    if isinstance(facts.ifconfig, Gap):
        if ip and site.force:
            return ip, (f"not known whether {order[0]} holds {ip}",)
        return Refusal(backend, f"the addresses of {order[0]} are not known", usable=None)
    held = _addresses(site, order[0])
    if ip:
        held = [address for address in held if str(address.ip) == ip]
        if not held:
            return Refusal(backend, f"{order[0]} does not hold {ip}, its `ip` of the inventory")
    if not held:
        return Refusal(backend, f"no IPv4 address of {order[0]} for the coordinator")
    others = [_addresses(site, name) for name in order[1:]]
    for address in held:
        if all(any(a.ip in address.network for a in theirs) for theirs in others):
            return str(address.ip), ()
    return str(held[0].ip), (UNREACHED.format(held[0].ip),)


def _addresses(site: Site, name: str) -> list[IPv4Interface]:
    """List the addresses that others may reach, those of cables last."""
    facts = site.cluster.of(name)
    if isinstance(facts.ifconfig, Gap):
        return []
    cabled = {port.interface for port in site.cluster.topology.ports[name]}
    found = [
        (interface.name in cabled, IPv4Interface(f"{address.address}/{address.prefix}"))
        for interface in facts.ifconfig.interfaces
        for address in interface.ipv4
    ]
    usable = [pair for pair in found if not pair[1].is_loopback and not pair[1].ip.is_link_local]
    return [address for _, address in sorted(usable, key=lambda pair: pair[0])]


BACKEND = Backend(
    name=NAME,
    mlx_name="jaccl",
    lay=lay,
    local=local,
    ops=("all_sum", "all_gather", "send"),
    words=WORDS,
    deadlines_s=DEADLINES_S,
    fragile=True,
)
