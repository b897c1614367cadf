"""Said: what the ranks of one launch said, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

End = Literal["done", "failed", "deadline", "interrupted"]
Event = dict[str, Any]

NOISE_CHARS = 1 << 16
NOISE_PIECES = 64
"""So much of what was not ours is kept, about: its end."""

LAUNCHER = -1
"""The rank of an mpirun, which is none."""


@dataclass
class RankLog:
    """Everything one rank said, `at` in seconds of the run; `noise` is what was not ours.

    The log of an mpirun is one too: its rank is LAUNCHER, its host the first.
    """

    rank: int
    host: str
    events: list[Event] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)
    lost: str = ""

    def hear_noise(self, text: str) -> None:
        """Keep what was not ours, of much of it the end."""
        self.noise.append(text)
        if len(self.noise) > NOISE_PIECES or len(text) > NOISE_CHARS:
            self.noise = ["".join(self.noise)[-NOISE_CHARS:]]

    def came_to(self, phase: str) -> bool:
        """Whether it said that it begins a phase."""
        return any(e["ev"] == "phase" and e["phase"] == phase for e in self.events)

    def last(self, kind: str) -> Event | None:
        """Return the latest event of a kind."""
        return next((e for e in reversed(self.events) if e["ev"] == kind), None)


@dataclass(frozen=True)
class GangRun:
    """How a launch ended. `overdue` are the ranks that did not pass a phase in its time.

    `launcher` is what mpirun said, where one started the ranks. `away_s` is the longest time that
    mlxdiag itself did not run: stopped, or its machine asleep.
    """

    logs: tuple[RankLog, ...]
    end: End
    seconds: float
    overdue: tuple[int, ...] = ()
    phase: str = ""
    left: tuple[str, ...] = ()
    launcher: RankLog | None = None
    away_s: float = 0.0


def samples(run: GangRun) -> dict[int, list[tuple[int, list[int]]]]:
    """List by size in bytes what ranks timed: rank and nanoseconds of each iteration."""
    by_size: dict[int, list[tuple[int, list[int]]]] = {}
    for log in run.logs:
        for event in log.events:
            if event["ev"] == "samples":
                by_size.setdefault(event["size"], []).append((log.rank, event["ns"]))
    return by_size
