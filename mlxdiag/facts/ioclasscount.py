"""`ioclasscount` (macOS): how many protection domains and queue pairs of RDMA there are."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

DOMAIN, PAIR = "AppleThunderboltRDMAProtectionDomain", "AppleThunderboltRDMAQueuePair"
COMMAND = Command("ioclasscount", ("ioclasscount", DOMAIN, PAIR))

_COUNT = re.compile(r"(\w{1,100}) = (\d{1,9})", re.ASCII)


@dataclass(frozen=True)
class ClassCount:
    """Objects in the kernel; a device has 11 protection domains where that was read."""

    domains: int | None
    pairs: int | None


def parse(out: bytes) -> ClassCount:
    """Read `NAME = NUMBER`, a line each or after commas; a class that is not loaded counts 0."""
    found = {name: int(count) for name, count in _COUNT.findall(out.decode("utf-8", "replace"))}
    if not found.keys() & {DOMAIN, PAIR}:
        raise ParseError(f"not the counts of ioclasscount: {out[:80]!r}")
    return ClassCount(found.get(DOMAIN), found.get(PAIR))
