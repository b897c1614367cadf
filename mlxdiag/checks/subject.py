"""What checks are asked about: the subjects of each scope, and questions several areas share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations, pairwise

from mlxdiag.cluster import Cluster
from mlxdiag.errors import MissingFact
from mlxdiag.finding import Evidence, SkipCheck
from mlxdiag.inventory import Expect
from mlxdiag.ports import Port
from mlxdiag.readings import HostFacts
from mlxdiag.topology import Link

RDMA_MACOS = (26, 2)
"""First macOS with RDMA over Thunderbolt (TN3205)."""


BESIDE_ETHERNET = 1
"""Receptacle 1 is the one beside the Ethernet socket (read on Mac15,14; likely on the others)."""


@dataclass(frozen=True)
class End:
    """One end of a link: its own port and the far one."""

    link: Link
    port: Port

    @property
    def far(self) -> Port:
        """The other end's port."""
        return self.link.other(self.port)


@dataclass(frozen=True)
class Pair:
    """Two hosts, in inventory order."""

    a: str
    b: str


def expected_pairs(expect: Expect, hosts: tuple[str, ...]) -> tuple[Pair, ...]:
    """List the pairs that `expect: topology:` wants cabled, in inventory order."""
    wanted = set(expect.links)
    if expect.topology == "mesh":
        wanted |= set(combinations(hosts, 2))
    if expect.topology == "ring" and len(hosts) > 1:
        wanted |= set(pairwise((*hosts, hosts[0])))
    place = {host: index for index, host in enumerate(hosts)}
    found = {(min(p), max(p)) for p in ((place[a], place[b]) for a, b in wanted) if p[0] != p[1]}
    return tuple(Pair(hosts[a], hosts[b]) for a, b in sorted(found))


def rdma_host(cluster: Cluster, host: str) -> None:
    """Skip a host that cannot have RDMA: then there is nothing to repair on it."""
    if cluster.thunderbolt5(host) is False:
        raise SkipCheck("no Thunderbolt 5, so no RDMA")


def rdma_link(cluster: Cluster, link: Link) -> None:
    """Skip a link with an end that cannot have RDMA: a Thunderbolt 4 cable is a ring cable."""
    for host in link.hosts:
        rdma_host(cluster, host)


def same(
    hosts: Iterable[HostFacts], source: str, read: Callable[[HostFacts], str | None], expected: str
) -> Evidence | None:
    """Compare over the hosts that answered; agreement of some is not known to be that of all."""
    by_value: dict[str, list[str]] = {}
    missing: MissingFact | None = None
    for host in hosts:
        try:
            value = read(host)
        except MissingFact as gap:
            missing = missing or MissingFact(
                gap.source, f"{host.host.name}: {gap.reason}", host.host.name
            )
            continue
        if value is not None:
            by_value.setdefault(value, []).append(host.host.name)
    if len(by_value) > 1:
        said = "; ".join(f"{value} on {', '.join(names)}" for value, names in by_value.items())
        return Evidence(source, said, expected)
    if missing:
        raise missing
    return None
