"""`networksetup -listallhardwareports`: which interface is which socket of the Mac."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("networksetup_hardwareports", ("networksetup", "-listallhardwareports"))

_END = "VLAN Configurations"
"""The heading after the last port; a list without it was cut off."""

_THUNDERBOLT = re.compile(r"Thunderbolt (\d{1,3})", re.ASCII)
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")


@dataclass(frozen=True)
class HardwarePort:
    """One port: its name for people, its BSD interface, its address if it has one."""

    name: str
    device: str
    mac: str | None


@dataclass(frozen=True)
class HardwarePorts:
    """Ports in the order printed, which means nothing."""

    ports: tuple[HardwarePort, ...]

    @cached_property
    def thunderbolt(self) -> dict[int, str]:
        """Map receptacle to interface; `Thunderbolt Bridge` and `Ethernet Slot` are neither."""
        named = ((_THUNDERBOLT.fullmatch(port.name), port.device) for port in self.ports)
        return {int(name[1]): device for name, device in named if name and device}


def parse(out: bytes) -> HardwarePorts:
    """Read the blocks up to the VLAN heading, whatever lines are missing from them."""
    blocks: list[dict[str, str]] = []
    for raw in out.decode("utf-8", "replace").split("\n"):
        line = raw.strip()
        if line == _END:
            return HardwarePorts(tuple(_port(block) for block in blocks))
        key, colon, value = line.partition(":")
        if key == "Hardware Port":
            blocks.append({})
        elif line and (not blocks or key not in {"Device", "Ethernet Address"}):
            raise ParseError(f"not a hardware port: {raw[:80]!r}")
        if colon:
            blocks[-1][key] = value.strip()
    raise ParseError(f"the list of hardware ports has no end: {out[-80:]!r}")


def _port(block: dict[str, str]) -> HardwarePort:
    name, mac = block.get("Hardware Port", ""), block.get("Ethernet Address", "").lower()
    if not name or "Device" not in block:
        raise ParseError(f"hardware port {name[:80]!r} has no device")
    return HardwarePort(name, block["Device"], mac if _MAC.fullmatch(mac) else None)
