"""Signals: the program that sends one, the only thing of mlxdiag that changes a host.

A process is named by its pid and its start. Both are compared on the host right before the signal:
a pid that was given to another process meanwhile is left alone. On Linux the start is that of
/proc, in ticks; on macOS the one that ps writes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

Signal = Literal["TERM", "KILL"]
Fate = Literal["went", "stays", "other", "refused"]

NAP_S = 0.2
ASIDE_S = 15.0
"""What the program may take beside its waiting."""

# s PID: its start, nothing if it has gone or is a zombie; e FATE: say it of each that it is of
_SCRIPT = """\
g=$1 n=$2 k=; shift 2; set -f
s() { if [ -r "/proc/$1/stat" ]; then l=; read -r l <"/proc/$1/stat"; set -- ${l##*) }
[ "$1" = Z ] || echo "${20}"
else set -- $(ps -o stat= -o lstart= -p "$1")
case $1 in Z*|"") ;; *) shift; echo "$*";; esac; fi; }
for t; do p=${t%%=*}; a=$(s "$p")
if [ -z "$a" ]; then echo "$p gone"
elif [ "$a" != "${t#*=}" ]; then echo "$p other"
elif kill -s "$g" "$p" 2>/dev/null; then echo "$p sent"; k=1
else echo "$p refused"; fi; done
while [ "$k" ] && [ "$n" -gt 0 ]; do n=$((n - 1)); l=
for t; do [ "$(s "${t%%=*}")" = "${t#*=}" ] && l=1; done
[ -n "$l" ] || break; sleep 0.2; done
for t; do if [ "$(s "${t%%=*}")" = "${t#*=}" ]; then echo "${t%%=*} stays"
else echo "${t%%=*} went"; fi; done
"""
_SAID = re.compile(r"(\d{1,10}) (gone|other|sent|refused|stays|went)", re.ASCII)


@dataclass(frozen=True)
class Named:
    """A process by its pid and its start."""

    pid: int
    began: str

    @property
    def word(self) -> str:
        """Write it for the program."""
        return f"{self.pid}={self.began}"


def command(signal: Signal, processes: Sequence[Named], wait_s: float) -> Command:
    """Send it to each that is still the same, and wait until all have gone or the time is up."""
    naps = str(max(0, round(wait_s / NAP_S)))
    argv = ("sh", "-c", _SCRIPT, "sh", signal, naps, *(each.word for each in processes))
    return Command("signal", argv, deadline_s=wait_s * 2 + ASIDE_S)


def parse(out: bytes) -> dict[int, Fate]:
    """Read what became of each: it went, stays, was refused, or is another process now."""
    found: dict[int, set[str]] = {}
    for line in out.decode("utf-8", "replace").split("\n"):
        if not line.strip():
            continue
        said = _SAID.fullmatch(line.strip())
        if said is None:
            raise ParseError(f"not what the program says: {line[:80]!r}")
        found.setdefault(int(said[1]), set()).add(said[2])
    return {pid: _fate(words) for pid, words in found.items()}


def _fate(words: set[str]) -> Fate:
    if "other" in words:
        return "other"
    if "went" in words:
        return "went"
    return "refused" if "refused" in words else "stays"
