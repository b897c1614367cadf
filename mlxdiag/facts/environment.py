"""Variables of MLX in the environment of processes: of macOS by `ps -E`, of Linux from /proc.

Nothing but `NAMES` leaves the host: an environment may hold keys, and so may what is called MLX_.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

NAMES = (
    "MLX_RANK",
    "MLX_WORLD_SIZE",
    "MLX_HOSTFILE",
    "MLX_IBV_DEVICES",
    "MLX_JACCL_COORDINATOR",
    "MLX_JACCL_RING",
    "MLX_METAL_FAST_SYNCH",
    "MLX_RING_VERBOSE",
    "JACCL_RANK",
    "JACCL_IBV_DEVICES",
    "JACCL_COORDINATOR",
    "JACCL_RING",
    "JACCL_GID_INDEX",
)
_NAME = f"^({'|'.join(NAMES)})="
PS = Command(
    "environment_ps",
    (
        "sh",
        "-c",
        "ps -A -E -ww -o pid= -o command= | awk '"
        f'{{ s = $1; for (i = 2; i <= NF; i++) if ($i ~ /{_NAME}/) s = s " " $i; '
        "if (s != $1) print s }'",
    ),
)
PROC = Command(
    "environment_proc",
    ("sh", "-c", f"grep -azsoE '{_NAME}.*' /proc/[0-9]*/environ; [ -d /proc/1 ]"),
)
"""grep says 2 where a process has gone or is another user's; there is no /proc on macOS."""

_PAIR = re.compile(r"((?:MLX|JACCL)_[A-Z_]{1,60})=(.*)", re.ASCII | re.DOTALL)
"""Wider than NAMES: earlier recordings have all variables that are called so."""
_FILE = re.compile(r"/proc/(\d{1,10})/environ:(.*)", re.ASCII | re.DOTALL)


@dataclass(frozen=True)
class Environment:
    """MLX's variables of one process, sorted by name."""

    pid: int
    variables: tuple[tuple[str, str], ...]

    @property
    def values(self) -> Mapping[str, str]:
        """The variables by name."""
        return dict(self.variables)


def parse_ps(out: bytes) -> tuple[Environment, ...]:
    """Read `PID NAME=VALUE ...`. A name that stands among the arguments is taken as well."""
    found: dict[int, dict[str, str]] = {}
    for line in out.decode("utf-8", "replace").split("\n"):
        pid, *words = line.split()[:200] or [""]
        if not pid:
            continue
        if not re.fullmatch(r"\d{1,10}", pid, re.ASCII):
            raise ParseError(f"not a pid and variables: {line[:80]!r}")
        found[int(pid)] = dict(map(_pair, words))
    return _sorted(found)


def parse_proc(out: bytes) -> tuple[Environment, ...]:
    """Read `/proc/PID/environ:NAME=VALUE`, each ended by NUL."""
    found: dict[int, dict[str, str]] = {}
    for entry in out.decode("utf-8", "replace").split("\0"):
        if not entry:
            continue
        of = _FILE.fullmatch(entry)
        if of is None:
            raise ParseError(f"not a variable of a process: {entry[:80]!r}")
        name, value = _pair(of[2])
        found.setdefault(int(of[1]), {})[name] = value
    return _sorted(found)


def _pair(text: str) -> tuple[str, str]:
    found = _PAIR.fullmatch(text)
    if found is None:
        raise ParseError(f"not a variable of MLX: {text[:80]!r}")
    return found[1], found[2]


def _sorted(found: Mapping[int, Mapping[str, str]]) -> tuple[Environment, ...]:
    return tuple(Environment(pid, tuple(sorted(found[pid].items()))) for pid in sorted(found))
