"""Listeners: who listens at the ports that the server's ranks will meet at.

Never by connecting: a connection to rank 0 of a starting job is taken for a rank's, and spoils it.

`netstat` (macOS) or `ss` (Linux) list the sockets of every user and decide; `lsof`, which without
root sees only one's own, gives them names.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace

from mlxdiag.capture import ACCESS, Capture, Captures, Command, Outcome
from mlxdiag.errors import ParseError
from mlxdiag.readings import Gap

Held = Mapping[int, str]
"""Port -> the address that it is held at, `*` for all."""


@dataclass(frozen=True)
class Listing:
    """Who holds which port, in words; `source` is the command whose table it was."""

    source: str
    by_port: Mapping[int, str]


_NETSTAT_HEAD = re.compile(r"Active Internet connections \(including servers\)")
_SS_HEAD = re.compile(r"State\s+Recv-Q\s+Send-Q\s+Local Address:Port\s+Peer Address:Port.*")


def commands(ports: range) -> tuple[Command, ...]:
    """Give the questions; each kind of system has some of the programs."""
    lsof = ("lsof", "-nP", f"-iTCP:{ports[0]}-{ports[-1]}", "-sTCP:LISTEN", "-Fpcn")
    return (
        Command("netstat", ("netstat", "-an", "-p", "tcp")),
        Command("ss", ("ss", "-ltn")),
        Command("lsof", lsof),
    )


def netstat(out: bytes) -> Held:
    """Read macOS' table of TCP sockets; that of Linux is another and is refused."""
    lines = out.decode("utf-8", "replace").splitlines()
    if not lines or not _NETSTAT_HEAD.fullmatch(lines[0].strip()):
        raise ParseError(f"not netstat's table of macOS: {out[:80]!r}")
    held: dict[int, str] = {}
    for line in lines:
        words = line.split()
        if not words or not re.fullmatch(r"tcp(4|6|46)", words[0]):
            continue
        if len(words) < 5:
            raise ParseError(f"not a socket of netstat: {line[:80]!r}")
        if words[0] != "tcp6" and words[5:] == ["LISTEN"]:
            _put(held, words[3], ".")
    return held


def ss(out: bytes) -> Held:
    """Read Linux' table of listening TCP sockets; those of IPv6 alone are nobody's trouble."""
    lines = out.decode("utf-8", "replace").splitlines()
    if not lines or not _SS_HEAD.fullmatch(lines[0].strip()):
        raise ParseError(f"not a table of ss: {out[:80]!r}")
    held: dict[int, str] = {}
    for line in lines[1:]:
        words = line.split()
        if len(words) < 5 or words[0] != "LISTEN":
            raise ParseError(f"not a listening socket of ss: {line[:80]!r}")
        if not words[3].startswith("["):
            _put(held, words[3].replace("0.0.0.0", "*"), ":")  # noqa: S104  # read, not bound
    return held


def lsof(out: bytes) -> Mapping[int, str]:
    """Read `lsof -F pcn`: port -> `pid 812 (python3.12)`."""
    names: dict[int, str] = {}
    pid = command = ""
    for line in out.decode("utf-8", "replace").splitlines():
        kind, value = line[:1], line[1:]
        match kind:
            case "p":
                pid, command = value, ""
            case "c":
                command = value
            case "n" if pid and (port := re.search(r":(\d{1,5})(?: \(LISTEN\))?$", value)):
                names.setdefault(int(port[1]), f"pid {pid} ({command or '?'})")
            case "f" | "t" | "P" | "T" | "u" | "L" | "R" | "g":
                pass
            case _:
                raise ParseError(f"not a field of lsof -F: {line[:80]!r}")
    return names


def _put(held: dict[int, str], place: str, mark: str) -> None:
    address, _, port = place.rpartition(mark)
    if not address or not re.fullmatch(r"\d{1,5}", port, re.ASCII):
        raise ParseError(f"not an address and a port: {place[:80]!r}")
    held.setdefault(int(port), address.partition("%")[0])


TABLES = {"netstat": netstat, "ss": ss}
SHOWN = 200
"""Bytes of an output that is not understood that are kept."""


def kept(captures: Captures, ports: Container[int]) -> Captures:
    """Leave out what listens elsewhere: what else a host serves is nobody's business here."""
    found = dict(captures)
    for name in TABLES:
        capture = captures.get(name)
        if capture is not None and capture.stdout:
            found[name] = replace(capture, stdout=_kept(name, capture.stdout, ports))
    return found


def _kept(name: str, out: bytes, ports: Container[int]) -> bytes:
    lines = out.splitlines(keepends=True)
    try:
        TABLES[name](out)
    except ParseError:  # not the table that was expected: its first line says so again
        return b"".join(lines[:1])[:SHOWN]
    return b"".join(line for line in lines if _is_wanted(line, ports))


def _is_wanted(line: bytes, ports: Container[int]) -> bool:
    words = line.split()
    if len(words) < 5 or not re.fullmatch(rb"tcp\d*|LISTEN", words[0]):
        return True
    port = re.search(rb"[.:](\d{1,5})$", words[3])
    return port is not None and int(port[1]) in ports


def holders(host: str, captures: Captures) -> Listing | Gap:
    """Say who holds which port; a Gap where no table was understood."""
    gaps: list[Gap] = []
    for name in TABLES:
        held = _read(host, captures, name)
        if not isinstance(held, Gap):
            return _named(name, held, captures)
        gaps.append(held)
    absent = (Outcome.MISSING, Outcome.NOT_RECORDED)
    return next((gap for gap in gaps if gap.outcome not in absent), gaps[0])


def _named(source: str, held: Held, captures: Captures) -> Listing:
    names = _names(captures.get("lsof"))
    said = {
        port: f"{names.get(port, 'a process that only root can name')} at {address}:{port}"
        for port, address in held.items()
    }
    return Listing(source, said)


def _read(host: str, captures: Captures, name: str) -> Held | Gap:
    capture = captures.get(name)
    if capture is None:
        access = captures.get(ACCESS)
        if access is not None and access.outcome is not Outcome.EXITED:
            return Gap(host, name, access.outcome, access.reason)
        return Gap(host, name, Outcome.NOT_RECORDED, "not recorded")
    if capture.outcome is not Outcome.EXITED or capture.exit_status != 0:
        return Gap(host, name, capture.outcome, capture.reason)
    try:
        return TABLES[name](capture.stdout)
    except ParseError as error:
        return Gap(host, name, capture.outcome, f"not understood: {error}")


def _names(capture: Capture | None) -> Mapping[int, str]:
    if capture is None or capture.outcome is not Outcome.EXITED:
        return {}
    try:
        return lsof(capture.stdout)
    except ParseError:  # a name is a courtesy: who listens is known without it
        return {}
