"""Plan: the steps of `mlxdiag fix` in the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlxdiag.render.layout import head
from mlxdiag.render.planned import AGAIN, NOTHING, Folded, folded, notes
from mlxdiag.render.style import Style
from mlxdiag.repair.step import Plan


def planned(plan: Plan, style: Style) -> list[RenderableType]:
    """Lay out the stages, commands whole to be copied."""
    if not plan.steps:
        return [head("PLAN", NOTHING), *_unknown(plan, style)]
    parts: list[RenderableType] = [head("PLAN", "nothing was changed; the least effort first")]
    number = 0
    for stage in plan.stages:
        parts.append(Padding(Text(stage.name, style="bold"), (1, 0, 0, 0)))
        for one in folded(stage.steps):
            number += 1
            parts += _step(number, one, style)
        parts.append(Text(f"{style.mark('arrow')} {AGAIN}", style="magenta"))
    return [*parts, *_unknown(plan, style)]


def _step(number: int, one: Folded, style: Style) -> Iterator[RenderableType]:
    step, grid = one.step, Table.grid(padding=(0, 1))
    grid.add_column(style="bold", justify="right")
    grid.add_column(overflow="fold")
    grid.add_row(f"{number:>2}", style.text(one.heading))
    yield grid
    if step.command:
        text = style.text(f"     {one.hosts or 'here'}$ {step.command}")
        yield Text(text, style="cyan", no_wrap=True, overflow="ignore")
    for note in notes(step):
        yield Padding(Text(style.text(note), style="dim"), (0, 0, 0, 3))


def _unknown(plan: Plan, style: Style) -> list[RenderableType]:
    if not plan.unknown:
        return []
    text = f"not known, so no step for it: {', '.join(plan.unknown)}"
    return [Padding(Text(style.text(text), style="magenta"), (1, 0, 0, 0))]
