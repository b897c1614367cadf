"""Hardware and cabling: ports for the mesh that is expected, and cables that nothing uses."""

from __future__ import annotations

from itertools import combinations

from mlxdiag.cluster import Cluster
from mlxdiag.finding import (
    Confidence,
    Evidence,
    Fix,
    FixKind,
    Severity,
    SkipCheck,
    check,
    link_subject,
)
from mlxdiag.readings import HostFacts, need

SOURCE = "system_profiler_thunderbolt"


@check(
    "hardware-ports-enough",
    title="the Mac has a port for every other host of the mesh",
    per="host",
    fix=Fix(FixKind.NONE, "expect a ring, or fewer hosts: a mesh takes a port for each other host"),
)
def ports_enough(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """A Mac mini has three ports, so it takes part in a mesh of four at most."""
    others = len(cluster.inventory.hosts) - 1
    if cluster.inventory.expect.topology != "mesh":
        raise SkipCheck("no mesh is expected")
    need(host.thunderbolt)
    ports = len(cluster.topology.ports[host.host.name])
    if ports >= others:
        return None
    return Evidence(SOURCE, f"{ports} Thunderbolt ports", f"{others}, one for each other host")


@check(
    "cabling-spare-cable",
    title="no pair has more cables than jaccl's mesh uses",
    per="cluster",
    severity=Severity.INFO,
    confidence=Confidence.SINGLE,
    fix=Fix(FixKind.RECABLE, "unplug all but one, or use jaccl-ring, which stripes over up to 4"),
)
def spare_cable(cluster: Cluster, _: Cluster) -> Evidence | None:
    """A mesh uses the first cable of each pair; a model once stopped loading with two of them."""
    if cluster.inventory.expect.backend not in (None, "jaccl"):
        raise SkipCheck("only jaccl's mesh leaves cables unused")
    for one, other in combinations(cluster.topology.hosts, 2):
        links = cluster.topology.between(one, other)
        if len(links) > 1:
            spare = ", ".join(link_subject(each).label for each in links[1:])
            return Evidence(SOURCE, f"unused: {spare}", "one cable for each pair")
    for facts in cluster.facts:
        need(facts.thunderbolt)
    return None


HARDWARE = (ports_enough,)
CABLING = (spare_cable,)
