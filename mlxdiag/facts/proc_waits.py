"""/proc/PID (Linux): what each thread of a process waits for in the kernel."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

_LINE = re.compile(r"/proc/(\d{1,10})/task/(\d{1,10})/wchan:(\w{1,60})", re.ASCII)


@dataclass(frozen=True)
class Waits:
    """The kernel function that the main thread waits in, and those of the others; 0: it runs."""

    main: str
    others: tuple[str, ...]


def command(pid: int, name: str = "proc_waits") -> Command:
    """Ask of one process."""
    script = f'grep -s "" /proc/{pid}/task/*/wchan; [ -d /proc/{pid} ]'
    return Command(name, ("sh", "-c", script))


def parse(out: bytes) -> Waits:
    """Read a line per thread."""
    main, others = "", []
    for line in out.decode("utf-8", "replace").split("\n"):
        if not line.strip():
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:
            raise ParseError(f"not a thread's wchan: {line[:80]!r}")
        if found[1] == found[2]:
            main = found[3]
        else:
            others.append(found[3])
    if not main:
        raise ParseError("no thread of the process said what it waits for")
    return Waits(main, tuple(others))
