"""Launches: what `probe` ran, as lines and columns that several formats lay out; not yet safe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from mlxdiag.checks.probes import ALLOWED
from mlxdiag.finding import Status
from mlxdiag.probe.judge import Probe, Soak
from mlxdiag.probe.linkrate import Rate
from mlxdiag.probe.summary import Line, Summary, summaries
from mlxdiag.render.sizes import duration, number, size
from mlxdiag.report import Report

SPREAD = "spread %"
COLUMNS = (
    "size", "samples", "p50 us", SPREAD, "p99 us", "max us", "algbw GB/s", "busbw GB/s",
    "link GB/s", "wrong", "slowest",
)  # fmt: skip
SOAK = ("size", "collectives", "longest ms", "on")
BESIDE = ("size", "backend", "p50 us", "busbw GB/s", "speed")

Row = tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """Launches of one kind. `columns` are COLUMNS, of one launch without the spread.

    `blames` are who is to blame for what, with what they said; `left` is what did not end.
    """

    summary: Summary
    asked: str
    notes: tuple[str, ...]
    columns: Row
    rows: tuple[Row, ...]
    models: str
    soaks: tuple[tuple[tuple[Row, ...], str], ...]
    blames: tuple[tuple[str, str], ...]
    left: tuple[str, ...]

    @property
    def backend(self) -> str:
        """The backend of all of them."""
        return self.summary.backend

    @property
    def whole(self) -> bool:
        """Whether they were of all hosts, not of a pair."""
        return self.summary.probes[0].plan.part == "whole"

    @property
    def passed(self) -> bool:
        """Whether all of them went well."""
        return all(probe.passed for probe in self.summary.probes) and not self.left


def blocks(report: Report) -> tuple[Block, ...]:
    """Put launches of one kind together."""
    return tuple(map(_block, summaries(report.probes)))


def whole(found: Sequence[Block]) -> tuple[Summary, ...]:
    """Choose those of all hosts that have numbers."""
    return tuple(block.summary for block in found if block.whole and block.rows)


def beside(found: Sequence[Summary]) -> tuple[Row, ...]:
    """Hold backends against the first, in the columns of BESIDE: a row per size and backend.

    The size is in the first row of its backends only.
    """
    return tuple(_beside(found)) if len(found) > 1 else ()


def refusals(report: Report) -> tuple[str, ...]:
    """Say what was not launched, and why."""
    known = (f for f in report.findings if f.id == ALLOWED.id and f.status is not Status.PASS)
    said = (f.evidence.observed if f.evidence else f.reason for f in known)
    return tuple(filter(None, said))


def _block(summary: Summary) -> Block:
    launches, lines = summary.probes, summary.lines
    several = len(launches) > 1
    return Block(
        summary=summary,
        asked=_asked(launches),
        notes=summary.notes,
        columns=tuple(name for name in COLUMNS if several or name != SPREAD),
        rows=tuple(_row(line, spread=several) for line in lines),
        models=_models(lines) if lines else "",
        soaks=tuple((_soak_rows(p.soak), _soaked(p.soak)) for p in launches if p.soak is not None),
        blames=tuple(
            (f"launch {at}: {said}" if several else said, evidence)
            for at, probe in enumerate(launches, 1)
            for said, evidence in _blame(probe)
        ),
        left=tuple(text for probe in launches for text in probe.run.left),
    )


def _asked(launches: Sequence[Probe]) -> str:
    plan, chosen = launches[0].plan, launches[0].plan.settings
    hosts = ", ".join(dict.fromkeys(rank.host.name for rank in plan.ranks))
    what = f"{chosen.op} of {chosen.dtype}" if chosen.soak_s is None else f"soak of {chosen.op}"
    times = f", {len(launches)} launches" if len(launches) > 1 else ""
    return f"{what}, {len(plan.ranks)} ranks on {hosts}{times}"


def _row(line: Line, *, spread: bool) -> Row:
    row, link = line.row, line.row.link.gb_per_s
    apart = ["-" if line.spread is None else f"{100 * line.spread:.0f}"] if spread else []
    return (
        size(row.size),
        str(line.samples),
        number(row.p50_us),
        *apart,
        *map(number, (line.p99_us, line.max_us, row.algbw_gb_per_s, row.busbw_gb_per_s)),
        "n/a" if link is None else number(link),
        "n/a" if line.wrong is None else str(line.wrong),
        f"rank {row.slowest}",
    )


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


def _soak_rows(soak: Soak) -> tuple[Row, ...]:
    return tuple(
        (size(row.size), str(row.ops), number(row.worst_us / 1000), f"rank {row.slowest}")
        for row in soak.sizes
    )


def _soaked(soak: Soak) -> str:
    return (
        f"{duration(soak.seconds)} of {duration(soak.wanted_s)}: {soak.ops} collectives,"
        f" {soak.elements} elements compared, {soak.wrong} wrong,"
        f" {soak.gaps} pauses of up to {duration(soak.longest_gap_s)}"
    )


def _beside(found: Sequence[Summary]) -> Iterator[Row]:
    by_size = {x.row.size: x.row for x in found[0].lines}
    for bytes_ in sorted({line.row.size for one in found for line in one.lines}):
        name = size(bytes_)
        for one in found:
            row = next((x.row for x in one.lines if x.row.size == bytes_), None)
            if row is None:
                continue
            first = by_size.get(bytes_)
            ratio = f"{first.p50_us / row.p50_us:.2f}x" if first else "n/a"
            yield name, one.backend, number(row.p50_us), number(row.busbw_gb_per_s), ratio
            name = ""


def _blame(probe: Probe) -> Iterator[tuple[str, str]]:
    """Name the ranks that are to blame, with their hosts."""
    blame = probe.blame
    if blame is not None:
        hosts = [rank.host.name for rank in probe.plan.ranks]
        who = ", ".join(f"rank {rank} on {hosts[rank]}" for rank in blame.ranks)
        yield f"{who} {blame.text}".strip(), blame.evidence
