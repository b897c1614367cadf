"""The table of `mlxdiag recommend`: which backend, on what numbers, and the way to a better one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from mlxdiag.render.advised import Line, Part, advised
from mlxdiag.render.backends import backends
from mlxdiag.render.layout import head
from mlxdiag.render.style import Style
from mlxdiag.report import Report


def recommended(report: Report, style: Style) -> Iterator[RenderableType]:
    """Lay out all that `mlxdiag recommend` says."""
    yield from backends(report, style)
    found = report.recommendation
    if found.rank_order:
        yield Text(style.text(f"  ranks: {', '.join(found.rank_order)}"), style="dim")
    yield from laid_out(advised(report, everything=style.verbose), style)


def laid_out(parts: Iterable[Part], style: Style) -> Iterator[RenderableType]:
    """Lay out parts, each under its heading."""
    for part in parts:
        yield head(part.title.upper(), style.text(part.note))
        for line in part.lines:
            yield from _line(line, style)


def _line(line: Line, style: Style) -> Iterator[RenderableType]:
    """Put a sign in the margin and wrap the text beside it; what has a name begins there."""
    text = Text(style.text(line.text), style="dim" if line.dim else "")
    if line.name or not (line.mark or line.dim):
        named = Text(f"{line.name}: " if line.name else "", style="bold")
        yield named.append(style.text(line.text), style="not bold")
    else:
        mark = {"": " ", "step": "-"}.get(line.mark) or style.mark(line.mark)
        row = Table.grid(padding=(0, 1))
        row.add_column(width=max(2, len(mark)), justify="right")
        row.add_column(overflow="fold")
        row.add_row(mark, text)
        yield row
    for host, command in line.commands:
        typed = style.text(f"    {host}$ {command}")
        yield Text(typed, style="cyan", no_wrap=True, overflow="ignore")
