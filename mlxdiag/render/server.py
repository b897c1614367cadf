"""The table of `server`: requests, paths, speed, what a hang showed, what changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from mlxdiag.render.layout import grid, head
from mlxdiag.render.served import (
    COLUMNS,
    PATH_COLUMNS,
    Row,
    asked,
    basis,
    numbers,
    paths,
    requests,
    unsent,
    words,
)
from mlxdiag.render.style import Style
from mlxdiag.server.judge import Served

COLORS = {"good": "green", "bad": "bold red", "bent": "yellow", "none": "dim", "unknown": "magenta"}


def server(served: Served, style: Style) -> Iterator[RenderableType]:
    """Lay out a look at a server."""
    yield head("REQUESTS", style.text(asked(served)))
    yield _table(COLUMNS, requests(served), style)
    if why := unsent(served):
        yield Text(style.text(why), style="dim")
    if said := words(served):
        short = said if len(said) <= style.width - 12 else f"{said[: style.width - 15]}..."
        yield Text(style.text(f'it says: "{short}"'), style="dim")
    if found := numbers(served):
        yield head("SPEED", basis(served))
        yield Text(found, style="bold")
    if served.paths:
        yield head("PATHS")
        yield _table(PATH_COLUMNS, paths(served), style)
    if served.hang:
        yield head("HANG", "what the ranks were doing while the request hung")
        yield Text(style.text(served.hang.conclusion), style="bold")
        yield from (Text(style.text(line)) for line in served.hang.lines)
    if served.asked.before:
        yield head(
            "CHANGES", style.text(f"beside the baseline of {served.asked.before.started_at}")
        )
        yield from (Text(f"{style.mark('bent')} {style.text(said)}") for said in served.changes)
        if not served.changes:
            yield Text("none")


def _table(columns: Sequence[str], rows: Sequence[Row], style: Style) -> Table:
    """Lay out rows with their signs; columns that say nothing are left out."""
    used = [n for n in range(len(columns)) if not n or any(_says(row.cells[n]) for row in rows)]
    table = grid(*(columns[n] for n in used))
    table.show_header = any(columns[n] for n in used)
    for row in rows:
        name, *rest = (style.text(row.cells[n]) for n in used)
        table.add_row(Text(f"{style.mark(row.mark)} {name}", style=COLORS[row.mark]), *rest)
    return table


def _says(cell: str) -> bool:
    return cell not in ("", "-")
