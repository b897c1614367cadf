"""`sysctl`: model, chip, memory and boot time of the Mac."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command(
    "sysctl",
    ("sysctl", "hw.model", "machdep.cpu.brand_string", "hw.memsize", "kern.boottime"),
)

_LINE = re.compile(r"([a-z]\w*(?:\.\w+)+): ?(.*)", re.ASCII)
_BYTES = re.compile(r"\d{1,19}", re.ASCII)
_BOOT = re.compile(r"\{ sec = (\d{1,12}), usec = \d+ \}.*", re.ASCII)


@dataclass(frozen=True)
class Sysctl:
    """What the kernel says of the machine; None for a name this kernel does not know.

    `model` is `Mac15,14`, `chip` is `Apple M3 Ultra`, `boot_time_s` counts from 1970.
    """

    model: str | None
    chip: str | None
    memory_bytes: int | None
    boot_time_s: int | None


def parse(out: bytes) -> Sysctl:
    """Read `name: value` lines, in any order and beside any others."""
    values = dict(
        _pair(line) for line in out.decode("utf-8", "replace").split("\n") if line.strip()
    )
    if not values.keys() & set(COMMAND.argv):
        raise ParseError(f"none of the names asked for in {out[:80]!r}")
    return Sysctl(
        model=values.get("hw.model") or None,
        chip=values.get("machdep.cpu.brand_string") or None,
        memory_bytes=_number(values, "hw.memsize", _BYTES),
        boot_time_s=_number(values, "kern.boottime", _BOOT),
    )


def parse_failure(out: bytes, err: bytes) -> Sysctl:
    """Read a non-zero exit: it counts the names that are unknown, the others were printed."""
    try:
        return parse(out)
    except ParseError as error:
        raise ParseError(f"sysctl failed: {err.strip()[:200]!r}") from error


def _pair(line: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line.rstrip())
    if match is None:
        raise ParseError(f"not a name and a value: {line[:80]!r}")
    return match[1], match[2].strip()


def _number(values: dict[str, str], name: str, shape: re.Pattern[str]) -> int | None:
    """Read the shape's last group, or all of it where it has none."""
    if name not in values:
        return None
    match = shape.fullmatch(values[name])
    if match is None:
        raise ParseError(f"{name} is {values[name][:80]!r}")
    return int(match[match.re.groups])
