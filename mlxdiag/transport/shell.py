"""The program that one session of a host runs: commands and an interpreter in, one line of sh out.

Lanes are the stages of one pipeline. The first lane writes to the session's stdout; each stage,
once its own lane is through, becomes a `cat` of the lane behind it. So every lane runs at once,
its bytes arrive whole and in order, and no file is made on the host. A command's stderr is held in
a variable of its lane (so it loses its last newlines) and follows its stdout, which the shell
never touches.

The session's stderr carries what the controller must know at once: the process of each lane, and
how far the lanes are whose bytes still wait. Its stdin is both the way to end a command and a
lifeline: when it closes, everything in the session's process group is terminated. A controller
that is killed closes it; after a network cut, the `sleep` that the program becomes runs out.

The text has no newline and no single quote, backslashes only before digits (fish), and exclamation
marks only before blanks (tcsh), so inside single quotes it means the same to every login shell.
macOS' /bin/sh is bash 3.2, which also rules out `case` inside `$()`.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxdiag.transport import pythons

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
_IN_QUOTES = re.compile("[ -~]*", re.ASCII)


@dataclass(frozen=True)
class Program:
    """What to run on a host. `lanes` are in the order in which their bytes arrive."""

    text: str
    nonce: str
    lanes: tuple[tuple[Command, ...], ...]
    patience_s: float

    @property
    def argv(self) -> tuple[str, ...]:
        """Give what is run. The last word is a double quote, which the text cannot hold as such."""
        return ("/bin/sh", "-c", self.text, "sh", '"')

    @property
    def line(self) -> str:
        """Give the command line for a login shell of any kind."""
        shell, option, *words = self.argv
        return " ".join(("exec", shell, option, *(f"'{word}'" for word in words)))


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


def word(value: str) -> str:
    """Make a word as `quote` does, of L and Q where that will do: sh forks to read octal."""
    body = value.replace('"', "").replace("\n", "")
    if body == value or not _IN_QUOTES.fullmatch(body) or _SPECIAL & set(body.encode()):
        return quote(value)
    return '"' + value.replace('"', "${Q}").replace("\n", "${L}") + '"'


def interpreter(python: str | None) -> str:
    """Make the word for a host's python; only a leading `~/` means something."""
    return at_home(python or "python3")


def at_home(path: str) -> str:
    """Make the word for a path, where a leading `~/` is the login folder."""
    home, rest = ('"$HOME"/', path[2:]) if path.startswith("~/") else ("", path)
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
    """Write the program. The nonce is in two parts, so that a list of processes cannot say it."""
    in_lanes = lanes(commands)
    patience_s = sum(c.deadline_s + 2 * GRACE_S for c in commands) + 30
    seeks = python is None and any(c.argv[:1] == (PYTHON,) for c in commands)
    parts = [
        f'N={nonce[:8]}""{nonce[8:]}; Q=$1',
        f"X={quote(busy_pattern(commands))}",
        f"T={quote(STUB)}",
        f"D={quote(XCODE_SELECT)}",
        _PROLOGUE,
        *([f"H={quote(pythons.BREW)}; {pythons.SEEK}"] if seeks else []),
        _pipeline(in_lanes, python) + f"exec sleep {patience_s:.0f} 3>&- 4>&- 5<&-",
    ]
    return Program("; ".join(parts), nonce, in_lanes, patience_s)


def busy_pattern(commands: Iterable[Command]) -> str:
    """Give the extended regex for `pgrep -x` that finds any of the exclusive commands."""
    names = {c.argv[0].rpartition("/")[2] for c in commands if c.exclusive}
    return "|".join(re.sub(r"[^\w-]", lambda m: f"[{m[0]}]", name) for name in sorted(names))


# Names are short because every host is sent this. N nonce, L newline, Q double quote, X pattern of
# the exclusive commands, T and D the stub and xcode-select, w the interpreter's file, h the
# exclusive command that hung, s whether pgrep was asked and b what it said, e a command's stderr.
# Descriptors: 3 the lane's stdout, 4 control, 5 stdin. A command's process is the one child of its
# lane's shell: one fork each.
_PROLOGUE = "; ".join(
    (
        "export LC_ALL=C",
        'PATH="${PATH:-/usr/bin}:/usr/bin:/bin:/usr/sbin:/sbin:/usr/libexec/ApplicationFirewall"',
        "export PATH",
        "L=${IFS#??}",
        "h=",
        "s=",
        "exec 3>&1 4>&2 5<&0 </dev/null 2>/dev/null",
        # say NAME WHAT: end the command's frame
        'say() { printf "%s" "$N<$1 $2$N>"; }',
        'run() { n=$1; shift; e=$(exec "$@" 2>&1 >&3 3>&- 4>&-); q=$?; say "$n" "$e $q"; }',
        'try() { if command -v "$2" >/dev/null; then run "$@"; else say "$1" " missing"; fi; }',
        # where WORD: its file, on PATH where it names no folder; false if there is none
        "where() { w=$1; case $w in */*) ;; *) set -f; IFS=:; for w in $PATH; do w=$w/$1; "
        'if [ -f "$w" ] && [ -x "$w" ]; then break; fi; done; set +f; unset IFS;; esac; '
        '[ -f "$w" ] && [ -x "$w" ]; }',
        # py NAME WORD...: only a file may be an interpreter, and not the stub without its tools
        'py() { where "$2" || { say "$1" " missing"; return; }; '
        'if [ "$w" = "$T" ] && [ -x "$D" ]; then "$D" -p >/dev/null || '
        '{ say "$1" " stub"; return; }; fi; run "$@"; }',
        # alone NAME WORD...: not beside a verbs call that has not returned, nor after one. pgrep
        # says 1 when there is none; asked once, before the lane's first
        'alone() { if [ -n "$h" ]; then say "$1" "$h behind"; return; fi; '
        'if [ -z "$s" ]; then b=$(pgrep -x "$X"); s=$?$b; fi; '
        'case $s in 1|127) ;; *) say "$1" "$b busy"; return;; esac; '
        'q=; try "$@"; if [ "$q" = 143 ]; then h=$1; fi; }',
        # TERM|KILL PID-OF-LANE NUMBER: end its command and the children of that;
        # LEAVE PID-OF-LANE NUMBER: say what is still there, and give up waiting for it
        "ctl() { while read -r k p i; do c=$(pgrep -P $p); case $k in "
        'LEAVE) printf "%s" "$N:$i left $c $N;" >&4; kill -KILL $p;; '
        "*) for c in $c; do kill -$k $c $(pgrep -P $c); done;; esac; done; kill -TERM 0; }",
        "ctl <&5 3>&- & :",
    )
)


def _pipeline(in_lanes: Sequence[tuple[Command, ...]], python: str | None) -> str:
    stages = [_stage(number, lane, python) for number, lane in enumerate(in_lanes)]
    if not stages:
        return ""
    ends = ["wait $! ", *["wait $! ; exec cat"] * (len(stages) - 1)]
    parts = [f"{{ {stage}; {end}; }}" for stage, end in zip(reversed(stages), ends, strict=True)]
    return " | ".join(parts) + " & "


def _stage(number: int, lane: Sequence[Command], python: str | None) -> str:
    """Run a lane in a shell of its own and announce that: killing it is how to leave the lane."""
    calls = [_call(command, python) for command in lane]
    if number:
        calls[1:] = [f"{_tell(number, 'next')}; {call}" for call in calls[1:]]
    runs = "; ".join(calls)
    through = _tell(number, "end") if number else ":"
    begin = f'exec 3>&1 5<&-; printf "%s" "$N={number}$N>"'
    return f"( {begin}; {runs}; {through}) </dev/null & {_tell(number, 'lane $!')}"


def _tell(number: int, what: str) -> str:
    return f'printf "%s" "$N:{number} {what} $N;" >&4'


def _call(command: Command, python: str | None) -> str:
    if command.argv[0] == PYTHON and python is None:
        return " ".join(("seek", command.name, *map(word, command.argv[1:])))
    words = (_word(arg, python) for arg in command.argv)
    how = "py" if command.argv[0] == PYTHON else "alone" if command.exclusive else "try"
    return " ".join((how, command.name, *words))


def _word(arg: str, python: str | None) -> str:
    if arg == PYTHON:
        return interpreter(python)
    return at_home(arg) if arg.startswith("~/") else word(arg)


def _octal(byte: int) -> str:
    plain = 32 <= byte < 127 and byte not in _SPECIAL
    return chr(byte) if plain else f"\\{byte:03o}"
