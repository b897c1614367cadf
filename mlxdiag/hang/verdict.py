"""Verdict: what was recognised of a run, in words, with who is to be looked at and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "rank-gone",
    "rank-stopped",
    "kernel",
    "init-waits",
    "init-twice",
    "out-of-step",
    "loading",
    "fast-synch",
    "control",
    "behind",
    "swap",
    "stalled",
]
"""What can be wrong, each a check `hang-KIND`."""

FROM_PLACES: frozenset[Kind] = frozenset({"out-of-step", "loading", "control", "behind", "stalled"})
"""What is read off the places of the ranks, only where none of the others explains them."""


LOOK_AGAIN = "look again with --interval 60s"
"""How the `todo` begins where what was seen may also end by itself."""


@dataclass(frozen=True)
class Verdict:
    """One pattern that was recognised. `ranks` are the labels of those to look at.

    `text` says it in one sentence; `evidence` are the facts it rests on; `todo` is what to do.
    """

    kind: Kind
    text: str
    ranks: tuple[str, ...]
    hosts: tuple[str, ...]
    evidence: tuple[str, ...]
    todo: str


State = Literal["hung", "moving", "idle", "unknown"]


@dataclass(frozen=True)
class RankRow:
    """One rank as a person wants to see it; None where it is not known.

    `cpu` is the share of one core between the samples; `where` are the two samples in words.
    """

    label: str
    rank: int | None
    host: str
    pid: int
    state: str
    age_s: float | None
    command: str
    cpu: float | None
    rss_bytes: int | None
    footprint_bytes: int | None
    holds_bytes: int | None
    where: tuple[str, str]
    moved: tuple[str, ...]
    sockets: tuple[str, ...]
    python: tuple[str, ...]
    native: tuple[str, ...]
    fast_synch: str | None


@dataclass(frozen=True)
class HostRow:
    """What a host said beside its ranks; None where it is not known."""

    host: str
    ranks: int
    gpu_percent: tuple[float | None, float | None]
    wired_bytes: int | None
    memory_bytes: int | None
    swap_used_bytes: int | None
    swap_bytes_per_s: float | None
    rdma_up: tuple[str, ...] | None
    rdma_down: tuple[str, ...] | None
    stuck: int | None
    domains: int | None
    queue_pairs: int | None
    unkillable: tuple[str, ...]
    gaps: tuple[str, ...]


@dataclass(frozen=True)
class Hang:
    """All of it. `said` is the conclusion in one sentence; `verdicts` the worst first."""

    state: State
    said: str
    seconds: float | None
    ranks: tuple[RankRow, ...]
    hosts: tuple[HostRow, ...]
    verdicts: tuple[Verdict, ...] = ()
    missing: tuple[int, ...] = ()
