"""`system_profiler SPNetworkDataType -json`: how each network service gets its address."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command(
    "system_profiler_network",
    ("system_profiler", "SPNetworkDataType", "-json"),
    40,
    lane="profiler",
)

MANUAL = "Manual"


@dataclass(frozen=True)
class Service:
    """One service of the present location; `method` is Manual, DHCP, BOOTP ... or None."""

    name: str
    interface: str | None
    method: str | None


@dataclass(frozen=True)
class Services:
    """In the order printed; several may sit on one interface."""

    services: tuple[Service, ...]

    def on(self, interface: str) -> tuple[Service, ...]:
        """List the services of an interface."""
        return tuple(each for each in self.services if each.interface == interface)


def parse(out: bytes) -> Services:
    """Read name, interface and `IPv4: ConfigMethod` of every service."""
    try:
        said = json.loads(out.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise ParseError(f"not JSON: {out[:80]!r}") from error
    rows = said.get("SPNetworkDataType") if isinstance(said, dict) else None
    if not isinstance(rows, list):
        raise ParseError(f"no SPNetworkDataType in {out[:80]!r}")
    return Services(tuple(map(_service, rows)))


def kept(out: bytes) -> bytes:
    """Keep of each service what is read here: the rest names domains, DNS servers and proxies."""
    try:
        services = parse(out).services
    except ParseError:
        return out
    rows = [
        {"_name": s.name, "interface": s.interface, "IPv4": {"ConfigMethod": s.method}}
        for s in services
    ]
    return json.dumps({"SPNetworkDataType": rows}, indent=2).encode() + b"\n"


def _service(row: object) -> Service:
    if not isinstance(row, dict) or not isinstance(row.get("_name"), str):
        raise ParseError(f"not a network service: {str(row)[:80]!r}")
    ipv4 = row.get("IPv4")
    method = ipv4.get("ConfigMethod") if isinstance(ipv4, dict) else None
    name, interface = _text(row["_name"]), _text(row.get("interface"))
    return Service(name or "", interface, _text(method))


def _text(value: object) -> str | None:
    """Keep a text; lone surrogates would break every output."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None
