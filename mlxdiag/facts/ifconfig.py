"""`ifconfig -a`: addresses, link state and bridge members as the kernel has them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Literal

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMAND = Command("ifconfig", ("ifconfig", "-a"))

_HEAD = re.compile(r"(\S{1,32}): flags=[0-9a-f]+<([^>\s]*)>(?: mtu (\d{1,9}))?(?: .*)?", re.ASCII)
_NETMASK = re.compile(r"0x[0-9a-fA-F]{8}")
_FOR_SHARING = 100
_UNUSABLE = frozenset({"tentative", "duplicated", "detached"})


@dataclass(frozen=True)
class Ipv4:
    """One `inet` line; the netmask as a prefix length."""

    address: str
    prefix: int
    broadcast: str | None


@dataclass(frozen=True)
class Ipv6:
    """One `inet6` line: the address without its `%scope`, and the words behind the prefix."""

    address: str
    prefix: int
    flags: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Tell an address that is there from one still being tested, doubled or cut off."""
        return _UNUSABLE.isdisjoint(self.flags)


@dataclass(frozen=True)
class Interface:
    """One interface.

    `status` is None when the kernel gives none: the interface is down or has no medium. `members`
    are a bridge's, and count even while the bridge is down or its service disabled.
    """

    name: str
    flags: tuple[str, ...]
    mtu: int | None
    ether: str | None
    ipv4: tuple[Ipv4, ...]
    ipv6: tuple[Ipv6, ...]
    status: Literal["active", "inactive"] | None
    members: tuple[str, ...]

    @property
    def up(self) -> bool:
        """Tell whether the interface is switched on; an unplugged port still is."""
        return "UP" in self.flags

    @property
    def for_sharing(self) -> bool:
        """Tell bridge100 and up, of Internet Sharing and virtual machines, from others."""
        number = self.name.removeprefix("bridge")
        return number != self.name and number.isdecimal() and int(number) >= _FOR_SHARING


@dataclass(frozen=True)
class Ifconfig:
    """Interfaces in the order printed. RDMA devices are never among them."""

    interfaces: tuple[Interface, ...]

    def find(self, name: str) -> Interface | None:
        """Look an interface up by its BSD name."""
        return next((each for each in self.interfaces if each.name == name), None)

    def bridge_of(self, name: str) -> str | None:
        """Name the bridge an interface is a member of; while it is, it has no addresses."""
        return next((each.name for each in self.interfaces if name in each.members), None)


def parse(out: bytes) -> Ifconfig:
    """Cut at lines that are not indented; indentation itself may be tabs or spaces."""
    blocks: list[list[str]] = []
    for raw in out.decode("utf-8", "replace").split("\n"):
        line = raw.rstrip()
        if line and line[0] not in " \t":
            blocks.append([line])
        elif line and not blocks:
            raise ParseError(f"no interface before {line[:80]!r}")
        elif line:
            blocks[-1].append(line)
    if not blocks:
        raise ParseError("ifconfig printed nothing")
    return Ifconfig(tuple(_interface(head, lines) for head, *lines in blocks))


def _interface(line: str, lines: Sequence[str]) -> Interface:
    head = _HEAD.fullmatch(line)
    if head is None:
        raise ParseError(f"not an interface: {line[:80]!r}")
    rows = [row for row in (line.split() for line in lines) if row]
    return Interface(
        name=head[1],
        flags=tuple(head[2].split(",")) if head[2] else (),
        mtu=int(head[3]) if head[3] else None,
        ether=next(iter(_values(rows, "ether")), None),
        ipv4=tuple(_ipv4(row) for row in rows if row[0] == "inet"),
        ipv6=tuple(_ipv6(row) for row in rows if row[0] == "inet6"),
        status=_status(rows),
        members=_values(rows, "member:"),
    )


def _values(rows: list[list[str]], key: str) -> tuple[str, ...]:
    found = [row for row in rows if row[0] == key]
    if any(len(row) < 2 for row in found):
        raise ParseError(f"{key} without a value")
    return tuple(row[1] for row in found)


def _status(rows: list[list[str]]) -> Literal["active", "inactive"] | None:
    """Keep the two words that Ethernet uses; other media have words of their own."""
    for word in _values(rows, "status:"):
        if word == "active":
            return "active"
        if word == "inactive":
            return "inactive"
    return None


def _ipv4(row: list[str]) -> Ipv4:
    """Read `inet A [--> PEER] netmask 0xHEX [broadcast B]`."""
    netmask = _after(row, "netmask") or ""
    if len(row) < 2 or not _NETMASK.fullmatch(netmask):
        raise ParseError(f"not an IPv4 address and its netmask: {' '.join(row)[:80]!r}")
    bits = f"{int(netmask, 16):032b}".rstrip("0")
    if "0" in bits:
        raise ParseError(f"netmask with a hole: {netmask}")
    try:
        return Ipv4(str(IPv4Address(row[1])), len(bits), _after(row, "broadcast"))
    except AddressValueError as error:
        raise ParseError(f"not an IPv4 address: {row[1][:80]!r}") from error


def _ipv6(row: list[str]) -> Ipv6:
    """Read `inet6 A%scope [--> PEER] prefixlen N [words] [scopeid 0xN]`."""
    prefix = _after(row, "prefixlen") or ""
    if len(row) < 2 or not re.fullmatch(r"[0-9]{1,3}", prefix) or int(prefix) > 128:
        raise ParseError(f"not an IPv6 address and its prefix: {' '.join(row)[:80]!r}")
    try:
        address = str(IPv6Address(row[1].partition("%")[0]))
    except AddressValueError as error:
        raise ParseError(f"not an IPv6 address: {row[1][:80]!r}") from error
    words = row[row.index("prefixlen") + 2 :]
    if "scopeid" in words:
        at = words.index("scopeid")
        words = words[:at] + words[at + 2 :]
    return Ipv6(address, int(prefix), tuple(words))


def _after(row: list[str], word: str) -> str | None:
    at = row.index(word) + 1 if word in row else len(row)
    return row[at] if at < len(row) else None
