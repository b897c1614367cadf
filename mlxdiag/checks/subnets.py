"""Network: the subnets of cables beside all else that a host routes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Interface, IPv4Network
from itertools import combinations

from mlxdiag.cluster import Cluster
from mlxdiag.facts.netstat_inet import Route, Routes
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, Severity, SkipCheck, check
from mlxdiag.ports import Port
from mlxdiag.readings import HostFacts, need
from mlxdiag.routes import overlapping, tunnel

AUTO_SETUP = IPv4Network("192.168.0.0/16")
"""`mlx.distributed_config --auto-setup` numbers cables 192.168.0.0/30, 192.168.0.4/30 and on."""

_MOVE = "give the cable another subnet at both ends"


@check(
    "network-cables-apart",
    title="each cable of the host has a subnet of its own",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(FixKind.RUN, "give each cable a /30 of its own, at both ends"),
)
def cables_apart(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Of two cables in one subnet, macOS sends everything down one of them."""
    for one, other in combinations(_cabled(cluster, host), 2):
        if one.port.interface != other.port.interface and one.network.overlaps(other.network):
            seen = f"{one.name} and {other.name}"
            return Evidence("ifconfig", seen, "subnets that do not overlap")
    return None


@check(
    "network-lan-overlap",
    title="no cable's subnet overlaps another network of the host",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.INFERRED,
    fix=Fix(FixKind.RUN, _MOVE),
)
def lan_overlap(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Home routers sit at 192.168.0.1, where MLX's set-up starts: one of the two loses its way."""
    return _overlap(cluster, host, lambda route: not tunnel(route.interface))


@check(
    "network-vpn-overlap",
    title="no VPN routes a cable's subnet",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.SINGLE,
    fix=Fix(FixKind.RUN, f"{_MOVE}, or exclude it from the VPN"),
)
def vpn_overlap(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """A VPN that takes 10/8 or 192.168/16 takes the traffic of cables in it, now or later."""
    return _overlap(cluster, host, lambda route: tunnel(route.interface))


@check(
    "network-autosetup-range",
    title="the networks here leave 192.168.0.0 to mlx.distributed_config",
    per="host",
    severity=Severity.INFO,
    confidence=Confidence.INFERRED,
    fix=Fix(FixKind.NONE, "address cables by hand; do not use --auto-setup on this network"),
    needs=("network-lan-overlap", "network-vpn-overlap"),
)
def autosetup_range(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Its `--auto-setup` would number cables out of the LAN's own range."""
    links = len(cluster.topology.links)
    if not links:
        raise SkipCheck("no cable to number")
    numbered = next(AUTO_SETUP.subnets(new_prefix=max(24, 30 - (links - 1).bit_length())))
    cables = {port.interface for port in cluster.topology.cabled(host.host.name)}
    for route in overlapping(_routes(cluster, host), numbered):
        if route.interface not in cables:
            return Evidence("netstat_inet", route.name, f"nothing in {numbered}")
    return None


class _Held:
    """A port and one of its lasting addresses."""

    def __init__(self, port: Port, text: str) -> None:
        self.port = port
        self.network = IPv4Interface(text).network
        self.name = f"{port.name} {text}"


def _cabled(cluster: Cluster, host: HostFacts) -> Iterator[_Held]:
    """List the addresses of cabled ports that somebody gave them."""
    need(host.ifconfig)
    for port in cluster.topology.cabled(host.host.name):
        for text in port.ipv4:
            if not IPv4Interface(text).is_link_local:
                yield _Held(port, text)


def _overlap(cluster: Cluster, host: HostFacts, asked: Callable[[Route], bool]) -> Evidence | None:
    table = _routes(cluster, host)
    cables = {port.interface for port in cluster.topology.cabled(host.host.name)}
    for held in _cabled(cluster, host):
        for route in overlapping(table, held.network):
            if route.interface not in cables and asked(route):
                seen = f"{held.name}, and a route {route.name}"
                return Evidence("netstat_inet", seen, "a subnet that nothing else is routed to")
    return None


def _routes(cluster: Cluster, host: HostFacts) -> Routes:
    return need(cluster.survey(host.host.name).routes)


CHECKS = (cables_apart, lan_overlap, vpn_overlap, autosetup_range)
