"""Curves: sweeps over sizes as lines in a plane, one per launch. Numbers are pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log2, log10
from typing import TYPE_CHECKING

from mlxdiag.render.sizes import number, size

if TYPE_CHECKING:
    from mlxdiag.probe.judge import Probe, Row

WIDTH, HEIGHT = 560.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 72.0, 28.0, 16.0, 40.0
LOOKS = 6
"""Colours, dashes and shapes that are told apart; then they begin anew."""


@dataclass(frozen=True)
class Tick:
    """A line of the grid with what is written at it."""

    at: float
    text: str


@dataclass(frozen=True)
class Curve:
    """A launch: `look` counts colours, dashes and shapes; `points` are x, y and what they are."""

    name: str
    look: int
    path: str
    points: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True)
class Plot:
    """Curves over one pair of axes."""

    title: str
    xs: tuple[Tick, ...]
    ys: tuple[Tick, ...]
    curves: tuple[Curve, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


def plots(probes: Sequence[Probe]) -> tuple[Plot, ...]:
    """Plot time (logarithmic) and bus bandwidth of launches with several sizes."""
    swept = [p for p in probes if len(p.rows) > 1 and p.plan.part == "whole"]
    if not swept:
        return ()
    return (
        _plot("p50 of one collective, us", swept, lambda row: row.p50_us, logarithmic=True),
        _plot("bus bandwidth, GB/s", swept, lambda row: row.busbw_gb_per_s, logarithmic=False),
    )


def _plot(
    title: str, swept: Sequence[Probe], value: Callable[[Row], float], *, logarithmic: bool
) -> Plot:
    rows = [row for probe in swept for row in probe.rows]
    sizes = sorted({row.size for row in rows})
    first, last = log2(sizes[0]), log2(sizes[-1])
    highest, lowest = max(map(value, rows)), min(map(value, rows))
    marks = _decades(lowest, highest) if logarithmic else _steps(highest)
    scale: Callable[[float], float] = log10 if logarithmic else float
    floor_, roof = scale(marks[0]), scale(marks[-1])

    def x(at: float) -> float:
        return round(LEFT + (log2(at) - first) / (last - first) * (WIDTH - LEFT - RIGHT), 1)

    def y(at: float) -> float:
        share = (scale(at) - floor_) / (roof - floor_)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    names = _names(swept)
    curves = []
    for n, probe in enumerate(swept):
        found = [
            (x(r.size), y(value(r)), f"{size(r.size)}: {number(value(r))}") for r in probe.rows
        ]
        path = "M" + "L".join(f"{px:g} {py:g}" for px, py, _ in found)
        said = tuple((px, py, f"{names[n]}, {text}") for px, py, text in found)
        curves.append(Curve(names[n], n % LOOKS, path, said))
    return Plot(
        title,
        tuple(Tick(x(at), size(at)) for at in _few(sizes)),
        tuple(Tick(y(at), f"{at:g}") for at in marks),
        tuple(curves),
    )


def _few(sizes: Sequence[int]) -> Sequence[int]:
    """Leave out sizes whose names would run into each other: those nearer than two doublings."""
    kept: list[int] = []
    for one in sizes:
        if not kept or log2(one / kept[-1]) >= log2(sizes[-1] / sizes[0]) / 9:
            kept.append(one)
    return kept


def _decades(lowest: float, highest: float) -> list[float]:
    first, last = floor(log10(lowest)), ceil(log10(highest))
    return [10.0**n for n in range(first, max(last, first + 1) + 1)]


def _steps(highest: float) -> list[float]:
    """Choose round numbers from nought to above the highest."""
    raw = highest / 4
    unit = 10.0 ** floor(log10(raw))
    step = next(unit * n for n in (1, 2, 2.5, 5, 10) if unit * n >= raw)
    return [round(step * n, 12) for n in range(ceil(highest / step) + 1)]


def _names(swept: Sequence[Probe]) -> list[str]:
    """Name launches by backend and operation; several alike are counted."""
    plain = [f"{p.plan.backend} {p.plan.settings.op}" for p in swept]
    often, seen = Counter(plain), Counter[str]()
    names = []
    for name in plain:
        seen[name] += 1
        names.append(f"{name} #{seen[name]}" if often[name] > 1 else name)
    return names
