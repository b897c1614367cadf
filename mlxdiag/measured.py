"""Measured: launches of several backends -> who is faster, by how much, what was not measured.

Small sizes are compared by latency (p50), large ones by bus bandwidth. A difference counts from
10 % on, and only if the ranges of the launches do not overlap.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mlxdiag.errors import RecordingError

SMALL_MAX = 4 << 10
LARGE_MIN = 1 << 20
"""Bytes of one rank's buffer: the smallest up to the one, the largest from the other on."""
SAME = 1.1
"""Below this ratio two numbers are no difference."""
CLEAR = 2.0
"""From this ratio on one launch each is enough to be sure."""
OPS = ("all_sum", "all_gather", "send")
OWN = "this run"

Kind = Literal["latency", "bandwidth"]
UNITS: Mapping[Kind, str] = {"latency": "us", "bandwidth": "GB/s"}
SIZES: Mapping[Kind, str] = {"latency": "up to 4 KiB", "bandwidth": "from 1 MiB on"}
"""SMALL_MAX and LARGE_MIN in words."""


@dataclass(frozen=True)
class Timing:
    """One size of one launch: bytes, p50 of the slowest rank in us, busbw in 1e9 bytes a second."""

    size: int
    p50_us: float
    busbw: float


@dataclass(frozen=True)
class Launch:
    """One launch over `hosts` in rank order. `failed` is who is to blame, `stopped` that we were.

    `source` says where it comes from: this run, or a file with the time of its run.
    """

    backend: str
    op: str
    dtype: str
    hosts: tuple[str, ...]
    timings: tuple[Timing, ...] = ()
    failed: str = ""
    stopped: bool = False
    source: str = OWN


@dataclass(frozen=True)
class Figure:
    """A backend at one size: a value per launch, ascending; us, or 1e9 bytes per second."""

    backend: str
    source: str
    values: tuple[float, ...]

    @property
    def typical(self) -> float:
        """The median of the launches."""
        middle = len(self.values) // 2
        return (self.values[middle] + self.values[~middle]) / 2


@dataclass(frozen=True)
class Margin:
    """Two backends at one size, the better first; `better` is None without a difference."""

    kind: Kind
    op: str
    dtype: str
    size: int
    better: str | None
    ratio: float
    figures: tuple[Figure, Figure]
    overlap: bool = False

    @property
    def unit(self) -> str:
        """Of its numbers."""
        return UNITS[self.kind]

    @property
    def text(self) -> str:
        """Say it in a sentence, the better one first."""
        one, other = self.figures
        unit = UNITS[self.kind]
        what = f"per {_size(self.size)} {self.op}"
        if self.kind == "bandwidth":
            what = f"busbw at {_size(self.size)} {self.op}"
        said = [f"{f.backend} {_number(f.typical)} {unit}" for f in (one, other)]
        if self.better:
            return f"{said[0]} against {said[1]} {what}: {self.ratio:.1f} times"
        ranges = " and ".join(
            f"{_number(f.values[0])} to {_number(f.values[-1])}" for f in self.figures
        )
        why = f"launches overlap: {ranges}" if self.overlap else "below 10 %"
        return f"no difference: {said[0]}, {said[1]} {what} ({why})"

    @property
    def sure(self) -> bool:
        """Whether several launches, or a large ratio, stand behind it."""
        return self.ratio >= CLEAR or all(len(f.values) > 1 for f in self.figures)

    def cost(self, backend: str) -> str:
        """Say what the worse of the two costs, in numbers: it comes first."""
        mine, other = sorted(self.figures, key=lambda f: f.backend != backend)
        unit = UNITS[self.kind]
        size = f"{'small' if self.kind == 'latency' else 'large'} {self.op}"
        return (
            f"{mine.backend}: {_number(mine.typical)} {unit}"
            f" against {_number(other.typical)} {unit} of {other.backend}"
            f" per {size} ({_size(self.size)})"
        )

    def against(self, backend: str) -> bool:
        """Whether another backend is better than this one."""
        return self.better is not None and self.better != backend


@dataclass(frozen=True)
class Duel:
    """All that was measured of two backends. `better` is None where there is no difference."""

    backends: tuple[str, str]
    margins: tuple[Margin, ...]

    @property
    def better(self) -> str | None:
        """Who wins: where latency and bandwidth disagree, the larger ratio."""
        decided = [m for m in self.margins if m.better]
        return max(decided, key=lambda m: m.ratio).better if decided else None

    @property
    def split(self) -> bool:
        """Whether latency and bandwidth disagree."""
        return len({m.better for m in self.margins if m.better}) > 1

    @property
    def sure(self) -> bool:
        """Whether there is nothing that another launch would probably change."""
        return not self.split and all(margin.sure for margin in self.margins)

    @property
    def gaps(self) -> tuple[str, ...]:
        """Say which of the two kinds they have no common size for."""
        there = {margin.kind for margin in self.margins}
        both = " and ".join(self.backends)
        return tuple(
            f"could not measure the {kind} of {both}: no size {where} in common"
            for kind, where in SIZES.items()
            if kind not in there
        )

    @property
    def reason(self) -> str:
        """Say in a sentence what decided."""
        decided = [m for m in self.margins if m.better]
        if not decided:
            return f"no difference between {' and '.join(self.backends)}, so preference decides"
        text = max(decided, key=lambda m: m.ratio).text
        return f"{text} (latency and bandwidth disagree)" if self.split else text


@dataclass(frozen=True)
class Measured:
    """What the launches say of a cluster.

    `duels` are by pair of backends that both have numbers at a common size, `missing` says of the
    others why they have none. Of this run: `ran` are backends whose every launch passed, with the
    rank order; `failed` those of which one did not, with who is to blame; `refused` why one was not
    launched.
    """

    launches: int
    duels: tuple[Duel, ...] = ()
    ran: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)

    def duel(self, one: str, other: str) -> Duel | None:
        """Find the comparison of two backends."""
        return next((d for d in self.duels if set(d.backends) == {one, other}), None)

    def best(self, backends: Sequence[str]) -> str | None:
        """Return the one that no other beats, the first of equals; None if they have no numbers."""
        best: str | None = None
        for backend in backends:
            if best is None:
                best = backend if any(backend in d.backends for d in self.duels) else None
            elif (duel := self.duel(best, backend)) and duel.better == backend:
                best = backend
        return best


def compare(
    launches: Iterable[Launch],
    hosts: Sequence[str],
    backends: Sequence[str],
    refused: Mapping[str, str],
) -> Measured:
    """Compare what was launched over all these hosts; of a backend this run's launches go first.

    `backends` are those that may be chosen, in order of preference; `refused` says why one was not
    launched.
    """
    everything = list(launches)
    whole = [launch for launch in everything if sorted(launch.hosts) == sorted(hosts)]
    left_out = len(everything) - len(whole)
    chosen = [launch for backend in _names(whole) for launch in _newest(whole, backend)]
    timed = _names(launch for launch in chosen if launch.timings)
    names = [*dict.fromkeys((*(b for b in backends if b in timed), *timed))]
    duels = [
        duel
        for i, one in enumerate(names)
        for other in names[i + 1 :]
        if (duel := _duel(chosen, one, other)).margins
    ]
    own = [launch for launch in chosen if launch.source == OWN]
    failed = {x.backend: x.failed for x in own if x.failed}
    ran = {x.backend: x.hosts for x in own if not x.stopped and x.backend not in failed}
    missing = [
        (backend, _why(backend, chosen, refused, names))
        for backend in dict.fromkeys((*backends, *failed, *refused))
        if not any(backend in duel.backends for duel in duels)
    ]
    notes = [f"launches over other hosts are left out: {left_out}"] if left_out else []
    notes += [note for duel in duels for note in duel.gaps]
    return Measured(len(chosen), tuple(duels), ran, failed, tuple(missing), tuple(notes), refused)


def _newest(launches: Sequence[Launch], backend: str) -> list[Launch]:
    """Take the launches of this run where it has any, else those of the last file."""
    mine = [launch for launch in launches if launch.backend == backend]
    source = OWN if any(x.source == OWN for x in mine) else mine[-1].source
    return [launch for launch in mine if launch.source == source]


def _names(launches: Iterable[Launch]) -> list[str]:
    return list(dict.fromkeys(launch.backend for launch in launches))


def _why(
    backend: str, launches: Sequence[Launch], refused: Mapping[str, str], ran: Sequence[str]
) -> str:
    mine = [launch for launch in launches if launch.backend == backend]
    if failed := next((x.failed for x in mine if x.failed), ""):
        return f"could not measure: {failed}"
    if any(launch.stopped for launch in mine):
        return "could not measure: its launch was interrupted"
    if not mine:
        return f"could not measure: {refused[backend]}" if backend in refused else "not launched"
    return "no size in common with another" if len(ran) > 1 else "no other to compare it with"


def _duel(launches: Sequence[Launch], one: str, other: str) -> Duel:
    margins = (_margin(launches, one, other, kind) for kind in ("latency", "bandwidth"))
    return Duel((one, other), tuple(m for m in margins if m))


def _margin(launches: Sequence[Launch], one: str, other: str, kind: Any) -> Margin | None:  # noqa: ANN401
    fits = {"latency": lambda size: size <= SMALL_MAX, "bandwidth": lambda size: size >= LARGE_MIN}
    there = {
        name: {
            (launch.op, launch.dtype, timing.size)
            for launch in launches
            if launch.backend == name and not launch.failed
            for timing in launch.timings
            if fits[kind](timing.size)
        }
        for name in (one, other)
    }
    common = there[one] & there[other]
    if not common:
        return None
    sign = 1 if kind == "latency" else -1
    op, dtype, size = min(
        common, key=lambda c: (OPS.index(c[0]), c[1] != "float32", c[1], sign * c[2])
    )
    a, b = (_figure(launches, name, kind, (op, dtype, size)) for name in (one, other))
    first, second = sorted((a, b), key=lambda f: sign * f.typical)
    high, low = max(a.typical, b.typical), min(a.typical, b.typical)
    overlap = max(a.values[0], b.values[0]) <= min(a.values[-1], b.values[-1])
    ratio = high / low if low else float(high > 0) * 1e9 + 1
    better = first.backend if ratio >= SAME and not overlap else None
    return Margin(kind, op, dtype, size, better, ratio, (first, second), overlap and ratio >= SAME)


def _figure(
    launches: Sequence[Launch], name: str, kind: Kind, what: tuple[str, str, int]
) -> Figure:
    found = [
        (launch.source, timing.p50_us if kind == "latency" else timing.busbw)
        for launch in launches
        if launch.backend == name and not launch.failed
        for timing in launch.timings
        if (launch.op, launch.dtype, timing.size) == what
    ]
    return Figure(name, found[0][0], tuple(sorted(value for _, value in found)))


def from_report(text: str, source: str) -> tuple[Launch, ...]:
    """Read the launches of a saved JSON report; raise RecordingError where it is none."""
    try:
        told = json.loads(text)
        if not isinstance(told, dict):
            raise RecordingError(f"{source}: not a report of mlxdiag: it is no object")
        named = (told["schema"], told["schema_version"])
        of = f"{source} of {told['started_at']}"
        launches = tuple(_launch(probe, of) for probe in told["probes"])
    except KeyError as error:
        raise RecordingError(f"{source}: not a report of mlxdiag: it has no {error}") from error
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise RecordingError(f"{source}: not a report of mlxdiag: {error}") from error
    if named != ("mlxdiag/report", 1):
        raise RecordingError(f"{source}: not a report of mlxdiag, schema 1: {named}")
    return launches


def _launch(said: dict[str, Any], source: str) -> Launch:
    rows = (Timing(r["size"], float(r["p50_us"]), float(r["busbw_gb_per_s"])) for r in said["rows"])
    if said["op"] not in OPS:
        raise ValueError(f"op {said['op']!r}")
    stopped = said["end"] == "interrupted"
    blame = said["blame"]["text"] if said["blame"] and not stopped else ""
    hosts, timings = tuple(map(str, said["ranks"])), tuple(rows)
    made = Launch(str(said["backend"]), said["op"], str(said["dtype"]), hosts, timings, blame)
    return replace(made, stopped=stopped, source=source)


def _size(count: int) -> str:
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 1 << shift and count % (1 << shift) == 0:
            return f"{count >> shift} {unit}"
    return f"{count} B"


def _number(value: float) -> str:
    """Keep three digits, without the zeros at the end."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
