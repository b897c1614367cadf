"""Areas: a line for each area of `mlxdiag check`, and what was silenced."""

from __future__ import annotations

from collections import Counter

from rich.console import RenderableType
from rich.text import Text

from mlxdiag.finding import Finding, Severity, Status
from mlxdiag.render.fold import subjects
from mlxdiag.render.layout import grid, head
from mlxdiag.render.style import Style
from mlxdiag.report import Report
from mlxdiag.silence import MARK

WORST = ("bad", "unknown", "bent", "tcp", "good", "none")
COLORS = {"bad": "bold red", "unknown": "magenta", "bent": "yellow", "tcp": "cyan", "good": "green"}


def areas(report: Report, style: Style) -> list[RenderableType]:
    """Sum up each area in a line; an area of which nothing was asked has none."""
    by_area: dict[str, list[Finding]] = {}
    for finding in report.findings:
        by_area.setdefault(finding.check.area, []).append(finding)
    table = grid("", "area", "")
    for area, findings in by_area.items():
        marks = {_mark(finding) for finding in findings}
        mark = next(mark for mark in WORST if mark in marks)
        sign = style.mark(mark) if mark != "good" else ("✓" if style.unicode else "+")
        table.add_row(Text(sign, style=COLORS.get(mark, "dim")), area, Text(_counts(findings)))
    return [head("AREAS", "in causal order"), table, *_silenced(report, style)]


def _mark(finding: Finding) -> str:
    if finding.status is Status.FAIL:
        return {Severity.ERROR: "bad", Severity.WARNING: "bent"}.get(finding.severity, "tcp")
    return {Status.UNKNOWN: "unknown", Status.PASS: "good"}.get(finding.status, "none")


def _counts(findings: list[Finding]) -> str:
    words = {"bad": "fail", "bent": "warning", "tcp": "info", "good": "pass", "none": "skip"}
    counted = Counter(words.get(mark, mark) for mark in map(_mark, findings))
    order = ("pass", "fail", "warning", "info", "unknown", "skip")
    return ", ".join(f"{counted[word]} {word}" for word in order if counted[word])


def _silenced(report: Report, style: Style) -> list[RenderableType]:
    by_id: dict[str, list[Finding]] = {}
    for finding in report.findings:
        if finding.status is Status.SKIP and finding.reason.startswith(MARK):
            by_id.setdefault(finding.id, []).append(finding)
    lines = [f"{id_}: {subjects(of)}: {of[0].reason}" for id_, of in by_id.items()]
    return [Text(style.text(line), style="dim") for line in lines]
