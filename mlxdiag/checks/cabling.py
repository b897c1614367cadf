"""Cabling: what is joined to what, how directly and how fast."""

from __future__ import annotations

from collections.abc import Mapping

from mlxdiag.checks.subject import BESIDE_ETHERNET, Pair, rdma_link
from mlxdiag.cluster import Cluster
from mlxdiag.errors import MissingFact
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, Severity, check
from mlxdiag.ports import TB5_GBPS
from mlxdiag.readings import Gap, HostFacts, need
from mlxdiag.topology import Link

SOURCE = "system_profiler_thunderbolt"


@check(
    "cabling-peers-listed",
    title="every Mac at the end of a cable is a host of the inventory",
    per="host",
    severity=Severity.WARNING,
    fix=Fix(FixKind.RUN, "add the Mac to the inventory, or move its cable"),
)
def peers_listed(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """A cable to a Mac that nobody listed, or back to the same Mac, is a cable the mesh lacks."""
    need(host.thunderbolt)
    peers = [
        (port, peer)
        for port in cluster.topology.ports[host.host.name]
        if (peer := cluster.topology.peer(port)) is not None
    ]
    foreign = [
        f"{port.name} leads to {'this Mac itself' if peer.kind == 'self' else peer.name}"
        for port, peer in peers
        if peer.kind in ("unlisted-mac", "self")
    ]
    if foreign:
        looped = all(peer.kind != "unlisted-mac" for _, peer in peers)
        fix = Fix(FixKind.RECABLE, "this cable joins two ports of one Mac: move an end of it")
        said = "; ".join(foreign)
        return Evidence(SOURCE, said, "hosts of the inventory", fix if looped else None)
    unclear = [port.name for port in cluster.topology.unclear(host.host.name)]
    if unclear:
        for other in cluster.facts:
            need(other.thunderbolt)
        said = f"the Mac on {', '.join(unclear)} could be a host that did not say its domain UUIDs"
        fix = Fix(FixKind.RUN, "record again without redaction: these UUIDs are equal dummies")
        return Evidence(SOURCE, said, "a domain UUID that one host owns", fix, unknown=True)
    return None


@check(
    "cabling-expected",
    title="the pair is cabled as the inventory expects",
    per="pair",
    fix=Fix(FixKind.RECABLE, "run a Thunderbolt 5 cable between free ports of the two hosts"),
    needs=("hardware-ports-enough", "cabling-peers-listed"),
)
def expected(cluster: Cluster, pair: Pair) -> Evidence | None:
    """What `expect: topology:` says: a full mesh, a ring in the order of hosts, or these links."""
    if cluster.topology.between(pair.a, pair.b):
        return None
    for name in (pair.a, pair.b):
        gap = cluster.of(name).thunderbolt
        if isinstance(gap, Gap):
            raise MissingFact(gap.source, f"{name}: {gap.reason}", name)
        if cluster.topology.unclear(name):
            raise MissingFact(SOURCE, f"{name}: a Mac on one of its ports is not identified")
    fix = _cable_fix({name: _free(cluster, name) for name in (pair.a, pair.b)})
    return Evidence(SOURCE, "no cable between them", "a cable", fix)


def _cable_fix(free: Mapping[str, str | None]) -> Fix:
    full = [host for host, port in free.items() if port is None]
    if full:
        return Fix(FixKind.NONE, f"no port is free on {' and '.join(full)}: expect a ring or links")
    text = f"cable {' to '.join(map(str, free.values()))}; if a cable is there, re-seat it"
    return Fix(FixKind.RECABLE, text)


def _free(cluster: Cluster, host: str) -> str | None:
    """Name a free port, if there is a choice not the one beside Ethernet."""
    free = [p for p in cluster.topology.ports[host] if p.connected is False]
    if not free:
        return None
    best = min(free, key=lambda p: (p.receptacle == BESIDE_ETHERNET, p.receptacle))
    where = f" ({best.position})" if best.position else ""
    return f"{host} receptacle {best.receptacle}{where}"


@check(
    "cabling-both-ends",
    title="both ends of the cable see each other",
    per="link",
    severity=Severity.WARNING,
    confidence=Confidence.SINGLE,
    fix=Fix(FixKind.REPLUG, "re-seat the cable at the end that does not see the other"),
)
def both_ends(cluster: Cluster, link: Link) -> Evidence | None:
    """Through a hub one side may stay blind; on a direct cable it is a stale or bad contact."""
    for port in link.ends:
        if not link.sees(port):
            need(cluster.of(port.host).thunderbolt)
            far = link.other(port)
            return Evidence(
                SOURCE,
                f"{port.host} {port.name} does not list {far.host}; {far.host} lists it",
                "each end lists the other",
            )
    return None


@check(
    "cabling-direct",
    title="nothing lies between the two Macs",
    per="link",
    severity=Severity.WARNING,
    confidence=Confidence.SINGLE,
    fix=Fix(FixKind.RECABLE, "connect the two Macs with one cable, port to port"),
)
def direct(cluster: Cluster, link: Link) -> Evidence | None:
    """Docks and displays were seen to keep RDMA from coming up, and to slow IP (single reports)."""
    rdma_link(cluster, link)
    if link.direct:
        return None
    return Evidence(SOURCE, f"behind {', '.join(link.via)}", "a direct cable")


@check(
    "cabling-speed",
    title="the link runs at Thunderbolt 5 speed",
    per="link",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(FixKind.RECABLE, "use a Thunderbolt 5 cable, at most 1 m if passive, and re-seat it"),
    needs=("cabling-direct",),
)
def speed(cluster: Cluster, link: Link) -> Evidence | None:
    """A Thunderbolt 4 or USB-C cable halves the link; RDMA may come up slower or not at all."""
    rdma_link(cluster, link)
    for end in link.ends:
        need(cluster.of(end.host).thunderbolt)
    now = link.speed_gbps
    if now is None:
        raise MissingFact(SOURCE, "neither end says the speed of the link")
    if now >= TB5_GBPS:
        return None
    return Evidence(SOURCE, f"{now:g} Gb/s between two Thunderbolt 5 Macs", f"{TB5_GBPS:g} Gb/s")


CHECKS = (peers_listed, expected, both_ends, direct, speed)
