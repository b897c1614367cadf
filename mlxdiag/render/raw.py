"""Raw: what a host printed, behind each finding, as much of it as a page can hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxdiag.capture import ACCESS, Capture
from mlxdiag.finding import Finding
from mlxdiag.report import Report

if TYPE_CHECKING:
    from mlxdiag.probe.judge import Probe

EACH = 24 << 10
"""Bytes that are shown of one stream; the recording (`--save`) has all of it."""

HOSTS = 4
"""So many hosts speak for one folded finding."""

TOTAL = 2 << 20
"""Bytes of a page; findings after that have none."""

NOT_SHOWN = frozenset({"processes", "ps"})
"""Of these a page shows nothing: the arguments of a process may hold a key."""

COMMANDS = {"ssh": ACCESS}
"""Evidence names its command; where a capture has another name, it is here."""


@dataclass(frozen=True)
class Raw:
    """One output: where it came from, how the command ended, what was printed."""

    key: str
    host: str
    command: str
    ended: str
    text: str


def behind(report: Report, findings: Sequence[Finding]) -> tuple[Raw, ...]:
    """Collect the outputs that the findings rest on, each once."""
    found: dict[str, Raw] = {}
    for finding in findings:
        for raw in _of(report, finding):
            if len(found) < HOSTS:
                found.setdefault(raw.key, raw)
    return tuple(found.values())


def _of(report: Report, finding: Finding) -> Iterator[Raw]:
    if finding.evidence is None:
        return
    source = finding.evidence.source
    if finding.id.startswith("probes-"):
        for number, probe in enumerate(report.probes, 1):
            if not probe.passed and probe.plan.backend == finding.subject.interface:
                yield from _ranks(number, probe)
        return
    name = COMMANDS.get(source, source)
    for host in _hosts(report, finding):
        capture = report.cluster.of(host).captures.get(name)
        if capture is not None and name not in NOT_SHOWN:
            yield _raw(host, source, capture)


def _hosts(report: Report, finding: Finding) -> tuple[str, ...]:
    """Name the hosts that were heard: both ends of a cable, all of a cluster.

    A hostfile may name one that is not of the cluster.
    """
    subject, known = finding.subject, report.cluster.topology.hosts
    if subject.host is None:
        return known
    far = subject.far.host if subject.far is not None else None
    return tuple(host for host in dict.fromkeys((subject.host, far)) if host in known)


def _raw(host: str, source: str, capture: Capture) -> Raw:
    parts = [_cut(capture.stdout)]
    if capture.stderr:
        parts.append(f"stderr:\n{_cut(capture.stderr)}")
    asked = " ".join(capture.argv) or source
    text = "\n".join(filter(None, parts)) or "(nothing was printed)"
    return Raw(f"{host} {capture.command}", host, asked, capture.reason, text)


def _ranks(number: int, probe: Probe) -> Iterator[Raw]:
    """Give what the ranks of a launch wrote to stderr, those to blame first."""
    blamed = probe.blame.ranks if probe.blame else ()
    for log in sorted(probe.run.logs, key=lambda log: (log.rank not in blamed, log.rank)):
        said = "".join(event["text"] for event in log.events if event["ev"] == "stderr")
        text = (said + "".join(log.noise)).strip()
        if text:
            ended = log.last("exit") or {}
            how = str(ended.get("why", log.lost or "no word of its end"))
            cut = _cut(text.encode("utf-8", "replace"))
            where = f"rank {log.rank} of launch {number}, {probe.plan.backend}"
            yield Raw(f"launch {number} {log.rank}", log.host, f"{where}: stderr", how, cut)


def _cut(printed: bytes) -> str:
    text = printed[:EACH].decode("utf-8", "replace").rstrip()
    more = len(printed) - EACH
    return f"{text}\n... and {more} bytes more" if more > 0 else text
