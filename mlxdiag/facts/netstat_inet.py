"""`netstat -rn -f inet`: the IPv4 routes, those bound to an interface among them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("netstat_inet", ("netstat", "-rn", "-f", "inet"))

_HEAD = ["Destination", "Gateway", "Flags", "Netif"]
_NUMBERS = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,3})(?:/(\d{1,2}))?", re.ASCII)


@dataclass(frozen=True)
class Route:
    """One row. `gateway` is an address, a MAC or `link#N` where the network is on the link."""

    network: IPv4Network
    gateway: str
    flags: str
    interface: str

    @property
    def scoped(self) -> bool:
        """Whether only sockets bound to the interface use it (flag I)."""
        return "I" in self.flags

    @property
    def default(self) -> bool:
        """Whether it is for everything that no other route is for."""
        return self.network.prefixlen == 0

    @property
    def on_link(self) -> bool:
        """Whether no router stands between."""
        return self.gateway.startswith("link#")

    @property
    def name(self) -> str:
        """Write it as netstat's column and interface: `10.0.0.0/8 on utun4`."""
        return f"{'default' if self.default else self.network} on {self.interface}"


@dataclass(frozen=True)
class Routes:
    """All rows in the order printed."""

    routes: tuple[Route, ...]


def parse(out: bytes) -> Routes:
    """Read the rows below `Internet:` and its heads; a network is cut where only zeros follow."""
    lines = [line.split() for line in out.decode("utf-8", "replace").split("\n")]
    if ["Internet:"] not in lines:
        raise ParseError(f"no IPv4 routes in {out[:80]!r}")
    rows = [row for row in lines[lines.index(["Internet:"]) + 1 :] if row]
    if not rows or rows[0][:4] != _HEAD:
        raise ParseError(f"not a routing table: {out[:80]!r}")
    return Routes(tuple(map(_route, rows[1:])))


def _route(row: list[str]) -> Route:
    if not 4 <= len(row) <= 5:
        raise ParseError(f"not a route: {' '.join(row)[:80]!r}")
    return Route(_network(row[0]), row[1], row[2], row[3])


def _network(text: str) -> IPv4Network:
    """Read `default`, `10.219.1/30`, `169.254` (16 bits) or an address (32 bits)."""
    found = _NUMBERS.fullmatch("0/0" if text == "default" else text)
    if found is None:
        raise ParseError(f"not a destination: {text[:80]!r}")
    octets = found[1].split(".")
    prefix = found[2] or 8 * len(octets)
    try:
        whole = ".".join([*map(str, map(int, octets)), *["0"] * (4 - len(octets))])
        return IPv4Network(f"{whole}/{prefix}", strict=False)
    except (AddressValueError, NetmaskValueError) as error:
        raise ParseError(f"not a destination: {text[:80]!r}") from error
