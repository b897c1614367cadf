"""Measured: what was measured between two hosts, for formats that show pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxdiag.report import Report

if TYPE_CHECKING:
    from mlxdiag.probe.matrix import Figure, Way


@dataclass(frozen=True)
class Pair:
    """The best of a pair's launches: microseconds (p50, smallest size), 1e9 bytes/s (largest).

    `behind` is what was said of a cable of it that is behind the others, `sure` that it is.
    """

    latency_us: float
    gb_per_s: float
    behind: str = ""
    sure: bool = False


@dataclass(frozen=True)
class Measured:
    """Pairs of hosts with one backend. `sizes` are bytes: of the latency, and of the bandwidth.

    `how` is the collective: `all_sum` of two ranks alone, `send` inside one group.
    """

    backend: str
    how: str
    sizes: tuple[int, int]
    pairs: Mapping[tuple[str, str], Pair]

    def between(self, one: str, other: str) -> Pair | None:
        """Return what was measured between two hosts, whichever is named first."""
        return self.pairs.get((one, other)) or self.pairs.get((other, one))


def _pair(way: Way, best: Figure) -> Pair:
    said = way.said if way.standing in ("fail", "unknown") else ""
    return Pair(best.latency_us, best.gb_per_s, said, way.standing == "fail")


def measured(report: Report) -> tuple[Measured, ...]:
    """Take the report's matrices; of several cables between two hosts the worst of each number."""
    found = []
    for matrix in report.pairs:
        pairs: dict[tuple[str, str], Pair] = {}
        for way in matrix.ways:
            if way.best is None:
                continue
            new = _pair(way, way.best)
            old = pairs.get(way.hosts, new)
            worse = new if (new.sure, bool(new.behind)) > (old.sure, bool(old.behind)) else old
            pairs[way.hosts] = Pair(
                max(old.latency_us, new.latency_us),
                min(old.gb_per_s, new.gb_per_s),
                worse.behind,
                worse.sure,
            )
        if pairs:
            found.append(Measured(matrix.backend, matrix.how, matrix.sizes, pairs))
    return tuple(found)
