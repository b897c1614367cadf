"""The part of the table that shows a preflight: its stages, what was given up."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlxdiag.preflight.judge import Preflight
from mlxdiag.render.style import Style

MARKS = {"ok": "good", "failed": "bad", "skipped": "none", "unknown": "unknown"}
COLORS = {"ok": "green", "failed": "bold red", "skipped": "dim", "unknown": "magenta"}


def stages(found: Preflight, style: Style) -> Iterator[RenderableType]:
    """Lay out the stages, a line each, and the backends that will not do today."""
    head = Text("STAGES", style="bold")
    asked = found.asked
    tail = f"  level {asked.level}, requires {asked.require}, ports from {asked.port}"
    yield Padding(head.append(tail, style="not bold dim"), (1, 0, 0, 0))
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for stage in found.stages:
        color = COLORS[stage.status] if stage.counts else "yellow"
        mark = style.mark(MARKS[stage.status] if stage.counts else "bent")
        said = [stage.text, *(f"blocked by {key}" for key in stage.blocked_by[:2])]
        if len(stage.blocked_by) > 2:
            said.append(f"and {len(stage.blocked_by) - 2} more")
        text = Text(style.text("; ".join(filter(None, said))), style="dim")
        table.add_row(Text(f"{mark} {stage.name}", style=color), stage.status, text)
    yield table
    if found.chosen and found.given_up:
        yield Text("")
    for each in found.given_up if found.chosen else ():
        line = Text("GIVEN UP ", style="bold").append(each.backend, style="bold yellow")
        yield line.append(style.text(f"  {each.reason}"), style="not bold")
