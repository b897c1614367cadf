"""`ibv_devices`: which verbs devices the kernel offers, by name and GUID."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("ibv_devices", ("ibv_devices",), 10, exclusive=True)

NO_DEVICES = "No IB devices found"
"""What libibverbs' tools say, on stderr, when the list is empty; some reports show it here too."""

_GUID = re.compile(r"[0-9a-fA-F]{16}")


@dataclass(frozen=True)
class ListedDevice:
    """One row: the name `rdma_<interface>` on a Mac, the GUID as 16 lower-case hex digits."""

    name: str
    guid: str

    @property
    def thunderbolt(self) -> bool:
        """Tell Apple's Thunderbolt devices from those of other drivers (`mlx5_0`, `rxe_0`)."""
        return self.name.startswith("rdma_")


@dataclass(frozen=True)
class IbvDevices:
    """Devices in enumeration order, which is not the order of their names.

    Empty is a valid state: RDMA is off, a restart is pending, or the Mac has no Thunderbolt 5.
    """

    devices: tuple[ListedDevice, ...]


def parse(out: bytes) -> IbvDevices:
    """Read the two header lines and one row per device."""
    lines = [line.split() for line in out.decode("utf-8", "replace").split("\n") if line.strip()]
    if lines == [NO_DEVICES.split()]:
        return IbvDevices(())
    header, rows = lines[:2], lines[2:]
    if len(header) != 2 or header[0] != ["device", "node", "GUID"] or not _ruled(header[1]):
        raise ParseError(f"no device table in {out[:80]!r}")
    return IbvDevices(tuple(_device(row) for row in rows))


def parse_failure(out: bytes, err: bytes) -> IbvDevices:
    """Read a non-zero exit: evidence only if it says that there are no devices."""
    said = (out + b"\n" + err).decode("utf-8", "replace")
    if any(line.strip() == NO_DEVICES for line in said.split("\n")):
        return IbvDevices(())
    raise ParseError(f"ibv_devices failed: {said.strip()[:200]!r}")


def _ruled(fields: list[str]) -> bool:
    return len(fields) == 2 and all(set(field) == {"-"} for field in fields)


def _device(row: list[str]) -> ListedDevice:
    if len(row) != 2 or not _GUID.fullmatch(row[1]):
        raise ParseError(f"not a device and its GUID: {' '.join(row)[:80]!r}")
    return ListedDevice(row[0], row[1].lower())
