"""Fold what is the same: causes of one kind into one group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mlxdiag.finding import Finding, Severity, Status
from mlxdiag.hostlist import fold
from mlxdiag.report import LEVELS, Report


@dataclass(frozen=True)
class Group:
    """Causes that differ in their subject alone, worst first in `Report.causes`' order."""

    causes: tuple[Finding, ...]
    consequences: tuple[Finding, ...]
    severity: Severity

    @property
    def first(self) -> Finding:
        """Stand for all of them."""
        return self.causes[0]

    @property
    def unknown(self) -> bool:
        """Whether it is about what could not be determined."""
        return self.first.status is Status.UNKNOWN

    @property
    def seen(self) -> str:
        """Say what was observed; of several, the first and how many others; no subject twice."""
        said = list(dict.fromkeys(f.evidence.observed for f in self.causes if f.evidence))
        more = f" and {len(said) - 1} others" if len(said) > 1 else ""
        text = (said[0] if said else self.first.reason) + more
        return text.removeprefix(f"{self.subjects}: ")

    @property
    def subjects(self) -> str:
        """Name all subjects in one line: hosts folded, the ports of a host together."""
        return subjects(self.causes)

    @property
    def commands(self) -> tuple[tuple[str, str], ...]:
        """Where to type it (a host, or `here`) and the line, of each fix that has one."""
        fixes = [(f.subject.host or "", f.fix) for f in self.causes if f.fix]
        lines = [("here" if fix.here else host, fix.command) for host, fix in fixes]
        return tuple(dict.fromkeys((host, line) for host, line in lines if line))

    @property
    def followers(self) -> str:
        """Say in one line what follows: failed checks by id, unknown ones by their number."""
        counted = Counter(f.id for f in self.consequences if f.status is Status.FAIL)
        said = [f"{id_} ({n})" if n > 1 else id_ for id_, n in counted.items()]
        unknown = sum(f.status is Status.UNKNOWN for f in self.consequences)
        if unknown:
            alone = "1 finding" if unknown == 1 else f"{unknown} findings"
            said.append(f"{unknown} more not known" if said else f"{alone} not known")
        return ", ".join(said)


def subjects(findings: Sequence[Finding]) -> str:
    """Name the subjects of findings in one line."""
    first = findings[0].subject
    if first.kind == "host":
        return fold(f.subject.host or "" for f in findings)
    if first.kind != "port":
        return "; ".join(f.subject.label for f in findings)
    by_host: dict[str, list[str]] = {}
    for finding in findings:
        by_host.setdefault(finding.subject.host or "", []).append(finding.subject.place or "")
    alike: dict[tuple[str, ...], list[str]] = {}
    for host, places in by_host.items():
        alike.setdefault(tuple(places), []).append(host)
    return "; ".join(f"{fold(hosts)} {', '.join(places)}" for places, hosts in alike.items())


def groups(report: Report) -> tuple[Group, ...]:
    """Fold the causes of a report."""
    alike: dict[tuple[object, ...], list[Finding]] = {}
    for cause in report.causes:
        alike.setdefault(_likeness(cause), []).append(cause)
    return tuple(
        Group(
            tuple(causes),
            tuple(f for cause in causes for f in report.consequences(cause)),
            max((report.severity(cause) for cause in causes), key=LEVELS.__getitem__),
        )
        for causes in alike.values()
    )


VARYING = frozenset({"network-link-local", "network-subnet", "gid-ipv4-mapped", "gid-index-1"})
"""What is observed differs from port to port and says nothing new."""


def _likeness(cause: Finding) -> tuple[object, ...]:
    seen = cause.evidence.observed if cause.evidence and cause.id not in VARYING else ""
    text = cause.fix.text if cause.fix else ""
    return (cause.id, cause.status, seen, text)
