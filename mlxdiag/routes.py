"""Routes: which way a packet to an address takes, by the longest prefix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from mlxdiag.facts.netstat_inet import Route, Routes

_TUNNEL = re.compile(r"(?:utun|ppp|ipsec|tun|tap|gif)\d+", re.ASCII)
_HALVES = 1
"""VPNs write a default route as 0/1 and 128/1 as well, to win over the one there is."""


def way(table: Routes, address: IPv4Address) -> Route | None:
    """Choose as the kernel does for a socket that is bound to no interface; None for no route.

    A route that is scoped to an interface serves only sockets bound to it, which MLX's are not.
    """
    fit = [r for r in table.routes if not r.scoped and address in r.network]
    return max(fit, key=lambda route: route.network.prefixlen, default=None)


def tunnel(interface: str) -> bool:
    """Tell a VPN's interface by its name."""
    return _TUNNEL.fullmatch(interface) is not None


def swallows(route: Route) -> bool:
    """Whether a route is a default one, whole or a half."""
    return route.network.prefixlen <= _HALVES


def overlapping(table: Routes, network: IPv4Network) -> Iterator[Route]:
    """List the routes that share addresses with a network and are no default route.

    Loopback, multicast, broadcast and neighbours that were learnt are left out.
    """
    for route in table.routes:
        special = route.network.is_loopback or route.network.is_multicast
        learnt = "W" in route.flags or "b" in route.flags
        if not (special or learnt or swallows(route)) and route.network.overlaps(network):
            yield route
