"""/proc/meminfo and /proc/vmstat (Linux): memory, locked memory, and what was swapped."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("proc_memory", ("cat", "/proc/meminfo", "/proc/vmstat"))

_KIB = re.compile(r"(\w{1,40}): +(\d{1,15}) kB", re.ASCII)
_COUNT = re.compile(r"(\w{1,60}) (\d{1,18})", re.ASCII)
_PAGE = 4096
"""Of x86-64; where pages are larger the rate of swapping is larger than said."""


@dataclass(frozen=True)
class ProcMemory:
    """In bytes."""

    total_bytes: int
    locked_bytes: int | None
    swap_used_bytes: int
    swapped_bytes: int | None


def parse(out: bytes) -> ProcMemory:
    """Read both files, one after the other."""
    lines = [line.strip() for line in out.decode("utf-8", "replace").split("\n")]
    sizes = {found[1]: int(found[2]) * 1024 for line in lines if (found := _KIB.fullmatch(line))}
    counts = {found[1]: int(found[2]) for line in lines if (found := _COUNT.fullmatch(line))}
    if "MemTotal" not in sizes:
        raise ParseError(f"not /proc/meminfo: {out[:80]!r}")
    ways = [counts[name] * _PAGE for name in ("pswpin", "pswpout") if name in counts]
    return ProcMemory(
        sizes["MemTotal"],
        sizes.get("Mlocked"),
        max(0, sizes.get("SwapTotal", 0) - sizes.get("SwapFree", 0)),
        sum(ways) if ways else None,
    )
