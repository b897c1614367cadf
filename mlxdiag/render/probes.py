"""The part of the table that shows launches: what was asked, what came, who is to blame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlxdiag.checks.probes import ALLOWED
from mlxdiag.checks.speed import BANDWIDTH, LATENCY
from mlxdiag.finding import Finding, Status
from mlxdiag.probe.judge import Probe, Soak
from mlxdiag.probe.linkrate import Rate
from mlxdiag.probe.summary import Line, Summary, summaries
from mlxdiag.render.curve import curve
from mlxdiag.render.sizes import duration, number, size
from mlxdiag.render.style import Style
from mlxdiag.report import Report

COLUMNS = (
    "size", "samples", "p50\nus", "p99\nus", "max\nus", "algbw\nGB/s", "busbw\nGB/s", "link\nGB/s",
    "wrong", "slowest",
)  # fmt: skip
WIDE = 100
"""From this width on the columns stand apart."""


def probes(report: Report, style: Style) -> Iterator[RenderableType]:
    """Lay out every launch; those of one kind as one block."""
    blocks = summaries(report.probes)
    for block in blocks:
        yield from _block(block, style)
    whole = [b for b in blocks if b.lines and b.probes[0].plan.part == "whole"]
    if len(whole) > 1:
        yield _head("SIDE BY SIDE", f"speed: how many times that of {whole[0].backend}")
        yield _beside(whole, style)
    drawn = [(b.backend, [(x.row.size, x.row.busbw_gb_per_s) for x in b.lines]) for b in whole]
    if style.curve and any(len(points) > 1 for _, points in drawn):
        yield _head("CURVE", "busbw in GB/s over size, log")
        yield Text.from_ansi(curve(drawn, style))


def refused(report: Report, style: Style) -> Iterator[RenderableType]:
    """Say which backends were not launched, and why."""
    for finding in report.findings:
        if finding.id == ALLOWED.id:
            text = finding.evidence.observed if finding.evidence else finding.reason
            if text:
                yield Padding(
                    Text("NOT LAUNCHED ", style="bold").append(style.text(text)), (1, 0, 0, 0)
                )


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


def _block(block: Summary, style: Style) -> Iterator[RenderableType]:
    plan, chosen = block.probes[0].plan, block.probes[0].plan.settings
    head = Text(f"PROBE {plan.backend}", style="bold")
    hosts = ", ".join(dict.fromkeys(rank.host.name for rank in plan.ranks))
    tail = f"  {chosen.op} of {chosen.dtype}, {len(plan.ranks)} ranks on {hosts}"
    if chosen.soak_s is not None:
        tail = f"  soak of {chosen.op}, {len(plan.ranks)} ranks on {hosts}"
    if len(block.probes) > 1:
        tail += f", {len(block.probes)} launches"
    yield Padding(head.append(style.text(tail), style="not bold dim"), (1, 0, 0, 0))
    for note in block.notes:
        yield Text(style.text(f"{style.mark('bent')} {note}"), style="yellow")
    if block.lines:
        yield _lines(block, style)
        yield Text(style.text(_models(block.lines)), style="dim")
    for probe in block.probes:
        if probe.soak is not None:
            yield from _soak(probe.soak)
    for at, probe in enumerate(block.probes, 1):
        which = f"launch {at}: " if len(block.probes) > 1 else ""
        yield from _blame(probe, which, style)
    for probe in block.probes:
        for text in probe.run.left:
            yield Text(style.text(f"{style.mark('bad')} {text}"), style="bold red")


def _grid(style: Style, headers: Sequence[str]) -> Table:
    gap = 2 if style.width >= WIDE else 1
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), show_edge=False)
    for name in headers:
        table.add_column(name, header_style="dim", justify="right", no_wrap=True, vertical="bottom")
    return table


def _lines(block: Summary, style: Style) -> Table:
    spread = [f"{style.mark('spread')}\n%"] if len(block.probes) > 1 else []
    table = _grid(style, [*COLUMNS[:3], *spread, *COLUMNS[3:]])
    for line in block.lines:
        row, link = line.row, line.row.link.gb_per_s
        apart = [] if not spread else ["-" if line.spread is None else f"{100 * line.spread:.0f}"]
        table.add_row(
            size(row.size),
            str(line.samples),
            number(row.p50_us),
            *apart,
            *map(number, (line.p99_us, line.max_us, row.algbw_gb_per_s, row.busbw_gb_per_s)),
            "n/a" if link is None else number(link),
            "n/a" if line.wrong is None else str(line.wrong),
            f"rank {row.slowest}",
        )
    return table


def _models(lines: Sequence[Line]) -> str:
    """Name what the rates per link rest on, once for each run of sizes."""
    runs = [list(run) for _, run in groupby(lines, key=lambda line: _model(line.row.link))]
    said = [_model(run[0].row.link) for run in runs]
    if len(runs) > 1:
        said = [f"{_range(run)} {text}" for run, text in zip(runs, said, strict=True)]
    mlx = dict.fromkeys(line.row.link.mlx for line in lines if line.row.link.mlx)
    return "; ".join([f"link: {said[0]}", *said[1:], *(f"mlx {version}" for version in mlx)])


def _range(run: Sequence[Line]) -> str:
    first, last = size(run[0].row.size), size(run[-1].row.size)
    return first if first == last else f"{first} to {last}"


def _model(link: Rate) -> str:
    return f"{link.model}, {link.formula}" if link.model else f"n/a, {link.reason}"


def _soak(soak: Soak) -> Iterator[RenderableType]:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    for name in ("size", "collectives", "longest ms", "on"):
        table.add_column(name, header_style="dim", justify="right", no_wrap=True)
    for row in soak.sizes:
        worst = number(row.worst_us / 1000)
        table.add_row(size(row.size), str(row.ops), worst, f"rank {row.slowest}")
    yield table
    yield Text(
        f"{duration(soak.seconds)} of {duration(soak.wanted_s)}: {soak.ops} collectives,"
        f" {soak.elements} elements compared, {soak.wrong} wrong,"
        f" {soak.gaps} pauses of up to {duration(soak.longest_gap_s)}"
    )


def _beside(blocks: Sequence[Summary], style: Style) -> Table:
    """A line per size and backend: any number of backends fits any width."""
    table = _grid(style, ("size", "backend", "p50 us", "busbw GB/s", "speed"))
    table.columns[1].justify = "left"
    by_size = {x.row.size: x.row for x in blocks[0].lines}
    for bytes_ in sorted({line.row.size for block in blocks for line in block.lines}):
        name = size(bytes_)
        for block in blocks:
            row = next((x.row for x in block.lines if x.row.size == bytes_), None)
            if row is None:
                continue
            first = by_size.get(bytes_)
            ratio = f"{first.p50_us / row.p50_us:.2f}x" if first else "n/a"
            table.add_row(
                name, block.backend, number(row.p50_us), number(row.busbw_gb_per_s), ratio
            )
            name = ""
    return table


def _blame(probe: Probe, which: str, style: Style) -> Iterator[RenderableType]:
    blame = probe.blame
    if blame is None:
        return
    hosts = [rank.host.name for rank in probe.plan.ranks]
    who = ", ".join(f"rank {rank} on {hosts[rank]}" for rank in blame.ranks)
    line = Text(f"{style.mark('bad')} ", style="bold red")
    yield line.append(style.text(which + f"{who} {blame.text}".strip()), style="bold")
    for said in blame.evidence.splitlines():
        yield Text(style.text(f"    {said}"), style="dim")
