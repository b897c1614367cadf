"""`ioreg -r -c IOAccelerator`: how busy the GPU is at this moment."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("ioreg_accelerator", ("ioreg", "-r", "-c", "IOAccelerator", "-d", "1", "-w", "0"))

_NODE = re.compile(r"^\+-o \S.*<class ", re.MULTILINE)
_BUSY = re.compile(r'"Device Utilization %"=(\d{1,3})[,}]', re.ASCII)


@dataclass(frozen=True)
class IoregAccelerator:
    """The busiest GPU in percent, 0 to 100."""

    busy_percent: int


def parse(out: bytes) -> IoregAccelerator:
    """Find the statistics among the properties of every accelerator."""
    text = out.decode("utf-8", "replace")
    said = [int(number) for number in _BUSY.findall(text)]
    if not _NODE.search(text) or not said:
        raise ParseError(f"no accelerator with statistics in {out[:80]!r}")
    if max(said) > 100:
        raise ParseError(f"a GPU that is {max(said)} % busy")
    return IoregAccelerator(max(said))
