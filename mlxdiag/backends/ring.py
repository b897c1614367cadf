"""Ring: TCP between neighbours. Rank r listens at its addresses, and connects to those of r + 1."""

from __future__ import annotations

import json
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Interface

from mlxdiag.backends.backend import Backend, Layout, Site, wire
from mlxdiag.backends.known import known
from mlxdiag.inventory import Host
from mlxdiag.probe.plan import RankPlan, Refusal, Wire
from mlxdiag.readings import Gap
from mlxdiag.topology import Link

LOOPBACK = "loopback: correctness and hangs are tested, speed is that of this machine"
NO_CABLES = "over LAN addresses: not every pair of neighbours has a cable with IPv4"


def local(count: int, host: Host, port: int, connections: int) -> Layout:
    """Plan ranks of one machine on its loopback, a port for each connection."""
    addresses = [["127.0.0.1"] * connections] * count
    return Layout(ranks([host] * count, addresses, port), notes=(LOOPBACK,))


def lay(site: Site, order: Sequence[str], port: int, connections: int) -> Layout | Refusal:
    """Plan a ring along `order`: over the cables between neighbours, or over the LAN for all.

    Of several cables as many as the poorest pair has: MLX refuses a rank that has more connections
    to one side than to the other.
    """
    cabled = [_cables(site, order, place) for place in range(len(order))]
    hosts = [site.cluster.of(name).host for name in order]
    count = min(len(addresses) for addresses, _ in cabled)
    if count:
        listing = [addresses[:count] * connections for addresses, _ in cabled]
        wires = tuple(dict.fromkeys(wire for _, wires in cabled for wire in wires[:count]))
        return Layout(ranks(hosts, listing, port), wires)
    lan = [(name, _lan_address(site, name)) for name in order]
    without = [name for name, address in lan if address is None]
    if without:
        return Refusal("ring", f"no IPv4 address of {', '.join(without)}")
    listing = [[str(address)] * connections for _, address in lan]
    return Layout(ranks(hosts, listing, port), notes=(NO_CABLES,))


def ranks(
    hosts: Sequence[Host], addresses: Sequence[Sequence[str]], port: int
) -> tuple[RankPlan, ...]:
    """Plan ranks that listen at these IPv4 addresses; each entry is one connection, one port."""
    listing, at = [], port
    for own in addresses:
        listing.append([f"{address}:{at + i}" for i, address in enumerate(own)])
        at += len(own)
    text = json.dumps(listing)
    return tuple(
        RankPlan(
            rank, host, {"MLX_RANK": str(rank), "MLX_RING_VERBOSE": "1"}, {"MLX_HOSTFILE": text}
        )
        for rank, host in enumerate(hosts)
    )


def _cables(site: Site, order: Sequence[str], place: int) -> tuple[list[str], list[Wire]]:
    """Where a rank listens: its own addresses on the cables to the rank before it."""
    me, before = order[place], order[place - 1]
    usable = [state.link for state in site.between(me, before) if state.ring.usable]
    return [_address(link, me) for link in usable], [wire(link, order) for link in usable]


def _address(link: Link, me: str) -> str:
    """Choose the address of an end that the far end has in its own network; one is there."""
    near, far = (link.a, link.b) if link.a.host == me else (link.b, link.a)
    theirs = [IPv4Interface(text) for text in far.ipv4]
    own = (IPv4Interface(text) for text in near.ipv4)
    shared = (a for a in own if any(a.ip in b.network and b.ip in a.network for b in theirs))
    return str(next(shared).ip)


def _lan_address(site: Site, name: str) -> str | None:
    facts = site.cluster.of(name)
    if facts.host.ip:
        return facts.host.ip
    if isinstance(facts.ifconfig, Gap):
        return None
    found = (
        address.address
        for interface in facts.ifconfig.interfaces
        if interface.name.startswith("en")
        for address in interface.ipv4
    )
    usable = (a for a in found if not IPv4Address(a).is_link_local)
    return next(usable, None)


WORDS = known("ring-lost", "ring-gave-up")

BACKEND = Backend(
    name="ring",
    mlx_name="ring",
    lay=lay,
    local=local,
    ops=("all_sum", "all_gather", "send"),
    words=WORDS,
    deadlines_s={},
)
