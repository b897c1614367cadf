"""Vitals: what changes by itself on a host: its MLX jobs and its wired memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mlxdiag.capture import Capture, Captures, Outcome
from mlxdiag.errors import ParseError
from mlxdiag.facts import vm_stat
from mlxdiag.jobs import READERS, is_ours
from mlxdiag.probe import neighbours
from mlxdiag.processes import AROUND

SHOWN = 100
"""Characters of a command line that are kept."""

_PERHAPS = re.compile(rb"mlx|MLX_|JACCL_")


@dataclass(frozen=True)
class Vitals:
    """MLX jobs by pid with their command lines, and wired bytes; None where it is not known."""

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
    """Give the captures to be saved: of ps the lines of MLX jobs alone, the others are theirs."""
    name = neighbours.COMMAND.name
    if name not in captures:
        return captures
    found = "".join(f"{line}\n" for line in _lines(captures[name].stdout, pattern))
    return {**captures, name: replace(captures[name], stdout=found.encode())}


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
    return {pid: words.strip()[:SHOWN] for pid, _, words in cut}


def _lines(out: bytes, pattern: str | None) -> tuple[str, ...]:
    """Keep the lines of MLX jobs; most lines of ps are dropped before they are looked at."""
    perhaps = [line for line in out.splitlines() if _PERHAPS.search(line)]
    found = neighbours.lines(b"\n".join(perhaps))
    if pattern is None:
        return found
    server = re.compile(pattern)
    return tuple(dict.fromkeys((*found, *(x for x in _text(out) if _is_server(x, server)))))


def _text(out: bytes) -> list[str]:
    return [line.strip() for line in out.decode("utf-8", "replace").splitlines()]


def _is_server(line: str, server: re.Pattern[str]) -> bool:
    """Whether a process is what the pattern names, and not a shell, an editor or us around it."""
    pid, _, rest = line.partition(" ")
    words = rest.strip()
    program = words.partition(" ")[0].rpartition("/")[2].rstrip(":").lstrip("-")
    around = program in READERS or program in AROUND or is_ours(words)
    return pid.isdecimal() and not around and server.search(words) is not None
