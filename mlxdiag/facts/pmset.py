"""`pmset -g`: what puts the machine to sleep."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("pmset", ("pmset", "-g"))

_HEAD = "Currently in use:"
_LINE = re.compile(
    r" ?(?P<key>[A-Za-z][A-Za-z ]*?)\s+(?P<value>\d{1,9})(?: \((?P<note>.*)\))?", re.ASCII
)


@dataclass(frozen=True)
class Pmset:
    """Minutes until sleep, 0 for never; None where the machine has no such setting.

    `powermode` is 0 for automatic, 1 for low and 2 for high. `held_by` is what prevents sleep at
    the moment, in pmset's own words.
    """

    sleep: int | None
    disksleep: int | None
    standby: int | None
    powernap: int | None
    lowpowermode: int | None
    disabled: bool
    powermode: int | None = None
    held_by: str = ""


def parse(out: bytes) -> Pmset:
    """Read `key value` lines; keys hold blanks, and which keys there are depends on the machine."""
    lines = [line.rstrip() for line in out.decode("utf-8", "replace").split("\n")]
    if _HEAD not in lines:
        raise ParseError(f"no {_HEAD!r} in {out[:80]!r}")
    said = {m["key"]: m for line in lines if (m := _LINE.fullmatch(line))}

    def number(key: str) -> int | None:
        return int(said[key]["value"]) if key in said else None

    if "sleep" not in said:
        raise ParseError(f"no sleep in {out[:80]!r}")
    return Pmset(
        sleep=number("sleep"),
        disksleep=number("disksleep"),
        standby=number("standby"),
        powernap=number("powernap"),
        lowpowermode=number("lowpowermode"),
        disabled=number("SleepDisabled") == 1,
        powermode=number("powermode"),
        held_by=said["sleep"]["note"] or "",
    )
