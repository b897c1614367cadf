"""Plan: the causes in a report -> steps in stages, the cheapest that could work first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from mlxdiag.checks.subject import End
from mlxdiag.explained import entries
from mlxdiag.finding import Finding, FixKind, Severity, Status, Subject
from mlxdiag.ports import Port
from mlxdiag.repair import undo
from mlxdiag.repair.reach import named, reachable, touches
from mlxdiag.repair.step import ON_HOSTS, Path, Plan, Stage, Step
from mlxdiag.report import Report

STAGES: tuple[tuple[str, frozenset[FixKind]], ...] = (
    (ON_HOSTS, frozenset({FixKind.RUN, FixKind.SETTINGS, FixKind.WAIT})),
    ("at the cables", frozenset({FixKind.REPLUG, FixKind.RECABLE})),
    ("restarts", frozenset({FixKind.REBOOT})),
    ("updates", frozenset({FixKind.UPGRADE})),
    ("in Recovery", frozenset({FixKind.RECOVERY})),
)
"""By effort. A stage that is done is followed by another look: the rest may be needless then."""

TOUCHING = frozenset({FixKind.RUN, FixKind.SETTINGS, FixKind.REPLUG, FixKind.RECABLE})
"""Kinds of steps that may touch the interface that ssh goes over, and leave the host running."""

RESTART = "sudo shutdown -r now"


def build(report: Report) -> Plan:
    """Turn what is wrong into steps; hints (info) and what follows from a cause have none."""
    causes = [c for c in report.causes if report.severity(c) is not Severity.INFO]
    failed = [c for c in causes if c.status is Status.FAIL]
    steps = _joined(step for cause in failed for step in _steps(report, cause))
    unknown = tuple(dict.fromkeys(c.key for c in causes if c.status is Status.UNKNOWN))
    place = {facts.host.name: at for at, facts in enumerate(report.cluster.facts)}

    def order(step: Step) -> tuple[int, int]:
        return step.kind.cost, -1 if step.host is None else place[step.host]

    stages = (
        Stage(name, tuple(sorted((s for s in steps if s.kind in kinds), key=order)))
        for name, kinds in STAGES
    )
    return Plan(tuple(stage for stage in stages if stage.steps), unknown)


def _steps(report: Report, cause: Finding) -> Iterator[Step]:
    """Give the steps of one cause: one, or one for each end of a cable that has no command."""
    fix, entry = cause.fix, entries().get(cause.id)
    if fix is None or fix.kind is FixKind.NONE or entry is None:
        return
    host = None if fix.here or (entry.place == "here" and not fix.command) else cause.subject.host
    command = fix.command or (RESTART if fix.kind is FixKind.REBOOT and host else None)
    ssh = Path.NO
    if host is not None and fix.kind in TOUCHING:
        interfaces: frozenset[str] | None = _interfaces(cause.subject, command)
        if not interfaces and fix.kind is not FixKind.RUN:
            interfaces = reachable(report.cluster, host, vpn="vpn" in cause.id)
        ssh = touches(report.cluster, host, interfaces)
    end = _end(report, cause.subject)
    near = Step(
        host=host,
        kind=fix.kind,
        subjects=(_where(report, cause.subject),),
        text=fix.text,
        command=command,
        interrupts=entry.risk,
        ssh=ssh,
        survives_reboot=_survives(command, entry.survives_reboot),
        undo=undo.of(command, undo.Before(report.cluster, host, end)) if host else None,
        confirms=(cause.id,),
    )
    yield near
    if fix.far_command and end is not None:
        yield _far(report, near, End(end.link, end.far), fix.far_command)


def _far(report: Report, near: Step, end: End, command: str) -> Step:
    """Give the same step for the far end of the cable."""
    port = end.port
    interfaces = frozenset({port.name}) | named(command)
    return replace(
        near,
        host=port.host,
        subjects=(f"{port.host} {port.name} ({_socket(port)})",),
        text=f"give this end an address in one new subnet with {end.far.host} {end.far.name}",
        interrupts="The port's address changes, and its GID: what uses this cable fails.",
        command=command,
        ssh=touches(report.cluster, port.host, interfaces),
        survives_reboot=_survives(command, True),  # a service stores it
        undo=undo.of(command, undo.Before(report.cluster, port.host, end)),
    )


def _interfaces(subject: Subject, command: str | None) -> frozenset[str]:
    """Name what the step is about; a step about a whole host names none."""
    own = {subject.interface} if subject.kind in ("port", "link") and subject.interface else set()
    return frozenset(own) | named(command or "")


def _survives(command: str | None, otherwise: bool | None) -> bool | None:
    """Say it of the command itself: what ifconfig and sysctl set is gone after a restart."""
    if command and ("ifconfig " in command or "sysctl " in command):
        return False
    return otherwise


def _end(report: Report, subject: Subject) -> End | None:
    if subject.kind not in ("port", "link"):
        return None
    for link in report.cluster.topology.links:
        for port in link.ends:
            if (port.host, port.receptacle) == (subject.host, subject.receptacle):
                return End(link, port)
    return None


def _where(report: Report, subject: Subject) -> str:
    """Name the subject so that a person finds it: receptacle and place beside the interface."""
    ports = report.cluster.topology.ports
    found = [
        port
        for port in ports.get(subject.host or "", ())
        if port.receptacle == subject.receptacle and subject.kind in ("port", "link")
    ]
    return subject.label + (f" ({_socket(found[0])})" if found else "")


def _socket(port: Port) -> str:
    position = f", {port.position}" if port.position else ""
    return f"receptacle {port.receptacle}{position}"


def _joined(steps: Iterable[Step]) -> list[Step]:
    """Do once what several causes ask for: the same line, or the same visit, on one host."""
    found: dict[tuple[object, ...], Step] = {}
    for step in steps:
        visit = step.command is None and step.kind in (FixKind.REPLUG, FixKind.RECABLE)
        where = step.subjects if visit else ()
        key = (step.host, step.kind, step.command or step.text, where)
        before = found.get(key)
        found[key] = step if before is None else _both(before, step)
    return list(found.values())


def _both(one: Step, other: Step) -> Step:
    return replace(
        one,
        subjects=tuple(dict.fromkeys((*one.subjects, *other.subjects))),
        confirms=tuple(dict.fromkeys((*one.confirms, *other.confirms))),
    )
