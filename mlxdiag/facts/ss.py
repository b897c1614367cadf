"""`ss` (Linux): the TCP sockets of all processes, with the bytes that each has moved."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("ss", ("ss", "-tinapHO"))

_HEAD = re.compile(r"([A-Z0-9-]+)\s+(\d{1,15})\s+(\d{1,15})\s+(\S+)\s+(\S+)(?:\s+(.*))?", re.ASCII)
_PID = re.compile(r"pid=(\d{1,10}),", re.ASCII)
_MOVED = re.compile(r"\bbytes_(acked|received):(\d{1,20})\b", re.ASCII)


@dataclass(frozen=True)
class Socket:
    """One TCP socket and the processes that hold it.

    `moved_bytes` counts what the other end acknowledged and what it sent: what is sent again does
    not count. `unread_bytes` have arrived and were not taken, `unsent_bytes` were not acknowledged.
    None where the tool does not count them.
    """

    pids: tuple[int, ...]
    state: str
    local: str
    remote: str
    unread_bytes: int | None = None
    unsent_bytes: int | None = None
    moved_bytes: int | None = None

    @property
    def port(self) -> int | None:
        """The local port."""
        return _port(self.local)

    @property
    def far_port(self) -> int | None:
        """The port of the other end; None for a listener."""
        return _port(self.remote)


def parse(out: bytes) -> tuple[Socket, ...]:
    """Read a line per socket."""
    lines = out.decode("utf-8", "replace").split("\n")
    return tuple(_socket(line.strip()) for line in lines if line.strip())


def _socket(line: str) -> Socket:
    found = _HEAD.fullmatch(line)
    if found is None:
        raise ParseError(f"not a socket of ss: {line[:80]!r}")
    state, unread, unsent, local, remote, rest = found.groups()
    moved = {name: int(count) for name, count in _MOVED.findall(rest or "")}
    listens = state == "LISTEN"
    return Socket(
        tuple(sorted({int(pid) for pid in _PID.findall(rest or "")})),
        "ESTABLISHED" if state == "ESTAB" else state,
        local,
        "" if listens else remote,
        None if listens else int(unread),
        None if listens else int(unsent),
        sum(moved.values()) if moved else None,
    )


def _port(place: str) -> int | None:
    port = place.rpartition(":")[2]
    return int(port) if re.fullmatch(r"\d{1,5}", port, re.ASCII) else None
