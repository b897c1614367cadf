"""`networksetup -listnetworkserviceorder`: the network services and the interfaces under them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("networksetup_serviceorder", ("networksetup", "-listnetworkserviceorder"))

_FIRST = "An asterisk (*) denotes that a network service is disabled."
_SERVICE = re.compile(r"\((\*|\d+)\) ?(.+)", re.ASCII)
_PORT = re.compile(r"\(Hardware Port: (.*), Device: ?([^,()\s]*)\)")


@dataclass(frozen=True)
class Service:
    """One service. Its name is free text: join on `device`, which is None for a VPN."""

    name: str
    enabled: bool
    hardware_port: str
    device: str | None


@dataclass(frozen=True)
class ServiceOrder:
    """Services in order of preference; several may sit on one device, most ports have none."""

    services: tuple[Service, ...]


def parse(out: bytes) -> ServiceOrder:
    """Read the pairs of lines below the explanation of the asterisk."""
    lines = [line.strip() for line in out.decode("utf-8", "replace").split("\n") if line.strip()]
    if not lines or lines[0] != _FIRST:
        raise ParseError(f"not the list of network services: {out[:80]!r}")
    if len(lines) % 2 == 0:
        raise ParseError(f"a service has no hardware port: {lines[-1][:80]!r}")
    return ServiceOrder(tuple(map(_service, lines[1::2], lines[2::2])))


def _service(first: str, second: str) -> Service:
    title, port = _SERVICE.fullmatch(first), _PORT.fullmatch(second)
    if title is None or port is None:
        raise ParseError(f"not a service and its port: {first[:80]!r}, {second[:80]!r}")
    return Service(title[2], title[1] != "*", port[1], port[2] or None)
