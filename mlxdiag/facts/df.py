"""`df -kP /`: how much of the disk is free."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("df", ("df", "-kP", "/"))

_HEAD = ["Filesystem", "1024-blocks", "Used", "Available", "Capacity", "Mounted", "on"]
_LINE = re.compile(r".+? +(\d{1,15}) +\d{1,15} +(\d{1,15}) +\d{1,3}% +/", re.ASCII)


@dataclass(frozen=True)
class Df:
    """The volume that the system starts from; on a Mac its free space is that of all volumes."""

    size_bytes: int
    free_bytes: int


def parse(out: bytes) -> Df:
    """Read the one line below the heads of the columns."""
    lines = [line.rstrip() for line in out.decode("utf-8", "replace").split("\n") if line.strip()]
    if len(lines) != 2 or lines[0].split() != _HEAD:
        raise ParseError(f"not df's columns and one volume: {out[:80]!r}")
    match = _LINE.fullmatch(lines[1])
    if match is None:
        raise ParseError(f"not a volume of df: {lines[1][:80]!r}")
    return Df(int(match[1]) * 1024, int(match[2]) * 1024)
