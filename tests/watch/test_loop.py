"""Rounds over several hosts: who is slow holds up nobody, who is lost is opened again at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import pytest

from mlxdiag.capture import ACCESS, Capture, Captures, Command, Outcome
from mlxdiag.inventory import Host
from mlxdiag.recording import Ended
from mlxdiag.watch.due import Pace
from mlxdiag.watch.loop import Loop, Now
from tests.watch import faults
from tests.watch.lab import Scene

EVERY_S = 0.25
SLOW, LOST = "macstudio1", "macstudio2"


@dataclass
class Fakes:
    """All hosts of a scene; `takes_s` is how long a session of one lasts."""

    scene: Scene = field(default_factory=faults.eight)
    takes_s: dict[str, float] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    sessions: list[str] = field(default_factory=list)
    connects: list[str] = field(default_factory=list)
    lost: dict[str, asyncio.Event] = field(default_factory=dict)
    closed: int = 0

    @cached_property
    def said(self) -> dict[str, Captures]:
        return self.scene.captures()

    def change(self, change: faults.Change) -> None:
        self.scene = change(self.scene)
        self.__dict__.pop("said", None)

    async def keep(
        self, host: Host, captures: dict[str, Capture], clock: Callable[[], float]
    ) -> Fake:
        captures[ACCESS] = Capture(ACCESS, ("ssh",), Outcome.EXITED, 0, started_s=clock())
        self.connects.append(host.name)
        self.lost[host.name] = asyncio.Event()
        return Fake(self, host.name)


@dataclass
class Fake:
    """One connection."""

    all: Fakes
    name: str

    @property
    def lost(self) -> asyncio.Event:
        return self.all.lost[self.name]

    async def collect(
        self, commands: Sequence[Command], captures: dict[str, Capture], clock: Callable[[], float]
    ) -> None:
        assert self.name not in self.all.running
        self.all.running.add(self.name)
        self.all.sessions.append(self.name)
        await asyncio.sleep(self.all.takes_s.get(self.name, 0.0))
        said = self.all.said[self.name]
        for command in commands:
            captures[command.name] = replace(said[command.name], started_s=clock())
        self.all.running.discard(self.name)

    async def close(self) -> None:
        self.all.closed += 1


@dataclass
class Heard:
    """Remembers all moments; `then` is called with each, and `until` is the last event wanted."""

    then: Callable[[Now], None] = lambda _: None
    nows: list[Now] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    until: str = ""

    async def begin(self) -> None:
        pass

    async def take(self, now: Now) -> bool:
        self.nows.append(now)
        self.then(now)
        return self.until not in self.kinds

    async def close(self, ended: Ended) -> None:
        self.ended.append(ended)

    @property
    def kinds(self) -> set[str]:
        return {kind for kind, _ in self.events}

    @property
    def events(self) -> list[tuple[str, str]]:
        return [(e.kind, e.subject) for now in self.nows for e in now.events]


@pytest.fixture(autouse=True)
def _interrupts() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def watch(fakes: Fakes, heard: Heard, seconds: float, every_s: float = EVERY_S) -> Loop:
    pace = Pace(every_s, every_s)
    loop = Loop(
        fakes.scene.inventory(), pace, [heard], for_s=seconds, keeper_for=lambda _host: fakes
    )
    ended = asyncio.run(loop.run())
    assert heard.ended == [ended]
    return loop


def test_a_slow_host_holds_up_nobody_and_is_never_asked_twice_at_once() -> None:
    fakes, heard = Fakes(takes_s={SLOW: 3.5 * EVERY_S}), Heard()
    watch(fakes, heard, 12 * EVERY_S)
    assert 1 <= fakes.sessions.count(SLOW) <= 4
    assert fakes.sessions.count("macstudio5") >= 2 * fakes.sessions.count(SLOW)
    assert heard.events == []
    assert fakes.closed == 8


def test_a_connection_that_is_lost_between_two_rounds_is_opened_at_once_and_no_event() -> None:
    fakes = Fakes()

    def lose(now: Now) -> None:
        if now.number == 1:
            asyncio.get_running_loop().call_later(0.05, fakes.lost[LOST].set)

    heard = Heard(lose)
    watch(fakes, heard, 2.0, every_s=30.0)
    assert fakes.connects.count(LOST) == 2, heard.nows
    assert heard.events == []
    assert heard.nows[-1].lines[LOST].reconnects == 1


def test_what_has_to_be_seen_twice_is_looked_at_again_after_half_a_period() -> None:
    fakes = Fakes()

    def leak(now: Now) -> None:
        if now.number == 1:
            fakes.change(faults.leaked(fakes.scene, SLOW).broken)

    heard = Heard(leak, until="memory-wired")
    watch(fakes, heard, 20.0, every_s=1.5)
    assert ("memory-wired", SLOW) in heard.events
    first, second, third = (now.captures[SLOW]["vm_stat"].started_s for now in heard.nows[:3])
    assert third - second < 0.8 * (second - first)


def test_a_mistake_of_ours_ends_the_watch_and_is_not_hidden() -> None:
    fakes, heard = Fakes(), Heard()
    fakes.takes_s = {SLOW: "soon"}  # type: ignore[dict-item]
    loop = Loop(fakes.scene.inventory(), Pace(0.1, 0.1), [heard], keeper_for=lambda _: fakes)
    with pytest.raises(TypeError):
        asyncio.run(loop.run())
    assert heard.ended == ["complete"]
    assert fakes.closed == 8
