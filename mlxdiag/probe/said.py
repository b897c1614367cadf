"""Said: what the ranks of one launch said, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

End = Literal["done", "failed", "deadline", "interrupted"]
Event = dict[str, Any]

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

    def last(self, kind: str) -> Event | None:
        """Return the latest event of a kind."""
        return next((e for e in reversed(self.events) if e["ev"] == kind), None)


@dataclass(frozen=True)
class GangRun:
    """How a launch ended. `overdue` are the ranks that did not pass a phase in its time.

    `launcher` is what mpirun said, where one started the ranks.
    """

    logs: tuple[RankLog, ...]
    end: End
    seconds: float
    overdue: tuple[int, ...] = ()
    phase: str = ""
    left: tuple[str, ...] = ()
    launcher: RankLog | None = None
