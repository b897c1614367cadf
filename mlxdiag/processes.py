"""Processes: which of a host's are the user's server or its ranks. By their own arguments.

A process is met by the pattern only where it *is* what the pattern names: its program, or the
script or module that its Python runs. An editor with the file open, grep, a shell around it or ssh
to it are not, and neither is a Python that has it among its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from mlxdiag import patterns
from mlxdiag.errors import InventoryError
from mlxdiag.facts.ps import Process

_PYTHON = re.compile(r"(?:[Pp]ython|pypy)[\d.]*t?d?")
_OPTION = re.compile(r"-[A-VYZabd-ln-z]*(?P<takes>[cmWX])(?P<value>.*)")
"""Short options of Python, several in a word; the last may take a value, there or behind it."""

_OURS = re.compile(r"(?:^|/)mlxdiag$|^mlxdiag-kernel\b")
_LAUNCH = re.compile(r"(?:^|/)mlx\.(?:launch|distributed_config)$|^mlx\._distributed_utils\b")
_TRACKER = re.compile(r"-c from multiprocessing\.")

AROUND = frozenset(
    {
        "ash", "bash", "caffeinate", "conda", "csh", "dash", "doas", "env", "fish", "flock", "ksh",
        "launchd", "login", "mpiexec", "mpirun", "nice", "nohup", "orted", "prted", "prterun",
        "screen", "script", "setsid", "sh", "ssh", "sshd", "sshd-session", "stdbuf", "su", "sudo",
        "systemd", "tcsh", "time", "timeout", "tmux", "uv", "uvx", "watch", "xargs", "zsh",
    }
)  # fmt: skip
"""Programs that only start others, or carry them: they may have a rank's environment."""


def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern, or raise InventoryError for one that is none or meets any Python."""
    if wrong := patterns.fault(pattern):
        raise InventoryError(f"pattern {pattern!r} {wrong}")
    return re.compile(pattern)


def program(process: Process) -> str:
    """Give the name of what runs, without its folder; a login shell's dash is left out."""
    first = process.words[0] if process.words else ""
    return first.rpartition("/")[2].rstrip(":").lstrip("-")


def is_python(process: Process) -> bool:
    """Whether it is an interpreter of Python."""
    return _PYTHON.fullmatch(program(process)) is not None


def is_launcher(process: Process) -> bool:
    """Whether it is mlx.launch, which carries the server's arguments and is no rank."""
    return any(map(_LAUNCH.search, process.words[:4]))


def is_ours(process: Process) -> bool:
    """Whether it is mlxdiag, or what mlxdiag runs on a host."""
    return any(map(_OURS.search, process.words[:4])) or "mlxdiag-kernel" in process.arguments


def met(process: Process, pattern: re.Pattern[str]) -> bool:
    """Whether the process itself is what the pattern names."""
    if process.state == "Z" or is_ours(process) or is_launcher(process):
        return False
    name = program(process)
    if name in AROUND:
        return False
    first = process.words[0] if process.words else ""
    if not is_python(process):  # an editor may have any file open
        return bool(pattern.search(name) or pattern.fullmatch(first)) if name else False
    end = _runs_until(process.arguments)
    found = pattern.finditer(process.arguments)
    return any(len(first) < match.end() and match.start() < end for match in found)


def _runs_until(arguments: str) -> int:
    """Find where the script, or the module of -m, ends; 0 for -c, whose program has no end in ps.

    The word ends at a blank: of a script with blanks in its path it is the beginning.
    """
    wanted = ""
    for word in [*re.finditer(r"\S+", arguments)][1:]:
        if wanted == "m" or (not wanted and not word[0].startswith("-")):
            return word.end()
        option = None if wanted else _OPTION.fullmatch(word[0])
        wanted = ""
        if option is None:
            continue
        if option["takes"] == "c":
            return 0
        if option["takes"] == "m" and option["value"]:
            return word.end()
        wanted = "" if option["value"] else option["takes"]
    return 0


def could_be_rank(process: Process) -> bool:
    """Whether a process with a rank's environment or sockets can be the rank itself."""
    if process.state == "Z" or is_ours(process) or is_launcher(process):
        return False
    return program(process) not in AROUND and not _TRACKER.search(process.arguments)


def topmost(chosen: Iterable[int], processes: Sequence[Process]) -> tuple[int, ...]:
    """Leave out those that another one of them started: its workers."""
    wanted = set(chosen)
    parents = {p.pid: p.parent for p in processes}
    return tuple(
        pid for pid in sorted(wanted) if not any(a in wanted for a in ancestors(pid, parents))
    )


def ancestors(pid: int, parents: Mapping[int, int]) -> tuple[int, ...]:
    """Name the processes that a process comes from, its parent first."""
    found: list[int] = []
    while (pid := parents.get(pid, 0)) > 1 and pid not in found:
        found.append(pid)
    return tuple(found)


def descendants(chosen: Iterable[int], processes: Sequence[Process]) -> tuple[int, ...]:
    """Name what those processes have started, without themselves."""
    wanted = set(chosen)
    parents = {p.pid: p.parent for p in processes}
    return tuple(
        p.pid
        for p in processes
        if p.pid not in wanted and any(a in wanted for a in ancestors(p.pid, parents))
    )
