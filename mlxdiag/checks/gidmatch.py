"""RDMA and GID: the switch at the next start, and GIDs beside the addresses they follow."""

from __future__ import annotations

from mlxdiag.checks import address
from mlxdiag.checks.gid import JACCL_GID_INDEX, NEEDS
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


@check(
    "gid-current-address",
    title="the GID that jaccl uses is the port's present address",
    per="port",
    confidence=Confidence.SEVERAL,
    fix=Fix(
        FixKind.RUN,
        "switch the port's network service off and on once, then set its address again; or"
        " restart. Do not cycle the interface with ifconfig",
    ),
    needs=(*NEEDS, "gid-ipv4-mapped", "gid-index-1"),
)
def current_address(cluster: Cluster, end: End) -> Evidence | None:
    """An entry of an address that is gone makes RTR fail with errno 22, 60 or 96."""
    rdma_link(cluster, end.link)
    verbs, net = need(end.port.verbs), need(end.port.net)
    if verbs is None or net is None:
        raise SkipCheck("no RDMA device or no interface")
    used = [gid.ipv4 for gid in verbs.mapped if gid.index == JACCL_GID_INDEX]
    held = [each.address for each in net.ipv4]
    if not used or not held:
        raise SkipCheck("no IPv4-mapped GID at index 1, or no address")
    if used[0] in held:
        return None
    fix = Fix(
        current_address.fix.kind, current_address.fix.text, address.toggle_command(cluster, end)
    )
    return Evidence("ibv_devinfo", f"GID[1] ::ffff:{used[0]}", f"::ffff:{held[0]}", fix)


RDMA = (stored_switch,)
GID = (link_local, current_address)
