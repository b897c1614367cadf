"""The part of the table that shows launches: what was asked, what came, who is to blame."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlxdiag.checks.probes import ALLOWED
from mlxdiag.finding import Status
from mlxdiag.probe.judge import Probe
from mlxdiag.render.sizes import number, size
from mlxdiag.render.style import Style
from mlxdiag.report import Report

COLUMNS = (
    "size", "samples", "p50 us", "p99 us", "max us", "algbw GB/s", "busbw GB/s", "wrong", "slowest",
)  # fmt: skip


def probes(launches: tuple[Probe, ...], style: Style) -> Iterator[RenderableType]:
    """Lay out every launch."""
    for probe in launches:
        if probe.plan.part != "pair" or not probe.passed or probe.run.left:
            yield from _probe(probe, style)


def refused(report: Report, style: Style) -> Iterator[RenderableType]:
    """Say which backends were not launched, and why."""
    for finding in report.findings:
        if finding.id == ALLOWED.id and finding.status is not Status.PASS:
            text = finding.evidence.observed if finding.evidence else finding.reason
            yield Padding(
                Text("NOT LAUNCHED ", style="bold").append(style.text(text)), (1, 0, 0, 0)
            )


def _probe(probe: Probe, style: Style) -> Iterator[RenderableType]:
    plan, chosen = probe.plan, probe.plan.settings
    head = Text(f"PROBE {plan.backend}", style="bold")
    hosts = ", ".join(dict.fromkeys(rank.host.name for rank in plan.ranks))
    tail = f"  {chosen.op} of {chosen.dtype}, {len(plan.ranks)} ranks on {hosts}"
    yield Padding(head.append(style.text(tail), style="not bold dim"), (1, 0, 0, 0))
    for note in plan.notes:
        yield Text(style.text(f"{style.mark('bent')} {note}"), style="yellow")
    if probe.rows:
        yield _rows(probe)
    if probe.blame is not None:
        yield from _blame(probe, style)
    for text in probe.run.left:
        yield Text(style.text(f"{style.mark('bad')} {text}"), style="bold red")


def _rows(probe: Probe) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    for name in COLUMNS:
        table.add_column(name, header_style="dim", justify="right", no_wrap=True)
    for row in probe.rows:
        table.add_row(
            size(row.size),
            str(row.samples),
            *map(number, (row.p50_us, row.p99_us, row.max_us)),
            *map(number, (row.algbw_gb_per_s, row.busbw_gb_per_s)),
            "n/a" if row.wrong is None else str(row.wrong),
            f"rank {row.slowest}",
        )
    return table


def _blame(probe: Probe, style: Style) -> Iterator[RenderableType]:
    blame = probe.blame
    if blame is None:
        return
    hosts = [rank.host.name for rank in probe.plan.ranks]
    who = ", ".join(f"rank {rank} on {hosts[rank]}" for rank in blame.ranks)
    line = Text(f"{style.mark('bad')} ", style="bold red")
    yield line.append(style.text(f"{who} {blame.text}".strip()), style="bold")
    for said in blame.evidence.splitlines():
        yield Text(style.text(f"    {said}"), style="dim")
