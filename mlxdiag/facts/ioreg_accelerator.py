"""`ioreg -c IOAccelerator` (macOS): how busy the GPU is, without root."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("ioreg_accelerator", ("ioreg", "-r", "-d", "1", "-w", "0", "-c", "IOAccelerator"))

_NODE = re.compile(r"\+-o .*<class ", re.ASCII)
_BUSY = re.compile(r'"Device Utilization %"=(\d{1,3})\b', re.ASCII)
_HELD = re.compile(r'"In use system memory"=(\d{1,18})\b', re.ASCII)


@dataclass(frozen=True)
class Accelerator:
    """The busiest GPU: percent of the time, and the memory that it has in use.

    None where the driver did not say.
    """

    percent: int | None
    memory_bytes: int | None


def parse(out: bytes) -> Accelerator:
    """Read the driver's statistics; no GPU at all is not what a Mac says."""
    text = out.decode("utf-8", "replace")
    if not _NODE.search(text):
        raise ParseError(f"no accelerator in what ioreg said: {out[:80]!r}")
    busy = [int(n) for n in _BUSY.findall(text)]
    held = [int(n) for n in _HELD.findall(text)]
    if any(n > 100 for n in busy):
        raise ParseError(f"a GPU busy for {max(busy)} %")
    return Accelerator(max(busy, default=None), max(held, default=None))
