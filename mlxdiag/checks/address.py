"""Addresses to propose for a cabled port, and the commands that set them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv4Network

from mlxdiag.checks.subject import End
from mlxdiag.cluster import Cluster
from mlxdiag.facts import netstat_inet
from mlxdiag.readings import Gap, known

POOLS = tuple(map(IPv4Network, ("10.219.0.0/16", "172.29.0.0/16", "192.168.192.0/18")))
"""Where new /30 networks are taken from, in this order: ranges that home routers and MLX's own
set-up avoid."""

WIDEST = 8
"""A route that is wider is a default route in other words (0/1 and 128/1 of a VPN)."""


def proposal(cluster: Cluster, end: End) -> IPv4Interface | None:
    """Choose an address for this end: in the far end's subnet if it has one, else in a free /30.

    Free is what overlaps no network that any host is on or is known to route; None where there is
    none.
    """
    for text in end.far.ipv4:
        far = IPv4Interface(text)
        if far.ip.is_link_local or far.network.prefixlen > 30:
            continue
        other = next(ip for ip in far.network.hosts() if ip != far.ip)
        return IPv4Interface(f"{other}/{far.network.prefixlen}")
    taken = [net for net in _networks(cluster) if net.prefixlen >= WIDEST]
    nets = [net for pool in POOLS for net in list(pool.subnets(new_prefix=24))[1:]]
    free = [net for net in nets if not any(net.overlaps(t) for t in taken)]
    if not free:
        return None
    network = free[cluster.topology.links.index(end.link) % len(free)]
    return IPv4Interface(f"{network[1 if end.port is end.link.a else 2]}/30")


def set_command(cluster: Cluster, end: End) -> str | None:
    """Write the command that gives the port that address for good, through its network service."""
    address = proposal(cluster, end)
    if address is None:
        return None
    service, create = _service(cluster, end)
    setting = f"sudo networksetup -setmanual {service} {address.ip} {address.netmask}"
    return f"{create}{setting}"


def keep_command(cluster: Cluster, end: End) -> str | None:
    """Write the command that stores the address that the port has now in its network service."""
    held = [own for own in map(IPv4Interface, end.port.ipv4) if not own.ip.is_link_local]
    if not held:
        return None
    service, create = _service(cluster, end)
    return f"{create}sudo networksetup -setmanual {service} {held[0].ip} {held[0].netmask}"


def toggle_command(cluster: Cluster, end: End) -> str | None:
    """Write the command that switches the port's service off and on and sets its address again."""
    held = [IPv4Interface(text) for text in end.port.ipv4]
    service, create = _service(cluster, end)
    if create or not held:
        return None
    switch = f"sudo networksetup -setnetworkserviceenabled {service}"
    back = f"sudo networksetup -setmanual {service} {held[0].ip} {held[0].netmask}"
    return f"{switch} off && {switch} on && {back}"


def leave_bridge_command(cluster: Cluster, end: End) -> str | None:
    """Write the command that takes the port out of its bridge and addresses it, until a restart."""
    address = proposal(cluster, end)
    if address is None:
        return None
    name = end.port.name
    return (
        f"sudo ifconfig {end.port.bridge} deletem {name} &&"
        f" sudo ifconfig {name} inet {address.ip} netmask {address.netmask} up"
    )


def _service(cluster: Cluster, end: End) -> tuple[str, str]:
    """Name the port's network service; where it has none, also the command that makes one."""
    order = cluster.of(end.port.host).service_order
    services = [] if isinstance(order, Gap) else order.services
    named = [s.name for s in services if s.device == end.port.interface and s.enabled]
    if named:
        return shlex.quote(named[0]), ""
    name = shlex.quote(f"Thunderbolt {end.port.receptacle}")
    return name, f"sudo networksetup -createnetworkservice {name} {name} && "


def _networks(cluster: Cluster) -> Iterator[IPv4Network]:
    for facts in cluster.facts:
        if netstat_inet.COMMAND.name in facts.captures:
            routes = known(cluster.survey(facts.host.name).routes)
            yield from (route.network for route in (routes.routes if routes else ()))
        if isinstance(facts.ifconfig, Gap):
            continue
        for interface in facts.ifconfig.interfaces:
            for held in interface.ipv4:
                yield IPv4Interface(f"{held.address}/{held.prefix}").network
