"""Hardware: which Thunderbolt the Mac has, and where a cable is plugged in."""

from __future__ import annotations

from mlxdiag.checks.subject import BESIDE_ETHERNET, End, rdma_link
from mlxdiag.cluster import Cluster
from mlxdiag.errors import MissingFact
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, Severity, SkipCheck, check
from mlxdiag.ports import TB5_GBPS
from mlxdiag.readings import HostFacts, need

STUDIOS_TB5 = frozenset({"Mac15,14", "Mac16,9", "Mac17,14", "Mac17,15"})


@check(
    "hardware-thunderbolt5",
    title="the Mac has Thunderbolt 5, which RDMA needs",
    per="host",
    severity=Severity.INFO,
    fix=Fix(FixKind.NONE, "nothing to repair: ring is the backend for Thunderbolt 4"),
)
def thunderbolt5(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Thunderbolt 4 Macs accept `rdma_ctl enable` and still never get a device (TN3205)."""
    answer = cluster.thunderbolt5(host.host.name)
    if answer is None:
        gap = need(host.thunderbolt)
        raise MissingFact("system_profiler_thunderbolt", f"no port says its speed: {gap}")
    if answer:
        return None
    speeds = {t.speed_gbps for b in need(host.thunderbolt).buses for t in b.receptacles}
    best = max((s for s in speeds if s), default=None)
    seen = f"ports up to {best:g} Gb/s" if best else "no Thunderbolt port"
    return Evidence("system_profiler_thunderbolt", seen, f"{TB5_GBPS:g} Gb/s or more")


@check(
    "hardware-port-beside-ethernet",
    title="a port without RDMA is not the one beside Ethernet",
    per="port",
    severity=Severity.INFO,
    confidence=Confidence.SEVERAL,
    fix=Fix(
        FixKind.RECABLE,
        "unconfirmed hint: move this cable to another port if nothing else explains it",
    ),
)
def port_beside_ethernet(cluster: Cluster, end: End) -> Evidence | None:
    """Some report that RDMA fails on a Mac Studio's port beside Ethernet; Apple does not say so."""
    rdma_link(cluster, end.link)
    if end.port.receptacle != BESIDE_ETHERNET:
        return None
    if need(cluster.of(end.port.host).sysctl).model not in STUDIOS_TB5:
        raise SkipCheck("not a Mac Studio with Thunderbolt 5")
    need(end.port.verbs)
    if end.port.state == "PORT_ACTIVE":
        return None
    return Evidence(
        "ibv_devinfo",
        f"{end.port.state or 'no device'} on receptacle 1, which may be the one beside Ethernet",
        "PORT_ACTIVE, or a cable in another port",
    )


CHECKS = (thunderbolt5, port_beside_ethernet)
