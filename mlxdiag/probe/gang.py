"""Gang: a plan -> what every rank said. Starts all ranks, feeds their leases, ends them all.

Rank 0 is started first: the others find it listening (mlx ring.cpp and tcp.cpp retry for some
seconds only). The first abnormal end of one rank ends all: survivors would wait for ever.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlxdiag.inventory import Host
from mlxdiag.probe.plan import Plan, RankPlan
from mlxdiag.probe.said import End, Event, GangRun, RankLog
from mlxdiag.transport.shell import interpreter, quote
from mlxdiag.transport.talk import Ears, NoTalkError, Talk, Talker

KERNEL = Path(__file__).with_name("kernel.py")
LEASE_EVERY_S = 1.0
END_S = 10.0
"""How long a rank that is done, and what was left of a rank that is not, may take to be gone."""

VICTIMS_S = 1.5
"""How long the others may still say what they see, once one rank has ended abnormally."""

BOOT = (
    "import os,sys;sys.path[:]=[p for p in sys.path if p];"
    's=b"".join(iter(lambda:os.read(0,1) or os._exit(0),bytes(1)));'
    'g=dict(__name__="supervisor");exec(compile(s,"mlxdiag-kernel","exec"),g);g["supervise"](s)'
)
"""Reads the kernel from stdin up to a NUL and runs it; what follows on stdin is the kernel's."""


def line_of(host: Host) -> str:
    """Give the command line for a host's login shell: the kernel follows on its stdin."""
    return f"exec {interpreter(host.python)} -c {quote(BOOT)}"


async def run(
    plan: Plan,
    talker_for: Callable[[Host], Talker],
    *,
    stop: asyncio.Event | None = None,
    on_event: Callable[[int, Event], None] = lambda _rank, _event: None,
) -> GangRun:
    """Launch the plan and see it through; nothing that was started stays on any host."""
    gang = _Gang(plan, talker_for, on_event)
    try:
        end = await gang.see_through(stop or asyncio.Event())
    finally:
        await gang.dismiss()
    left = await gang.verify()
    return GangRun(
        tuple(m.log for m in gang.members), end, gang.clock(), gang.overdue, gang.phase, left
    )


class _Member:
    """One rank as the controller sees it."""

    def __init__(self, gang: _Gang, plan: RankPlan) -> None:
        self.gang, self.plan = gang, plan
        self.log = RankLog(plan.rank, plan.host.name)
        self.talk: Talk | None = None
        self.phase = "spawn"
        self.due = float("inf")
        self.over = False
        self._rest = b""

    @property
    def well(self) -> bool:
        """Whether it went all the way."""
        ended = self.log.last("exit")
        return self.log.last("done") is not None and (ended or {}).get("status") == 0

    def hear(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line)

    def _take(self, line: bytes) -> None:
        prefix = self.gang.plan.nonce.encode() + b" "
        noise, ours, said = line.partition(prefix)
        if noise or not ours:
            self.log.noise.append(noise.decode("utf-8", "replace") + "\n")
        if not ours:
            return
        event: Event = json.loads(said)
        event["at"] = self.gang.clock()
        self.log.events.append(event)
        if event["ev"] == "phase":
            self.phase = event["phase"]
            self.due = event["at"] + event["deadline_s"]
        elif event["ev"] == "done":
            self.due = event["at"] + END_S
        elif event["ev"] == "exit":
            self.due = float("inf")
        self.gang.on_event(self.plan.rank, event)
        if event["ev"] in ("fail", "exit"):
            self._end()

    def hear_error(self, data: bytes) -> None:
        self.log.noise.append(data.decode("utf-8", "replace"))

    def hear_end(self, why: str) -> None:
        if self.log.last("exit") is None:
            self.log.lost = why
        self._end()

    def _end(self) -> None:
        self.over = True
        self.gang.changed.set()


class _Gang:
    def __init__(
        self,
        plan: Plan,
        talker_for: Callable[[Host], Talker],
        on_event: Callable[[int, Event], None],
    ) -> None:
        self.plan, self.talker_for, self.on_event = plan, talker_for, on_event
        self.members = [_Member(self, rank) for rank in plan.ranks]
        self.changed = asyncio.Event()
        self.overdue: tuple[int, ...] = ()
        self.phase = ""
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()
        self._source = KERNEL.read_bytes()

    def clock(self) -> float:
        return round(self._loop.time() - self._start, 6)

    async def see_through(self, stop: asyncio.Event) -> End:
        lease = asyncio.ensure_future(self._feed())
        stopped = asyncio.ensure_future(stop.wait())
        begun = asyncio.ensure_future(self._begin_all())
        try:
            await asyncio.wait({begun, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not begun.done():
                return "interrupted"
            begun.result()
            return await self._watch(stopped)
        finally:
            for task in (lease, stopped, begun):
                task.cancel()
            await asyncio.gather(lease, stopped, begun, return_exceptions=True)

    async def _begin_all(self) -> None:
        first, *others = self.members
        await self._begin(first)
        await asyncio.gather(*(self._begin(member) for member in others))

    async def _begin(self, member: _Member) -> None:
        host = member.plan.host
        ears = Ears(member.hear, member.hear_error, member.hear_end)
        member.due = self.clock() + self.plan.deadlines_s["spawn"]
        try:
            member.talk = await self.talker_for(host).talk(host, line_of(host), ears)
        except NoTalkError as error:
            member.hear_end(f"{error.outcome.value}: {error.detail}")
            return
        job = json.dumps(self.plan.job(member.plan)).encode()
        member.talk.send(self._source + b"\0" + job + b"\n")

    async def _feed(self) -> None:
        while True:
            await asyncio.sleep(LEASE_EVERY_S)
            for member in self.members:
                if member.talk is not None and not member.over:
                    member.talk.send(b"k\n")

    async def _watch(self, stopped: asyncio.Future[Any]) -> End:
        while True:
            if any(m.over and not m.well for m in self.members):
                if not all(m.over for m in self.members):
                    await asyncio.wait([stopped], timeout=VICTIMS_S)
                return "failed"
            if all(m.over for m in self.members):
                return "done"
            late = [m for m in self.members if self.clock() > m.due]
            if late:
                self.overdue = tuple(m.plan.rank for m in late)
                self.phase = late[0].phase
                return "deadline"
            self.changed.clear()
            change: asyncio.Future[Any] = asyncio.ensure_future(self.changed.wait())
            both = {change, stopped}
            await asyncio.wait(both, timeout=0.25, return_when=asyncio.FIRST_COMPLETED)
            change.cancel()
            if stopped.done():
                return "interrupted"

    async def dismiss(self) -> None:
        """End everybody at once; the supervisors say how it went before they go."""
        for member in self.members:
            if member.talk is not None:
                member.talk.send(b"q\n")
        await asyncio.gather(*(m.talk.close() for m in self.members if m.talk))

    async def verify(self) -> tuple[str, ...]:
        """Ask every host whether what was started there is gone: by pid and start time."""
        found = await asyncio.gather(*(self._left(member) for member in self.members))
        return tuple(text for text in found if text)

    async def _left(self, member: _Member) -> str:
        """Wait for what may still be on its way out: without an `exit` the lease has to run out."""
        spawned = member.log.last("spawn")
        if spawned is None:
            return ""
        pids = {
            spawned["pid"]: spawned["began"],
            spawned["supervisor"]: spawned["supervisor_began"],
        }
        where = f"rank {member.plan.rank} on {member.plan.host.name}"
        if not all(pids.values()):
            return f"{where}: not known: its host has no ps"
        patience = END_S + (0 if member.log.last("exit") else self.plan.lease_s)
        until = self._loop.time() + patience
        while True:
            try:
                alive = await self._alive(member.plan.host, pids)
            except (NoTalkError, TimeoutError) as error:
                return f"{where}: not known: {error or 'no answer'}"
            if not alive:
                return ""
            if self._loop.time() > until:
                return f"{where}: still there as pid {', '.join(alive)}"
            await asyncio.sleep(0.2)

    async def _alive(self, host: Host, pids: Mapping[int, str]) -> list[str]:
        said: list[bytes] = []
        ended = asyncio.Event()
        ears = Ears(said.append, lambda _data: None, lambda _why: ended.set())
        line = f"exec ps -o pid=,stat=,lstart= -p {','.join(map(str, pids))}"
        talk = await self.talker_for(host).talk(host, line, ears)
        try:
            await asyncio.wait_for(ended.wait(), 10)
        finally:
            await talk.close()
        found = (row.split(maxsplit=2) for row in b"".join(said).decode().splitlines())
        rows = [row for row in found if len(row) == 3 and row[0].isdecimal()]
        return [
            pid
            for pid, stat, began in rows
            if pids.get(int(pid)) == began.strip() and not stat.startswith("Z")
        ]
