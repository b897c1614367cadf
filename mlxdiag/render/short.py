"""Short: the verdict in one line, and each cause in one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mlxdiag.capture import ACCESS, Outcome
from mlxdiag.finding import FixKind
from mlxdiag.hostlist import fold
from mlxdiag.render.fold import groups
from mlxdiag.render.style import Style
from mlxdiag.report import Report

if TYPE_CHECKING:
    from mlxdiag.probe.judge import Probe

SAID = ("pass", "fail", "warning", "unknown")


def render(report: Report, style: Style) -> str:
    """One line for the verdict, one per cause with its first repair."""
    lines = [verdict_line(report, style)]
    for group in groups(report):
        cause = group.first
        word = "unknown" if group.unknown else group.severity.value
        fix = f"  [{cause.fix.kind.value}: {cause.fix.text}]" if cause.fix else ""
        lines.append(style.text(f"{word}: {group.subjects}: {group.seen}{fix}"))
    return "\n".join(lines) + "\n"


def _how(probe: Probe) -> str:
    if probe.passed:
        return "ok"
    return "interrupted" if probe.run.end == "interrupted" else "failed"


def _ran(probes: Sequence[Probe]) -> Iterator[str]:
    """Say how each launch went; those of pairs are counted."""
    pairs: dict[str, list[Probe]] = {}
    for probe in probes:
        if probe.plan.part == "pair":
            pairs.setdefault(probe.plan.backend, []).append(probe)
        else:
            yield f"{probe.plan.backend} {_how(probe)}"
    for backend, of in pairs.items():
        well = sum(probe.passed for probe in of)
        yield f"{backend} {well} of {len(of)} launches of pairs ok"


def verdict_line(report: Report, style: Style) -> str:
    """Say the verdict, the backend, the counts and the first thing to do, in one line."""
    counts = report.summary
    usable = sum(state.jaccl.usable is True for state in report.links)
    if report.command == "probe":
        ran = ", ".join(_ran(report.probes))
        return style.text(f"{report.verdict.upper()}: {ran or 'nothing was launched'}")
    parts = [
        f"{report.verdict.upper()}:",
        f"{usable} of {len(report.links)} links fit for RDMA;",
        f"backend {report.recommendation.backend or 'none'};",
        (", ".join(f"{n} {k}" for k, n in counts.items() if n and k in SAID) or "no check") + ";",
    ]
    first = next(iter(groups(report)), None)
    if first is not None and first.first.fix and first.first.fix.kind is not FixKind.NONE:
        parts.append(f"first: {first.first.fix.kind.value} {first.first.subject.label};")
    if report.ended != "complete":
        pending = [name for name in report.cluster.topology.hosts if _pending(report, name)]
        parts.append(f"({report.ended}; pending: {fold(pending) or 'none'})")
    return style.text(" ".join(parts).rstrip(";"))


def _pending(report: Report, host: str) -> bool:
    captures = report.cluster.of(host).captures
    if not captures:
        return True
    outcomes = {c.outcome for name, c in captures.items() if name != ACCESS}
    return captures[ACCESS].outcome is Outcome.INTERRUPTED or Outcome.INTERRUPTED in outcomes
