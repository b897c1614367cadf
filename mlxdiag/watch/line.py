"""Line: the open connection to one host, asked again each round, opened again when it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from mlxdiag.capture import ACCESS, Capture, Outcome
from mlxdiag.facts import sysctl, system_profiler_thunderbolt
from mlxdiag.inventory import Host
from mlxdiag.watch.due import VERBS, Pace

if TYPE_CHECKING:
    from mlxdiag.transport.kept import Keeper, Kept

Condition = Literal["connecting", "asking", "resting", "lost"]

AT_ONCE = 6
"""So many failures in a row are followed by a try in the next round; then the pauses grow."""

PAUSE_S, REFUSED_PAUSE_S = 60.0, 300.0
"""The longest pause before the next try; and where the host is there, and refuses us."""

REFUSALS = frozenset(
    {
        Outcome.SSH_CONFIG,
        Outcome.UNRESOLVED,
        Outcome.HOST_KEY_UNKNOWN,
        Outcome.HOST_KEY_CHANGED,
        Outcome.AUTH_REFUSED,
    }
)

NO_ANSWER = frozenset({Outcome.DISCONNECTED, Outcome.INTERRUPTED})
PACED = frozenset({system_profiler_thunderbolt.COMMAND.name}) | VERBS
"""Commands that are not asked again sooner because a connection broke under them."""


@dataclass
class Line:
    """One host. `captures` is what it said last, by command; `clock` gives seconds of the watch.

    While the connection is lost only `ACCESS` is shown, which is not known until the next try has
    failed: what a host said before is not what it says now. It is kept aside, and shown again once
    the host is back, as far as it is young enough to be true.
    """

    host: Host
    keeper: Keeper
    pace: Pace
    clock: Callable[[], float]
    places: asyncio.Semaphore
    captures: dict[str, Capture] = field(default_factory=dict)
    condition: Condition = "connecting"
    reconnects: int = 0
    _kept: Kept | None = None
    _asked: dict[str, float] = field(default_factory=dict)
    _failures: int = 0
    _again_s: float = 0.0

    def current(self) -> dict[str, Capture]:
        """Give what may be shown as the state of now."""
        now, captures = self.clock(), self.captures
        access = captures.get(ACCESS) or self._access(Outcome.NOT_RECORDED, "no answer yet")
        if access.outcome is not Outcome.EXITED or self._kept is None:
            return {ACCESS: access}
        rest = {name: one for name, one in captures.items() if name != ACCESS}
        return {ACCESS: access, **self.pace.current(now, rest)}

    def ages(self) -> dict[str, float]:
        """Say how old each answer is, in seconds."""
        now = self.clock()
        return {
            name: now - one.started_s - one.seconds
            for name, one in self.captures.items()
            if name != ACCESS and one.outcome not in NO_ANSWER
        }

    def forget(self) -> None:
        """The host has restarted: keep what it said since, ask all else anew, at its pace."""
        latest = self._asked.get(sysctl.COMMAND.name, 0.0)
        since = {name for name, asked in self._asked.items() if asked >= latest}
        paced = since | {system_profiler_thunderbolt.COMMAND.name}
        self._asked = {name: at for name, at in self._asked.items() if name in paced}
        self.captures = {n: one for n, one in self.captures.items() if n in since or n == ACCESS}

    async def ask(self) -> None:
        """Hold one round: connect if need be, then ask what is due; never raises for the host."""
        if self._kept is not None and self._kept.lost.is_set():
            await self._lose()
        if self._kept is None and not await self._connect():
            return
        if not await self._collect() and await self._connect():
            self.condition = "resting"

    async def lost(self) -> None:
        """Return when the connection breaks; never where there is none."""
        if self._kept is None:
            await asyncio.Event().wait()
        else:
            await self._kept.lost.wait()

    async def close(self) -> None:
        """Cut the connection."""
        kept, self._kept = self._kept, None
        if kept is not None:
            await kept.close()

    async def _connect(self) -> bool:
        if self.clock() < self._again_s:
            return False
        self.condition = "connecting"
        said: dict[str, Capture] = {}
        async with self.places:
            self._kept = await self.keeper.keep(self.host, said, self.clock)
        self.captures[ACCESS] = said[ACCESS]
        if self._kept is None:
            self._failed(said[ACCESS].outcome)
            return False
        self._failures, self._again_s = 0, 0.0
        return True

    def _failed(self, outcome: Outcome) -> None:
        self._failures += 1
        self.condition = "lost"
        every = self.pace.every_s
        if outcome in REFUSALS:
            pause = min(REFUSED_PAUSE_S, every * 2**self._failures)
        else:
            pause = min(PAUSE_S, every * 2 ** max(0, self._failures - AT_ONCE))
        self._again_s = self.clock() + pause - every / 2

    async def _collect(self) -> bool:
        """Ask what is due; false if the connection broke under it."""
        began = self.clock()
        due = self.pace.due(began, self._asked, self.captures)
        if not due:
            self.condition = "resting"
            return True
        self._asked.update(dict.fromkeys((command.name for command in due), began))
        self.condition = "asking"
        fresh = _Arriving(self.captures)
        kept = self._kept
        if kept is None:
            return False
        async with self.places:
            await kept.collect(due, fresh, self.clock)
        if kept.lost.is_set() or fresh.unanswered:
            for name in fresh.unanswered - PACED:
                self._asked.pop(name, None)
            await self._lose()
            return False
        self.condition = "resting"
        return True

    async def _lose(self) -> None:
        await self.close()
        self.reconnects += 1
        self.condition = "lost"
        again = "the connection was lost and is opened again"
        self.captures[ACCESS] = self._access(Outcome.NOT_RECORDED, again)

    def _access(self, outcome: Outcome, detail: str) -> Capture:
        return Capture(
            ACCESS, ("ssh", self.host.address), outcome, detail=detail, started_s=self.clock()
        )


class _Arriving(dict[str, Capture]):
    """The captures of a session; each replaces the one before it as soon as it is there.

    One that says only that the connection broke replaces no answer.
    """

    def __init__(self, into: dict[str, Capture]) -> None:
        super().__init__()
        self._into = into
        self.unanswered: set[str] = set()

    def __setitem__(self, name: str, capture: Capture) -> None:
        super().__setitem__(name, capture)
        self._take(name, capture)

    def setdefault(self, name: str, capture: Capture) -> Capture:
        """Take it if there is none yet, as `Collection` does."""
        if name not in self:
            self[name] = capture
        return self[name]

    def _take(self, name: str, capture: Capture) -> None:
        if capture.outcome in NO_ANSWER:
            self.unanswered.add(name)
            self._into.setdefault(name, capture)
        elif name != ACCESS:
            self._into[name] = capture
