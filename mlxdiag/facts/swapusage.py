"""`sysctl vm.swapusage hw.memsize` (macOS): memory, and how much of the swap file is in use."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("swapusage", ("sysctl", "vm.swapusage", "hw.memsize"))

_SWAP = re.compile(r"total = (\d{1,9}\.\d\d)M +used = (\d{1,9}\.\d\d)M", re.ASCII)
_MEMORY = re.compile(r"hw\.memsize: (\d{1,18})\b", re.ASCII)


@dataclass(frozen=True)
class SwapUsage:
    """In bytes; `memory_bytes` is None where it was not asked for."""

    used_bytes: int
    memory_bytes: int | None


def parse(out: bytes) -> SwapUsage:
    """Read the line of swap, with or without its name, and the other one."""
    text = out.decode("utf-8", "replace")
    swap, memory = _SWAP.search(text), _MEMORY.search(text)
    if swap is None:
        raise ParseError(f"not what sysctl says of swap: {out[:80]!r}")
    return SwapUsage(round(float(swap[2]) * (1 << 20)), int(memory[1]) if memory else None)
