"""Stages: findings -> what a preflight went through, in its order. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mlxdiag.finding import Finding, Severity, Status

How = Literal["ok", "failed", "skipped", "unknown"]
STAGES: Mapping[str, str] = {
    "access": "access",
    "versions": "versions",
    "hardware": "hardware",
    "cabling": "cabling",
    "network": "network",
    "rdma": "rdma",
    "gid": "gid",
    "hostfile": "hostfile",
    "rendezvous": "rendezvous",
    "jobs": "jobs",
    "collective": "probes",
    "verdict": "backend",
}
"""Name -> the area whose findings it is made of, in causal order; the inventory comes first."""

SHOWN = 120
"""Characters of a cause that a stage shows."""

BAD = (Status.FAIL, Status.UNKNOWN)
WORDS: Mapping[Status, How] = {Status.FAIL: "failed", Status.UNKNOWN: "unknown"}


@dataclass(frozen=True)
class Stage:
    """One stage. `blocked_by` are the causes in earlier stages, as `CHECK SUBJECT`.

    `counts` is false where what is bad here does not keep the chosen backend from holding.
    """

    name: str
    status: How
    text: str
    blocked_by: tuple[str, ...] = ()
    counts: bool = True


def stage(
    name: str, findings: Sequence[Finding], grave: Callable[[Severity], bool], backend: str
) -> Stage:
    """Sum up one stage; `grave` says which severities count for the verdict on `backend`."""
    found = [f for f in findings if f.check.area == STAGES[name]]
    bad = [f for f in found if f.status in BAD]
    text = _text(found)
    if counting := [f for f in bad if grave(f.severity)]:
        return _spoilt(name, counting, found, text)
    errors = [f for f in bad if f.check.severity is Severity.ERROR]
    if spared := [f for f in errors if f.severity is not Severity.INFO]:
        made = _spoilt(name, spared, found, f"{text}; {backend} holds all the same")
        return replace(made, counts=False)
    if warned := [f for f in bad if f.severity is Severity.WARNING]:
        return replace(_spoilt(name, warned, found, text), counts=False)
    if errors:
        keys = tuple(dict.fromkeys(f.root.key for f in errors))
        return Stage(name, "skipped", f"{text}; {backend} does without", keys)
    return _unspoilt(name, found, text)


def _unspoilt(name: str, found: Sequence[Finding], text: str) -> Stage:
    """Sum up a stage of which nothing weighs; what is not known is not ok."""
    if open_ := [f for f in found if f.status is Status.UNKNOWN]:
        return replace(_spoilt(name, open_, found, text), counts=False)
    if any(f.status is Status.PASS for f in found):
        return Stage(name, "ok", text)
    skipped = [f for f in found if f.status is Status.SKIP]
    keys = tuple(dict.fromkeys(f.root.key for f in skipped if f.blocked_by))
    return Stage(name, "skipped", skipped[0].reason if skipped else text or "nothing to ask", keys)


def _spoilt(name: str, bad: Sequence[Finding], found: Sequence[Finding], text: str) -> Stage:
    """Tell what went wrong in this stage from what follows from earlier ones."""
    own = [f for f in bad if f.root.check.area == f.check.area]
    keys = tuple(dict.fromkeys(f.root.key for f in bad if f not in own))
    for status, how in WORDS.items():
        if any(f.status is status for f in own):
            return Stage(name, how, _first(own, status, text), keys)
    passed = any(f.status is Status.PASS for f in found)
    return Stage(name, "unknown" if passed else "skipped", text, keys)


def _first(own: Sequence[Finding], status: Status, text: str) -> str:
    first = next(f for f in own if f.status is status)
    said = first.evidence.observed if first.evidence else first.reason
    label = first.subject.label
    told = said if said.startswith(label) else f"{label}: {said}"
    return f"{cut(told)}; {text}"


def cut(text: str) -> str:
    """Shorten a text to what a stage shows."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def _text(found: Sequence[Finding]) -> str:
    failed = Counter(_weight(f) for f in found if f.status is Status.FAIL)
    counted = {
        "ok": sum(f.status is Status.PASS for f in found),
        "failed": failed[Severity.ERROR],
        "warned of": failed[Severity.WARNING],
        "noted": failed[Severity.INFO],
        "not known": sum(f.status is Status.UNKNOWN for f in found),
    }
    return ", ".join(f"{count} {word}" for word, count in counted.items() if count)


def _weight(finding: Finding) -> Severity:
    """Give what an error is also where the chosen backend holds all the same, else as it counts."""
    return Severity.ERROR if finding.check.severity is Severity.ERROR else finding.severity
