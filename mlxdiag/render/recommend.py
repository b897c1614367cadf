"""The table of `mlxdiag recommend`: which backend, on what numbers, and the way to a better one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from mlxdiag.advice import Runnable
from mlxdiag.hostlist import fold
from mlxdiag.render.backends import backends
from mlxdiag.render.layout import head
from mlxdiag.render.style import Style
from mlxdiag.report import Report
from mlxdiag.unlock import Step, Unlock

SHOWN = 6
"""So many steps of a plan are shown, more with --verbose."""


def recommended(report: Report, style: Style) -> Iterator[RenderableType]:
    """Lay out all that `mlxdiag recommend` says."""
    yield from backends(report, style)
    found = report.recommendation
    if found.rank_order:
        yield Text(style.text(f"  ranks: {', '.join(found.rank_order)}"), style="dim")
    yield from _measured(report, style)
    yield from _present(report, style)
    before: Unlock | None = None
    if report.advice.unlocks:
        yield head("TO UNLOCK A BETTER ONE", "the fewest steps, the easiest first")
    for unlock in report.advice.unlocks:
        yield from _unlock(unlock, before, style)
        before = unlock
    if report.advice.runnable:
        yield head("TODAY, WITHOUT THE OTHERS")
    for runnable in report.advice.runnable:
        yield Text(style.text(could_run(runnable)))


def could_run(runnable: Runnable) -> str:
    """Say who could run a backend now."""
    some = "" if runnable.complete else " (perhaps more: the search was given up)"
    return f"{fold(runnable.hosts)} could run {runnable.backend} now{some}"


def _measured(report: Report, style: Style) -> Iterator[RenderableType]:
    measured = report.recommendation.measured
    if measured is None:
        return
    yield head("MEASURED", "p50 latency of small sizes, bandwidth of large ones")
    for duel in measured.duels:
        for margin in duel.margins:
            mark = style.mark("good" if margin.better else "none")
            yield _line(mark, margin.text, style)
            sources = dict.fromkeys(f"{f.backend}: {f.source}" for f in margin.figures)
            if style.verbose or any(f.source != margin.figures[0].source for f in margin.figures):
                yield _line(" ", "; ".join(sources), style, dim=True)
    for backend, why in measured.missing:
        yield _line(style.mark("unknown"), f"{backend}: {why}", style)
    for note in measured.notes:
        yield _line(style.mark("bent"), note, style)


def _present(report: Report, style: Style) -> Iterator[RenderableType]:
    present = report.advice.present
    if present is None:
        return
    source = "expected by the inventory" if present.source == "inventory" else present.source
    yield head("PRESENT CHOICE", style.text(f"{present.backend}, {source}"))
    costs = present.costs
    if costs is None:
        yield _line(" ", "what it costs is not measured", style)
    elif not costs:
        yield _line(" ", "no other backend that was measured is faster", style)
    for cost in costs or ():
        yield _line(style.mark("bent"), cost, style)


def _unlock(unlock: Unlock, before: Unlock | None, style: Style) -> Iterator[RenderableType]:
    title = Text(unlock.backend, style="bold")
    if before and (unlock.steps, unlock.blocked) == (before.steps, before.blocked):
        yield title.append(f": as {before.backend}", style="not bold")
        return
    yield title.append(style.text(f": {summary(unlock)}"), style="not bold")
    for text in unlock.blocked:
        yield _line(style.mark("bad"), text, style)
    folded = _folded(unlock.steps)
    shown = folded if style.verbose else folded[:SHOWN]
    for kind, text, commands in shown:
        yield _line("-", f"{kind}: {text}", style)
        for host, command in commands if style.verbose else commands[:2]:
            line = style.text(f"    {host}$ {command}")
            yield Text(line, style="cyan", no_wrap=True, overflow="ignore")
    if len(folded) > len(shown):
        yield _line(" ", f"and {len(folded) - len(shown)} more: --verbose", style, dim=True)
    for note in unlock.notes:
        yield _line(" ", note, style, dim=True)


def summary(unlock: Unlock) -> str:
    """Say in a few words how far away a backend is."""
    if unlock.blocked:
        return "no step leads there"
    if not unlock.steps:
        return "not searched to the end"
    count = len(unlock.steps)
    said = [f"{count} step{'s' if count > 1 else ''}"]
    if unlock.new_cables:
        cables = unlock.new_cables
        said.append(f"{cables} more cable{'s' if cables > 1 else ''}")
    if unlock.gave_up:
        said.append("perhaps fewer would do")
    return ", ".join(said)


Folded = tuple[str, str, list[tuple[str, str]]]
"""Kind, text, and where to type what."""


def _folded(steps: Sequence[Step]) -> list[Folded]:
    """Join steps that are the same but for where."""
    alike: dict[tuple[str, str], list[Step]] = {}
    for step in steps:
        alike.setdefault((step.kind.value, step.text), []).append(step)
    return [
        (
            kind,
            f"{', '.join(step.subject for step in same)}: {text}" if same[0].subject else text,
            [(step.host or "here", step.command) for step in same if step.command],
        )
        for (kind, text), same in alike.items()
    ]


def _line(mark: str, text: str, style: Style, *, dim: bool = False) -> RenderableType:
    """Put a sign in the margin and wrap the text beside it."""
    row = Table.grid(padding=(0, 1))
    row.add_column(width=max(2, len(mark)), justify="right")
    row.add_column(overflow="fold")
    row.add_row(mark, Text(style.text(text), style="dim" if dim else ""))
    return row
