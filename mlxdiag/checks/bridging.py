"""Network: bridges over several Macs, and what the two ends of a cable agree on."""

from __future__ import annotations

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
from mlxdiag.topology import Link


@check(
    "network-bridge-loop",
    title="bridged ports form no loop",
    per="cluster",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(
        FixKind.RUN,
        "pull one cable of the loop, then take its ports out of the bridges",
    ),
)
def bridge_loop(cluster: Cluster, _: Cluster) -> Evidence | None:
    """Bridges know no loops: broadcasts multiply until LAN, Wi-Fi and Macs stand still."""
    above: dict[tuple[str, str], tuple[str, str]] = {}
    for link in cluster.topology.links:
        ends = [(end.host, need(end.bridge)) for end in link.ends]
        one, other = (_top(above, (host, name)) if name else None for host, name in ends)
        if one is None or other is None:
            continue
        if one == other:
            seen = f"the cable {link_subject(link).label} closes a loop of bridged ports"
            return Evidence("ifconfig", seen, "no loop, or none of its ports in a bridge")
        above[one] = other
    return None


def _top(above: dict[tuple[str, str], tuple[str, str]], one: tuple[str, str]) -> tuple[str, str]:
    """Give what stands for all bridges that this one is joined to."""
    while one in above:
        one = above[one]
    return one


@check(
    "network-mtu",
    title="both ends of the cable have the same MTU",
    per="link",
    severity=Severity.WARNING,
    confidence=Confidence.INFERRED,
    fix=Fix(FixKind.RUN, "set both ends alike with networksetup -setMTU"),
    needs=("network-interface-active",),
)
def mtu(cluster: Cluster, link: Link) -> Evidence | None:
    """What is larger than the smaller end takes is lost; RDMA does not depend on it."""
    del cluster
    said = []
    for end in link.ends:
        net = need(end.net)
        if net is None:
            raise SkipCheck("an end has no interface")
        said.append(net.mtu)
    if said[0] == said[1]:
        return None
    return Evidence("ifconfig", " and ".join(map(str, said)), "one number")


@check(
    "network-usb-uplink",
    title="no USB adapter carries the network of a Mac with a bridge",
    per="host",
    severity=Severity.INFO,
    confidence=Confidence.SINGLE,
    fix=Fix(FixKind.NONE, "take single ports out of the bridge; do not destroy the bridge"),
)
def usb_uplink(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Where a bridge was destroyed, the USB adapter was once gone until it was plugged anew."""
    bridges = [i.name for i in need(host.ifconfig).interfaces if i.members]
    names = {port.device: port.name for port in need(host.hardware_ports).ports}
    table = need(cluster.survey(host.host.name).routes)
    for route in table.routes:
        name = names.get(route.interface, "")
        if route.default and not route.scoped and bridges and "USB" in name:
            seen = f"{bridges[0]} here, and the default route by {route.interface} ({name})"
            return Evidence("netstat_inet", seen, "no bridge, or another uplink")
    return None


CHECKS = (bridge_loop, mtu)
LATER = (usb_uplink,)
