"""Remains: what a server left on a host after its processes were stopped."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from mlxdiag.capture import Captures
from mlxdiag.facts import ioclasscount, ioreg_rdma, lsof, proc_memory, ss, vm_stat
from mlxdiag.facts.ss import Socket
from mlxdiag.hang.find import said
from mlxdiag.hang.moved import size
from mlxdiag.hang.rounds import of
from mlxdiag.readings import Gap, fact_of, known

MUCH_BYTES = 4 << 30
"""A Mac has a few gigabytes wired by itself."""


@dataclass(frozen=True)
class State:
    """Of one host at one moment; None where it is not known."""

    sockets: tuple[Socket, ...] | None
    wired_bytes: int | None
    domains: int | None
    pairs: int | None
    owners: tuple[str, ...]


def state(host: str, captures: Captures, look: str) -> State:
    """Read what a listing said beside the processes."""
    own = fact_of(host, captures, of(look, ss.COMMAND.name), ss.parse)
    mac = fact_of(host, captures, of(look, lsof.COMMAND.name), lsof.parse, lsof.parse_failure)
    pages = known(fact_of(host, captures, of(look, vm_stat.COMMAND.name), vm_stat.parse))
    linux = known(fact_of(host, captures, of(look, proc_memory.COMMAND.name), proc_memory.parse))
    counts = known(fact_of(host, captures, of(look, ioclasscount.COMMAND.name), ioclasscount.parse))
    ports = fact_of(host, captures, of(look, ioreg_rdma.COMMAND.name), ioreg_rdma.parse)
    owners = () if isinstance(ports, Gap) else tuple(o for port in ports for o in port.owners)
    return State(
        sockets=said(own, mac),
        wired_bytes=pages.wired_bytes if pages else linux.locked_bytes if linux else None,
        domains=counts.domains if counts else None,
        pairs=counts.pairs if counts else None,
        owners=tuple(dict.fromkeys(owners)),
    )


def ports_of(before: State, pids: Container[int]) -> tuple[int, ...]:
    """Name the ports that processes listen at."""
    listening = (s for s in before.sockets or () if not s.remote and s.port is not None)
    return tuple(dict.fromkeys(s.port for s in listening if set_of(s, pids) and s.port))


def ports_to_watch(before: State, pids: Container[int], known: tuple[int, ...]) -> tuple[int, ...]:
    """Add the ports that the inventory says are the server's, but for those of other processes."""
    others = {
        s.port for s in before.sockets or () if not s.remote and s.pids and not set_of(s, pids)
    }
    return (*ports_of(before, pids), *(port for port in known if port not in others))


def set_of(socket: Socket, pids: Container[int]) -> bool:
    """Whether one of these processes holds a socket."""
    return any(pid in pids for pid in socket.pids)


def left(before: State, after: State, ports: Container[int]) -> tuple[str, ...]:
    """Say what is still held, in a line each: ports, memory, protection domains."""
    held = [
        f"port {s.port} is held by {', '.join(f'pid {p}' for p in s.pids) or 'an unnamed process'}"
        for s in after.sockets or ()
        if not s.remote and s.port in ports
    ]
    return (*dict.fromkeys(held), *_memory(before, after), *_domains(after))


def _memory(before: State, after: State) -> list[str]:
    was, now = before.wired_bytes, after.wired_bytes
    if was is None or now is None or now < MUCH_BYTES or now < was / 2:
        return []
    return [f"{size(now)} are wired, as much as before ({size(was)}): a restart gives them back"]


def _domains(after: State) -> list[str]:
    if not after.domains and not after.pairs:
        return []
    whose = f", held by {', '.join(after.owners)}" if after.owners else ""
    counts = f"{after.domains or 0} protection domains and {after.pairs or 0} queue pairs"
    return [f"{counts} are left in the kernel{whose}; without an owner only a restart frees them"]
