"""Power: what may put a host to sleep while the cluster is at work."""

from __future__ import annotations

from mlxdiag.cluster import Cluster
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, Severity, check
from mlxdiag.readings import HostFacts, need

_OFF = "turn low power mode off"


@check(
    "power-sleep",
    title="the host does not go to sleep by itself",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(
        FixKind.RUN,
        "turn sleep off for a Mac that serves",
        "sudo pmset -a sleep 0 disksleep 0 standby 0 powernap 0",
    ),
    needs=("access-reachable",),
)
def sleep(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """A sleeping Mac drops its Thunderbolt links; after it RDMA may fail until both restart."""
    power = need(cluster.survey(host.host.name).pmset)
    if power.disabled or power.sleep == 0:
        return None
    return Evidence("pmset", f"sleep after {power.sleep} min", "sleep 0")


@check(
    "power-low",
    title="the host does not save power at the price of speed",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.INFERRED,
    fix=Fix(FixKind.RUN, _OFF, "sudo pmset -a lowpowermode 0"),
    needs=("access-reachable",),
)
def low(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """In low power mode GPU and CPU run slower, and every rank waits for the slowest."""
    power = need(cluster.survey(host.host.name).pmset)
    if power.lowpowermode == 1:
        return Evidence("pmset", "lowpowermode 1", "0")
    if power.powermode == 1:
        fix = Fix(FixKind.RUN, _OFF, "sudo pmset -a powermode 0")
        return Evidence("pmset", "powermode 1 (low)", "0 or 2", fix)
    return None


CHECKS = (sleep, low)
