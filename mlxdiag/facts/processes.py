"""`ps`: the processes that matter here. Of its output only their lines are kept (`kept`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError
from mlxdiag.jobs import is_job, is_ours
from mlxdiag.keys import masked

COMMAND = Command("processes", ("ps", "-axww", "-o", "pid,ppid,stat,etime,command"))

_HEAD = ["PID", "PPID", "STAT", "ELAPSED"]
_LINE = re.compile(
    r" *(?P<pid>\d{1,10}) +(?P<parent>\d{1,10}) +(?P<state>[A-Z?][^\s]*) +"
    r"(?:(?:(?P<d>\d{1,5})-)?(?P<h>\d\d):)?(?P<m>\d\d):(?P<s>\d\d)(?: +(?P<args>.*))?",
    re.ASCII,
)

PYTHON = re.compile(r"(?i)python[\d.]*", re.ASCII)
VERBS = re.compile(r"ibv_\w+", re.ASCII)
MONITORS = frozenset({"macmon"})
HOLDERS = frozenset(
    {"exo", "llama-cli", "llama-server", "lms", "LM Studio", "ollama", "rpc-server"}
)
"""Other programs that load models onto the GPU or use RDMA."""


@dataclass(frozen=True)
class Process:
    """One process. `program` is the name of its file, without folder and arguments.

    `job` says that its arguments are those of an MLX job; the arguments themselves are shown
    nowhere.
    """

    pid: int
    parent: int
    state: str
    age_s: int
    program: str
    job: bool

    @property
    def stuck(self) -> bool:
        """Whether it waits in the kernel and cannot be ended."""
        return self.state.startswith("U")

    @property
    def label(self) -> str:
        """Name it without its arguments: `pid 812 (python3.12), for 3 d 2 h`."""
        return f"pid {self.pid} ({self.program}), for {_age(self.age_s)}"


@dataclass(frozen=True)
class Ps:
    """MLX jobs, verbs programs, other holders of GPU and RDMA, monitors and Pythons, as listed."""

    processes: tuple[Process, ...]

    @property
    def jobs(self) -> tuple[Process, ...]:
        """MLX jobs, each once: one that another of them started is a part of it."""
        pids = {process.pid for process in self.processes if process.job}
        return tuple(p for p in self.processes if p.job and p.parent not in pids)

    @property
    def holders(self) -> tuple[Process, ...]:
        """Other programs that load models onto the GPU or use RDMA, each once."""
        held = [p for p in self.processes if p.program in HOLDERS and not p.job]
        pids = {process.pid for process in held}
        return tuple(process for process in held if process.parent not in pids)

    @property
    def users(self) -> tuple[Process, ...]:
        """All that may hold memory or RDMA: any Python may be a rank that was given a script."""
        pythons = (p for p in self.processes if PYTHON.fullmatch(p.program) and not p.job)
        return (*self.jobs, *self.holders, *pythons)


def parse(out: bytes) -> Ps:
    """Read the lines that matter below the heads of the columns."""
    head, *lines = out.decode("utf-8", "replace").split("\n")
    if head.split()[:4] != _HEAD:
        raise ParseError(f"not the columns of ps: {head[:80]!r}")
    read = (_process(line) for line in lines if line.strip())
    return Ps(tuple(process for process, wanted in read if wanted))


def kept(out: bytes) -> bytes:
    """Leave out the processes that are nobody's business here, and what looks like a key.

    Of a Python that is no MLX job the arguments go. What is not understood stays.
    """
    head, *lines = out.splitlines(keepends=True) or [b""]
    return head + b"".join(map(_kept, lines))


def _kept(line: bytes) -> bytes:
    text = line.decode("utf-8", "replace").rstrip("\n")
    try:
        process, wanted = _process(text)
    except ParseError:
        return line
    if not wanted:
        return b""
    if process.job or not PYTHON.fullmatch(process.program):
        return masked(line)
    return (text[: text.index(process.program) + len(process.program)] + "\n").encode()


def _process(line: str) -> tuple[Process, bool]:
    match = _LINE.fullmatch(line.rstrip())
    if match is None:
        raise ParseError(f"not a process of ps: {line[:80]!r}")
    arguments = match["args"] or ""
    program, job = _program(arguments), is_job(arguments)
    python = PYTHON.fullmatch(program) is not None and not is_ours(arguments)
    named = program in HOLDERS | MONITORS or VERBS.fullmatch(program) is not None
    wanted = job or python or named
    age = int(match["m"]) * 60 + int(match["s"])
    age += int(match["h"] or 0) * 3600 + int(match["d"] or 0) * 86400
    return Process(
        int(match["pid"]), int(match["parent"]), match["state"], age, program, job
    ), wanted


def _program(arguments: str) -> str:
    """Name the file that runs; a bundle's may have blanks in its path."""
    bundle = re.match(r"/[^\0]*?/Contents/MacOS/([\w .-]+?)(?= -|$| /)", arguments)
    if bundle:
        return bundle[1]
    word = arguments.partition(" ")[0]
    return word.rpartition("/")[2].strip("():") or "?"


def _age(seconds: int) -> str:
    minutes, hours = seconds // 60, seconds // 3600
    if hours >= 24:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
