"""Watch: one line on stderr about the launches that are under way, while stderr is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from mlxdiag.probe.plan import Plan
from mlxdiag.probe.said import LAUNCHER, Event
from mlxdiag.render.sizes import duration, size

STILL_S = 3.0
"""A rank that has not moved for so long is compared with the others."""

ORDER = (
    "spawn",
    "import",
    "ready",
    "init",
    "identity",
    "check",
    "measure",
    "pairs",
    "soak",
    "done",
)


@dataclass
class Place:
    """Where a rank is, and when (seconds of a monotonic clock) it last came to another place."""

    phase: str = "spawn"
    size: int | None = None
    begun: int = 0
    moved: float = 0.0

    @property
    def order(self) -> tuple[int, int]:
        """What tells an earlier place from a later one."""
        return ORDER.index(self.phase), self.begun


@dataclass
class Launch:
    """One launch as it goes on: which of how many, and the place of every rank."""

    plan: Plan
    number: int
    of: int
    began: float
    places: list[Place] = field(default_factory=list)
    idle_until: float = 0.0

    def __post_init__(self) -> None:
        """Begin with every rank at the first place."""
        self.places = [Place(moved=self.began) for _ in self.plan.ranks]

    def hear(self, rank: int, event: Event, now: float) -> None:
        """Take in what a rank said at a time."""
        place = self.places[rank]
        before = (place.order, place.size)
        if event["ev"] == "phase":
            place.phase, place.size = event["phase"], event.get("size")
            self.idle_until = now + event.get("idle_s", 0.0)
        elif event["ev"] == "done":
            place.phase, place.size = "done", None
        place.begun = max(place.begun, int(event.get("begun", 0)))
        if (place.order, place.size) != before:
            place.moved = now

    @property
    def order(self) -> tuple[int, int]:
        """Where the last of its ranks is."""
        return min(place.order for place in self.places)

    def line(self, now: float) -> str:
        """Say it in one line: backend, launch, phase, size, seconds, and who is behind."""
        first = min(self.places, key=lambda place: place.order)
        what = f"launch {self.number} of {self.of}"
        if self.plan.part == "pair":
            hosts = " - ".join(rank.host.name for rank in self.plan.ranks)
            what = f"round {self.number} of {self.of}  {hosts}"
        parts = [self.plan.backend, what, first.phase]
        if first.size is not None:
            parts.append(size(first.size))
        soak_s = self.plan.settings.soak_s
        parts.append(f"{duration(int(now - self.began))}")
        if first.phase == "soak" and soak_s is not None:
            parts[-1] += f" (soak of {duration(soak_s)}, {first.begun} collectives)"
        if now < self.idle_until:
            return "  ".join([*parts, "pause"])
        return "  ".join([*parts, self._behind(now)]).rstrip()

    def _behind(self, now: float) -> str:
        """Name the ranks that stand still and have come less far than others."""
        if all(now - place.moved < STILL_S for place in self.places):
            return ""
        least = min(place.order for place in self.places)
        if least == max(place.order for place in self.places):
            still = now - max(place.moved for place in self.places)
            return f"all ranks wait, {duration(int(still))}" if still >= STILL_S else ""
        names = [
            f"rank {rank} ({self.plan.ranks[rank].host.name})"
            for rank, place in enumerate(self.places)
            if place.order == least and now - place.moved >= STILL_S
        ]
        return f"behind: {', '.join(names)}" if names else ""


@dataclass
class Watch:
    """What the controller tells: launches begin at the same time, a rank of one said something."""

    of: int
    clock: Callable[[], float] = time.monotonic
    launches: dict[str, Launch] = field(default_factory=dict)
    number: int = 0

    def begin(self, plans: tuple[Plan, ...]) -> tuple[Plan, ...]:
        """Take note of launches that begin now."""
        self.number += 1
        self.of = max(self.of, self.number)
        now = self.clock()
        self.launches = {plan.nonce: Launch(plan, self.number, self.of, now) for plan in plans}
        return plans

    def hear(self, plan: Plan, rank: int, event: Event) -> None:
        """Take in an event of a launch at hand; an mpirun is at no place."""
        launch = self.launches.get(plan.nonce)
        if launch is not None and rank != LAUNCHER:
            launch.hear(rank, event, self.clock())

    def line(self) -> str:
        """Give the line as it is now: that of the launch which has come least far."""
        at = min(self.launches.values(), key=lambda each: each.order, default=None)
        return at.line(self.clock()) if at else ""


@contextmanager
def watching(of: int, stream: TextIO | None = None) -> Iterator[Watch]:
    """Show the line while the block runs, and take it away at the end; nothing in a pipe."""
    out, watch = stream or sys.stderr, Watch(of)
    if not out.isatty():
        yield watch
        return
    from rich.console import Console  # noqa: PLC0415  # only a terminal needs it
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    def shown() -> Text:
        return Text(watch.line(), no_wrap=True, overflow="ellipsis")

    console = Console(file=out, highlight=False)
    with Live(get_renderable=shown, console=console, transient=True, refresh_per_second=4):
        yield watch
