"""Speed: findings about numbers, one per backend and question over all its launches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mlxdiag.finding import Check, Evidence, Finding, Fix, FixKind, Severity, Status, Subject
from mlxdiag.inventory import Expect
from mlxdiag.probe.judge import Probe
from mlxdiag.probe.summary import Line, Summary, summaries
from mlxdiag.probe.surroundings import one_machine
from mlxdiag.probe.thresholds import BANDWIDTH_FROM, LATENCY_UP_TO, Limit, limits

MIN_LAUNCHES = 2
"""A number of one launch may be an accident: no verdict hangs on it."""


LATENCY = Check(
    "probes-latency",
    "small collectives are as quick as expected",
    Severity.ERROR,
    "cluster",
    Fix(FixKind.NONE, "look at the load of the hosts, then at the slowest rank and its cables"),
    ("probes-collective",),
    "A token costs many small collectives one after the other, so their latency is its price.",
)
BANDWIDTH = Check(
    "probes-bandwidth",
    "large collectives move as much as expected",
    Severity.ERROR,
    "cluster",
    Fix(FixKind.NONE, "find the link that is slow: mlxdiag probe --pairwise"),
    ("probes-collective",),
    "A cable, a port or a setting that is slow slows all ranks, and nothing else says so.",
)
CHECKS = (LATENCY, BANDWIDTH)


def findings(probes: Sequence[Probe], expect: Expect) -> Iterator[Finding]:
    """Hold every backend's numbers to the inventory's, else to the provisional ones."""
    for summary in summaries([probe for probe in probes if probe.plan.part == "whole"]):
        for check in CHECKS:
            yield _finding(check, summary, expect)


def _finding(check: Check, summary: Summary, expect: Expect) -> Finding:
    plan = summary.probes[0].plan
    subject = Subject("cluster", interface=plan.backend)
    wanted = limits(plan.backend, expect.thresholds, expect.backend, _slowest(summary))
    asked = [limit for limit in wanted if limit.is_latency is (check is LATENCY)]
    reason = _no_question(summary, asked)
    if reason:
        return Finding(check, subject, Status.SKIP, reason=f"{plan.backend}: {reason}")
    answers = [_answer(summary, limit) for limit in asked]
    order = (Status.FAIL, Status.UNKNOWN, Status.PASS)
    status, evidence = min(answers, key=lambda answer: order.index(answer[0]))
    provisional = evidence.provisional
    return Finding(
        check, subject, status, evidence, lowered=Severity.WARNING if provisional else None
    )


def _slowest(summary: Summary) -> float | None:
    """Give the speed of the slowest cable; None where one does not say, or there is none."""
    said = [wire.speed_gbps for wire in summary.probes[0].plan.wires]
    known = [speed for speed in said if speed is not None]
    return min(known) if known and len(known) == len(said) else None


def _no_question(summary: Summary, asked: Sequence[Limit]) -> str:
    """Say why there is nothing to hold to anything; empty where there is."""
    plan = summary.probes[0].plan
    if shared := one_machine(plan):
        return f"{shared}: no verdict on speed"
    if not asked:
        return "no threshold: the inventory sets none, and no provisional one applies"
    if plan.settings.soak_s is not None:
        return "a soak is not timed"
    if not summary.lines:
        return "no launch came to its end"
    return ""


def _answer(summary: Summary, limit: Limit) -> tuple[Status, Evidence]:
    lines = [line for line in summary.lines if _decides(line, limit)]
    edge = f"up to {LATENCY_UP_TO} B" if limit.is_latency else f"from {BANDWIDTH_FROM >> 20} MiB on"
    if not lines:
        return Status.UNKNOWN, _evidence(summary, limit, None, f"no size {edge} was measured")
    if min(line.launches for line in lines) < MIN_LAUNCHES:
        text = "measured in one launch; a verdict takes two (--repeat 2, or --level full)"
        return Status.UNKNOWN, _evidence(summary, limit, None, text)
    values = [(MEASURED[limit.quantity](line), line) for line in lines]
    missing = [line for value, line in values if value is None]
    if missing:
        text = f"no rate per link: {missing[0].row.link.reason}"
        return Status.UNKNOWN, _evidence(summary, limit, None, text)
    found = [(value, line) for value, line in values if value is not None]
    pick: Callable[..., tuple[float, Line]] = max if limit.is_latency else min
    value, line = pick(found, key=lambda pair: pair[0])
    at = f"{line.row.size} B" if limit.is_latency else f"{line.row.size / (1 << 20):g} MiB"
    text = f"{value:.3g} {limit.unit} at {at}, median of {line.launches} launches"
    status = Status.PASS if limit.holds(value) else Status.FAIL
    return status, _evidence(summary, limit, value, text)


def _decides(line: Line, limit: Limit) -> bool:
    size = line.row.size
    return size <= LATENCY_UP_TO if limit.is_latency else size >= BANDWIDTH_FROM


MEASURED: dict[str, Callable[[Line], float | None]] = {
    "latency_us": lambda line: line.row.p50_us,
    "algbw_gb_per_s": lambda line: line.row.algbw_gb_per_s,
    "busbw_gb_per_s": lambda line: line.row.busbw_gb_per_s,
    "link_gb_per_s": lambda line: line.row.link.gb_per_s,
}


def _evidence(summary: Summary, limit: Limit, value: float | None, text: str) -> Evidence:
    return Evidence(
        "probe",
        f"{summary.backend}: {text}",
        limit.text,
        measured=value,
        limit=limit.value,
        unit=limit.unit,
        provisional=limit.provisional,
    )
