"""`gdb` (Linux): the native stack of every thread of a process, where gdb is installed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

_THREAD = re.compile(r"Thread (\d{1,6}) \(.*?(?:LWP (\d{1,10})\)?)?(?: \"(.*?)\")?\):")
_FRAME = re.compile(r"#(\d{1,4})\s+(?:0x[0-9a-f]+ in )?(.*)")
_TAIL = re.compile(r"(?: const)? \(\)(?: from .*| at .*)?$|\((?:[\w@-]+=.*)?\) (?:from|at) .*$")


@dataclass(frozen=True)
class NativeThread:
    """One thread, the innermost frame first."""

    number: int
    frames: tuple[str, ...]


@dataclass(frozen=True)
class Stacks:
    """All threads of one process."""

    threads: tuple[NativeThread, ...]


def command(pid: int, name: str = "gdb") -> Command:
    """Ask of one process; it stands still while its stacks are read, less than a second."""
    quiet = ("-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set auto-load off")
    plain = ("set width 0", "set print frame-arguments none", "set print address off")
    words = (word for line in plain for word in ("-ex", line))
    last = ("-p", str(pid), "-ex", "thread apply all bt 40")
    return Command(name, ("gdb", *quiet, *words, *last), deadline_s=20.0)


def parse(out: bytes) -> Stacks:
    """Read the threads; what gdb says before them is of itself."""
    threads: list[NativeThread] = []
    for line in out.decode("utf-8", "replace").split("\n"):
        if thread := _THREAD.fullmatch(line.strip()):
            threads.append(NativeThread(int(thread[1]), ()))
        elif (frame := _FRAME.fullmatch(line)) and threads:
            last = threads[-1]
            threads[-1] = NativeThread(last.number, (*last.frames, _TAIL.sub("", frame[2]).strip()))
    if not threads:
        raise ParseError(f"no stack in what gdb said: {out[-120:]!r}")
    return Stacks(tuple(threads))


def parse_failure(out: bytes, err: bytes) -> Stacks:
    """Say why there is none: a process of another user, or ptrace is forbidden."""
    del out
    said = [line for line in err.decode("utf-8", "replace").split("\n") if line.strip()]
    raise ParseError(said[-1][:200] if said else "gdb failed without a word")
