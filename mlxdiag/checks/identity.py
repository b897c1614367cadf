"""Network: which Mac is which: its addresses, its name, and that no two of them are one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from ipaddress import IPv4Address
from itertools import combinations
from typing import TypeVar

from mlxdiag.cluster import Cluster
from mlxdiag.facts.ifconfig import Interface
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, Severity, SkipCheck, check
from mlxdiag.readings import HostFacts, known, need
from mlxdiag.routes import tunnel

K = TypeVar("K", bound=Hashable)


@check(
    "network-distinct-machines",
    title="every host of the inventory is a machine of its own",
    per="cluster",
    fix=Fix(FixKind.RUN, "take one of the two hosts out of the inventory", here=True),
)
def distinct_machines(cluster: Cluster, _: Cluster) -> Evidence | None:
    """A Mac listed twice gets two ranks, which share its memory and have no cable between them."""
    found = {facts.host.name: _ethers(facts) for facts in cluster.facts}
    for first, second in combinations(found, 2):
        shared = found[first] & found[second]
        if shared and found[first] == found[second]:
            alike = len(shared) == 1
            seen = f"{first} and {second} have the same MAC addresses, {min(shared)} among them"
            return Evidence("ifconfig", seen, "addresses of their own", unknown=alike)
    _all_said(cluster)
    return None


def _ethers(facts: HostFacts) -> frozenset[str]:
    """Collect the MACs of a host's network ports; one alone may be what redaction put there."""
    ports = [i for i in _interfaces(facts) if i.name.startswith("en")]
    return frozenset(port.ether for port in ports if port.ether)


def _interfaces(facts: HostFacts) -> tuple[Interface, ...]:
    """List what a host has, nothing where it did not say."""
    said = known(facts.ifconfig)
    return said.interfaces if said else ()


def _all_said(cluster: Cluster) -> None:
    """Require every host's interfaces: what was found among some is known without the others."""
    for facts in cluster.facts:
        need(facts.ifconfig)


@check(
    "network-own-address",
    title="the host holds the address that the inventory gives it",
    per="host",
    fix=Fix(FixKind.RUN, "look with `ipconfig getifaddr en0` on the host and write that as `ip:`"),
)
def own_address(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Rank 0 binds exactly this address: elsewhere it fails with `Couldn't bind (error: 49)`."""
    if host.host.ip is None:
        raise SkipCheck("the inventory gives it no `ip`")
    held = [a.address for i in need(host.ifconfig).interfaces for a in i.ipv4]
    if host.host.ip in held:
        return None
    others = [
        facts.host.name
        for facts in cluster.facts
        if facts is not host and host.host.ip in _addresses(facts)
    ]
    mine = ", ".join(a for a in held if not IPv4Address(a).is_loopback) or "no address"
    seen = f"{', '.join(others)} holds {host.host.ip}; this host {mine}" if others else mine
    return Evidence("ifconfig", seen, host.host.ip)


def _addresses(facts: HostFacts) -> frozenset[str]:
    return frozenset(a.address for i in _interfaces(facts) for a in i.ipv4)


@check(
    "network-address-unique",
    title="no IPv4 address is held by two hosts",
    per="cluster",
    severity=Severity.WARNING,
    confidence=Confidence.INFERRED,
    fix=Fix(FixKind.RUN, "give one of the two another address"),
    needs=("network-distinct-machines",),
)
def address_unique(cluster: Cluster, _: Cluster) -> Evidence | None:
    """Where two Macs hold one address, a connection reaches the one that answers first."""
    found = {
        facts.host.name: {
            address: interface.name
            for interface in _interfaces(facts)
            if _counts(interface)
            for address in _lasting(interface)
        }
        for facts in cluster.facts
    }
    doubled = _doubled(found)
    if not doubled:
        _all_said(cluster)
        return None
    seen = "; ".join(
        f"{address} on {' and '.join(f'{host} {found[host][address]}' for host in hosts)}"
        for address, hosts in doubled.items()
    )
    return Evidence("ifconfig", seen, "each address on one host")


def _counts(interface: Interface) -> bool:
    """Leave out what is the same on every Mac and never leaves it."""
    return not (tunnel(interface.name) or interface.for_sharing)


def _lasting(interface: Interface) -> Iterator[str]:
    for held in interface.ipv4:
        address = IPv4Address(held.address)
        if not (address.is_loopback or address.is_link_local):
            yield held.address


def _doubled(found: Mapping[str, Iterable[K]]) -> Mapping[K, list[str]]:
    """Give what several hosts have, with those hosts, in the order it was met."""
    owners: dict[K, list[str]] = defaultdict(list)
    for host, things in found.items():
        for thing in things:
            owners[thing].append(host)
    return {thing: hosts for thing, hosts in owners.items() if len(hosts) > 1}


@check(
    "network-hostname-unique",
    title="no two hosts call themselves the same",
    per="cluster",
    severity=Severity.WARNING,
    confidence=Confidence.INFERRED,
    fix=Fix(FixKind.SETTINGS, "System Settings > General > Sharing: rename one of them"),
    needs=("network-distinct-machines",),
)
def hostname_unique(cluster: Cluster, _: Cluster) -> Evidence | None:
    """Mpirun tells hosts apart by these names, `.local` finds one of them, and so do people."""
    said = {facts.host.name: cluster.survey(facts.host.name).hostname for facts in cluster.facts}
    names = {host: [name.short] for host, fact in said.items() if (name := known(fact))}
    doubled = _doubled(names)
    if not doubled:
        for fact in said.values():
            need(fact)
        return None
    seen = "; ".join(f"{name}: {' and '.join(hosts)}" for name, hosts in doubled.items())
    return Evidence("hostname", seen, "a name for each")


CHECKS = (distinct_machines, own_address, address_unique, hostname_unique)
