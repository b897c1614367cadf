"""`sysctl`, the names whose values change while the Mac runs: wired limit, swap, when it booted."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command(
    "sysctl_state", ("sysctl", "iogpu.wired_limit_mb", "vm.swapusage", "kern.boottime")
)

_LINE = re.compile(r"([a-z]\w*(?:\.\w+)+): ?(.*)", re.ASCII)
_LIMIT = re.compile(r"\d{1,9}", re.ASCII)
_SWAP = re.compile(
    r"total = (\d{1,9}\.\d\d)M +used = (\d{1,9}\.\d\d)M +free = \d{1,9}\.\d\dM(?: +\(encrypted\))?",
    re.ASCII,
)
_BOOT = re.compile(
    r"\{ sec = \d{1,12}, usec = \d+ \} \w{3} (\w{3}) +(\d{1,2}) (\d\d):(\d\d):(\d\d) (\d{4})",
    re.ASCII,
)
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(frozen=True)
class SysctlState:
    """None for a name this kernel does not know.

    `wired_limit_mb` is 0 where the system decides. `booted` is the host's own local time in the
    form of the names of crash reports, `2026-01-29-101500`: texts to be compared as such.
    """

    wired_limit_mb: int | None
    swap_used_mb: float | None
    booted: str | None


def parse(out: bytes) -> SysctlState:
    """Read `name: value` lines, in any order and beside any others."""
    lines = [line.rstrip() for line in out.decode("utf-8", "replace").split("\n") if line.strip()]
    values = dict(_pair(line) for line in lines)
    if not values.keys() & set(COMMAND.argv[1:3]):
        raise ParseError(f"none of the names asked for in {out[:80]!r}")
    limit = _read(values, "iogpu.wired_limit_mb", _LIMIT)
    swap = _read(values, "vm.swapusage", _SWAP)
    boot = _read(values, "kern.boottime", _BOOT)
    return SysctlState(
        wired_limit_mb=int(limit[0]) if limit else None,
        swap_used_mb=float(swap[2]) if swap else None,
        booted=_stamp(boot) if boot else None,
    )


def parse_failure(out: bytes, err: bytes) -> SysctlState:
    """Read a non-zero exit: it counts the names that are unknown, the others were printed."""
    try:
        return parse(out)
    except ParseError as error:
        raise ParseError(f"sysctl failed: {err.strip()[:200]!r}") from error


def _pair(line: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ParseError(f"not a name and a value: {line[:80]!r}")
    return match[1], match[2].strip()


def _read(values: dict[str, str], name: str, shape: re.Pattern[str]) -> re.Match[str] | None:
    if name not in values:
        return None
    match = shape.fullmatch(values[name])
    if match is None:
        raise ParseError(f"{name} is {values[name][:80]!r}")
    return match


def _stamp(boot: re.Match[str]) -> str:
    month, day, hour, minute, second, year = boot.groups()
    if month not in _MONTHS:
        raise ParseError(f"no month: {month!r}")
    return f"{year}-{_MONTHS.index(month) + 1:02}-{int(day):02}-{hour}{minute}{second}"
