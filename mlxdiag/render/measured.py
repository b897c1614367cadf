"""Measured: what launches of two ranks say of the link between their hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlxdiag.report import Report


@dataclass(frozen=True)
class Pair:
    """The best of a pair's launches: microseconds (p50, smallest size), 1e9 bytes/s (largest)."""

    latency_us: float
    gb_per_s: float


@dataclass(frozen=True)
class Measured:
    """Pairs of hosts with one backend. `sizes` are bytes: of the latency, and of the bandwidth."""

    backend: str
    sizes: tuple[int, int]
    pairs: Mapping[tuple[str, str], Pair]

    def between(self, one: str, other: str) -> Pair | None:
        """Return what was measured between two hosts, whichever is named first."""
        return self.pairs.get((one, other)) or self.pairs.get((other, one))


def measured(report: Report) -> tuple[Measured, ...]:
    """Collect the launches of two ranks on two hosts, by backend and sizes."""
    found: dict[tuple[str, tuple[int, int]], dict[tuple[str, str], Pair]] = {}
    for probe in report.probes:
        hosts = tuple(rank.host.name for rank in probe.plan.ranks)
        if not probe.rows or len(hosts) != 2 or len(set(hosts)) != 2:
            continue
        first, last = probe.rows[0], probe.rows[-1]
        pairs = found.setdefault((probe.plan.backend, (first.size, last.size)), {})
        pair = (hosts[0], hosts[1])
        before = pairs.get(pair, Pair(first.p50_us, last.busbw_gb_per_s))
        pairs[pair] = Pair(
            min(before.latency_us, first.p50_us), max(before.gb_per_s, last.busbw_gb_per_s)
        )
    return tuple(Measured(backend, sizes, pairs) for (backend, sizes), pairs in found.items())
