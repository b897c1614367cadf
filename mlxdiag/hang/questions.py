"""Questions: the commands of each round. The first finds the ranks, two more look at them.

Each kind of system has some of the programs; what is missing is a fact that is missing.
No verbs: where a queue pair is wedged they may never return, and the registry tells as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlxdiag.capture import Command
from mlxdiag.facts import (
    environment,
    footprint,
    gdb,
    ioclasscount,
    ioreg_accelerator,
    ioreg_rdma,
    lsof,
    macmon,
    proc_memory,
    proc_stat,
    proc_waits,
    ps,
    py_spy,
    rank_file,
    sample,
    ss,
    swapusage,
    vm_stat,
)
from mlxdiag.hang.find import Found
from mlxdiag.hang.rounds import FIND, FIRST, of

STOPPED = frozenset("TZ")
"""States in which nobody is asked where it is: a stopped process stays as it is."""

_FIND = (ps.COMMAND, environment.PS, environment.PROC, ss.COMMAND, lsof.COMMAND)
_HOST = (
    ps.COMMAND,
    proc_stat.COMMAND,
    ss.COMMAND,
    lsof.COMMAND,
    ioreg_accelerator.COMMAND,
    vm_stat.COMMAND,
    swapusage.COMMAND,
    proc_memory.COMMAND,
)
_ONCE = (ioreg_rdma.COMMAND, ioclasscount.COMMAND)


def find() -> tuple[Command, ...]:
    """Ask what runs on a host."""
    return tuple(_named(FIND, command) for command in _FIND)


def look(which: str, ranks: Sequence[Found], *, macmon_too: bool = False) -> tuple[Command, ...]:
    """Ask where the ranks of a host are; the stacks of each in a lane of its own."""
    about = [*_HOST, *(_ONCE if which == FIRST else ()), *((macmon.COMMAND,) if macmon_too else ())]
    general = [_named(which, command) for command in about]
    return (*general, *(command for rank in ranks for command in _of_rank(which, rank)))


def _of_rank(which: str, rank: Found) -> Sequence[Command]:
    pid, lane = rank.pid, f"stack{rank.pid}"
    asked = [proc_waits.command(pid), footprint.command(pid)]
    if which == FIRST and (path := rank.variables.get("MLX_HOSTFILE")):
        asked.append(rank_file.command(path))
    if which == FIRST and (path := _devices(rank)):
        asked.append(rank_file.command(path, "rank_devices"))
    if rank.process.state not in STOPPED:
        stacks = [py_spy.command(pid, rank.folder), gdb.command(pid), sample.command(pid)]
        asked = [*stacks, *asked]
    return [replace(command, name=of(which, command.name, pid), lane=lane) for command in asked]


def _devices(rank: Found) -> str | None:
    told = rank.variables
    return told.get("JACCL_IBV_DEVICES") or told.get("MLX_IBV_DEVICES")


def _named(which: str, command: Command) -> Command:
    return replace(command, name=of(which, command.name))
