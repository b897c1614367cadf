"""Gang: a plan -> what every rank said. Starts all ranks, feeds their leases, ends them all.

All ranks are started at once, and wait when they have imported mlx until all have: MLX's init gives
up some seconds after it began (ring.cpp, tcp.cpp), so it has to begin everywhere together. Rank 0
is told first, the others when it has begun: they find it listening, and where anybody does not get
ready nobody begins. The first abnormal end of one rank ends all: survivors would wait for ever.

Where mpirun starts the ranks there is one talk, with the first host; events belong to the rank that
says them all the same.
"""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlxdiag.capture import Outcome
from mlxdiag.inventory import Host
from mlxdiag.probe.plan import Plan, RankPlan
from mlxdiag.probe.said import LAUNCHER, End, Event, GangRun, RankLog
from mlxdiag.probe.untangle import Untangler, frame
from mlxdiag.transport.shell import interpreter, quote
from mlxdiag.transport.talk import Ears, NoTalkError, Talk, Talker

KERNEL = Path(__file__).with_name("kernel.py")
LEASE_EVERY_S = 1.0
AWAY_S = 3.0
"""Our own loop looks four times a second. So long without a look: we were stopped, or asleep."""

END_S = 10.0
"""How long a rank that is done, and what was left of a rank that is not, may take to be gone."""

STOPPED_S = 3.0
"""After so long a process that is stopped is killed: it hears nobody. A supervisor takes 2 s."""

KILLED_S = 3.0
"""How long what was killed may take to be gone: who is held by the kernel does not go."""

VICTIMS_S = 1.5
"""How long the others may still say what they see, once one rank has ended abnormally."""

PIDS = {"pid": "began", "supervisor": "supervisor_began", "parent": "parent_began"}
"""What a `spawn` names and must be gone at the end; `parent` is mpirun, or its daemon.

A process of which ps said nothing had gone before it was asked."""

PS_WORDS = 8
"""pid, stat, the five words of a start, and the command."""

OURS = "mlxdiag-kernel"
"""A word in the command of every supervisor and rank."""

LOOKED = "mlxdiag-looked"
"""A line behind those of ps: a shell that ends before it says nothing of what is left.

The empty line before them ends what a shell's files printed without an end of line.
"""

LONGEST_NOISE = 1 << 16
"""Bytes without an end of line, after which what is not ours is not kept any longer."""

TORN = "something else wrote into its output: a line of ours is torn"

PROGRAMS = ("mpirun", "/opt/homebrew/bin/mpirun", "/usr/local/bin/mpirun")
"""Where to look for mpirun when it is not beside the interpreter: ssh gives a short PATH."""

EXITS_S = 4.0
"""How long ranks of mpirun may take to say how they ended: two graces of a second, and the way."""

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
        tuple(m.log for m in gang.members),
        end,
        gang.clock(),
        gang.overdue,
        gang.phase,
        left,
        gang.launcher.log if gang.launcher else None,
        gang.away_s,
    )


class _Member:
    """One rank as the controller sees it."""

    def __init__(self, gang: _Gang, plan: RankPlan) -> None:
        self.gang, self.plan = gang, plan
        self.log = RankLog(plan.rank, plan.host.name)
        self.phase = "spawn"
        self.due = float("inf")
        self.over = False
        self.frames = 0

    @property
    def well(self) -> bool:
        """Whether it went all the way."""
        ended = self.log.last("exit")
        return self.log.last("done") is not None and (ended or {}).get("status") == 0

    def take(self, event: Event) -> None:
        event["at"] = self.gang.clock()
        self.log.events.append(event)
        if event["ev"] == "phase":
            self.phase = event["phase"]
            self.due = event["at"] + event["deadline_s"]
            self.gang.gate(self)
        elif event["ev"] == "done":
            self.due = event["at"] + END_S
        elif event["ev"] == "exit":
            self.due = float("inf")
        self.gang.on_event(self.plan.rank, event)
        if event["ev"] in ("fail", "exit"):
            self.end()

    def take_line(self, line: bytes) -> None:
        """Take a line that came through mpirun: it has to show that nothing was lost on the way."""
        noise, found, damaged = frame(line, self.gang.plan.nonce)
        if noise or found is None:
            self.log.hear_noise(noise.decode("utf-8", "replace") + "\n")
        if found is not None:
            damaged = found.rank != self.plan.rank or found.number != self.frames + 1
            self.frames = found.number
        if damaged:
            text = f"mpirun lost or tore what it said, at line {self.frames}"
            self.take({"ev": "fail", "kind": "torn", "text": text, "phase": self.phase})
        elif found is not None:
            self.take(json.loads(found.text))

    def lose(self, why: str) -> None:
        """Nothing more comes of it."""
        if self.log.last("exit") is None and not self.gang.dismissed:
            self.log.lost = why
        self.end()

    def end(self) -> None:
        self.over = True
        self.gang.changed.set()


class _Voice:
    """One process of ours on a host, which speaks for its ranks: one, or all that mpirun starts."""

    def __init__(self, gang: _Gang, members: Sequence[_Member]) -> None:
        self.gang, self.members = gang, members
        self.host = members[0].plan.host
        self.talk: Talk | None = None
        self.over = False
        self.gone = False
        self._rest = bytearray()
        self._prefix = gang.plan.nonce.encode() + b" "

    def job(self) -> dict[str, Any]:
        """Build what its kernel is told."""
        return self.gang.plan.job(self.members[0].plan)

    def hear(self, data: bytes) -> None:
        """Take what comes in pieces: a line with many samples is long, noise may never end one."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._hear_line(bytes(self._rest) + line)
            self._rest.clear()
        self._rest += rest
        if len(self._rest) > LONGEST_NOISE and self._prefix not in self._rest:
            self.noise(bytes(self._rest[: -len(self._prefix)]))
            del self._rest[: -len(self._prefix)]  # what is left may be the beginning of ours

    def _hear_line(self, line: bytes) -> None:
        noise, ours, said = line.partition(self._prefix)
        if noise or not ours:
            self.noise(noise + b"\n")
        if not ours:
            return
        crc, _, text = said.partition(b" ")
        if crc == b"%08x" % zlib.crc32(text):
            self.take(json.loads(text))
            return
        self.noise(said + b"\n")
        phase = self.members[0].phase
        self.take({"ev": "fail", "kind": "torn", "text": TORN, "phase": phase})

    def take(self, event: Event) -> None:
        (member,) = self.members
        member.take(event)
        self.over = member.over

    def noise(self, data: bytes) -> None:
        self.members[0].log.hear_noise(data.decode("utf-8", "replace"))

    def hear_end(self, why: str, known: bool) -> None:  # as Ears has it
        self.over, self.gone = True, known
        for member in self.members:
            member.lose(why)


class _LauncherVoice(_Voice):
    """The supervisor of an mpirun: what that printed is sorted here, by rank."""

    def __init__(self, gang: _Gang, members: Sequence[_Member]) -> None:
        super().__init__(gang, members)
        self.log = RankLog(LAUNCHER, self.host.name)
        self._streams = {name: Untangler() for name in ("stdout", "stderr")}

    def job(self) -> dict[str, Any]:
        launcher = {
            "programs": PROGRAMS,
            "as_root": "--allow-run-as-root",
            "argv": dict(self.gang.plan.launcher),
        }
        return {**super().job(), "launcher": launcher}

    def take(self, event: Event) -> None:
        if event["ev"] == "output":
            stream = event["stream"]
            self._take_lines(stream, self._streams[stream].feed(event["text"].encode("latin-1")))
            return
        event["at"] = self.gang.clock()
        self.log.events.append(event)
        self.gang.on_event(LAUNCHER, event)
        if event["ev"] in ("fail", "exit"):
            self._end()

    def noise(self, data: bytes) -> None:
        self.log.hear_noise(data.decode("utf-8", "replace"))

    def hear_end(self, why: str, known: bool) -> None:
        if not self.over:
            self.log.lost = why
        self.gone = known
        self._end()

    def _end(self) -> None:
        """With mpirun all its ranks are over: what they had to say has come."""
        self.over = True
        for stream, untangler in self._streams.items():
            self._take_lines(stream, untangler.end())
        for member in self.members:
            member.end()

    def _take_lines(self, stream: str, lines: Sequence[tuple[int | None, bytes]]) -> None:
        for rank, line in lines:
            if rank is None or rank >= len(self.members):
                text = line.decode("utf-8", "replace") + "\n"
                kind = "late" if self.gang.dismissed else "stderr"  # complaints about our end
                self.log.events.append({"ev": kind, "text": text, "at": self.gang.clock()})
            elif stream == "stdout":
                self.members[rank].take_line(line)
            else:
                self.members[rank].log.hear_noise(line.decode("utf-8", "replace") + "\n")


class _Gang:
    def __init__(
        self,
        plan: Plan,
        talker_for: Callable[[Host], Talker],
        on_event: Callable[[int, Event], None],
    ) -> None:
        self.plan, self.talker_for, self.on_event = plan, talker_for, on_event
        self.members = [_Member(self, rank) for rank in plan.ranks]
        self.launcher = _LauncherVoice(self, self.members) if plan.launcher else None
        alone = (_Voice(self, (member,)) for member in self.members)
        self.voices: list[_Voice] = [self.launcher] if self.launcher else list(alone)
        self.changed = asyncio.Event()
        self.dismissed = False
        self.overdue: tuple[int, ...] = ()
        self.phase = ""
        self.away_s = 0.0
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()
        self._looked = (self._start, time.time())
        self._source = KERNEL.read_bytes()

    def clock(self) -> float:
        return round(self._loop.time() - self._start, 6)

    def look_back(self) -> None:
        """Notice that we were away; what ranks said meanwhile is still to be read.

        The loop's clock stands still while a machine sleeps, the clock on the wall does not.
        """
        now = (self._loop.time(), time.time())
        stood, slept = (new - old for new, old in zip(now, self._looked, strict=True))
        self._looked = now
        if max(stood, slept) < AWAY_S:
            return
        self.away_s = max(self.away_s, round(max(stood, slept), 1))
        for member in self.members:
            member.due += stood

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
        await asyncio.gather(*map(self._begin, self.voices))

    def gate(self, came: _Member) -> None:
        """Let ranks begin init: rank 0 when all are ready, the others when it has begun."""
        if not self.plan.gated or self.dismissed or any(m.over for m in self.members):
            return
        first, *others = self.voices
        if came.phase == "ready" and all(m.phase == "ready" for m in self.members):
            self._let_go([first])
        elif came.phase == "init" and came is self.members[0]:
            self._let_go(others)

    def _let_go(self, voices: Sequence[_Voice]) -> None:
        for voice in voices:
            for member in voice.members:
                member.due = self.clock() + self.plan.deadlines_s["ready"]
            if voice.talk is not None:
                voice.talk.send(b"g\n")

    async def _begin(self, voice: _Voice) -> None:
        ears = Ears(voice.hear, voice.noise, voice.hear_end)
        for member in voice.members:
            member.due = self.clock() + self.plan.deadlines_s["spawn"]
        try:
            line = line_of(voice.host)
            voice.talk = await self.talker_for(voice.host).talk(voice.host, line, ears)
        except NoTalkError as error:
            voice.hear_end(f"{error.outcome.value}: {error.detail}", known=True)
            return
        job = json.dumps(voice.job()).encode()
        voice.talk.send(self._source + b"\0" + job + b"\n")

    async def _feed(self) -> None:
        while True:
            await asyncio.sleep(LEASE_EVERY_S)
            self.look_back()
            for voice in self.voices:
                if voice.talk is not None and not voice.over:
                    voice.talk.send(b"k\n")

    async def _watch(self, stopped: asyncio.Future[Any]) -> End:
        while True:
            self.look_back()
            if any(m.over and not m.well for m in self.members):
                if not all(m.over for m in self.members):
                    await asyncio.wait([stopped], timeout=VICTIMS_S)
                return "failed"
            if all(m.over for m in self.members):
                await self._wait_for_launcher(stopped)
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

    async def _wait_for_launcher(self, stopped: asyncio.Future[Any]) -> None:
        """Let mpirun end by itself when all its ranks have; what it says then is no failure."""
        until = self.clock() + END_S
        while self.launcher and not self.launcher.over and self.clock() < until:
            if (await asyncio.wait([stopped], timeout=0.05))[0]:
                return

    async def dismiss(self) -> None:
        """End everybody at once; the supervisors say how it went before they go."""
        self.dismissed = True
        for voice in self.voices:
            if voice.talk is not None:
                voice.talk.send(b"q\n")
        if self.launcher:
            await self._wait_for_exits(self.launcher)
        await asyncio.gather(*(voice.talk.close() for voice in self.voices if voice.talk))

    async def _wait_for_exits(self, launcher: _LauncherVoice) -> None:
        """Wait until those who spoke said how they end: with the talk, mpirun is ended."""
        until = self.clock() + EXITS_S
        while not launcher.over and self.clock() < until:
            open_ = [m for m in self.members if m.log.last("spawn") and not m.log.last("exit")]
            if not open_:
                return
            await asyncio.sleep(0.05)

    async def verify(self) -> tuple[str, ...]:
        """Ask every host whether what was started there is gone: by pid and start time."""
        asked = [
            self._left(f"rank {m.plan.rank} on {m.plan.host.name}", m.plan.host, m.log, voice)
            for voice in self.voices
            for m in voice.members
        ]
        if self.launcher:
            host, log = self.launcher.host, self.launcher.log
            asked.append(self._left(f"mpirun on {host.name}", host, log, self.launcher))
        return tuple(text for text in await asyncio.gather(*asked) if text)

    async def _left(self, where: str, host: Host, log: RankLog, voice: _Voice) -> str:
        """Wait for what may still be on its way out: without an `exit` the lease has to run out.

        What cannot go by itself, because it is stopped or its time is over, is killed.
        """
        spawned = log.last("spawn")
        if spawned is None:
            known = voice.gone or voice.talk is None
            return "" if known else f"{where}: not known: it never said what it started"
        named = {spawned.get(pid): spawned.get(began) for pid, began in PIDS.items()}
        pids = {pid: began for pid, began in named.items() if pid and began}
        if not pids:
            return f"{where}: not known: its host has no ps"
        patience = END_S + (0 if log.last("exit") else self.plan.lease_s)
        stopped = self._loop.time() + STOPPED_S
        until = self._loop.time() + patience
        over = until + KILLED_S
        try:
            while alive := await self._alive(host, pids):
                now = self._loop.time()
                if now > over:
                    return f"{where}: still there as pid {', '.join(alive)}"
                halted = [pid for pid, stat in alive.items() if stat.startswith("T")]
                if str(spawned.get("supervisor")) in halted and not log.last("stood"):
                    log.events.append({"ev": "stood", "at": self.clock()})
                doomed = list(alive) if now > until else halted if now > stopped else []
                if doomed:
                    how = "TERM" if until < now < until + KILLED_S / 2 else "KILL"
                    await self._ask(host, f"kill -{how} {' '.join(doomed)}")
                await asyncio.sleep(0.2)
        except (NoTalkError, TimeoutError) as error:
            return f"{where}: not known: {error or 'no answer'}"
        return ""

    async def _alive(self, host: Host, pids: Mapping[int, str]) -> dict[str, str]:
        """List which of these processes there still are, by pid: what ps says of their state."""
        ps = f"ps -ww -o pid=,stat=,lstart=,command= -p {','.join(map(str, pids))}"
        lines = await self._ask(host, ps)
        rows = (row.split(maxsplit=7) for row in lines)
        return {row[0]: row[1] for row in rows if len(row) == PS_WORDS and _is_ours(row, pids)}

    async def _ask(self, host: Host, command: str) -> list[str]:
        """Run a command on a host; raise NoTalkError where its shell does not come to it."""
        said: list[bytes] = []
        broken: list[str] = []
        ended = asyncio.Event()

        def end(why: str, known: bool) -> None:
            broken.extend([] if known else [why])
            ended.set()

        ears = Ears(said.append, lambda _data: None, end)
        line = f"echo; {command}; echo {LOOKED}"
        talk = await self.talker_for(host).talk(host, line, ears)
        try:
            await asyncio.wait_for(ended.wait(), 10)
        finally:
            await talk.close()
        if broken:
            raise NoTalkError(Outcome.DISCONNECTED, broken[0])
        lines = b"".join(said).decode("utf-8", "replace").splitlines()
        if LOOKED not in lines:
            raise NoTalkError(Outcome.DISCONNECTED, "its shell did not run what it was told")
        return lines


def _is_ours(row: Sequence[str], pids: Mapping[int, str]) -> bool:
    """Know a process again: by its start, or by its command where the host's clock was set.

    Linux counts the start back from its clock, so a process that was there before may have another.
    """
    pid, stat, *began, command = row
    if not pid.isdecimal() or stat.startswith("Z"):
        return False
    if int(pid) not in pids:
        return False
    return pids[int(pid)].split() == began or OURS in command
