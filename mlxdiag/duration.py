"""Duration: a time as people write it, in seconds. Pure."""

from __future__ import annotations

import re

from mlxdiag.errors import MlxdiagError

_WRITTEN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([smh]?)", re.IGNORECASE | re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
LONGEST_S = 366 * 86400
"""Clocks of Python give up on waits of some centuries; nobody means one of years."""


def seconds(text: str) -> float:
    """Read 90, 90s, 10m or 2h; raise MlxdiagError for what is none, for 0, for years."""
    match = _WRITTEN.fullmatch(text.strip())
    found = float(match[1]) * _SECONDS[match[2].lower()] if match else 0
    if not 0 < found <= LONGEST_S:
        raise MlxdiagError(f"{text!r} is not a duration above 0, up to a year (30s, 10m, 2h)")
    return found
