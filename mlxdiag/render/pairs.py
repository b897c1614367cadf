"""The part of the table that shows links between pairs: two matrices, then the links to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from mlxdiag.probe.matrix import Figure, Matrix, Way
from mlxdiag.render.sizes import size
from mlxdiag.render.style import Style

CELL = 8
WORST = 3
"""How many links are listed where none is behind."""

COLORS = {"fail": "bold red", "unknown": "magenta"}
MARKS = {"fail": "bent", "unknown": "unknown"}
HOW = {
    "all_sum": "two ranks alone; each direction while the other is as busy",
    "send": "inside one group; half a round trip, one direction alone",
}


def pairs(matrices: Sequence[Matrix], style: Style) -> Iterator[RenderableType]:
    """Lay out every matrix."""
    for matrix in matrices:
        yield from _matrix(matrix, style)


def _matrix(matrix: Matrix, style: Style) -> Iterator[RenderableType]:
    head = Text(f"PAIRS {matrix.backend}", style="bold")
    how = f"{matrix.how}, {HOW[matrix.how]}"
    yield Padding(head.append(f"  {how}", style="not bold dim"), (1, 0, 0, 0))
    small, large = map(size, matrix.sizes)
    yield from _half(matrix, f"latency, p50 of {small}, us", lambda f: f.latency_us, max, style)
    yield from _half(matrix, f"bandwidth at {large}, GB/s", lambda f: f.gb_per_s, min, style)
    for host in matrix.slow:
        text = f"{style.mark('bad')} {matrix.links_of(host)} of {host} are behind: the host"
        yield Text(style.text(text), style="bold red")
    yield from _links(matrix, style)


def _half(
    matrix: Matrix,
    title: str,
    value: Callable[[Figure], float],
    worst: Callable[[Sequence[float]], float],
    style: Style,
) -> Iterator[RenderableType]:
    """Show one number of every pair; of several cables the worst. Columns are hosts by number."""
    hosts = matrix.hosts
    label = max(map(len, map(style.text, hosts)), default=0) + len(str(len(hosts))) + 1
    per_band = max(1, (style.width - label) // CELL)
    yield Text(title, style="dim")
    for start in range(0, len(hosts), per_band):
        columns = hosts[start : start + per_band]
        heads = "".join(f"{start + n:>{CELL - 1}} " for n in range(1, len(columns) + 1))
        yield Text(" " * label + heads, style="dim", no_wrap=True)
        for number, one in enumerate(hosts, 1):
            row = Text(f"{number} {style.text(one)}".ljust(label), no_wrap=True)
            for other in columns:
                text, color = _cell(matrix.between(one, other), value, worst, style)
                row.append(text, style=color)
            yield row


def _cell(
    ways: Sequence[Way],
    value: Callable[[Figure], float],
    worst: Callable[[Sequence[float]], float],
    style: Style,
) -> tuple[str, str]:
    if not ways:
        return f"{style.mark('none'):>{CELL - 1}} ", "dim"
    seen = [value(way.best) for way in ways if way.best is not None]
    if len(seen) < len(ways):
        return f"{style.mark('bad'):>{CELL - 1}} ", "bold red"
    standings = {way.standing for way in ways}
    word = next((standing for standing in ("fail", "unknown") if standing in standings), "")
    mark = style.mark(MARKS[word]) if word else " "
    return f"{_short(worst(seen)):>{CELL - 1}}{mark}", COLORS.get(word, "")


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _links(matrix: Matrix, style: Style) -> Iterator[RenderableType]:
    """List the links that are behind or not known; else those with the least bandwidth."""
    bad = [way for way in matrix.ways if way.standing in COLORS]
    for way in bad:
        text = f"{style.mark(MARKS[way.standing])} {way.label}: {way.said}"
        yield Text(style.text(text), style=COLORS[way.standing])
    if bad:
        return
    reasons = list(dict.fromkeys(way.said for way in matrix.ways if way.said))
    for reason in reasons:
        yield Text(style.text(f"{style.mark('unknown')} {reason}"), style="magenta")
    if reasons:
        return
    yield Text(
        f"the slowest beside the median; none is behind by more than {matrix.behind:.0%}",
        style="dim",
    )
    measured = [way for way in matrix.ways if way.best is not None]
    for way in sorted(measured, key=lambda way: matrix.shares(way)[1], reverse=True)[:WORST]:
        latency, bandwidth = matrix.shares(way)
        text = f"  {way.label}: bandwidth {_beside(-bandwidth)}, latency {_beside(latency)}"
        yield Text(style.text(text))


def _beside(share: float) -> str:
    shown = f"{abs(share):.0%}"
    return "at the median" if shown == "0%" else f"{shown} {'above' if share > 0 else 'below'} it"
