"""Find: the ranks on a host, from what it said of its processes, variables and sockets."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mlxdiag import processes
from mlxdiag.capture import Captures
from mlxdiag.facts import environment, lsof, ps, ss
from mlxdiag.facts.ps import Process
from mlxdiag.facts.ss import Socket
from mlxdiag.hang.asked import Asked
from mlxdiag.hang.rounds import FIND, of
from mlxdiag.readings import Gap, fact_of

T = TypeVar("T")

HOW = ("pattern", "MLX_RANK", "port")
"""How a rank was found: the first of these by which any host has one."""


@dataclass(frozen=True)
class Found:
    """One rank. `number` is None where its environment does not say it."""

    host: str
    process: Process
    number: int | None
    variables: Mapping[str, str]

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    @property
    def folder(self) -> str:
        """Where its interpreter is, empty where the arguments do not say."""
        first = self.process.words[0] if self.process.words else ""
        return first.rpartition("/")[0] if first.startswith("/") else ""


@dataclass(frozen=True)
class Ground:
    """What the first round said of one host."""

    host: str
    processes: tuple[Process, ...] | Gap
    variables: Mapping[int, Mapping[str, str]]
    sockets: tuple[Socket, ...]


def said(*facts: T | Gap) -> T | None:
    """Give the first that is known: each kind of system has some of the programs."""
    return next((fact for fact in facts if not isinstance(fact, Gap)), None)


def ground(host: str, captures: Captures) -> Ground:
    """Read the first round of one host."""
    listed = fact_of(host, captures, of(FIND, ps.COMMAND.name), ps.parse, ps.parse_failure)
    told = said(
        fact_of(host, captures, of(FIND, environment.PROC.name), environment.parse_proc),
        fact_of(host, captures, of(FIND, environment.PS.name), environment.parse_ps),
    )
    held = said(
        fact_of(host, captures, of(FIND, ss.COMMAND.name), ss.parse),
        fact_of(host, captures, of(FIND, lsof.COMMAND.name), lsof.parse, lsof.parse_failure),
    )
    variables = {each.pid: each.values for each in told or ()}
    return Ground(host, listed, variables, held or ())


def ranks(grounds: Sequence[Ground], asked: Asked) -> tuple[tuple[Found, ...], str]:
    """Find the ranks of all hosts, in order of hosts and ranks, and say by what."""
    pattern = processes.compiled(asked.pattern) if asked.pattern else None
    ports = asked.ports(grounds)
    for how in HOW:
        found = [each for one in grounds for each in _of(one, how, pattern, ports)]
        if found:
            return tuple(found), how
    return (), ""


def with_number(grounds: Sequence[Ground]) -> tuple[Found, ...]:
    """Find all that have the number of a rank in their environment, by whatever ranks are found."""
    return tuple(each for one in grounds for each in _of(one, "MLX_RANK", None, ()))


def _of(
    one: Ground, how: str, pattern: re.Pattern[str] | None, ports: Container[int]
) -> tuple[Found, ...]:
    if isinstance(one.processes, Gap):
        return ()
    chosen = {p.pid: p for p in one.processes if _is(one, p, how, pattern, ports)}
    numbered = {pid for pid in chosen if _number(one, pid) is not None}
    by_rank: dict[int | None, list[int]] = {}
    for pid in numbered or chosen:
        by_rank.setdefault(_number(one, pid), []).append(pid)
    found = [
        Found(one.host, chosen[pid], number, one.variables.get(pid, {}))
        for number, pids in by_rank.items()
        for pid in processes.topmost(pids, one.processes)
    ]
    return tuple(sorted(found, key=lambda f: (f.number is None, f.number or 0, f.pid)))


def _is(
    one: Ground,
    process: Process,
    how: str,
    pattern: re.Pattern[str] | None,
    ports: Container[int],
) -> bool:
    match how:
        case "pattern":
            return pattern is not None and processes.met(process, pattern)
        case "MLX_RANK":
            known = _number(one, process.pid) is not None
            return known and processes.could_be_rank(process)
        case _:
            meets = any(_meets(s, ports) for s in one.sockets if process.pid in s.pids)
            return meets and processes.could_be_rank(process)


def _meets(socket: Socket, ports: Container[int]) -> bool:
    return socket.port in ports or (socket.remote != "" and socket.far_port in ports)


def _number(one: Ground, pid: int) -> int | None:
    """Read the rank as MLX does, JACCL's variable first; what is no number is rank 0 to MLX."""
    told = one.variables.get(pid, {})
    text = told.get("JACCL_RANK", told.get("MLX_RANK"))
    if text is None:
        return None
    number = re.match(r"\s*\d{1,6}", text, re.ASCII)
    return int(number[0]) if number else 0
