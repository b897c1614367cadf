"""Loop: rounds over all lines, one moment after each, given to whoever wants to know of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from mlxdiag.capture import Captures
from mlxdiag.ending import Ending, listening
from mlxdiag.fanout import FANOUT, transport_choice
from mlxdiag.inventory import Inventory
from mlxdiag.recording import Ended
from mlxdiag.report import Report
from mlxdiag.watch.changes import Event
from mlxdiag.watch.due import Pace
from mlxdiag.watch.line import Condition, Line
from mlxdiag.watch.moment import Moments
from mlxdiag.watch.state import Timeline

if TYPE_CHECKING:
    from mlxdiag.inventory import Host
    from mlxdiag.transport.kept import Keeper

Stop = asyncio.Future[Any]


@dataclass(frozen=True)
class LineState:
    """How a host's connection stands; `ages` of its answers by command, in seconds."""

    condition: Condition
    reconnects: int
    ages: Mapping[str, float]

    @property
    def age_s(self) -> float | None:
        """Seconds since it last answered; None if it never did."""
        return min(self.ages.values(), default=None)


@dataclass(frozen=True)
class Now:
    """One moment of a watch. `at` and `began` are UTC; `captures` are what is shown as of now."""

    at: str
    began: str
    number: int
    every_s: float
    report: Report
    timeline: Timeline
    events: tuple[Event, ...]
    lines: dict[str, LineState]
    captures: dict[str, Captures]


class Sink(Protocol):
    """Who is told of every moment."""

    async def begin(self) -> None:
        """Make ready; raise MlxdiagError where that is not possible, before any host is asked."""

    async def take(self, now: Now) -> bool:
        """Take it; false where there is nobody left to tell, which ends the watch."""

    async def close(self, ended: Ended) -> None:
        """The watch is over."""


@dataclass
class Loop:
    """A watch of one cluster. `once` ends it after its first moment, `for_s` after that time."""

    inventory: Inventory
    pace: Pace
    sinks: Sequence[Sink] = ()
    fanout: int = FANOUT
    once: bool = False
    for_s: float | None = None
    keeper_for: Callable[[Host], Keeper] | None = None
    clock: Callable[[], float] = time.monotonic
    number: int = 0
    report: Report | None = None
    timeline: Timeline = field(default_factory=Timeline)
    _start: float = 0.0
    _began: str = ""
    _lines: list[Line] = field(default_factory=list)
    _asking: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self) -> Ended:
        """Watch until told to end; what ended it, `timeout` for the time that was asked for."""
        self._start, self._began = self.clock(), _utc()
        with listening(self.for_s) as ending:
            try:
                for sink in self.sinks:
                    await sink.begin()
                self._lines = self._open()
                await self._rounds(ending)
            finally:
                await self._close(ending.how)
        return ending.how

    def __post_init__(self) -> None:
        """Nothing was looked at yet."""
        self._moments = Moments(self.inventory)

    def _since(self) -> float:
        return self.clock() - self._start

    def _open(self) -> list[Line]:
        keeper_for = self.keeper_for or transport_choice()
        places = asyncio.Semaphore(self.fanout)
        return [
            Line(host, keeper_for(host), self.pace, self._since, places)
            for host in self.inventory.hosts
        ]

    async def _rounds(self, ending: Ending) -> None:
        stop: Stop = asyncio.ensure_future(ending.stop.wait())
        try:
            while not stop.done():
                began = self._since()
                await self._ask(self._idle(), began + self.pace.every_s, stop)
                if stop.done() or not await self._look() or self.once:
                    return
                pause_s = self.pace.every_s / (2 if self.timeline.unsettled else 1)
                await self._rest(began + pause_s, stop)
        finally:
            stop.cancel()

    def _idle(self) -> list[Line]:
        return [line for line in self._lines if line.host.name not in self._asking]

    async def _ask(self, lines: Iterable[Line], until_s: float, stop: Stop) -> None:
        """Ask those lines and wait for them, until a time at most: one may be asked for longer."""
        asked = {line.host.name: asyncio.ensure_future(line.ask()) for line in lines}
        self._asking.update(asked)
        waiting: set[asyncio.Future[Any]] = set(asked.values())
        while waiting and not stop.done() and (left := until_s - self._since()) > 0:
            done, _ = await asyncio.wait(
                {*waiting, stop}, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            waiting -= done
        self._collect()

    def _collect(self) -> None:
        """Take leave of the rounds that are through; a mistake of ours in one ends the watch."""
        for name, task in list(self._asking.items()):
            if task.done():
                del self._asking[name]
                task.result()

    async def _rest(self, until_s: float, stop: Stop) -> None:
        """Wait for the next round; a connection that breaks is opened again at once."""
        while not stop.done() and (left := until_s - self._since()) > 0:
            losses = {asyncio.ensure_future(line.lost()): line for line in self._idle()}
            waiting: set[asyncio.Future[Any]] = {*losses, *self._asking.values(), stop}
            try:
                done, _ = await asyncio.wait(
                    waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                for loss in losses:
                    loss.cancel()
            self._collect()
            lost = [line for loss, line in losses.items() if loss in done]
            if lost:
                await self._ask(lost, until_s, stop)
            if done and not stop.done() and not await self._look():
                stop.cancel()

    async def _look(self) -> bool:
        """Make a moment of what is known and tell it; false if somebody has had enough."""
        now = self._now()
        rebooted = {event.subject for event in now.events if event.kind == "host-rebooted"}
        for line in self._lines:
            if line.host.name in rebooted:
                line.forget()
        told = [await sink.take(now) for sink in self.sinks]
        return all(told)

    def _now(self) -> Now:
        self.number += 1
        at = _utc()
        captures: dict[str, Captures] = {line.host.name: line.current() for line in self._lines}
        self.report, seen = self._moments.look(captures, self._began, round(self._since(), 3))
        return Now(
            at=at,
            began=self._began,
            number=self.number,
            every_s=self.pace.every_s,
            report=self.report,
            timeline=self.timeline,
            events=self.timeline.take(at, seen),
            lines={
                line.host.name: LineState(line.condition, line.reconnects, line.ages())
                for line in self._lines
            },
            captures=captures,
        )

    async def _close(self, ended: Ended) -> None:
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(line.close() for line in self._lines))
        closing = (sink.close(ended) for sink in self.sinks)
        for trouble in await asyncio.gather(*closing, return_exceptions=True):
            if isinstance(trouble, Exception):
                raise trouble


def _utc() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
