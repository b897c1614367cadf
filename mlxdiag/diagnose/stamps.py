"""Stamps: the time that a line of a log begins with, if it does."""

from __future__ import annotations

import re
from calendar import timegm
from dataclasses import dataclass
from typing import Literal

Kind = Literal["zoned", "local", "day"]


@dataclass(frozen=True)
class Stamp:
    """A time in seconds. Two can be compared only where they are of one kind.

    zoned: since 1970, UTC. local: the same, in a zone that the line does not say. day: since
    midnight, of a day that it does not say either.
    """

    kind: Kind
    seconds: float
    text: str


_DATE = r"(?P<y>\d{4})[-/](?P<mo>\d\d)[-/](?P<d>\d\d)[T ]"
_TIME = r"(?P<h>\d\d):(?P<mi>\d\d):(?P<s>\d\d)(?P<f>[.,]\d{1,9})?"
_ZONE = r" ?(?P<z>Z|[+-]\d\d:?\d\d)?"
_STAMP = re.compile(rf"(?<!\d)(?:{_DATE})?(?<!\d){_TIME}(?!\d){_ZONE}")
LOOKED_AT = 64
"""Characters of a line in which its time is looked for: a prefix may stand before it."""


def stamp(line: str) -> Stamp | None:
    """Read the time of a line: ISO 8601, as Python's logging and macOS' log write it, or a clock.

    One that is no time, such as 99:99:99, is none.
    """
    found = _STAMP.search(line, 0, LOOKED_AT)
    if found is None:
        return None
    h, mi, s = (int(found[key]) for key in ("h", "mi", "s"))
    if h > 23 or mi > 59 or s > 60:
        return None
    seconds = h * 3600 + mi * 60 + s + float((found["f"] or ".0").replace(",", "."))
    if found["y"] is None:
        return Stamp("day", seconds, found[0].strip())
    y, mo, d = (int(found[key]) for key in ("y", "mo", "d"))
    if not (y >= 1970 and 1 <= mo <= 12 and 1 <= d <= 31):
        return None
    seconds += timegm((y, mo, d, 0, 0, 0))
    if found["z"] is None:
        return Stamp("local", seconds, found[0].strip())
    return Stamp("zoned", seconds - _offset(found["z"]), found[0].strip())


def _offset(zone: str) -> int:
    if zone == "Z":
        return 0
    digits = zone[1:].replace(":", "")
    return (1 if zone[0] == "+" else -1) * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)
