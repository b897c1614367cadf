"""Reach: over which interface ssh reaches a host, and whether a step touches it."""

from __future__ import annotations

import re

from mlxdiag.cluster import Cluster
from mlxdiag.readings import HostFacts, known
from mlxdiag.repair.step import Path

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


def touches(cluster: Cluster, host: str, interfaces: frozenset[str]) -> Path:
    """Say whether ssh to the host goes over one of the interfaces."""
    facts = cluster.of(host)
    if facts.host.connection == "local":
        return Path.NO
    over = reached_over(facts)
    if over is None:
        return Path.UNKNOWN if interfaces else Path.NO
    return Path.YES if over in interfaces else Path.NO


def named(command: str) -> frozenset[str]:
    """List the interfaces that a command line names."""
    return frozenset(_INTERFACE.findall(command))
