"""RDMA and GID: the switch at the next start, and GIDs beside the addresses they follow."""

from __future__ import annotations

from mlxdiag.checks.rdma import switch_on
from mlxdiag.checks.subject import End, rdma_host, rdma_link
from mlxdiag.cluster import Cluster
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, Severity, SkipCheck, check
from mlxdiag.readings import HostFacts, need


@check(
    "rdma-stored-switch",
    title="RDMA is still on after the next restart",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.INFERRED,
    fix=Fix(FixKind.RECOVERY, "switch RDMA on again before the next restart"),
    needs=("versions-macos-rdma", "rdma-enabled"),
)
def stored_switch(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """The switch lives in NVRAM; a reset of NVRAM takes it along, and nobody notices until then."""
    rdma_host(cluster, host.host.name)
    enabled = need(cluster.survey(host.host.name).nvram_rdma).enabled
    if enabled is None:
        raise SkipCheck("only root may read it; by hand: sudo nvram rdma-enable")
    if enabled:
        return None
    fix = switch_on(host)
    return Evidence("nvram_rdma", "rdma-enable is absent or 0", "rdma-enable 1", fix)


@check(
    "gid-link-local",
    title="the port has an IPv6 link-local address",
    per="port",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(FixKind.RUN, "set IPv6 of the port's network service to link-local only, or automatic"),
    needs=("network-interface-active", "network-bridge"),
)
def link_local(cluster: Cluster, end: End) -> Evidence | None:
    """The first GID is made of it; a port without one was seen to fail with RTR errno 96."""
    rdma_link(cluster, end.link)
    net = need(end.port.net)
    if net is None:
        raise SkipCheck("no interface")
    own = [each for each in net.ipv6 if each.address.startswith("fe80:")]
    if any(each.usable for each in own):
        return None
    seen = ", ".join(f"{each.address} {' '.join(each.flags)}" for each in own) or "none"
    return Evidence("ifconfig", seen, "fe80:: without tentative, duplicated or detached")


RDMA = (stored_switch,)
GID = (link_local,)
