"""Vitals: what changes by itself on a host: its MLX jobs and its wired memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from mlxdiag import processes
from mlxdiag.capture import Capture, Captures, Outcome
from mlxdiag.errors import ParseError
from mlxdiag.facts import vm_stat
from mlxdiag.facts.ps import Process
from mlxdiag.keys import masked
from mlxdiag.probe import neighbours

SHOWN = 100
"""Characters of a name that are kept."""

VALUED = frozenset({"-W", "-X"})
"""Options of a Python that have a value after them."""

_RUNS = re.compile(r"-[bBdEiIOPqsSuvx]*([cm])(.*)", re.DOTALL)
"""The option of a Python with which the others end: a text of the program, or a module."""

_PERHAPS = re.compile(rb"mlx|MLX_|JACCL_")


@dataclass(frozen=True)
class Vitals:
    """MLX jobs by pid with what runs, and wired bytes; None where it is not known.

    What runs is named without its arguments, which may hold keys: `python3 -m mlx_lm.server`.
    """

    jobs: Mapping[str, str] | None = None
    wired_bytes: int | None = None


def read(captures: Captures, pattern: str | None = None) -> Vitals:
    """Read what ps and vm_stat said; `pattern` is the inventory's for the user's server."""
    listed = _said(captures.get(neighbours.COMMAND.name))
    said = _said(captures.get(vm_stat.COMMAND.name))
    return Vitals(
        jobs=None if listed is None else _jobs(listed, pattern),
        wired_bytes=None if said is None else _wired(said),
    )


def kept(captures: Captures, pattern: str | None = None) -> Captures:
    """Give the captures to be saved: of ps the lines of MLX jobs alone, without keys."""
    name = neighbours.COMMAND.name
    if name not in captures:
        return captures
    lines = (_short(line, pattern) for line in _lines(captures[name].stdout, pattern))
    found = b"".join(masked(line.encode()) + b"\n" for line in lines)
    return {**captures, name: replace(captures[name], stdout=found)}


def _short(line: str, pattern: str | None) -> str:
    """Leave out the arguments, which may hold keys, where a job is known without them."""
    pid, _, words = line.partition(" ")
    short = f"{pid} {_told(words.strip())}"
    return short if _lines(short.encode(), pattern) == (short,) else line


def _said(capture: Capture | None) -> bytes | None:
    if capture is None or capture.outcome is not Outcome.EXITED or capture.exit_status != 0:
        return None
    return capture.stdout


def _wired(out: bytes) -> int | None:
    try:
        return vm_stat.parse(out).wired_bytes
    except ParseError:
        return None  # not known, which is what the topic says then


def _jobs(out: bytes, pattern: str | None) -> Mapping[str, str]:
    cut = (line.partition(" ") for line in _lines(out, pattern))
    return {pid: _told(words.strip()) for pid, _, words in cut}


def _told(arguments: str) -> str:
    """Name the program, and of a Python its script or module."""
    process = _process(arguments)
    words = iter(process.words)
    program = _bare(next(words, ""))
    return f"{program} {_run(words)}".strip() if processes.is_python(process) else program


def _run(words: Iterator[str]) -> str:
    """Name what a Python runs: its script, or `-m` and the module; nothing of a text of `-c`."""
    for word in words:
        if word in VALUED:
            next(words, "")
        elif found := _RUNS.fullmatch(word):
            module = f"-m {_bare(found[2] or next(words, ''))}"
            return module if found[1] == "m" else "-c"
        elif not word.startswith("-"):
            return _bare(word)
    return ""


def _bare(word: str) -> str:
    """Leave out folders, and the value of a variable."""
    return word.partition("=")[0].rpartition("/")[2][:SHOWN]


def _lines(out: bytes, pattern: str | None) -> tuple[str, ...]:
    """Keep the lines of MLX jobs; most lines of ps are dropped before they are looked at."""
    perhaps = [line for line in out.splitlines() if _PERHAPS.search(line)]
    found = neighbours.lines(b"\n".join(perhaps))
    if pattern is None:
        return found
    server = processes.compiled(pattern)
    return tuple(dict.fromkeys((*found, *(x for x in _text(out) if _is_server(x, server)))))


def _text(out: bytes) -> list[str]:
    return [line.strip() for line in out.decode("utf-8", "replace").splitlines()]


def _is_server(line: str, server: re.Pattern[str]) -> bool:
    """Whether a process is what the pattern names; most are none by their words already."""
    pid, _, rest = line.partition(" ")
    words = rest.strip()
    if not pid.isdecimal() or not (server.search(words) or server.search(words.partition(" ")[0])):
        return False
    return processes.met(_process(words), server)


def _process(arguments: str) -> Process:
    """Give a process of which the arguments alone are known."""
    return Process(0, 0, "", "", 0.0, 0, "", None, None, arguments)
