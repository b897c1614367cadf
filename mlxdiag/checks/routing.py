"""Network: which way packets to the other hosts leave."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

from mlxdiag.checks.subject import End
from mlxdiag.cluster import Cluster
from mlxdiag.facts.netstat_inet import Routes
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, Severity, SkipCheck, check
from mlxdiag.readings import HostFacts, need
from mlxdiag.routes import swallows, tunnel, way

SOURCE = "netstat_inet"


@check(
    "network-vpn-default",
    title="no VPN takes all traffic",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(FixKind.SETTINGS, "turn the VPN off, or let it take only its own networks"),
)
def vpn_default(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """A full tunnel may drop what goes to peers: `Couldn't connect (error: 60)`."""
    for route in _routes(cluster, host.host.name).routes:
        if swallows(route) and not route.scoped and tunnel(route.interface):
            return Evidence(SOURCE, route.name, "the default route on Ethernet or Wi-Fi")
    return None


@check(
    "network-default-route",
    title="no default route leads down the cable",
    per="port",
    severity=Severity.WARNING,
    confidence=Confidence.SINGLE,
    fix=Fix(
        FixKind.RUN, "turn Internet Sharing off at the far Mac, and set this port's address by hand"
    ),
    needs=("far:network-sharing",),
)
def default_route(cluster: Cluster, end: End) -> Evidence | None:
    """A lease from a Mac that shares its internet brings one, and takes other addresses away."""
    interface = need(end.port.interface)
    for route in _routes(cluster, end.port.host).routes:
        if route.default and route.interface == interface and not route.on_link:
            return Evidence(SOURCE, f"default by {route.gateway}", "no default route on this port")
    return None


@check(
    "network-route",
    title="the far end of the cable is routed down the cable",
    per="port",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(FixKind.RUN, "send what is for the far end down the cable"),
    needs=(
        "network-interface-active",
        "network-bridge",
        "network-ipv4",
        "network-link-local",
        "network-subnet",
        "network-cables-apart",
        "network-lan-overlap",
        "network-vpn-overlap",
        "network-vpn-default",
    ),
)
def route(cluster: Cluster, end: End) -> Evidence | None:
    """Ring over the LAN ran at a third of the cable's speed, over a VPN at a tenth."""
    table, interface = _routes(cluster, end.port.host), need(end.port.interface)
    need(end.port.net)
    need(end.far.net)
    own = [IPv4Interface(text) for text in end.port.ipv4]
    shared = [
        far.ip for far in map(IPv4Interface, end.far.ipv4) if any(far.ip in o.network for o in own)
    ]
    if not shared:
        raise SkipCheck("the ends share no subnet")
    for far in shared:
        taken = way(table, far)
        if taken is None or taken.interface != interface:
            seen = f"{far} by {taken.name}" if taken else f"no route to {far}"
            command = f"sudo route -n add -host {far} -interface {interface}"
            fix = Fix(FixKind.RUN, route.fix.text, command)
            return Evidence(SOURCE, seen, f"{far} by {interface}", fix)
    return None


@check(
    "network-coordinator-route",
    title="rank 0 is reached without a VPN",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(FixKind.RUN, "give rank 0 an `ip` on a network that all hosts are on"),
    needs=("network-vpn-default",),
)
def coordinator_route(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Every rank connects to rank 0 once; over a VPN that is slow, or dropped."""
    first = cluster.inventory.hosts[0]
    if host.host is first:
        raise SkipCheck("this is rank 0")
    if first.ip is None:
        raise SkipCheck(f"the inventory gives {first.name} no `ip`")
    taken = way(_routes(cluster, host.host.name), IPv4Address(first.ip))
    if taken is None:
        return Evidence(SOURCE, f"no route to {first.ip}", "a route")
    if tunnel(taken.interface):
        return Evidence(SOURCE, f"{first.ip} by {taken.name}", "Ethernet, Wi-Fi or a cable")
    return None


def _routes(cluster: Cluster, host: str) -> Routes:
    return need(cluster.survey(host).routes)


CHECKS = (vpn_default, default_route, route, coordinator_route)
