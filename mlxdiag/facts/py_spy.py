"""`py-spy dump`: the Python line that every thread of a process is at."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

MISSING = 127
"""What the shell says of a program that is not there."""

_SCRIPT = (
    'for p in "$2/py-spy" py-spy /opt/homebrew/bin/py-spy; do '
    'if command -v "$p" >/dev/null 2>&1; then exec "$p" dump --pid "$1"; fi; done; '
    f'echo "py-spy is not there" >&2; exit {MISSING}'
)
_HEAD = re.compile(r"Process (\d{1,10}): ?.*")
_THREAD = re.compile(r"Thread (\S+) \((idle|active|active\+gil)\)(?:: \"(.*)\")?")
_FRAME = re.compile(r"    (.{1,300}) \((.{1,1000}?)(?::(\d{1,9}))?\)")


@dataclass(frozen=True)
class Line:
    """One Python frame: the function, the file as Python knows it by its short name, the line."""

    function: str
    file: str
    line: int | None

    def __str__(self) -> str:
        """Write it as people do: `generate (server.py:412)`."""
        at = f":{self.line}" if self.line is not None else ""
        return f"{self.function} ({self.file}{at})"


@dataclass(frozen=True)
class PyThread:
    """A thread that runs Python, its innermost frame first. `active`: it used the processor."""

    name: str
    active: bool
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Dump:
    """What py-spy said of one process."""

    pid: int
    threads: tuple[PyThread, ...]


def command(pid: int, folder: str, name: str = "py_spy") -> Command:
    """Ask of one process; py-spy is looked for beside its interpreter, in `folder`, and on PATH."""
    return Command(name, ("sh", "-c", _SCRIPT, "sh", str(pid), folder), deadline_s=15.0)


def parse(out: bytes) -> Dump:
    """Read the threads. On macOS py-spy needs root, and says so on stderr."""
    lines = out.decode("utf-8", "replace").split("\n")
    head = _HEAD.fullmatch(lines[0])
    if head is None:
        raise ParseError(f"not a dump of py-spy: {out[:80]!r}")
    threads: list[PyThread] = []
    for line in lines[1:]:
        if thread := _THREAD.fullmatch(line):
            threads.append(PyThread(thread[3] or thread[1], thread[2] != "idle", ()))
        elif (frame := _FRAME.fullmatch(line)) and threads:
            last = threads[-1]
            number = int(frame[3]) if frame[3] else None
            more = (*last.lines, Line(frame[1], frame[2], number))
            threads[-1] = PyThread(last.name, last.active, more)
        elif line.startswith(("Thread ", "    ")) and line.strip():
            raise ParseError(f"not a thread and not a frame: {line[:80]!r}")
    return Dump(int(head[1]), tuple(threads))


def parse_failure(out: bytes, err: bytes) -> Dump:
    """Say why there is no dump, in the words of py-spy or of the shell."""
    del out
    said = err.decode("utf-8", "replace").strip().split("\n")
    causes = [line.strip() for line in said if line.strip()][:3]
    raise ParseError("; ".join(causes)[:300] or "py-spy failed without a word")
