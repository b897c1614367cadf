"""One host's line, on a transport that is a script of what happens: loss, pauses, what is shown."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from mlxdiag.capture import ACCESS, Capture, Command, Outcome
from mlxdiag.inventory import Host
from mlxdiag.watch.due import ASKED, SELDOM_S, VERBS, WEDGED_S, Pace
from mlxdiag.watch.line import Line

HOST = Host("mac", "mac.local")
PROFILER = "system_profiler_thunderbolt"


@dataclass
class Fake:
    """A host that answers everything at once; `outcome` of the next connections, `hangs` verbs."""

    now: float = 0.0
    outcomes: list[Outcome] = field(default_factory=list)
    asked: list[tuple[float, frozenset[str]]] = field(default_factory=list)
    hangs: frozenset[str] = frozenset()
    breaks: str = ""
    meanwhile: Callable[[], None] = lambda: None
    open: int = 0
    running: int = 0
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    async def keep(
        self, host: Host, captures: dict[str, Capture], clock: Callable[[], float]
    ) -> Fake | None:
        self.meanwhile()
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome.EXITED
        captures[ACCESS] = Capture(ACCESS, ("ssh", host.address), outcome, started_s=clock())
        if outcome is not Outcome.EXITED:
            return None
        self.lost = asyncio.Event()
        self.open += 1
        return self

    async def collect(
        self, commands: Sequence[Command], captures: dict[str, Capture], clock: Callable[[], float]
    ) -> None:
        assert self.running == 0
        self.running += 1
        await asyncio.sleep(0)
        self.asked.append((self.now, frozenset(command.name for command in commands)))
        for command in commands:
            hung = command.name in self.hangs
            broken = command.name == self.breaks
            outcome = Outcome.TIMEOUT if hung else Outcome.EXITED
            outcome = Outcome.DISCONNECTED if broken else outcome
            captures.setdefault(
                command.name, Capture(command.name, command.argv, outcome, 0, started_s=clock())
            )
        self.running -= 1

    async def close(self) -> None:
        self.open -= 1

    def times(self, name: str) -> list[float]:
        return [at for at, names in self.asked if name in names]


def line(fake: Fake, pace: Pace | None = None) -> Line:
    return Line(HOST, fake, pace or Pace(), lambda: fake.now, asyncio.Semaphore(1))


def rounds(fake: Fake, found: Line, count: int, every_s: float = 10.0) -> None:
    async def run() -> None:
        for _ in range(count):
            await found.ask()
            fake.now += every_s

    asyncio.run(run())


def test_what_is_slow_is_asked_seldom() -> None:
    fake = Fake()
    rounds(fake, line(fake), 13)
    assert fake.times(PROFILER) == [0, 60, 120]
    assert fake.times("mlx_runtime") == [0]
    assert fake.times("ibv_devinfo") == [10.0 * n for n in range(13)]
    assert fake.open == 1


def test_the_profiler_is_asked_each_round_only_where_that_was_asked_for() -> None:
    fake = Fake()
    rounds(fake, line(fake, Pace(10, 10)), 5)
    assert fake.times(PROFILER) == [0, 10, 20, 30, 40]


def test_a_round_half_a_period_early_asks_what_is_quick_alone() -> None:
    fake = Fake()
    found = line(fake)
    rounds(fake, found, 3, every_s=5.0)
    assert [PROFILER in names for _, names in fake.asked] == [True, False, False]
    assert fake.times("neighbours") == [0, 5, 10]
    rounds(fake, found, 20, every_s=5.0)
    assert fake.times(PROFILER) == [0, 60]


@pytest.mark.parametrize("name", sorted(VERBS))
def test_verbs_that_hung_are_left_alone_until_the_host_has_restarted(name: str) -> None:
    fake = Fake(hangs=frozenset({name}))
    found = line(fake)
    rounds(fake, found, 30)
    assert fake.times("ibv_devinfo") == [0]
    assert found.current()[name].outcome is Outcome.TIMEOUT
    fake.hangs = frozenset()
    found.forget()
    rounds(fake, found, 2)
    assert fake.times("ibv_devinfo") == [0, 300, 310]


def test_verbs_that_hung_are_tried_again_after_a_long_time() -> None:
    fake = Fake(hangs=frozenset({"ibv_devinfo"}))
    rounds(fake, line(fake), 62)
    assert fake.times("ibv_devinfo") == [0, WEDGED_S]


def test_a_lost_connection_is_opened_again_and_what_was_said_is_not_shown_meanwhile() -> None:
    fake = Fake()
    found = line(fake)
    rounds(fake, found, 2)
    fake.lost.set()
    fake.outcomes = [Outcome.REFUSED]
    rounds(fake, found, 1)
    assert set(found.current()) == {ACCESS}
    assert found.current()[ACCESS].outcome is Outcome.REFUSED
    rounds(fake, found, 1)
    assert found.current()["ibv_devinfo"].outcome is Outcome.EXITED
    assert (found.reconnects, fake.open) == (1, 1)


def test_while_it_is_opened_again_a_host_is_not_known_and_not_yet_away() -> None:
    fake = Fake()
    found = line(fake)
    rounds(fake, found, 1)
    shown: list[dict[str, Capture]] = []
    fake.meanwhile = lambda: shown.append(found.current())
    fake.lost.set()
    rounds(fake, found, 1)
    ((access,),) = (each.values() for each in shown)
    assert access.outcome is Outcome.NOT_RECORDED


def test_a_connection_that_breaks_in_a_round_is_opened_at_once_and_nothing_is_asked_twice() -> None:
    fake = Fake(breaks="mlx_runtime")
    found = line(fake)
    rounds(fake, found, 1)
    assert found.current()[ACCESS].outcome is Outcome.EXITED
    assert len(fake.asked) == 1
    assert fake.open == 1
    last = fake.breaks
    assert found.current()[last].outcome is Outcome.DISCONNECTED
    assert last not in found.ages()
    fake.breaks = ""
    rounds(fake, found, 1)
    assert len(fake.times("ibv_devinfo")) == 2
    assert found.current()[last].outcome is Outcome.EXITED
    fake.breaks = "ibv_devinfo"
    rounds(fake, found, 1)
    assert found.current()["ibv_devinfo"].outcome is Outcome.EXITED


def test_the_pauses_grow_for_a_host_that_stays_away_and_more_for_one_that_refuses_us() -> None:
    for outcome, longest in ((Outcome.NO_ROUTE, 60), (Outcome.AUTH_REFUSED, 300)):
        fake = Fake(outcomes=[outcome] * 1000)
        found = line(fake)
        tries: list[float] = []
        for _ in range(200):
            left = len(fake.outcomes)
            rounds(fake, found, 1)
            if len(fake.outcomes) < left:
                tries.append(fake.now - 10)
        pauses = [b - a for a, b in itertools.pairwise(tries)]
        assert max(pauses) == longest
        assert pauses == sorted(pauses)
        assert (pauses[:5] == [10.0] * 5) is (outcome is Outcome.NO_ROUTE)


def test_what_is_too_old_is_not_shown_as_it_is_now() -> None:
    fake = Fake()
    found = line(fake)
    rounds(fake, found, 1)
    fake.now = 40.0
    shown = found.current()
    assert shown["ifconfig"].outcome is Outcome.NOT_RECORDED
    assert shown["ifconfig"].reason == "not recorded: no answer since 40 s"
    assert shown[PROFILER].outcome is Outcome.EXITED
    fake.now = SELDOM_S
    assert found.current()[PROFILER].outcome is Outcome.NOT_RECORDED


def test_a_restart_is_asked_about_anew_and_the_profiler_keeps_its_pace() -> None:
    fake = Fake()
    found = line(fake)
    rounds(fake, found, 2)
    found.forget()
    assert set(found.current()) == {ACCESS, *_fast()}
    rounds(fake, found, 1)
    assert fake.times(PROFILER) == [0]
    assert fake.times("mlx_runtime") == [0, 20]


def _fast() -> set[str]:
    pace = replace(Pace())
    return {command.name for command in ASKED if pace.interval_s(command.name) == pace.every_s}
