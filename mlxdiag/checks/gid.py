"""GID: the address that jaccl connects with, where jaccl looks for it."""

from __future__ import annotations

from mlxdiag.checks import address
from mlxdiag.checks.subject import End, rdma_link
from mlxdiag.cluster import Cluster
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, SkipCheck, check
from mlxdiag.readings import need

JACCL_GID_INDEX = 1
"""Every MLX so far passes sgid_index = 1 (mlx rdma.cpp)."""

NEEDS = (
    "versions-macos-rdma",
    "rdma-stack-wedged",
    "rdma-enabled",
    "rdma-devices-listed",
    "rdma-device",
    "network-interface-active",
    "network-bridge",
    "network-ipv4",
)


@check(
    "gid-ipv4-mapped",
    title="the port's GID table has an IPv4-mapped entry",
    per="port",
    fix=Fix(
        FixKind.WAIT,
        "wait 20 s and run again: the entry follows the address; if it stays away, set the"
        " address anew",
    ),
    needs=NEEDS,
)
def ipv4_mapped(cluster: Cluster, end: End) -> Evidence | None:
    """Without it jaccl fails: `No IPv4-mapped GID`, or RTR errno 22 or 96 with an older MLX."""
    rdma_link(cluster, end.link)
    verbs = need(end.port.verbs)
    if verbs is None:
        raise SkipCheck("no RDMA device")
    if verbs.mapped:
        return None
    seen = ", ".join(f"GID[{gid.index}] {gid.address}" for gid in verbs.gids) or "no GID"
    return Evidence("ibv_devinfo", seen, "::ffff:a.b.c.d")


@check(
    "gid-index-1",
    title="the IPv4-mapped GID is at index 1",
    per="port",
    fix=Fix(
        FixKind.RUN,
        "switch the port's network service off and on once, then set its address again; or"
        " restart. Do not cycle the interface with ifconfig",
    ),
    needs=(*NEEDS, "gid-ipv4-mapped"),
)
def index_1(cluster: Cluster, end: End) -> Evidence | None:
    """Jaccl always passes index 1; anywhere else, connecting fails with RTR errno 22 or 96."""
    rdma_link(cluster, end.link)
    verbs = need(end.port.verbs)
    if verbs is None or not verbs.mapped:
        raise SkipCheck("no IPv4-mapped GID")
    if any(gid.index == JACCL_GID_INDEX for gid in verbs.mapped):
        return None
    seen = ", ".join(f"GID[{gid.index}] {gid.address}" for gid in verbs.mapped)
    fix = Fix(index_1.fix.kind, index_1.fix.text, address.toggle_command(cluster, end))
    return Evidence("ibv_devinfo", seen, "GID[1]", fix)


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


CHECKS = (ipv4_mapped, index_1, current_address)
