"""Thresholds: what a probe's numbers are held to: the inventory's, else what others reported. Pure.

Nobody has published a floor for MLX over Thunderbolt 5, and none was measured here. The provisional
values lie far below what others reported: 25.5 us and 8.05 GB/s between two nodes, 7 to 8 GB/s per
link with three and four.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlxdiag.quantity import UNITS

LATENCY_UP_TO = 4 << 10
BANDWIDTH_FROM = 16 << 20
"""Bytes: latency is judged at sizes up to the one, bandwidth at sizes from the other on."""

TB5_GBPS = 80
"""Gigabits per second of a link from which on it is Thunderbolt 5."""


@dataclass(frozen=True)
class Limit:
    """One number to hold a measured one to; beyond `broken` it is not slow but broken."""

    quantity: str
    value: float
    broken: float | None = None
    provisional: bool = False

    @property
    def unit(self) -> str:
        """The unit of both numbers."""
        return UNITS[self.quantity]

    @property
    def is_latency(self) -> bool:
        """Whether it is about small sizes, and a maximum."""
        return self.quantity == "latency_us"

    def holds(self, measured: float) -> bool:
        """Compare; a number that is just met holds."""
        return measured <= self.value if self.is_latency else measured >= self.value

    @property
    def text(self) -> str:
        """Say what is expected: `at least 6 GB/s per link (provisional; below 3 is broken)`."""
        most, worse = ("at most", "above") if self.is_latency else ("at least", "below")
        said = f"{most} {self.value:g} {self.unit} {WORDS[self.quantity]}"
        if self.broken is not None:
            return f"{said} (provisional; {worse} {self.broken:g} something is broken)"
        return f"{said} (provisional)" if self.provisional else said


WORDS: Mapping[str, str] = {
    "latency_us": "p50",
    "algbw_gb_per_s": "algbw",
    "busbw_gb_per_s": "busbw",
    "link_gb_per_s": "per link",
}

PROVISIONAL: Mapping[str, tuple[Limit, ...]] = {
    backend: (
        Limit("latency_us", 100, broken=1000, provisional=True),
        Limit("link_gb_per_s", 6, broken=3, provisional=True),
    )
    for backend in ("jaccl", "jaccl-ring")
}
"""By backend, for links of Thunderbolt 5 only."""


def limits(
    backend: str, told: Mapping[str, float], meant: str | None, slowest_gbps: float | None
) -> tuple[Limit, ...]:
    """List what holds for a backend: the inventory's numbers, and where it has none, our own.

    `told` is the inventory's table, `meant` the backend that it expects: names without a backend
    are that one's, or everybody's where it expects none. `slowest_gbps` is the slowest cable.
    """
    prefix = backend.replace("-", "_") + "_"
    general = told if meant in (None, backend) else {}
    own = {q: told.get(prefix + q, general.get(q)) for q in UNITS}
    found = [Limit(q, value) for q, value in own.items() if value is not None]
    known = {limit.is_latency for limit in found}
    if slowest_gbps is not None and slowest_gbps >= TB5_GBPS:
        found += [lim for lim in PROVISIONAL.get(backend, ()) if lim.is_latency not in known]
    return tuple(found)
