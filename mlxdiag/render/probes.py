"""The part of the table that shows launches: what was asked, what came, who is to blame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlxdiag.checks.speed import BANDWIDTH, LATENCY
from mlxdiag.finding import Finding, Status
from mlxdiag.render.curve import curve
from mlxdiag.render.launches import (
    BESIDE,
    SOAK,
    SPREAD,
    Block,
    Row,
    beside,
    blocks,
    refusals,
    whole,
)
from mlxdiag.render.style import Style
from mlxdiag.report import Report

WIDE = 100
"""From this width on the columns stand apart."""


def probes(report: Report, style: Style) -> Iterator[RenderableType]:
    """Lay out every launch; those of one kind as one block."""
    found = blocks(report)
    for block in found:
        if block.whole or not block.passed:
            yield from _block(block, style)
    complete = whole(found)
    if rows := beside(complete):
        yield _head("SIDE BY SIDE", f"speed: how many times that of {complete[0].backend}")
        table = _grid(style, BESIDE)
        table.columns[1].justify = "left"
        yield _filled(table, rows)
    drawn = [(s.backend, [(x.row.size, x.row.busbw_gb_per_s) for x in s.lines]) for s in complete]
    if style.curve and any(len(points) > 1 for _, points in drawn):
        yield _head("CURVE", "busbw in GB/s over size, log")
        yield Text.from_ansi(curve(drawn, style))


def refused(report: Report, style: Style) -> Iterator[RenderableType]:
    """Say which backends were not launched, and why."""
    for text in refusals(report):
        said = Text("NOT LAUNCHED ", style="bold").append(style.text(text))
        yield Padding(said, (1, 0, 0, 0))


def speed(report: Report, style: Style) -> Iterator[RenderableType]:
    """Say which numbers are not what is expected, or could not be held to it."""
    found = [f for f in report.findings if f.id in (LATENCY.id, BANDWIDTH.id)]
    told = [f for f in found if f.status in (Status.FAIL, Status.UNKNOWN)]
    if told:
        yield _head("SPEED")
    yield from {line.plain: line for line in (_held(f, style) for f in told)}.values()


def _held(finding: Finding, style: Style) -> Text:
    evidence = finding.evidence
    observed, expected = (evidence.observed, evidence.expected) if evidence else ("", "")
    if finding.status is Status.UNKNOWN:
        return Text(style.text(f"{style.mark('unknown')} {observed}"), style="magenta")
    said = f"{observed}; expected {expected}"
    bad = finding.severity is finding.check.severity
    mark, color = ("bad", "bold red") if bad else ("bent", "yellow")
    return Text(style.text(f"{style.mark(mark)} {said}"), style=color)


def _head(name: str, note: str = "") -> Padding:
    head = Text(name, style="bold")
    return Padding(head.append(f"  {note}", style="not bold dim") if note else head, (1, 0, 0, 0))


def _block(block: Block, style: Style) -> Iterator[RenderableType]:
    head = Text(f"PROBE {block.backend}", style="bold")
    asked = style.text(f"  {block.asked}")
    yield Padding(head.append(asked, style="not bold dim"), (1, 0, 0, 0))
    for note in block.notes:
        yield Text(style.text(f"{style.mark('bent')} {note}"), style="yellow")
    if block.rows:
        names = (style.mark("spread") + " %" if name == SPREAD else name for name in block.columns)
        yield _filled(_grid(style, [name.replace(" ", "\n") for name in names]), block.rows)
        yield Text(style.text(block.models), style="dim")
    for rows, said in block.soaks:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
        for name in SOAK:
            table.add_column(name, header_style="dim", justify="right", no_wrap=True)
        yield _filled(table, rows)
        yield Text(said)
    for said, evidence in block.blames:
        line = Text(f"{style.mark('bad')} ", style="bold red")
        yield line.append(style.text(said), style="bold")
        for printed in evidence.splitlines():
            yield Text(style.text(f"    {printed}"), style="dim")
    for text in block.left:
        yield Text(style.text(f"{style.mark('bad')} {text}"), style="bold red")


def _grid(style: Style, headers: Sequence[str]) -> Table:
    gap = 2 if style.width >= WIDE else 1
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), show_edge=False)
    for name in headers:
        table.add_column(name, header_style="dim", justify="right", no_wrap=True, vertical="bottom")
    return table


def _filled(table: Table, rows: Sequence[Row]) -> Table:
    for row in rows:
        table.add_row(*row)
    return table
