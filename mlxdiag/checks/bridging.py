"""Network: bridges over several Macs, and what the two ends of a cable agree on."""

from __future__ import annotations

from collections.abc import Collection

from mlxdiag.cluster import Cluster
from mlxdiag.finding import (
    Confidence,
    Evidence,
    Fix,
    FixKind,
    Severity,
    SkipCheck,
    check,
)
from mlxdiag.readings import HostFacts, need
from mlxdiag.topology import Link

Bridge = tuple[str, str]
"""A host and the name of one of its bridges."""


@check(
    "network-bridge-loop",
    title="the cable is in no loop of bridged ports",
    per="link",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(FixKind.REPLUG, "pull this cable until its ports are in no bridge"),
    needs=("network-bridge",),
)
def bridge_loop(cluster: Cluster, link: Link) -> Evidence | None:
    """Bridges know no loops: broadcasts multiply until LAN, Wi-Fi and Macs stand still."""
    ends = _bridges(link)
    if ends is None:
        return None
    others = [pair for o in cluster.topology.links if o is not link and (pair := _bridges(o))]
    if not _joined(*ends, others):
        return None
    seen = " and ".join(f"{host} {name}" for host, name in ends)
    return Evidence("ifconfig", f"{seen} are joined by other cables as well", "no loop of bridges")


def _bridges(link: Link) -> tuple[Bridge, Bridge] | None:
    """Give the bridges that a cable joins; None where an end is in none."""
    one, other = (need(end.bridge) for end in link.ends)
    return ((link.a.host, one), (link.b.host, other)) if one and other else None


def _joined(one: Bridge, other: Bridge, pairs: Collection[tuple[Bridge, Bridge]]) -> bool:
    reached, fresh = {one}, [one]
    while fresh:
        here = fresh.pop()
        for pair in pairs:
            if here in pair and not reached.issuperset(pair):
                fresh += set(pair) - reached
                reached.update(pair)
    return other in reached


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
