"""The part of the table that shows ranks: each in a line, their hosts, stacks of the blamed."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from mlxdiag.hang.verdict import Hang
from mlxdiag.render.layout import grid, head
from mlxdiag.render.ranks import HOST, RANK, of_host, of_rank, stacks, to_look_at
from mlxdiag.render.style import Style

COLORS = {"hung": "bold red", "moving": "bold green", "idle": "bold green", "unknown": "magenta"}


def hang(found: Hang, style: Style) -> Iterator[RenderableType]:
    """Lay out the conclusion, the ranks, the hosts, and where those to look at are."""
    yield Text("")
    yield Text(style.text(found.said), style=COLORS[found.state])
    seconds = f"looked at twice, {found.seconds:.0f} s apart" if found.seconds else ""
    if found.ranks:
        yield head("RANKS", seconds)
        table = grid(*RANK)
        for rank in found.ranks:
            table.add_row(*(style.text(cell) for cell in of_rank(rank)))
        yield table
    yield head("HOSTS", "`?` is not known")
    table = grid(*HOST)
    for host in found.hosts:
        table.add_row(*(style.text(cell) for cell in of_host(host)))
    yield table
    shown = found.ranks if style.verbose else to_look_at(found)
    if shown:
        yield head(
            "STACKS", "innermost first" + ("" if style.verbose else "; --verbose: all ranks")
        )
    for row in shown:
        yield from (Text(style.text(line)) for line in stacks(row))
