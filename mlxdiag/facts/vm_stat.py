"""`vm_stat`: how much memory is wired down."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("vm_stat", ("vm_stat",))

_HEAD = re.compile(r"Mach Virtual Memory Statistics: \(page size of (\d{4,6}) bytes\)", re.ASCII)
_LINE = re.compile(r'"?([A-Z][\w\- ]*)"?: +(\d{1,19})\.', re.ASCII)
_WIRED = "Pages wired down"


@dataclass(frozen=True)
class VmStat:
    """Bytes that cannot be paged out: the kernel's own, and what GPU and RDMA hold."""

    wired_bytes: int


def parse(out: bytes) -> VmStat:
    """Read the page size from the first line and `name: pages.` from those below."""
    first, *lines = (line.rstrip() for line in out.decode("utf-8", "replace").split("\n"))
    head = _HEAD.fullmatch(first)
    if head is None:
        raise ParseError(f"not vm_stat's first line: {first[:80]!r}")
    pages: dict[str, int] = {}
    for line in filter(None, lines):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ParseError(f"not a line of vm_stat: {line[:80]!r}")
        pages[match[1]] = int(match[2])
    if _WIRED not in pages:
        raise ParseError(f"no {_WIRED!r}")
    return VmStat(pages[_WIRED] * int(head[1]))
