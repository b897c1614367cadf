"""Network: the interface under each cabled port, its bridge and its addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

from mlxdiag.checks import address
from mlxdiag.checks.subject import End, rdma_link
from mlxdiag.cluster import Cluster
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, Severity, SkipCheck, check
from mlxdiag.ports import Port
from mlxdiag.readings import need
from mlxdiag.topology import Link


@check(
    "network-interface-active",
    title="the cabled port has an interface, and it is active",
    per="port",
    fix=Fix(FixKind.REPLUG, "re-seat the cable at this end"),
    needs=("cabling-both-ends",),
)
def interface_active(cluster: Cluster, end: End) -> Evidence | None:
    """Thunderbolt IP carries ring, and the RDMA device takes its name and address from it."""
    del cluster
    if need(end.port.interface) is None:
        return Evidence(
            "networksetup_hardwareports",
            f"no interface for receptacle {end.port.receptacle}",
            f"Hardware Port: Thunderbolt {end.port.receptacle}",
            Fix(FixKind.REBOOT, "restart the host: macOS did not make an interface for this port"),
        )
    net = need(end.port.net)
    if net is None:
        return Evidence("ifconfig", f"{end.port.interface} is not there", "status: active")
    if net.status == "active":
        return None
    seen = f"status: {net.status}" if net.status else "no status (interface down)"
    up = Fix(FixKind.RUN, "bring the interface up", f"sudo ifconfig {net.name} up")
    return Evidence("ifconfig", seen, "status: active", None if net.up else up)


@check(
    "network-bridge",
    title="the cabled port is not a member of a bridge",
    per="port",
    severity=Severity.WARNING,
    fix=Fix(FixKind.RUN, "take the port out of the bridge and give it an address of its own"),
)
def bridge(cluster: Cluster, end: End) -> Evidence | None:
    """A member has no address of its own, so its GID table lacks what jaccl needs.

    Reports conflict on whether membership alone is harmful: the GID decides.
    """
    rdma_link(cluster, end.link)
    name = need(end.port.bridge)
    if name is None:
        return None
    command = address.leave_bridge_command(cluster, end)
    fix = address.addressed(cluster, end, bridge.fix, command)
    return Evidence("ifconfig", f"member of {name}", "no bridge", fix)


@check(
    "network-ipv4",
    title="the cabled port has an IPv4 address of its own",
    per="port",
    fix=Fix(FixKind.RUN, "give the port a fixed address, in one subnet with the far end"),
    needs=("network-interface-active", "network-bridge"),
)
def ipv4(cluster: Cluster, end: End) -> Evidence | None:
    """A GID that jaccl can use exists only while the interface holds an IPv4 address (mlx#4191)."""
    rdma_link(cluster, end.link)
    net = need(end.port.net)
    if net is None:
        raise SkipCheck("no interface")
    if net.ipv4:
        return None
    fix = address.addressed(cluster, end, ipv4.fix, address.set_command(cluster, end))
    return Evidence("ifconfig", "no IPv4 address", "one", fix)


@check(
    "network-link-local",
    title="the port's address is fixed, not self-assigned",
    per="port",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(FixKind.RUN, "give the port a fixed address: a self-assigned one changes on replug"),
    needs=("network-ipv4",),
)
def link_local(cluster: Cluster, end: End) -> Evidence | None:
    """169.254 addresses arrive minutes late, change after a replug, and TCP may leave by Wi-Fi."""
    rdma_link(cluster, end.link)
    net = need(end.port.net)
    if net is None or not net.ipv4:
        raise SkipCheck("no IPv4 address")
    if not all(IPv4Address(a.address).is_link_local for a in net.ipv4):
        return None
    fix = address.addressed(cluster, end, link_local.fix, address.set_command(cluster, end))
    return Evidence("ifconfig", ", ".join(a.address for a in net.ipv4), "an address you set", fix)


@check(
    "network-subnet",
    title="both ends of the cable are in one subnet",
    per="link",
    severity=Severity.WARNING,
    fix=Fix(FixKind.RUN, "give both ends of the cable addresses of one /30"),
    needs=("network-ipv4",),
)
def subnet(cluster: Cluster, link: Link) -> Evidence | None:
    """Without it ring does not find the far end over this cable, and RDMA may not (inferred)."""
    for end in link.ends:
        need(end.net)
    if not all(end.ipv4 for end in link.ends):
        raise SkipCheck("an end has no IPv4 address")
    if shared_subnet(link):
        return None
    said = " and ".join(", ".join(end.ipv4) for end in link.ends)
    near = End(link, link.a)
    fix = address.addressed(cluster, near, subnet.fix, address.set_command(cluster, near))
    return Evidence("ifconfig", said, "one subnet", fix)


def shared_subnet(link: Link) -> bool:
    """Whether an address of one end lies in a subnet of the other."""
    one, other = (_networks(end) for end in link.ends)
    return any(a.ip in b.network and b.ip in a.network for a in one for b in other)


def _networks(port: Port) -> list[IPv4Interface]:
    return [IPv4Interface(text) for text in port.ipv4]


CHECKS = (interface_active, bridge, ipv4, link_local, subnet)
