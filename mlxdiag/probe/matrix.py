"""Matrix: judged launches of pairs -> latency and bandwidth of every link, and which are behind.

A link is held against the median of its own kind: cables against cables, network against network.
Of an even number of links the better of the two in the middle is the median, and of several
launches of a link its best one stands for it: load can only slow a link down.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median_high, median_low
from typing import Literal

from mlxdiag.probe.judge import Probe, quantile
from mlxdiag.probe.plan import Wire

LEAST = 3
"""Fewer links of a kind have no median that says what is normal."""

NOISE_US = 20.0
"""A latency that is above the median by less is no finding: what a scheduler adds on a busy host.

Provisional: nobody has calibrated it on quiet hosts."""

Standing = Literal["pass", "fail", "unknown", "skip"]
Measure = Literal["latency", "bandwidth"]
MEASURES: tuple[Measure, Measure] = ("latency", "bandwidth")
SHARED = "the ranks share one machine: no verdict on the speed of links"


@dataclass(frozen=True)
class Figure:
    """One launch over one link: microseconds of the small size, 1e9 bytes/s of the large one.

    `least_us` is the fastest of the samples whose median is `latency_us`.
    """

    latency_us: float
    least_us: float
    gb_per_s: float


@dataclass(frozen=True)
class Median:
    """What is normal for links of one kind; `count` links were measured."""

    latency_us: float
    least_us: float
    gb_per_s: float
    count: int
    fastest_gb_per_s: float


@dataclass(frozen=True)
class Way:
    """Two hosts and what lies between: the cables (`wires`, of the first host first) or a network.

    `figures` has an entry per launch, None where it failed. `said` explains the standing, and
    `behind_in` names what a link with standing `fail` is behind in.
    """

    hosts: tuple[str, str]
    wires: tuple[Wire, ...]
    figures: tuple[Figure | None, ...]
    standing: Standing = "skip"
    said: str = ""
    behind_in: tuple[Measure, ...] = ()

    @property
    def kind(self) -> str:
        """Cable or network."""
        return "cable" if self.wires else "network"

    @cached_property
    def best(self) -> Figure | None:
        """The best of its launches, each number by itself."""
        seen = [figure for figure in self.figures if figure is not None]
        if not seen:
            return None
        return Figure(
            min(f.latency_us for f in seen),
            min(f.least_us for f in seen),
            max(f.gb_per_s for f in seen),
        )

    @property
    def label(self) -> str:
        """Name both ends, with the ports where there are some."""
        ports = zip(*(wire.ports for wire in self.wires), strict=True) if self.wires else ((), ())
        one, other = (" ".join((h, " + ".join(p))) for h, p in zip(self.hosts, ports, strict=True))
        return f"{one.strip()} - {other.strip()}"


@dataclass(frozen=True)
class Matrix:
    """All links of one backend. `sizes` are bytes: of the latency, and of the bandwidth.

    `how` is `all_sum` (two ranks alone: the latency is that of a whole collective, the bandwidth
    what each direction carried while the other was as busy) or `send` (inside one group: half a
    round trip, and one direction alone). `behind` is the share that a link may differ by. `slow`
    are hosts all of whose links are behind.
    """

    backend: str
    how: Literal["all_sum", "send"]
    sizes: tuple[int, int]
    behind: float
    hosts: tuple[str, ...]
    ways: tuple[Way, ...]
    medians: dict[str, Median]
    slow: tuple[str, ...] = ()

    def between(self, one: str, other: str) -> tuple[Way, ...]:
        """List what was measured between two hosts."""
        return tuple(way for way in self.ways if set(way.hosts) == {one, other})

    def links_of(self, host: str) -> str:
        """Count the links of a host in words."""
        count = sum(host in way.hosts for way in self.ways)
        return "both links" if count == 2 else f"all {count} links"

    def shares(self, way: Way) -> tuple[float, float]:
        """How far the best of a link is behind: latency above, bandwidth below the median."""
        best, normal = way.best, self.medians.get(way.kind)
        if best is None or normal is None:
            return 0.0, 0.0
        return _above(best, normal), _below(best, normal)


def build(probes: Iterable[Probe], order: Sequence[str]) -> tuple[Matrix, ...]:
    """Sort what was measured of pairs into a matrix per backend; hosts as in `order`, then others.

    Launches without pairs are passed over.
    """
    found: dict[tuple[str, Literal["all_sum", "send"]], list[Probe]] = {}
    for probe in probes:
        if probe.plan.part == "pair":
            found.setdefault((probe.plan.backend, "all_sum"), []).append(probe)
        elif probe.plan.rounds:
            found.setdefault((probe.plan.backend, "send"), []).append(probe)
    return tuple(_matrix(backend, how, of, order) for (backend, how), of in found.items())


def _matrix(
    backend: str, how: Literal["all_sum", "send"], probes: Sequence[Probe], order: Sequence[str]
) -> Matrix:
    figures: dict[tuple[tuple[str, str], tuple[Wire, ...]], list[Figure | None]] = {}
    for probe in probes:
        for hosts, wires, figure in _alone(probe) if how == "all_sum" else _within(probe):
            figures.setdefault((hosts, wires), []).append(figure)
    seats = {name: at for at, name in enumerate(order)}
    names = {name for hosts, _ in figures for name in hosts}
    place = lambda name: (seats.get(name, len(seats)), len(name), name)  # noqa: E731
    ways = [Way(hosts, wires, tuple(of)) for (hosts, wires), of in figures.items()]
    ways.sort(key=lambda way: (*map(place, way.hosts), [wire.receptacles for wire in way.wires]))
    plan = probes[0].plan
    sizes = plan.pair_sizes if how == "send" else plan.settings.sizes
    bare = Matrix(
        backend=backend,
        how=how,
        sizes=(min(sizes), max(sizes)),
        behind=plan.settings.behind,
        hosts=tuple(sorted(names, key=place)),
        ways=tuple(ways),
        medians=_medians(ways),
    )
    shared = any(_share_a_machine(probe) for probe in probes)
    judged = tuple(
        replace(way, standing="skip", said=SHARED) if shared else _judged(bare, way) for way in ways
    )
    return replace(bare, ways=judged, slow=_slow(judged, bare.hosts))


Found = tuple[tuple[str, str], tuple[Wire, ...], Figure | None]


def _alone(probe: Probe) -> Iterable[Found]:
    """Take a launch of two ranks: the figure is the row of the slower one."""
    one, other = (rank.host.name for rank in probe.plan.ranks)
    figure = None
    if probe.passed and probe.rows:
        small, large = probe.rows[0], probe.rows[-1]
        figure = Figure(small.p50_us, small.min_us, large.busbw_gb_per_s)
    yield (one, other), probe.plan.wires, figure


def _within(probe: Probe) -> Iterable[Found]:
    """Take the pairs of one group: the lower rank timed round trips."""
    plan = probe.plan
    names = [rank.host.name for rank in plan.ranks]
    if len(set(names)) < len(names):
        names = [f"{name}{rank}" for rank, name in enumerate(names)]
    timed = {
        (log.rank, event["peer"], event["size"]): event["ns"]
        for log in probe.run.logs
        for event in log.events
        if event["ev"] == "pair"
    }
    small, large = min(plan.pair_sizes), max(plan.pair_sizes)
    for a, b in (pair for pairs in plan.rounds for pair in pairs):
        wires = tuple(wire for wire in plan.wires if set(wire.ranks) == {a, b})
        short, long = timed.get((a, b, small)), timed.get((a, b, large))
        figure = None
        if probe.passed and short and long:
            half = quantile(short, 0.5) / 2000, min(short) / 2000
            figure = Figure(*half, 2 * large / quantile(long, 0.5))
        yield (names[a], names[b]), wires, figure


def _share_a_machine(probe: Probe) -> bool:
    places = {(rank.host.address, rank.host.port) for rank in probe.plan.ranks}
    return len(places) < len(probe.plan.ranks)


def _medians(ways: Sequence[Way]) -> dict[str, Median]:
    kinds: dict[str, list[Figure]] = {}
    for way in ways:
        if way.best is not None:
            kinds.setdefault(way.kind, []).append(way.best)
    return {
        kind: Median(
            latency_us=median_low(f.latency_us for f in seen),
            least_us=median_low(f.least_us for f in seen),
            gb_per_s=median_high(f.gb_per_s for f in seen),
            count=len(seen),
            fastest_gb_per_s=max(f.gb_per_s for f in seen),
        )
        for kind, seen in kinds.items()
    }


def _above(figure: Figure, normal: Median) -> float:
    return figure.latency_us / normal.latency_us - 1


def _below(figure: Figure, normal: Median) -> float:
    return 1 - figure.gb_per_s / normal.gb_per_s


def _is_behind(figure: Figure, normal: Median, limit: float) -> tuple[bool, bool]:
    """Say it of latency and of bandwidth.

    A busy host raises the median of a latency; a slow link its fastest sample as well.
    """
    slower = figure.least_us > normal.least_us * (1 + limit)
    counts = slower and figure.latency_us - normal.latency_us >= NOISE_US
    return counts and _above(figure, normal) > limit, _below(figure, normal) > limit


def _judged(matrix: Matrix, way: Way) -> Way:
    """Give a link its standing: behind in every launch is behind, in some is not known."""
    best, normal = way.best, matrix.medians.get(way.kind)
    if best is None or normal is None:
        return replace(way, standing="unknown", said="it was launched and not measured")
    if normal.count < LEAST:
        of = f"{normal.count} {way.kind} link{'s' * (normal.count > 1)}"
        return replace(way, standing="skip", said=f"nothing to compare with: {of} measured")
    seen = [_is_behind(f, normal, matrix.behind) for f in way.figures if f is not None]
    texts = (
        f"latency {best.latency_us:.4g} us, {{:.0%}} above the median {normal.latency_us:.4g} us",
        f"{best.gb_per_s:.3g} GB/s, {{:.0%}} below the median {normal.gb_per_s:.3g} GB/s",
    )
    own = matrix.shares(way)
    always = [n for n in (0, 1) if all(behind[n] for behind in seen)]
    if always:
        said = "; ".join(texts[n].format(own[n]) for n in always)
        measures = tuple(MEASURES[n] for n in always)
        return replace(way, standing="fail", said=said, behind_in=measures)
    times = {name: sum(behind[n] for behind in seen) for n, name in enumerate(MEASURES)}
    some = ", ".join(f"in {name} in {count}" for name, count in times.items() if count)
    if some:
        again = "measure again with probe --pairwise --repeat 3"
        said = f"behind {some} of {len(seen)} launches: {again}"
        return replace(way, standing="unknown", said=said)
    ahead, gap = (1 - value / normal.fastest_gb_per_s for value in (normal.gb_per_s, best.gb_per_s))
    if normal.count == LEAST and min(ahead, gap) > matrix.behind:
        said = f"{gap:.0%} below the fastest of three links: which is normal is not known"
        return replace(way, standing="unknown", said=said)
    return replace(way, standing="pass")


def _slow(ways: Sequence[Way], hosts: Sequence[str]) -> tuple[str, ...]:
    """Name hosts with links to two others at least, all of which are behind in the same way."""
    found = []
    for host in hosts:
        own = [way for way in ways if host in way.hosts]
        others = {name for way in own for name in way.hosts} - {host}
        alike = (all(measure in way.behind_in for way in own) for measure in MEASURES)
        if len(others) > 1 and any(alike):
            found.append(host)
    return tuple(found)
