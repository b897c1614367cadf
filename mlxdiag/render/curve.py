"""Curve: busbw over size, a line per backend, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from mlxdiag.render.sizes import size
from mlxdiag.render.style import Style

COLORS = ("green", "blue", "magenta", "orange")
MARKERS = "*o+x"
"""One per line: without colour they tell the lines apart."""

HEIGHT = 14
FRAME = str.maketrans("┌┐└┘─│┤├┬┴┼", "++++-||||++")

Line = tuple[str, Sequence[tuple[int, float]]]
"""A name, and bytes with GB/s."""


def curve(lines: Sequence[Line], style: Style) -> str:
    """Draw them, with ANSI escapes that rich reads; ASCII signs where the terminal has no more."""
    import plotext  # noqa: PLC0415  # only a terminal needs it

    width = min(style.width, 100)
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(width, HEIGHT)
    for at, (name, points) in enumerate(lines):
        plotext.plot(
            [log2(count) for count, _ in points],
            [value for _, value in points],
            marker=MARKERS[at % len(MARKERS)],
            color=COLORS[at % len(COLORS)] if style.color else "default",
            label=style.text(name),
        )
    plotext.ylim(0, None)
    ticks = _ticks(sorted({count for _, points in lines for count, _ in points}), width)
    plotext.xticks([log2(count) for count in ticks], [size(count) for count in ticks])
    text: str = plotext.build()
    if not style.unicode:
        text = text.translate(FRAME)
    return "\n".join(line.rstrip() for line in text.splitlines())


def _ticks(sizes: Sequence[int], width: int) -> list[int]:
    """Choose sizes whose names have room beside each other, the largest first."""
    per_column = (log2(sizes[-1]) - log2(sizes[0])) / max(1, width - 12) or 1
    chosen: list[int] = []
    for count in reversed(sizes):
        if not chosen or (log2(chosen[-1]) - log2(count)) / per_column > 9:
            chosen.append(count)
    return chosen[::-1]
