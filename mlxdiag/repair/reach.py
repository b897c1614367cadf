"""Reach: over which interface ssh reaches a host, and whether a step touches it."""

from __future__ import annotations

import re

from mlxdiag.cluster import Cluster
from mlxdiag.readings import HostFacts, known
from mlxdiag.repair.step import Path
from mlxdiag.routes import tunnel

_INTERFACE = re.compile(r"\b(?:en|bridge)\d+\b", re.ASCII)


def reached_over(facts: HostFacts) -> str | None:
    """Name the interface that holds the address that was connected to; None if not known.

    Behind a jump host, and in recordings made before the address was kept, it is not known.
    """
    address = facts.access.stdout.decode("utf-8", "replace").strip().partition("%")[0]
    net = known(facts.ifconfig)
    if not address or net is None:
        return None
    for interface in net.interfaces:
        held = [a.address for a in interface.ipv4] + [a.address for a in interface.ipv6]
        if address in {text.partition("%")[0] for text in held}:
            return interface.name
    return None


def touches(cluster: Cluster, host: str, interfaces: frozenset[str] | None) -> Path:
    """Say whether ssh to the host goes over one of the interfaces, or a bridge that has one.

    None: it is not known what is touched.
    """
    facts = cluster.of(host)
    if facts.host.connection == "local":
        return Path.NO
    if interfaces is None:
        return Path.UNKNOWN
    over = reached_over(facts)
    if over is None:
        return Path.UNKNOWN if interfaces else Path.NO
    net = known(facts.ifconfig)
    found = net.find(over) if net else None
    return Path.YES if interfaces & {over, *(found.members if found else ())} else Path.NO


def reachable(cluster: Cluster, host: str, *, vpn: bool) -> frozenset[str] | None:
    """List what a step about a whole host may touch: Thunderbolt ports and bridges, or its tunnels.

    None where the host did not say, or has none of them.
    """
    net = known(cluster.of(host).ifconfig)
    if net is None:
        return None
    names = {each.name for each in net.interfaces}
    if vpn:
        found = {name for name in names if tunnel(name)}
    else:
        ports = {port.interface for port in cluster.topology.ports[host]}
        found = {name for name in names if name in ports or name.startswith("bridge")}
    return frozenset(found) or None


def named(command: str) -> frozenset[str]:
    """List the interfaces that a command line names."""
    return frozenset(_INTERFACE.findall(command))
