"""Plan: a backend's ranks and what to measure -> per rank a job and a command line. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlxdiag.inventory import Host

DEADLINES_S: Mapping[str, float] = {
    "spawn": 20.0,
    "import": 40.0,
    "ready": 10.0,
    "init": 45.0,
    "identity": 10.0,
    "check": 60.0,
    "measure": 60.0,
    "pairs": 60.0,
    "soak": 60.0,
}
"""Seconds per phase; of `ready` from the word to go on; of a soak per collective.

Ring's init gives up by itself after 31 s (mlx ring.cpp): ours is later.
"""

LEASE_S = 15.0
SIZES = (4, 1024, 32768, 65536, 1 << 20, 16 << 20)
"""Bytes. On both sides of MLX's switches: 32 KiB (jaccl), 256 KiB a rank (ring)."""
SIZES_OF: Mapping[str, tuple[int, ...]] = {
    "quick": (4, 1 << 20),
    "standard": SIZES,
    "full": tuple(sorted({*SIZES, 8, 4096, 512 << 10, 2 << 20, 64 << 20})),
}
"""Per level."""

PAIR_SIZES: Mapping[str, tuple[int, ...]] = {
    "quick": (4, 1 << 20),
    "standard": (4, 4 << 20),
    "full": (4, 64 << 10, 4 << 20, 16 << 20),
}
"""Per level, between two ranks: the first is for latency, the last for bandwidth."""

BEHIND = 0.25
"""By which share of the median a link may be slower, unless `--behind` says otherwise."""

LAUNCHES_OF: Mapping[str, int] = {"quick": 1, "standard": 1, "full": 3}
"""Launches per level: a verdict that hangs on a number takes two or more."""

ELEMENT_BYTES: Mapping[str, int] = {"float32": 4, "float16": 2, "bfloat16": 2, "int32": 4}
CHECK_SIZES = (4, 12, 1024, 4096, 32768 + 4, 65536, 1 << 20, (1 << 20) + 12)


@dataclass(frozen=True)
class Settings:
    """What is measured, equal on all ranks. Sizes are bytes of one rank's buffer.

    `connections` is how many a link gets, where the backend can have several. With `soak_s` sizes
    are mixed for so many seconds, every result is compared, and nothing is timed. A link that is
    slower than the median by more than the share `behind` is named.
    """

    op: str = "all_sum"
    dtype: str = "float32"
    sizes: tuple[int, ...] = SIZES
    iterations: int | None = None
    warmup: int = 5
    check: bool = True
    connections: int = 1
    soak_s: float | None = None
    behind: float = BEHIND

    def iterations_of(self, size: int) -> int:
        """Decide how often a size is timed: many times what is short, never by a clock."""
        return self.iterations or max(5, min(200, (8 << 20) // max(1, size) * 5))


@dataclass(frozen=True)
class RankPlan:
    """One rank: its host, and the environment MLX reads. `files` are variables that name a file."""

    rank: int
    host: Host
    env: Mapping[str, str]
    files: Mapping[str, str]


@dataclass(frozen=True)
class Wire:
    """A cable that a launch uses, by the ranks at its ends: port and RDMA device ("") of each.

    `speed_gbps` is the link's, in gigabits per second; None where the hosts do not say.
    `receptacles` are numbers as macOS counts; 0 is not known.
    """

    ranks: tuple[int, int]
    ports: tuple[str, str]
    devices: tuple[str, str] = ("", "")
    speed_gbps: float | None = None
    receptacles: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Refusal:
    """Why a backend is not launched: nothing was started. `usable` is what the facts say of it."""

    backend: str
    reason: str
    usable: bool | None = False


@dataclass(frozen=True)
class Plan:
    """One launch. `mlx_backend` is the name that `init` knows; jaccl-ring is jaccl there.

    `part` is `pair` for a launch of two ranks that measures one link of a larger cluster. `rounds`
    are pairs of ranks, the lower first, that ping-pong inside this launch, those of a round at the
    same time, with buffers of `pair_sizes` bytes.
    `launcher` are the words of an mpirun that starts the ranks, by its major version; where there
    are none, we start every rank ourselves.
    `fragile` launches are not repeated after a failure; `attempts` counts them by host since its
    boot, this one included.
    """

    backend: str
    mlx_backend: str
    ranks: tuple[RankPlan, ...]
    nonce: str
    settings: Settings = field(default_factory=Settings)
    wires: tuple[Wire, ...] = ()
    part: str = "whole"
    rounds: tuple[tuple[tuple[int, int], ...], ...] = ()
    pair_sizes: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    lease_s: float = LEASE_S
    deadlines_s: Mapping[str, float] = field(default_factory=lambda: dict(DEADLINES_S))
    launcher: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fragile: bool = False
    attempts: Mapping[str, int] = field(default_factory=dict)

    @property
    def gated(self) -> bool:
        """Whether ranks wait for each other before init; those of an mpirun do so inside MPI."""
        return not self.launcher

    def job(self, rank: RankPlan) -> dict[str, Any]:
        """Build what the kernel is told."""
        chosen = self.settings
        return {
            "nonce": self.nonce,
            "rank": rank.rank,
            "size": len(self.ranks),
            "backend": self.backend,
            "mlx_backend": self.mlx_backend,
            "env": dict(rank.env),
            "files": dict(rank.files),
            "deadlines": dict(self.deadlines_s),
            "gated": self.gated,
            "lease_s": self.lease_s,
            "check": chosen.check,
            "check_sizes": list(CHECK_SIZES),
            "op": chosen.op,
            "dtype": chosen.dtype,
            "sizes": list(chosen.sizes),
            "rounds": [[list(pair) for pair in pairs] for pairs in self.rounds],
            "pair_sizes": list(self.pair_sizes),
            "iterations": {
                str(size): chosen.iterations_of(size) for size in (*chosen.sizes, *self.pair_sizes)
            },
            "warmup": chosen.warmup,
            "soak_s": chosen.soak_s,
        }


Try = Callable[[int, str], Plan | Refusal]
"""First port, nonce -> what a backend makes of it."""
