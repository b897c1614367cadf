"""Short: the verdict in one line, and each cause in one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mlxdiag.capture import ACCESS, Outcome
from mlxdiag.finding import FixKind
from mlxdiag.hostlist import fold
from mlxdiag.render.fold import groups
from mlxdiag.render.style import Style
from mlxdiag.report import HeldFile, Report

if TYPE_CHECKING:
    from mlxdiag.preflight.judge import Preflight
    from mlxdiag.probe.judge import Probe

SAID = ("pass", "fail", "warning", "unknown")


def render(report: Report, style: Style) -> str:
    """One line for the verdict, one per cause with its first repair."""
    lines = [verdict_line(report, style)]
    if report.diagnosed is not None:
        return "\n".join([*lines, *_diagnosed(report, style)]) + "\n"
    for group in groups(report):
        cause = group.first
        word = "unknown" if group.unknown else group.severity.value
        fix = f"  [{cause.fix.kind.value}: {cause.fix.text}]" if cause.fix else ""
        lines.append(style.text(f"{word}: {group.subjects}: {group.seen}{fix}"))
    lines += [style.text(line) for line in _advice(report)] if report.command == "recommend" else []
    return "\n".join(lines) + "\n"


def _diagnosed(report: Report, style: Style) -> Iterator[str]:
    """A line each: causes, what to do, what is not known, what is an echo."""
    from mlxdiag.render.diagnosed import BRIEF, diagnosed  # noqa: PLC0415  # `ports` does without

    for part in diagnosed(report.diagnosed) if report.diagnosed else ():
        for line in part.lines if part.title in BRIEF else ():
            name = f"{line.name}: " if line.name else ""
            if not line.dim:
                yield style.text(f"{part.title.lower()}: {name}{line.text}")


def _advice(report: Report) -> Iterator[str]:
    """A line each: what was measured, what the choice costs, the steps, who could run it now."""
    measured, advice = report.recommendation.measured, report.advice
    for duel in measured.duels if measured else ():
        yield from (f"measured: {margin.text}" for margin in duel.margins)
    for backend, why in measured.missing if measured else ():
        yield f"measured: {backend}: {why}"
    for cost in (advice.present.costs if advice.present else None) or ():
        yield f"cost: {cost}"
    for unlock in advice.unlocks:
        yield from (f"{unlock.backend}: blocked: {text}" for text in unlock.blocked)
        for step in unlock.steps:
            where = f"{step.subject}: " if step.subject else ""
            yield f"{unlock.backend}: {step.kind.value}: {where}{step.text}"
        if unlock.gave_up:
            yield f"{unlock.backend}: the search for steps was given up"
    for one in advice.runnable:
        some = "" if one.complete else " (perhaps more)"
        yield f"now: {fold(one.hosts)} could run {one.backend}{some}"


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
    if report.command == "recommend":
        return _recommended(report, style)
    own = _own(report)
    if own is not None:
        return style.text(f"{report.verdict.upper()}: {own}")
    usable = sum(state.jaccl.usable is True for state in report.links)
    subject = (
        f"{usable} of {len(report.links)} links fit for RDMA;",
        f"backend {report.recommendation.backend or 'none'};",
    )
    if report.file is not None:
        subject = (f"{report.file.path};", f"{report.file.backend}, {_ranks(report.file)};")
    counts = report.summary.items()
    parts = [
        f"{report.verdict.upper()}:",
        *subject,
        (", ".join(f"{n} {k}" for k, n in counts if n and k in SAID) or "no check") + ";",
    ]
    first = next(iter(groups(report)), None)
    if first is not None and first.first.fix and first.first.fix.kind is not FixKind.NONE:
        parts.append(f"first: {first.first.fix.kind.value} {first.first.subject.label};")
    return style.text(" ".join(parts).rstrip(";") + _cut(report))


def _unfit(report: Report) -> Iterator[str]:
    """Say what is wrong with a server whose requests, as far as any was sent, were answered."""
    served = report.server
    if served is None or any(each.fault for each in (*served.alone, *served.together)):
        return
    for first in report.causes[:1]:
        if first.evidence is not None and report.exit_code:
            yield f"{first.id}: {first.evidence.observed}"


def _own(report: Report) -> str | None:
    """Give what stands behind the verdict of a command that says something of its own."""
    if report.command == "probe":
        return ", ".join(_ran(report.probes)) or "nothing was launched"
    if report.hang is not None:
        return report.hang.said + _cut(report)
    if report.diagnosed is not None:
        from mlxdiag.render.diagnosed import headline  # noqa: PLC0415  # `ports` does without

        return headline(report.diagnosed) + _cut(report)
    if report.server is not None:
        from mlxdiag.render.served import in_short  # noqa: PLC0415  # `ports` does without

        cut = "" if report.ended == "complete" else f" ({report.ended})"
        return "; ".join((*in_short(report.server), *_unfit(report))) + cut
    if report.preflight is not None:
        return _preflight(report, report.preflight) + _cut(report)
    return None


def _cut(report: Report) -> str:
    """Say how a run ended that did not come to its end, and which hosts it had not heard."""
    if report.ended == "complete":
        return ""
    pending = [name for name in report.cluster.topology.hosts if _pending(report, name)]
    return f" ({report.ended}; pending: {fold(pending) or 'none'})"


def _preflight(report: Report, found: Preflight) -> str:
    chosen = found.chosen
    if chosen is None:
        many = found.asked.require == "any"
        against = "; ".join(f"{each.backend}: {each.brief}" for each in found.candidates)
        sure = all(each.holds is False for each in found.candidates)
        known = "holds" if sure else "is known to hold"
        return f"no backend {known}; {against}" if many else f"required and not holding: {against}"
    parts = [f"{chosen.backend} holds"]
    parts += [f"given up: {each.backend} ({each.brief})" for each in found.given_up]
    if report.verdict != "pass":
        parts += [f"but {group.subjects}: {group.seen}" for group in groups(report)[:1]]
    return "; ".join(parts)


def _ranks(file: HeldFile) -> str:
    return f"{len(file.ranks)} rank{'s' if len(file.ranks) > 1 else ''}"


def _recommended(report: Report, style: Style) -> str:
    found = report.recommendation
    basis = "measured" if found.basis == "measured" else "from topology"
    said = [f"backend {found.backend}, {basis}" if found.backend else "no backend"]
    unlock = next((u for u in report.advice.unlocks if u.steps), None)
    if unlock:
        count = len(unlock.steps)
        said.append(f"{unlock.backend} is {count} step{'s' if count > 1 else ''} away")
    if report.ended != "complete":
        said.append(f"({report.ended})")
    return style.text(f"{report.verdict.upper()}: {'; '.join(said)}")


def _pending(report: Report, host: str) -> bool:
    captures = report.cluster.of(host).captures
    if not captures:
        return True
    outcomes = {c.outcome for name, c in captures.items() if name != ACCESS}
    return captures[ACCESS].outcome is Outcome.INTERRUPTED or Outcome.INTERRUPTED in outcomes
