"""/proc/PID/stat (Linux): when processes began, in ticks, and how long they ran."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("proc_stat", ("sh", "-c", "cat /proc/[0-9]*/stat; [ -d /proc/1 ]"))
"""cat says 1 where a process has gone meanwhile; there is no /proc on macOS."""

TICKS_PER_S = 100
"""Of Linux, on every machine that it runs on today (sysconf(_SC_CLK_TCK))."""

_HEAD = re.compile(r"(\d{1,10}) \((.*)\) (\S.*)", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,25}", re.ASCII)


@dataclass(frozen=True)
class Stat:
    """What is of use of one process. `began` counts ticks since the boot.

    `page_ins` counts pages that were read from a disk for it.
    """

    pid: int
    state: str
    parent: int
    cpu_s: float
    began: int
    page_ins: int = 0


def parse(out: bytes) -> tuple[Stat, ...]:
    """Read a line per process; a name may hold blanks, brackets and newlines."""
    text = out.decode("utf-8", "replace")
    return tuple(_stat(line) for line in re.split(r"\n(?=\d+ \()", text.strip()) if line)


def _stat(text: str) -> Stat:
    head = _HEAD.fullmatch(text.replace("\n", " "))
    fields = head[3].split() if head else []
    if head is None or len(fields) < 20:
        raise ParseError(f"not a line of /proc/PID/stat: {text[:80]!r}")
    numbers = (fields[1], fields[9], fields[11], fields[12], fields[19])
    if not all(_NUMBER.fullmatch(number) for number in numbers):
        raise ParseError(f"not numbers of /proc/PID/stat: {text[:80]!r}")
    parent, page_ins, user, system, began = map(int, numbers)
    return Stat(int(head[1]), fields[0], parent, (user + system) / TICKS_PER_S, began, page_ins)
