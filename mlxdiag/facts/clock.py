"""`date +%s`: the host's own clock."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("clock", ("date", "+%s"))

_SECONDS = re.compile(r"\d{9,11}\n?", re.ASCII)


@dataclass(frozen=True)
class Clock:
    """Whole seconds since 1970 when the host was asked."""

    seconds: int


def parse(out: bytes) -> Clock:
    """Read the one number."""
    text = out.decode("utf-8", "replace")
    if not _SECONDS.fullmatch(text):
        raise ParseError(f"not a number of seconds: {text[:80]!r}")
    return Clock(int(text))
