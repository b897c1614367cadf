"""Addresses to propose for a cabled port, and the commands that set them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network, collapse_addresses
from itertools import islice

from mlxdiag.checks.subject import End
from mlxdiag.cluster import Cluster
from mlxdiag.facts import netstat_inet
from mlxdiag.finding import Fix
from mlxdiag.readings import Gap, known

POOLS = tuple(map(IPv4Network, ("10.219.0.0/16", "172.29.0.0/16", "192.168.192.0/18")))
"""Where new /30 networks are taken from, in this order: ranges that home routers and MLX's own
set-up avoid."""

WIDEST = 8
"""A route that is wider is a default route in other words (0/1 and 128/1 of a VPN)."""


@dataclass(frozen=True)
class Pair:
    """Addresses for both ends of a cable. `kept` says that the far end's is the one it has."""

    own: IPv4Interface
    far: IPv4Interface
    kept: bool


def proposal(cluster: Cluster, end: End) -> Pair | None:
    """Choose addresses for a cable: the far end's subnet if it is the cable's own, else a free /30.

    A subnet is the cable's own if it is a /30 or /31 that overlaps nothing else that any host is on
    or routes. Free is what overlaps none of these; None where nothing is free.
    """
    held, own = list(_networks(cluster)), _places(end)
    elsewhere = [net for net, place in held if place not in own]
    for far in map(IPv4Interface, end.far.ipv4):
        other = _other(far)
        if other is None or far.ip.is_link_local:
            continue
        if not any(far.network.overlaps(net) for net in elsewhere):
            return Pair(other, far, kept=True)
    at = cluster.topology.links.index(end.link)
    free = next(islice(_free({net for net, _ in held}), at, None), None)
    if free is None:
        return None
    one, two = (IPv4Interface(f"{free[n]}/30") for n in (1, 2))
    return Pair(one, two, kept=False) if end.port is end.link.a else Pair(two, one, kept=False)


def _other(far: IPv4Interface) -> IPv4Interface | None:
    """Give the one other address of a /30 or /31; a wider network has as many as 16 million."""
    if far.network.prefixlen not in (30, 31):
        return None
    others = [ip for ip in far.network.hosts() if ip != far.ip]
    return IPv4Interface(f"{others[0]}/{far.network.prefixlen}") if len(others) == 1 else None


def _free(taken: Iterable[IPv4Network]) -> Iterator[IPv4Network]:
    """Look for /24 networks that overlap none of those, one after the other as they are asked."""
    apart = list(collapse_addresses(taken))
    for pool in POOLS:
        for net in islice(pool.subnets(new_prefix=24), 1, None):
            if not any(net.overlaps(other) for other in apart):
                yield net


def addressed(cluster: Cluster, end: End, fix: Fix, command: str | None) -> Fix:
    """Give the fix its command, and one for the far end where that one's address cannot stay.

    A far end that has no address, or a self-assigned one, is a finding of its own.
    """
    pair = proposal(cluster, end)
    fixed = [ip for ip in map(IPv4Interface, end.far.ipv4) if not ip.ip.is_link_local]
    if command is None or pair is None or pair.kept or not fixed:
        return Fix(fix.kind, fix.text, command)
    far = _set(cluster, End(end.link, end.far), pair.far)
    text = f"{fix.text}; with it, on {end.far.host}: {far}"
    return Fix(fix.kind, text, command, far_command=far)


def set_command(cluster: Cluster, end: End) -> str | None:
    """Write the command that gives the port that address for good, through its network service."""
    pair = proposal(cluster, end)
    return None if pair is None else _set(cluster, end, pair.own)


def _set(cluster: Cluster, end: End, address: IPv4Interface) -> str:
    service, before = _service(cluster, end)
    return f"{before}sudo networksetup -setmanual {service} {address.ip} {address.netmask}"


def keep_command(cluster: Cluster, end: End) -> str | None:
    """Write the command that stores the address that the port has now in its network service."""
    held = [own for own in map(IPv4Interface, end.port.ipv4) if not own.ip.is_link_local]
    if not held:
        return None
    return _set(cluster, end, held[0])


def toggle_command(cluster: Cluster, end: End) -> str | None:
    """Write the command that switches the port's service off and on and sets its address again."""
    held = [IPv4Interface(text) for text in end.port.ipv4]
    service, before = _service(cluster, end)
    if before or not held:
        return None
    switch = f"sudo networksetup -setnetworkserviceenabled {service}"
    back = f"sudo networksetup -setmanual {service} {held[0].ip} {held[0].netmask}"
    return f"{switch} off && {switch} on && {back}"


def leave_bridge_command(cluster: Cluster, end: End) -> str | None:
    """Write the command that takes the port out of its bridge and addresses it, until a restart."""
    pair = proposal(cluster, end)
    if pair is None:
        return None
    name = end.port.name
    return (
        f"sudo ifconfig {end.port.bridge} deletem {name} &&"
        f" sudo ifconfig {name} inet {pair.own.ip} netmask {pair.own.netmask} up"
    )


def _service(cluster: Cluster, end: End) -> tuple[str, str]:
    """Name the port's network service, and the command that makes it or switches it on."""
    order = cluster.of(end.port.host).service_order
    services = [] if isinstance(order, Gap) else order.services
    named = [each for each in services if each.device == end.port.interface]
    if named:
        first = next((each for each in named if each.enabled), named[0])
        name = shlex.quote(first.name)
        on = f"sudo networksetup -setnetworkserviceenabled {name} on && "
        return name, "" if first.enabled else on
    name = shlex.quote(f"Thunderbolt {end.port.receptacle}")
    return name, f"sudo networksetup -createnetworkservice {name} {name} && "


def _places(end: End) -> frozenset[tuple[str, str]]:
    """Name the interfaces of a cable, and those of its hosts for what they send to themselves."""
    ports = {(port.host, str(port.interface)) for port in end.link.ends}
    return frozenset(ports | {(port.host, "lo0") for port in end.link.ends})


def _networks(cluster: Cluster) -> Iterator[tuple[IPv4Network, tuple[str, str]]]:
    """List the networks of all hosts and routes that are none to everywhere, with their place."""
    for facts in cluster.facts:
        host = facts.host.name
        if netstat_inet.COMMAND.name in facts.captures:
            routes = known(cluster.survey(host).routes)
            for route in routes.routes if routes else ():
                if route.network.prefixlen >= WIDEST:
                    yield route.network, (host, route.interface)
        if isinstance(facts.ifconfig, Gap):
            continue
        for interface in facts.ifconfig.interfaces:
            for held in interface.ipv4:
                network = IPv4Interface(f"{held.address}/{held.prefix}").network
                if network.prefixlen >= WIDEST:
                    yield network, (host, interface.name)
