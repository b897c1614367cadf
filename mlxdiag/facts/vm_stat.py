"""`vm_stat` (macOS): wired memory, and how much was swapped since the boot."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("vm_stat", ("vm_stat",))

_HEAD = re.compile(r"Mach Virtual Memory Statistics: \(page size of (\d{1,9}) bytes\)", re.ASCII)
_LINE = re.compile(r'"?([A-Z][\w -]{0,60}?)"?: +(\d{1,18})\.', re.ASCII)


@dataclass(frozen=True)
class VmStat:
    """In bytes; None for what this macOS does not say."""

    free_bytes: int | None
    wired_bytes: int | None
    compressed_bytes: int | None
    swapped_bytes: int | None


def parse(out: bytes) -> VmStat:
    """Read the page size and the counters by name."""
    lines = [line.strip() for line in out.decode("utf-8", "replace").split("\n")]
    head = _HEAD.fullmatch(lines[0])
    if head is None:
        raise ParseError(f"not what vm_stat prints: {out[:80]!r}")
    found = {line[1]: int(line[2]) * int(head[1]) for line in map(_LINE.fullmatch, lines) if line}
    if not found:
        raise ParseError("no counter in what vm_stat said")
    ways = [found[name] for name in ("Swapins", "Swapouts") if name in found]
    return VmStat(
        found.get("Pages free"),
        found.get("Pages wired down"),
        found.get("Pages occupied by compressor"),
        sum(ways) if ways else None,
    )
