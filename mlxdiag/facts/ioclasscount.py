"""`ioclasscount`: RDMA's protection domains and queue pairs that the kernel holds now."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

DOMAIN = "AppleThunderboltRDMAProtectionDomain"
PAIR = "AppleThunderboltRDMAQueuePair"
COMMAND = Command("ioclasscount", ("ioclasscount", DOMAIN, PAIR))

_COUNT = re.compile(r"(\w+) = (\d{1,10})", re.ASCII)


@dataclass(frozen=True)
class ClassCount:
    """How many there are over all devices; None where the kernel has no such class (no RDMA)."""

    domains: int | None
    pairs: int | None


def parse(out: bytes) -> ClassCount:
    """Read `Class = N` between commas; a class that is unknown is left out without a word."""
    counts: dict[str, int] = {}
    for part in re.split(r"[,\n]", out.decode("utf-8", "replace")):
        if not (text := part.strip()):
            continue
        match = _COUNT.fullmatch(text)
        if match is None or match[1] not in (DOMAIN, PAIR):
            raise ParseError(f"not a count of ioclasscount: {text[:80]!r}")
        counts[match[1]] = int(match[2])
    return ClassCount(counts.get(DOMAIN), counts.get(PAIR))
