"""The part of the table that shows a preflight: its stages, what was given up, what changed."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from mlxdiag.preflight.judge import Preflight
from mlxdiag.render.json import changes
from mlxdiag.render.layout import head
from mlxdiag.render.staged import mark_of, told
from mlxdiag.render.style import Style
from mlxdiag.report import Report

COLORS = {"ok": "green", "failed": "bold red", "skipped": "dim", "unknown": "magenta"}


def preflight(report: Report, found: Preflight, style: Style) -> Iterator[RenderableType]:
    """Lay out the stages, a line each, the backends that will not do today, and what changed."""
    asked = found.asked
    yield head("STAGES", f"level {asked.level}, requires {asked.require}, ports from {asked.port}")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for stage in found.stages:
        color = COLORS[stage.status] if stage.counts else "yellow"
        text = Text(style.text(told(stage)), style="dim")
        table.add_row(
            Text(f"{style.mark(mark_of(stage))} {stage.name}", style=color), stage.status, text
        )
    yield table
    if found.chosen and found.given_up:
        yield Text("")
    for each in found.given_up if found.chosen else ():
        line = Text("GIVEN UP ", style="bold").append(each.backend, style="bold yellow")
        yield line.append(style.text(f"  {each.reason}"), style="not bold")
    if asked.baseline is not None:
        found_changes = changes(report)
        when = asked.baseline["started_at"]
        yield head("CHANGES", style.text(f"beside the baseline of {when}"))
        yield from (Text(style.text(f"{style.mark('bent')} {said}")) for said in found_changes)
        if not found_changes:
            yield Text("none in ports, cables, versions, addresses and measured numbers")
