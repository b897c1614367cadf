"""Ports of all hosts -> Topology: links (port pairs), other peers, mesh, ring, matrix."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Literal

from mlxdiag.ports import Attachment, Port, ports
from mlxdiag.readings import Gap, HostFacts
from mlxdiag.ringsearch import RingSearch, search

PeerKind = Literal["host", "self", "unlisted-mac", "display", "dock", "storage", "unknown"]
Cell = str | tuple[str, ...] | None
"""A cell of MLX's device matrix: one device, one per cable in the same order at both ends, none."""


@dataclass(frozen=True)
class Link:
    """One cable between two hosts of the inventory, `a` before `b` in its order.

    `seen_by_a` and `seen_by_b` say which end lists the other; `via` names what lies between the two
    Macs (a dock, a display), empty for a direct cable.
    """

    a: Port
    b: Port
    seen_by_a: bool
    seen_by_b: bool
    via: tuple[str, ...] = ()

    @property
    def ends(self) -> tuple[Port, Port]:
        """Both ports."""
        return self.a, self.b

    @property
    def hosts(self) -> tuple[str, str]:
        """Both hosts."""
        return self.a.host, self.b.host

    @property
    def direct(self) -> bool:
        """Whether nothing lies between."""
        return not self.via

    @property
    def speed_gbps(self) -> float | None:
        """Gigabits per second: the slower of what the two ends say."""
        said = [end.speed_gbps for end in self.ends if end.speed_gbps is not None]
        return min(said, default=None)

    def other(self, port: Port) -> Port:
        """Return the far end of one end."""
        return self.b if port is self.a else self.a

    def sees(self, port: Port) -> bool:
        """Whether this end lists the far one."""
        return self.seen_by_a if port is self.a else self.seen_by_b


@dataclass(frozen=True)
class Peer:
    """What is on the far side of a port; `port` only for a host of the inventory."""

    kind: PeerKind
    name: str
    port: Port | None = None


@dataclass(frozen=True)
class Topology:
    """All ports by host in inventory order, all links, and what each occupied port leads to."""

    ports: Mapping[str, tuple[Port, ...]]
    links: tuple[Link, ...]
    peers: Mapping[tuple[str, int], Peer]

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names in inventory order."""
        return tuple(self.ports)

    @cached_property
    def _by_pair(self) -> Mapping[frozenset[str], tuple[Link, ...]]:
        found: dict[frozenset[str], list[Link]] = defaultdict(list)
        for link in self.links:
            found[frozenset(link.hosts)].append(link)
        return {pair: tuple(links) for pair, links in found.items()}

    @cached_property
    def _by_end(self) -> Mapping[tuple[str, int], Link]:
        return {(p.host, p.receptacle): link for link in self.links for p in link.ends}

    def between(self, one: str, other: str) -> tuple[Link, ...]:
        """List the cables of a pair, by receptacle of the one that the inventory names first."""
        return self._by_pair.get(frozenset((one, other)), ())

    def link_of(self, port: Port) -> Link | None:
        """Find the link that ends in this port."""
        return self._by_end.get((port.host, port.receptacle))

    def cabled(self, host: str) -> tuple[Port, ...]:
        """List the ports of a host whose cable ends at another host of the inventory."""
        return tuple(p for p in self.ports[host] if (p.host, p.receptacle) in self._by_end)

    def peer(self, port: Port) -> Peer | None:
        """Say what is on the far side of a port, if anything."""
        return self.peers.get((port.host, port.receptacle))

    def unclear(self, host: str) -> tuple[Port, ...]:
        """List the ports with a Mac that could be several hosts, or one that is silent."""
        found = ((port, self.peer(port)) for port in self.ports[host] if port.macs)
        return tuple(port for port, peer in found if peer and peer.kind == "unknown")

    def is_mesh(self, links: Iterable[Link]) -> bool:
        """Whether every pair of hosts has one of these links."""
        joined = {frozenset(link.hosts) for link in links}
        return len(self.hosts) > 1 and all(
            frozenset(pair) in joined for pair in combinations(self.hosts, 2)
        )

    def ring(self, links: Iterable[Link]) -> RingSearch:
        """Search a cycle through all hosts along these links; `order` counts hosts from 0."""
        index = {host: i for i, host in enumerate(self.hosts)}
        edges = [(index[link.a.host], index[link.b.host]) for link in links]
        return search(len(self.hosts), edges)

    def matrix(self, links: Collection[Link]) -> tuple[tuple[Cell, ...], ...]:
        """Build MLX's device matrix from those links whose two ends have a device."""
        rank = {host: index for index, host in enumerate(self.hosts)}
        rows: list[list[Cell]] = [[None] * len(rank) for _ in rank]
        for pair in self._by_pair:
            one, other = pair
            rows[rank[one]][rank[other]] = self._cell(one, other, links)
            rows[rank[other]][rank[one]] = self._cell(other, one, links)
        return tuple(map(tuple, rows))

    def _cell(self, one: str, other: str, links: Collection[Link]) -> Cell:
        wired = [
            link
            for link in self.between(one, other)
            if link in links and all(isinstance(end.device, str) for end in link.ends)
        ]
        ends = (link.a if link.a.host == one else link.b for link in wired)
        names = tuple(str(end.device) for end in ends)
        return names if len(names) > 1 else (names[0] if names else None)


def build(hosts: Sequence[HostFacts]) -> Topology:
    """Join the ports of all hosts into links, by the domain UUIDs of one and the same moment."""
    found = {facts.host.name: ports(facts) for facts in hosts}
    everything = [port for group in found.values() for port in group]
    by_uuid: dict[str, list[Port]] = defaultdict(list)
    for port in everything:
        if port.domain_uuid:
            by_uuid[port.domain_uuid].append(port)
    rank = {name: i for i, name in enumerate(found)}
    links = _links(everything, by_uuid, rank)
    blind = any(isinstance(facts.thunderbolt, Gap) for facts in hosts)
    topology = Topology(found, links, {})
    peers = {
        (port.host, port.receptacle): _peer(topology, port, by_uuid, blind=blind)
        for port in everything
        if port.attached or topology.link_of(port)
    }
    return Topology(found, links, peers)


def _links(
    everything: Iterable[Port], by_uuid: Mapping[str, list[Port]], rank: Mapping[str, int]
) -> tuple[Link, ...]:
    sightings: dict[tuple[Port, Port], dict[int, Attachment]] = defaultdict(dict)
    for port in everything:
        for attached in port.macs:
            far = _far(port, attached, by_uuid)
            if far is None or far.host == port.host:
                continue
            a, b = sorted((port, far), key=lambda p: rank[p.host])
            sightings[a, b][0 if port is a else 1] = attached
    made = [_link(a, b, seen) for (a, b), seen in sightings.items()]
    order = lambda k: (rank[k.a.host], k.a.receptacle, rank[k.b.host], k.b.receptacle)  # noqa: E731
    return tuple(sorted(made, key=order))


def _link(a: Port, b: Port, seen: Mapping[int, Attachment]) -> Link:
    via = max((s.via for s in seen.values()), key=len)
    return Link(a, b, seen_by_a=0 in seen, seen_by_b=1 in seen, via=via)


def _far(port: Port, attached: Attachment, by_uuid: Mapping[str, list[Port]]) -> Port | None:
    """Find the one port that an attached Mac is, or none if several could be it.

    Redaction tools replace UUIDs by equal dummies, so one UUID may stand for many ports: then only
    a port that names this one in return counts, and only if it is the only one that does.
    """
    if attached.item.domain_uuid is None:
        return None
    candidates = [p for p in by_uuid.get(attached.item.domain_uuid, ()) if p is not port]
    if len(candidates) > 1:
        candidates = list(_answering(port, candidates))
    if len(candidates) != 1:
        return None
    twins = by_uuid.get(port.domain_uuid or "", ())
    if len(twins) > 1 and list(_answering(candidates[0], twins)) != [port]:
        return None
    return candidates[0]


def _answering(port: Port, candidates: Iterable[Port]) -> Iterator[Port]:
    for candidate in candidates:
        if any(mac.item.domain_uuid == port.domain_uuid for mac in candidate.macs):
            yield candidate


def _peer(
    topology: Topology, port: Port, by_uuid: Mapping[str, list[Port]], *, blind: bool
) -> Peer:
    link = topology.link_of(port)
    if link is not None:
        far = link.other(port)
        return Peer("host", far.host, far)
    if not port.macs:
        first = port.attached[0].item
        kind = first.kind
        return Peer("unknown" if kind == "mac" else kind, first.name)
    mac = port.macs[0]
    name = mac.item.model or mac.item.name
    candidates = by_uuid.get(mac.item.domain_uuid or "", [])
    if any(c.host == port.host and c is not port for c in candidates) and len(candidates) == 1:
        return Peer("self", port.host)
    if candidates or blind:
        return Peer("unknown", name)
    return Peer("unlisted-mac", name)
