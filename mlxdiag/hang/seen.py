"""Seen: a recording of a look -> every rank as it was seen twice, and its host beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mlxdiag.capture import Captures, Outcome
from mlxdiag.facts import (
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
from mlxdiag.facts.ioclasscount import ClassCount
from mlxdiag.facts.ioreg_rdma import RdmaPort
from mlxdiag.facts.proc_waits import Waits
from mlxdiag.facts.ps import Process
from mlxdiag.facts.py_spy import Dump
from mlxdiag.facts.rank_file import RankFile
from mlxdiag.facts.sample import Path, Thread
from mlxdiag.facts.ss import Socket
from mlxdiag.hang.find import Found, ground, ranks, said, with_number
from mlxdiag.hang.rounds import FIRST, SECOND, of
from mlxdiag.readings import Gap, fact_of, known
from mlxdiag.recording import Recording

UNENDING = frozenset("UD")
"""States of a wait in the kernel that no signal ends: of macOS, of Linux."""


@dataclass(frozen=True)
class Look:
    """One rank at one moment. `process` is None where it has gone.

    `page_ins` counts pages that it waited for since it began; None where that is not counted.
    """

    at_s: float
    process: Process | None
    cpu_s: float | None
    sockets: tuple[Socket, ...]
    python: Dump | Gap
    native: tuple[Thread, ...] | Gap
    waits: Waits | None
    footprint_bytes: int | None
    page_ins: int | None = None


@dataclass(frozen=True)
class SeenRank:
    """One rank and its two looks; a Gap where its host did not say."""

    found: Found
    looks: tuple[Look | Gap, Look | Gap]
    file: RankFile | None

    @property
    def seconds(self) -> float | None:
        """From the first look to the second."""
        first, second = self.looks
        if isinstance(first, Gap) or isinstance(second, Gap):
            return None
        return second.at_s - first.at_s


@dataclass(frozen=True)
class Memory:
    """Of a host at one moment, in bytes; None where it is not known."""

    at_s: float
    total: int | None
    wired: int | None
    swap_used: int | None
    swapped: int | None


@dataclass(frozen=True)
class SeenHost:
    """What a host said beside its ranks. `lost` is why it said nothing.

    `gaps` are the looks that it did not answer, empty where nobody was to be looked at.
    """

    host: str
    lost: Gap | None
    gpu: tuple[float | None, float | None]
    memory: tuple[Memory | None, Memory | None]
    ports: tuple[RdmaPort, ...] | Gap
    classes: ClassCount | Gap
    unkillable: tuple[Process, ...]
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """All of it. `how` is by what the ranks were found, empty where there are none.

    `others` have the number of a rank and are not among the ranks.
    """

    ranks: tuple[SeenRank, ...]
    hosts: tuple[SeenHost, ...]
    how: str
    ports: range
    others: tuple[Found, ...] = ()

    @property
    def lost(self) -> tuple[SeenHost, ...]:
        """Hosts that did not say what runs on them."""
        return tuple(host for host in self.hosts if host.lost is not None)


def see(recording: Recording) -> Seen:
    """Read the three rounds of a recording."""
    from mlxdiag.hang.asked import Options  # noqa: PLC0415  # where the recording has none of ours

    asked = recording.hang or Options().about(recording.inventory)
    grounds = [ground(h.name, recording.hosts.get(h.name, {})) for h in recording.inventory.hosts]
    found, how = ranks(grounds, asked)
    seen = tuple(_rank(each, recording.hosts[each.host]) for each in found)
    hosts = tuple(
        _host(one.host, recording.hosts.get(one.host, {}), one.processes, looked=bool(found))
        for one in grounds
    )
    mine = {(each.host, each.pid) for each in found}
    others = tuple(each for each in with_number(grounds) if (each.host, each.pid) not in mine)
    return Seen(seen, hosts, how, asked.ports(grounds), others)


def _rank(found: Found, captures: Captures) -> SeenRank:
    looks = (_look(found, captures, FIRST), _look(found, captures, SECOND))
    files = (
        fact_of(found.host, captures, of(FIRST, name, found.pid), rank_file.parse)
        for name in ("rank_file", "rank_devices")
    )
    return SeenRank(found, looks, said(*files))


def _look(found: Found, captures: Captures, which: str) -> Look | Gap:
    """Read one look. A pid that began at another time is another process: the rank has gone."""
    host, pid = found.host, found.pid
    name = of(which, ps.COMMAND.name)
    listed = fact_of(host, captures, name, ps.parse, ps.parse_failure)
    if isinstance(listed, Gap):
        return listed
    process = next((p for p in listed if p.pid == pid), None)
    was = found.process
    if process and process.began != was.began and process.arguments != was.arguments:
        process = None
    if process and process.state == "T" and was.state != "T":
        process = replace(process, stat=was.stat)  # stopped for a moment, by our own `sample`
    stats = known(fact_of(host, captures, of(which, proc_stat.COMMAND.name), proc_stat.parse))
    stat = next((s for s in stats or () if s.pid == pid), None)

    python = fact_of(host, captures, of(which, "py_spy", pid), py_spy.parse, py_spy.parse_failure)
    sampled = fact_of(host, captures, of(which, "sample", pid), sample.parse)
    stacks = fact_of(host, captures, of(which, "gdb", pid), gdb.parse, gdb.parse_failure)
    size = known(fact_of(host, captures, of(which, "footprint", pid), footprint.parse))
    weight = size.footprint_bytes if size else None
    if weight is None and not isinstance(sampled, Gap):
        weight = sampled.footprint_bytes
    return Look(
        at_s=captures[name].started_s,
        process=process,
        cpu_s=stat.cpu_s if stat else process.cpu_s if process else None,
        sockets=tuple(s for s in _sockets(host, captures, which) if pid in s.pids),
        python=python,
        native=_native(sampled, stacks),
        waits=known(fact_of(host, captures, of(which, "proc_waits", pid), proc_waits.parse)),
        footprint_bytes=weight,
        page_ins=stat.page_ins if stat else None,
    )


def _native(sampled: sample.Sample | Gap, stacks: gdb.Stacks | Gap) -> tuple[Thread, ...] | Gap:
    """Take what there is, in one form: paths from the bottom of a stack to its top."""
    if not isinstance(sampled, Gap):
        if sampled.threads:
            return sampled.threads
        return Gap("", "sample", Outcome.EXITED, "a report without a call graph")
    if isinstance(stacks, Gap):
        return stacks if sampled.outcome is Outcome.MISSING else sampled
    order = sorted(stacks.threads, key=lambda thread: thread.number)
    return tuple(
        Thread(str(thread.number), 1, (Path(1, tuple(reversed(thread.frames))),))
        for thread in order
    )


def _sockets(host: str, captures: Captures, which: str) -> Sequence[Socket]:
    ours = fact_of(host, captures, of(which, ss.COMMAND.name), ss.parse)
    theirs = fact_of(host, captures, of(which, lsof.COMMAND.name), lsof.parse, lsof.parse_failure)
    return said(ours, theirs) or ()


def _host(
    name: str, captures: Captures, processes: tuple[Process, ...] | Gap, *, looked: bool
) -> SeenHost:
    answers = looked and not isinstance(processes, Gap)
    return SeenHost(
        host=name,
        lost=processes if isinstance(processes, Gap) else None,
        gpu=(_gpu(name, captures, FIRST), _gpu(name, captures, SECOND)),
        memory=(_memory(name, captures, FIRST), _memory(name, captures, SECOND)),
        ports=fact_of(name, captures, of(FIRST, ioreg_rdma.COMMAND.name), ioreg_rdma.parse),
        classes=fact_of(name, captures, of(FIRST, ioclasscount.COMMAND.name), ioclasscount.parse),
        unkillable=_unkillable(name, captures),
        gaps=tuple(_unanswered(name, captures)) if answers else (),
    )


def _unanswered(name: str, captures: Captures) -> Iterator[str]:
    for which in (FIRST, SECOND):
        source = of(which, ps.COMMAND.name)
        listed = fact_of(name, captures, source, ps.parse, ps.parse_failure)
        if isinstance(listed, Gap):
            yield f"{which} look: {listed.reason}"


def _gpu(name: str, captures: Captures, which: str) -> float | None:
    busy = fact_of(
        name, captures, of(which, ioreg_accelerator.COMMAND.name), ioreg_accelerator.parse
    )
    told = fact_of(name, captures, of(which, macmon.COMMAND.name), macmon.parse)
    if not isinstance(busy, Gap) and busy.percent is not None:
        return float(busy.percent)
    return None if isinstance(told, Gap) else told.percent


def _memory(name: str, captures: Captures, which: str) -> Memory | None:
    capture = captures.get(of(which, vm_stat.COMMAND.name)) or captures.get(
        of(which, proc_memory.COMMAND.name)
    )
    pages = known(fact_of(name, captures, of(which, vm_stat.COMMAND.name), vm_stat.parse))
    swap = known(fact_of(name, captures, of(which, swapusage.COMMAND.name), swapusage.parse))
    linux = known(fact_of(name, captures, of(which, proc_memory.COMMAND.name), proc_memory.parse))
    if capture is None or (pages is None and swap is None and linux is None):
        return None
    if linux is not None:
        return Memory(
            capture.started_s,
            linux.total_bytes,
            linux.locked_bytes,
            linux.swap_used_bytes,
            linux.swapped_bytes,
        )
    return Memory(
        capture.started_s,
        swap.memory_bytes if swap else None,
        pages.wired_bytes if pages else None,
        swap.used_bytes if swap else None,
        pages.swapped_bytes if pages else None,
    )


def _unkillable(name: str, captures: Captures) -> tuple[Process, ...]:
    """List who waits in the kernel in both looks."""
    rounds = [_waiting(name, captures, which) for which in (FIRST, SECOND)]
    return tuple(p for pid, p in rounds[0].items() if pid in rounds[1])


def _waiting(name: str, captures: Captures, which: str) -> Mapping[int, Process]:
    listed = fact_of(name, captures, of(which, ps.COMMAND.name), ps.parse, ps.parse_failure)
    rows = () if isinstance(listed, Gap) else listed
    return {p.pid: p for p in rows if p.state in UNENDING and not p.arguments.startswith("[")}
