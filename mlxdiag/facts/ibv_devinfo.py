"""`ibv_devinfo -v`: state, speed, limits and GID table of every verbs port."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from typing import TYPE_CHECKING

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = Command("ibv_devinfo", ("ibv_devinfo", "-v"), 15, exclusive=True)

_COMPLAINT = re.compile(
    r"No IB devices found$|Failed to (?:open|query) |IB device '.*' wasn't found"
    r"|Invalid port requested|libibverbs: Warning:"
)
"""Messages of rdma-core's devinfo.c and of libibverbs; they go to stderr."""

_STATE = re.compile(r"(PORT_[A-Z]+|invalid state) \(\d+\)")
_GUID = re.compile(r"(?:[0-9a-fA-F]{4}:){3}[0-9a-fA-F]{4}")
_NUMBER = re.compile(r"\d{1,19}", re.ASCII)
_ENUMERATED = re.compile(r"(\d{1,9}) \(\d+\)", re.ASCII)
_WIDTH = re.compile(r"(\d{1,3})X \(\d+\)", re.ASCII)
_SPEED = re.compile(r"(\d{1,4}(?:\.\d{1,3})?) Gbps \(\d+\)", re.ASCII)
_GID_KEY = re.compile(r"GID\[ *(\d{1,9})\]", re.ASCII)


@dataclass(frozen=True)
class Gid:
    """One entry of a port's GID table.

    `address` is lower-case compressed IPv6 text, except that a mapped address keeps its dotted
    half: `::ffff:169.254.1.2`. All-zero entries are never printed, so indexes have gaps; both
    index and text change with every address change.
    """

    index: int
    address: str

    @property
    def ipv4(self) -> str | None:
        """Give the dotted address of an IPv4-mapped GID, the only kind JACCL connects with."""
        head, _, dotted = self.address.rpartition(":")
        return dotted if head == "::ffff" and "." in dotted else None


@dataclass(frozen=True)
class VerbsPort:
    """One port of a device.

    `state` is `PORT_DOWN`, `PORT_INIT`, `PORT_ARMED`, `PORT_ACTIVE` or `invalid state`. DOWN with
    a cable may mean that the far Mac has RDMA off. `active_mtu` (bytes) stays 4096 on a port that
    is down. `speed_gbps` is lanes times lane rate, None unless the port is active: an unconnected
    port prints its default of 80.
    """

    number: int
    state: str
    active_mtu: int | None
    link_layer: str | None
    speed_gbps: float | None
    gids: tuple[Gid, ...]

    @property
    def active(self) -> bool:
        """Tell whether both RDMA services met; it proves neither an address nor a free QP."""
        return self.state == "PORT_ACTIVE"

    @property
    def mapped(self) -> tuple[Gid, ...]:
        """Keep the IPv4-mapped GIDs; none while the interface is a member of a bridge."""
        return tuple(gid for gid in self.gids if gid.ipv4 is not None)


@dataclass(frozen=True)
class VerbsDevice:
    """One `hca_id` block. `node_guid` is 16 hex digits; the limits are None without `-v`."""

    name: str
    transport: str | None
    node_guid: str | None
    ports: tuple[VerbsPort, ...]
    max_pd: int | None
    max_qp: int | None
    max_mr: int | None
    max_cq: int | None


@dataclass(frozen=True)
class IbvDevinfo:
    """Devices in enumeration order, and the tool's complaints if it failed beside them."""

    devices: tuple[VerbsDevice, ...]
    complaints: tuple[str, ...] = ()


def parse(out: bytes) -> IbvDevinfo:
    """Read every block; a block without all its ports is refused as cut off."""
    found = _blocks(out)
    for device, declared in found:
        if len(device.ports) < declared:
            raise ParseError(f"{device.name} has {len(device.ports)} of {declared} ports")
    return IbvDevinfo(tuple(device for device, _ in found))


def parse_failure(out: bytes, err: bytes) -> IbvDevinfo:
    """Read a non-zero exit: no devices, or good blocks beside devices that would not open."""
    said = [line.strip() for line in err.decode("utf-8", "replace").split("\n") if line.strip()]
    complaints = tuple(line for line in said if _COMPLAINT.match(line))
    if b"No IB devices found" in (line.strip() for line in (out + b"\n" + err).split(b"\n")):
        return IbvDevinfo((), complaints)
    explained = any(not line.startswith("libibverbs") for line in complaints)
    if not explained or not out.strip():
        raise ParseError(f"ibv_devinfo failed: {' / '.join(said)[:200]!r}")
    return IbvDevinfo(tuple(device for device, _ in _blocks(out)), complaints)


Lines = list[tuple[str, str]]
"""Keys and values of one block, `hca_id` first; a line without a colon has an empty value."""


def _blocks(out: bytes) -> list[tuple[VerbsDevice, int]]:
    """Cut at `hca_id:`, never at a blank line: `-v` prints those inside a block too."""
    blocks: list[Lines] = []
    for key, value in _lines(out):
        if key == "hca_id":
            blocks.append([])
        elif not blocks:
            raise ParseError(f"no hca_id before {key[:80]!r}")
        blocks[-1].append((key, value))
    if not blocks:
        raise ParseError(f"no device in {out[:80]!r}")
    return [_device(block) for block in blocks]


def _lines(out: bytes) -> Iterator[tuple[str, str]]:
    """Give key and value of each line; only `hca_id` and known complaints are not indented."""
    for raw in out.decode("utf-8", "replace").split("\n"):
        line = raw.strip()
        indented = raw[:1] in (" ", "\t")
        if not line or (not indented and _COMPLAINT.match(raw)):
            continue
        key, _, value = line.partition(":")
        if indented == (key == "hca_id"):
            raise ParseError(f"not a line of ibv_devinfo: {raw[:80]!r}")
        yield key, value.lstrip()


def _device(lines: Lines) -> tuple[VerbsDevice, int]:
    """Build one device, and say how many ports it must have."""
    starts = [at for at, (key, _) in enumerate(lines) if key == "port"]
    head = dict(lines[: starts[0]] if starts else lines)
    if not head["hca_id"] or len(head["hca_id"].split()) != 1:
        raise ParseError(f"not a device name: {head['hca_id'][:80]!r}")
    if "state" in head or [key for key in head if key.startswith("GID")]:
        raise ParseError(f"{head['hca_id']} has a state or a GID outside of a port")
    ends = [*starts, len(lines)][1:]
    device = VerbsDevice(
        name=head["hca_id"],
        transport=head["transport"].partition(" (")[0] if "transport" in head else None,
        node_guid=_guid(head.get("node_guid")),
        ports=tuple(_port(lines[at:end]) for at, end in zip(starts, ends, strict=True)),
        max_pd=_count(head, "max_pd"),
        max_qp=_count(head, "max_qp"),
        max_mr=_count(head, "max_mr"),
        max_cq=_count(head, "max_cq"),
    )
    return device, _count(head, "phys_port_cnt") or 1


def _port(lines: Lines) -> VerbsPort:
    keys = dict(lines)
    number, state = _count(keys, "port"), _STATE.fullmatch(keys.get("state", ""))
    if number is None or state is None:
        raise ParseError(f"port {keys['port'][:20]!r} has no state")
    mtu = _ENUMERATED.fullmatch(keys.get("active_mtu", ""))
    return VerbsPort(
        number=number,
        state=state[1],
        active_mtu=int(mtu[1]) if mtu else None,
        link_layer=keys.get("link_layer") or None,
        speed_gbps=_speed_gbps(keys) if state[1] == "PORT_ACTIVE" else None,
        gids=tuple(_gids(lines)),
    )


def _speed_gbps(keys: dict[str, str]) -> float | None:
    """Multiply lanes (`8X (4)`) by lane rate (`10.0 Gbps (4)`)."""
    width = _WIDTH.fullmatch(keys.get("active_width", ""))
    speed = _SPEED.fullmatch(keys.get("active_speed", ""))
    return int(width[1]) * float(speed[1]) if width and speed else None


def _gids(lines: Lines) -> Iterator[Gid]:
    """Read the GID lines; Linux adds `, RoCE v2` to the address."""
    for key, value in lines:
        if key.startswith("GID"):
            index = _GID_KEY.fullmatch(key)
            if index is None:
                raise ParseError(f"not a GID index: {key[:40]!r}")
            yield Gid(int(index[1]), _address(value.partition(",")[0].strip()))


def _address(text: str) -> str:
    """Give one spelling to compressed and to eight-group text, the same on every Python."""
    try:
        address = IPv6Address(text)
    except (AddressValueError, ValueError) as error:
        raise ParseError(f"not a GID: {text[:80]!r}") from error
    if address.scope_id is not None:
        raise ParseError(f"not a GID: {text[:80]!r}")
    mapped = address.ipv4_mapped
    return f"::ffff:{mapped}" if mapped is not None else str(address)


def _guid(text: str | None) -> str | None:
    if text is None:
        return None
    if not _GUID.fullmatch(text):
        raise ParseError(f"not a GUID: {text[:80]!r}")
    return text.replace(":", "").lower()


def _count(keys: dict[str, str], key: str) -> int | None:
    if key not in keys:
        return None
    if not _NUMBER.fullmatch(keys[key]):
        raise ParseError(f"{key} is not a number: {keys[key][:40]!r}")
    return int(keys[key])
