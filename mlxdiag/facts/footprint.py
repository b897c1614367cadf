"""`footprint -p PID` (macOS): what a process holds of memory, the GPU's wired pages among it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

_LINE = re.compile(
    r"(.{1,200}) \[(\d{1,10})\]:.*?Footprint: (\d{1,9}(?:\.\d{1,3})?) ([KMGT]?)B\b", re.ASCII
)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True)
class Footprint:
    """Of one process."""

    pid: int
    footprint_bytes: int


def command(pid: int, name: str = "footprint") -> Command:
    """Ask of one process."""
    return Command(name, ("footprint", "-p", str(pid)), deadline_s=15.0)


def parse(out: bytes) -> Footprint:
    """Read the line that names the process."""
    lines = out.decode("utf-8", "replace").split("\n")
    found = next((f for line in lines if (f := _LINE.match(line.strip()))), None)
    if found is None:
        raise ParseError(f"no footprint in {out[:80]!r}")
    return Footprint(int(found[2]), round(float(found[3]) * _UNITS[found[4]]))
