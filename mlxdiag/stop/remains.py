"""Remains: what a server left on a host after its processes were stopped."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from mlxdiag.capture import Captures
from mlxdiag.facts import ioclasscount, ioreg_rdma, lsof, proc_memory, ss, swapusage, vm_stat
from mlxdiag.facts.ss import Socket
from mlxdiag.hang.find import said
from mlxdiag.hang.moved import size
from mlxdiag.hang.rounds import of
from mlxdiag.readings import Gap, fact_of, known

LEAK_SHARE = 0.4
"""Of all memory, wired after the server has gone: a Mac at rest wires about 5 GB (omlx#2855)."""


@dataclass(frozen=True)
class State:
    """Of one host at one moment; None where it is not known, `gaps` say what and why.

    `owners` are pids and names of the processes that have an RDMA device open.
    """

    sockets: tuple[Socket, ...] | None
    wired_bytes: int | None
    domains: int | None
    pairs: int | None
    owners: tuple[tuple[int, str], ...]
    memory_bytes: int | None = None
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stopped:
    """Of one host: what was to be stopped, the inventory's ports on it, what runs there now."""

    pids: frozenset[int]
    ports: tuple[int, ...]
    running: frozenset[int]


@dataclass(frozen=True)
class Remains:
    """In a line each: what is still held, what is not known, what others hold."""

    left: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()


def state(host: str, captures: Captures, look: str) -> State:
    """Read what a listing said beside the processes."""
    own = fact_of(host, captures, of(look, ss.COMMAND.name), ss.parse)
    mac = fact_of(host, captures, of(look, lsof.COMMAND.name), lsof.parse, lsof.parse_failure)
    pages = fact_of(host, captures, of(look, vm_stat.COMMAND.name), vm_stat.parse)
    swap = known(fact_of(host, captures, of(look, swapusage.COMMAND.name), swapusage.parse))
    linux = known(fact_of(host, captures, of(look, proc_memory.COMMAND.name), proc_memory.parse))
    counts = fact_of(host, captures, of(look, ioclasscount.COMMAND.name), ioclasscount.parse)
    ports = fact_of(host, captures, of(look, ioreg_rdma.COMMAND.name), ioreg_rdma.parse)
    gaps = _gap("its sockets", mac) if isinstance(own, Gap) else ()
    wired = linux.locked_bytes if linux else None if isinstance(pages, Gap) else pages.wired_bytes
    total = linux.total_bytes if linux else swap.memory_bytes if swap else None
    if linux is None:
        gaps += (*_gap("its wired memory", pages), *_gap("its protection domains", counts))
    held = None if isinstance(counts, Gap) else counts
    if held and (held.domains or held.pairs):
        gaps += _gap("who has RDMA devices open", ports)
    return State(
        sockets=said(own, mac),
        wired_bytes=wired,
        domains=held.domains if held else None,
        pairs=held.pairs if held else None,
        owners=() if isinstance(ports, Gap) else _owners(ports),
        memory_bytes=total,
        gaps=gaps,
    )


def _gap(what: str, fact: object) -> tuple[str, ...]:
    return (f"{what}: {fact.reason}",) if isinstance(fact, Gap) else ()


def _owners(ports: tuple[ioreg_rdma.RdmaPort, ...]) -> tuple[tuple[int, str], ...]:
    owners = dict.fromkeys(owner for port in ports for owner in port.owners)
    return tuple((int(owner.split()[1]), owner) for owner in owners)


def ports_of(before: State, pids: Container[int]) -> tuple[int, ...]:
    """Name the ports that processes listen at."""
    listening = (s for s in before.sockets or () if not s.remote and s.port is not None)
    return tuple(dict.fromkeys(s.port for s in listening if set_of(s, pids) and s.port))


def set_of(socket: Socket, pids: Container[int]) -> bool:
    """Whether one of these processes holds a socket."""
    return any(pid in pids for pid in socket.pids)


def remains(before: State, after: State, stopped: Stopped) -> Remains:
    """Compare a host before and after: ports, memory, protection domains."""
    ports = (*ports_of(before, stopped.pids), *stopped.ports)
    held = [
        f"port {s.port} is held by {', '.join(f'pid {p}' for p in s.pids) or 'an unnamed process'}"
        for s in after.sockets or ()
        if not s.remote and s.port in ports
    ]
    domains = _domains(after)
    failing = domains if _leaked(before, after, stopped) else []
    noted = [] if failing else domains
    left = (*dict.fromkeys(held), *_memory(before, after, stopped), *failing)
    return Remains(left, _unknown(before, after, stopped), tuple(noted))


def _unknown(before: State, after: State, stopped: Stopped) -> tuple[str, ...]:
    told = list(after.gaps)
    if after.sockets is None and not told:
        told.append("its sockets")
    if stopped.pids:
        told += [f"before: {gap}" for gap in before.gaps]
        if after.wired_bytes is not None and after.memory_bytes is None:
            told.append("how much memory it has")
    return tuple(told)


def _memory(before: State, after: State, stopped: Stopped) -> list[str]:
    was, now, total = before.wired_bytes, after.wired_bytes, after.memory_bytes
    if not stopped.pids or was is None or now is None or total is None:
        return []
    if now <= LEAK_SHARE * total or now < was / 2:
        return []
    return [f"{size(now)} are wired, as much as before ({size(was)}): a restart gives them back"]


def _domains(after: State) -> list[str]:
    if not after.domains and not after.pairs:
        return []
    whose = f", held by {', '.join(name for _, name in after.owners)}" if after.owners else ""
    counts = f"{after.domains or 0} protection domains and {after.pairs or 0} queue pairs"
    return [f"{counts} are left in the kernel{whose}; without an owner only a restart frees them"]


def _leaked(before: State, after: State, stopped: Stopped) -> bool:
    """Whether domains are what the server left, and not those of another process that lives.

    Where another has a device open, they are the server's only if it had one open as well and
    their count did not go down.
    """
    others = {pid for pid, _ in after.owners} & (stopped.running - stopped.pids)
    if not stopped.pids or not others:
        return bool(stopped.pids)
    used = any(pid in stopped.pids for pid, _ in before.owners)
    counts = [(s.domains or 0) + (s.pairs or 0) for s in (before, after)]
    return used and counts[1] >= counts[0]
