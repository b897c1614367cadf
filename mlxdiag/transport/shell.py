"""The program that one session of a host runs: commands and an interpreter in, one line of sh out.

Lanes are the stages of one pipeline. The first lane writes to the session's stdout; each stage,
once its own lane is through, becomes a `cat` of the lane behind it. So every lane runs at once,
its bytes arrive whole and in order, and no file is made on the host. A command's stderr is held in
a variable of its lane and follows its stdout, which the shell never touches.

The session's stderr carries what the controller must know at once: which command started as which
process, and which lane has ended. Its stdin is both the way to end a command and a lifeline: when
it closes, everything in the session's process group is terminated. A controller that is killed
closes it, and a network that is cut lets the `sleep` that the program becomes run out.

The text has no newline and no single quote, backslashes only before digits (fish), and exclamation
marks only before blanks (tcsh), so inside single quotes it means the same to every login shell.
macOS' /bin/sh is bash 3.2, which also rules out `case` inside `$()`.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mlxdiag.capture import Command

PYTHON = "{python}"
"""The argument that stands for the host's interpreter."""

STUB = "/usr/bin/python3"
XCODE_SELECT = "/usr/bin/xcode-select"
"""On a Mac without developer tools, running the stub opens a window that offers to install them."""

GRACE_S = 2.0
"""How long a command that was told to end may take, before the next thing is tried."""

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+", re.ASCII)
_SPECIAL = frozenset(b"\"$`\\'!%")


@dataclass(frozen=True)
class Program:
    """What to run on a host. `lanes` are in the order in which their bytes arrive."""

    text: str
    nonce: str
    lanes: tuple[tuple[Command, ...], ...]
    patience_s: float

    @property
    def line(self) -> str:
        """Give the command line for a login shell of any kind."""
        return f"exec /bin/sh -c '{self.text}'"


def new_nonce() -> str:
    """Make the word that sets our lines apart from anything a command may print."""
    return "z" + secrets.token_hex(8)[:15]


def quote(value: str) -> str:
    """Make one word of sh that stands for `value`, whatever it holds (NUL excepted)."""
    if _PLAIN.fullmatch(value):
        return value
    body = value.rstrip("\n")
    tail = '"$L"' * (len(value) - len(body))
    octal = "".join(map(_octal, body.encode("utf-8", "surrogateescape")))
    octal = re.sub("^-", r"\\055", octal) if "\\" in octal else octal
    return (f'"$(printf "{octal}")"' if "\\" in octal else f'"{body}"') + tail


def interpreter(python: str | None) -> str:
    """Make the word for a host's python; only a leading `~/` means something."""
    python = python or "python3"
    home, rest = ('"$HOME"/', python[2:]) if python.startswith("~/") else ("", python)
    return home + (quote(rest) if rest or not home else "")


def argv(command: Command, python: str | None) -> tuple[str, ...]:
    """Give the argv as it stands in a capture."""
    return tuple((python or "python3") if word == PYTHON else word for word in command.argv)


def lanes(commands: Iterable[Command]) -> tuple[tuple[Command, ...], ...]:
    """Sort commands into lanes, in the order in which the lanes are first named."""
    found: dict[str, list[Command]] = {}
    for command in commands:
        found.setdefault(command.lane, []).append(command)
    return tuple(map(tuple, found.values()))


def build(commands: Sequence[Command], python: str | None, nonce: str) -> Program:
    """Write the program. It names the nonce in two parts, so that listing processes cannot say it."""
    in_lanes = lanes(commands)
    patience_s = sum(c.deadline_s + 2 * GRACE_S for c in commands) + 30
    parts = [
        f'N={nonce[:8]}""{nonce[8:]}',
        f"X={quote(busy_pattern(commands))}",
        f"T={quote(STUB)}",
        f"D={quote(XCODE_SELECT)}",
        _PROLOGUE,
        _pipeline(in_lanes, python) + f"exec sleep {patience_s:.0f} 3>&- 4>&- 5<&-",
    ]
    return Program("; ".join(parts), nonce, in_lanes, patience_s)


def busy_pattern(commands: Iterable[Command]) -> str:
    """Give the extended regex for `pgrep -x` that finds any of the exclusive commands."""
    names = {c.argv[0].rpartition("/")[2] for c in commands if c.exclusive}
    return "|".join(re.sub(r"[^\w-]", lambda m: f"[{m[0]}]", name) for name in sorted(names))


# Names are short because every host is sent this. N nonce, L newline, X pattern of the exclusive
# commands, T and D the stub and xcode-select, h the exclusive command that hung, n and e name and
# "<stderr> <status>" of the command at hand. Descriptors: 3 the lane's stdout, 4 control, 5 stdin.
_PROLOGUE = "; ".join(
    (
        "export LC_ALL=C",
        'PATH="${PATH:-/usr/bin}:/usr/bin:/bin:/usr/sbin:/sbin"',
        "export PATH",
        'L=$(printf "\\012.")',
        "L=${L%.}",
        "h=",
        "exec 3>&1 4>&2 5<&0 </dev/null 2>/dev/null",
        # say NAME WHY: a frame without a run
        'say() { printf "%s" "$N<$1 $2$N>"; }',
        # run NAME WORD...: one process that runs, its number on 4, its frame on stdout
        'run() { n=$1; shift; e=$("$@" 2>&1 >&3 3>&- 4>&- 5<&- & printf "%s" "$N:$n $! $N;" >&4; '
        'wait $! ; printf " %s" $?); printf "%s" "$N<$n $e$N>"; }',
        'try() { if command -v "$2" >/dev/null; then run "$@"; else say "$1" " missing"; fi; }',
        # py NAME WORD...: only a file may be an interpreter, and not the stub without its tools
        'py() { w=$(command -v "$2"); case $w in */*) ;; *) say "$1" " missing"; return;; esac; '
        'if [ "$w" = "$T" ] && [ -x "$D" ]; then "$D" -p >/dev/null || '
        '{ say "$1" " stub"; return; }; fi; run "$@"; }',
        # alone NAME WORD...: not beside a verbs call that has not returned, nor after one
        'alone() { if [ -n "$h" ]; then say "$1" "$h behind"; return; fi; '
        'b=$(pgrep -x "$X"); if [ -n "$b" ]; then say "$1" "$b busy"; return; fi; '
        'try "$@"; case $e in *" 143") h=$n;; esac; }',
        # TERM|KILL PID: the command and its children; LEAVE PID: the lane that waits for it
        "ctl() { while read -r k p; do case $k in "
        "LEAVE) l=$(ps -o ppid= -p $p); l=$(ps -o ppid= -p $l); "
        "if [ ${l:-0} -gt 1 ]; then kill -KILL $l; fi;; "
        "*) pkill -$k -P $p; kill -$k $p;; esac; done; kill -TERM 0; }",
        "ctl <&5 3>&- 4>&- & :",
    )
)


def _pipeline(in_lanes: Sequence[tuple[Command, ...]], python: str | None) -> str:
    stages = [_stage(number, lane, python) for number, lane in enumerate(in_lanes)]
    if not stages:
        return ""
    last = len(stages) - 1
    closed = [s if n == last else f"( {s}) </dev/null; exec cat" for n, s in enumerate(stages)]
    return " | ".join(f"{{ {stage}; }}" for stage in reversed(closed)) + " & "


def _stage(number: int, lane: Sequence[Command], python: str | None) -> str:
    runs = "; ".join(_call(command, python) for command in lane)
    through = f'; printf "%s" "$N:{number} end$N;" >&4' if number else ""
    return f'exec 3>&1 5<&-; printf "%s" "$N={number}$N>"; {runs}{through}'


def _call(command: Command, python: str | None) -> str:
    words = (interpreter(python) if word == PYTHON else quote(word) for word in command.argv)
    how = "py" if command.argv[0] == PYTHON else "alone" if command.exclusive else "try"
    return " ".join((how, command.name, *words))


def _octal(byte: int) -> str:
    plain = 32 <= byte < 127 and byte not in _SPECIAL
    return chr(byte) if plain else f"\\{byte:03o}"
