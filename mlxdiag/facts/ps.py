"""`ps`: every process with its age, state, time and arguments; alike on macOS and Linux."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError
from mlxdiag.keys import masked

_FIELDS = ("pid", "ppid", "user", "stat", "pcpu", "rss", "lstart", "etime", "time", "args")
COMMAND = Command("ps", ("ps", "-A", "-ww", *(w for f in _FIELDS for w in ("-o", f"{f}="))))

_LINE = re.compile(
    r"(\d{1,10}) +(\d{1,10}) +(\S+) +([A-Za-z?]\S*) +([\d.]+) +(\d{1,15})"
    r" +(\w{3} +\w{3} +\d+ +[\d:]+ +\d{4}) +(\S+) +(\S+)(?: +(.*))?",
    re.ASCII,
)
_HEAD = re.compile(rb"\s*(?:\S+\s+){13}")
"""What stands before the arguments: `lstart` is five words, each other field one."""

_ROW = re.compile(rb"\s*\d+\s+\d+\s")
_CLOCK = re.compile(r"(?:(\d{1,6})-)?(?:(\d{1,6}):)?(\d{1,8}):(\d{1,2}(?:\.\d{1,3})?)", re.ASCII)


@dataclass(frozen=True)
class Process:
    """One process. `began` is its start as ps writes it, which tells it from a later pid.

    `state` is the first letter of STAT: T stopped, Z zombie, U (macOS) or D (Linux) a wait in the
    kernel that no signal ends. A time that is none, as of a process begun this moment, is None.
    """

    pid: int
    parent: int
    user: str
    stat: str
    percent: float
    rss_bytes: int
    began: str
    age_s: float | None
    cpu_s: float | None
    arguments: str

    @property
    def state(self) -> str:
        """The first letter of STAT."""
        return self.stat[:1]

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments, cut at blanks: ps does not say where one ends."""
        return tuple(self.arguments.split())


def parse(out: bytes) -> tuple[Process, ...]:
    """Read a line per process."""
    lines = out.decode("utf-8", "replace").split("\n")
    return tuple(_process(line.strip()) for line in lines if line.strip())


def hidden(out: bytes) -> bytes:
    """Mask the keys among the arguments; a user who is called like one stays."""
    return b"".join(map(_hidden, out.splitlines(keepends=True)))


def _hidden(line: bytes) -> bytes:
    head = _HEAD.match(line)
    end = head.end() if head else 0
    return line[:end] + masked(line[end:]) if head or not _ROW.match(line) else line


def parse_failure(out: bytes, err: bytes) -> tuple[Process, ...]:
    """Read exit 1: of the pids that were asked for, none or not all are there any more."""
    if err.strip():
        raise ParseError(f"ps failed: {err.strip()[:200]!r}")
    return parse(out)


def _process(text: str) -> Process:
    found = _LINE.fullmatch(text)
    if found is None:
        raise ParseError(f"not a process: {text[:80]!r}")
    pid, parent, user, stat, percent, rss, began, age, time, arguments = found.groups()
    return Process(
        int(pid),
        int(parent),
        user,
        stat,
        _number(percent),
        int(rss) * 1024,
        " ".join(began.split()),
        _seconds(age),
        _seconds(time),
        (arguments or "").strip(),
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ParseError(f"not a number: {text[:40]!r}") from error


def _seconds(text: str) -> float | None:
    """Read `[[dd-]hh:]mm:ss[.cc]`; macOS counts minutes on and never writes hours in TIME."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    days, hours, minutes, seconds = found.groups()
    return ((int(days or 0) * 24 + int(hours or 0)) * 60 + int(minutes)) * 60 + float(seconds)
