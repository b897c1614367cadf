"""What `mlxdiag recommend` says, in parts and lines, for the table, Markdown and the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlxdiag.advice import Runnable
from mlxdiag.hostlist import fold
from mlxdiag.report import Report
from mlxdiag.unlock import Step, Unlock

SHOWN = 6
"""So many steps of a plan are shown, and the commands of two hosts each; more where asked for."""


@dataclass(frozen=True)
class Line:
    """One line: `name` stands out before the text; `mark` is one of Style's, or `step`, or none.

    `commands` are host and what to type there. A `dim` line matters less.
    """

    text: str
    mark: str = ""
    name: str = ""
    dim: bool = False
    commands: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Part:
    """A heading, what it needs to be understood, and lines."""

    title: str
    note: str
    lines: tuple[Line, ...]


def advised(report: Report, *, everything: bool = False) -> tuple[Part, ...]:
    """Say what was measured, what the present choice costs, and the way to a better one."""
    parts = (
        Part(
            "Measured",
            "p50 latency of small sizes, bandwidth of large ones",
            tuple(_measured(report, everything)),
        ),
        _present(report),
        Part(
            "To unlock a better one",
            "the fewest steps, the easiest first",
            tuple(_unlocks(report.advice.unlocks, everything)),
        ),
        Part(
            "Today, without the others",
            "",
            tuple(Line(could_run(runnable)) for runnable in report.advice.runnable),
        ),
    )
    return tuple(part for part in parts if part.lines)


def could_run(runnable: Runnable) -> str:
    """Say who could run a backend now."""
    some = "" if runnable.complete else " (perhaps more: the search was given up)"
    return f"{fold(runnable.hosts)} could run {runnable.backend} now{some}"


def _measured(report: Report, everything: bool) -> Iterator[Line]:
    measured = report.recommendation.measured
    if measured is None:
        return
    for duel in measured.duels:
        for margin in duel.margins:
            yield Line(margin.text, "good" if margin.better else "none")
            sources = dict.fromkeys(f"{f.backend}: {f.source}" for f in margin.figures)
            if everything or any(f.source != margin.figures[0].source for f in margin.figures):
                yield Line("; ".join(sources), dim=True)
    for backend, why in measured.missing:
        yield Line(f"{backend}: {why}", "unknown")
    for note in measured.notes:
        yield Line(note, "bent")


def _present(report: Report) -> Part:
    present = report.advice.present
    if present is None:
        return Part("", "", ())
    source = "expected by the inventory" if present.source == "inventory" else present.source
    lines = tuple(Line(cost, "bent") for cost in present.costs or ())
    if present.costs is None:
        lines = (Line("what it costs is not measured"),)
    elif not present.costs:
        lines = (Line("no other backend that was measured is faster"),)
    return Part("Present choice", f"{present.backend}, {source}", lines)


def _unlocks(unlocks: Sequence[Unlock], everything: bool) -> Iterator[Line]:
    before: Unlock | None = None
    for unlock in unlocks:
        if before and (unlock.steps, unlock.blocked) == (before.steps, before.blocked):
            yield Line(f"as {before.backend}", name=unlock.backend)
        else:
            yield from _unlock(unlock, everything)
        before = unlock


def _unlock(unlock: Unlock, everything: bool) -> Iterator[Line]:
    yield Line(summary(unlock), name=unlock.backend)
    yield from (Line(text, "bad") for text in unlock.blocked)
    folded = _folded(unlock.steps)
    shown = folded if everything else folded[:SHOWN]
    for kind, text, commands in shown:
        typed = commands if everything else commands[:2]
        yield Line(f"{kind}: {text}", "step", commands=tuple(typed))
    if len(folded) > len(shown):
        yield Line(f"and {len(folded) - len(shown)} more: --verbose", dim=True)
    yield from (Line(note, dim=True) for note in unlock.notes)


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
