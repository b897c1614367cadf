"""Write: a report and a backend -> MLX's hostfile, or why there is none. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mlxdiag.backends import BACKENDS
from mlxdiag.backends.backend import Site
from mlxdiag.checks import entries, hostfile
from mlxdiag.checks.entries import MATRIX, File
from mlxdiag.finding import Finding, Severity, Status
from mlxdiag.hostfile import Backend, Hostfile, HostfileEntry
from mlxdiag.probe import choose, fit, spelt
from mlxdiag.probe.plan import Plan, Refusal, Settings
from mlxdiag.report import Report

AUTO = "auto"


@dataclass(frozen=True)
class Written:
    """A hostfile, and its plan: what to launch it with, and what a reader has to know of it."""

    hostfile: Hostfile
    plan: Plan
    notes: tuple[str, ...]


def site(report: Report, *, force: bool = False) -> Site:
    """Take from a report what backends are planned from; that nothing runs there is assumed."""
    cluster = fit.settled(report.cluster)
    beside: dict[str, tuple[str, ...] | None] = dict.fromkeys(cluster.topology.hosts, ())
    return Site(cluster, report.links, report.recommendation, force, beside)


def write(report: Report, backend: str) -> Written | tuple[Refusal, ...]:
    """Lay a backend out along its rank order and spell it; `auto` is the recommended one.

    What was written is held against the wiring as any other file would be.
    """
    where, found = site(report), report.recommendation
    name = found.backend if backend == AUTO else backend
    if name is None:
        trials = [_planned(where, choice.backend) for choice in found.choices]
        return tuple(trial for trial in trials if isinstance(trial, Refusal))
    plan = _planned(where, name)
    if isinstance(plan, Refusal):
        return (plan,)
    made = spelt.hostfile(plan)
    held = hostfile.findings(where.cluster, made)
    wrong = [f for f in held if f.status is Status.FAIL and f.severity is Severity.ERROR]
    if wrong:
        return tuple(Refusal(name, _line(finding)) for finding in wrong)
    return Written(made, plan, tuple(_notes(plan, held)))


def _planned(where: Site, name: str) -> Plan | Refusal:
    backend = BACKENDS[name]
    order = choose.order_of(backend, where)
    return choose.over_site(backend, where, order, 0, "", Settings())


def _notes(plan: Plan, held: Sequence[Finding]) -> Iterator[str]:
    yield from plan.notes
    for rank in plan.ranks:
        host = rank.host
        said = {"port": host.port, "key": host.identity_file}
        lost = [f"{what} {value}" for what, value in said.items() if value is not None]
        if lost and host.connection == "ssh":
            what = f"{host.name}: {', '.join(lost)} of ssh"
            yield f"{what} has no place in the file: it belongs into ~/.ssh/config"
    yield from (_line(finding) for finding in held if finding.status is Status.UNKNOWN)


def _line(finding: Finding) -> str:
    said = finding.evidence.observed if finding.evidence else finding.reason
    return f"{finding.subject.label}: {said}"


def corrected(
    where: Site, told: Hostfile, findings: Sequence[Finding]
) -> tuple[Hostfile | None, str]:
    """Give the file as it should be, or None and why there is none.

    Ranks keep their order where a layout along it is possible, and what was found right stays:
    matrix and addresses are taken from the layout only where something in them is wrong.
    """
    file = entries.read(where.cluster, told)
    if "hosts" in told.lines:
        told = replace(told, backend=file.backend)
    wrong = [f for f in findings if f.status is Status.FAIL]
    failed = {f.id for f in wrong}
    if not failed & (hostfile.WIRES | hostfile.ADDRESSES):
        return told, ""
    names = [entry.host for entry in file.entries]
    order = tuple(name for name in names if name is not None)
    if len(set(order)) < len(names):
        return None, "not every entry is one host of the inventory"
    laid = _laid(where, file.backend, order)
    if isinstance(laid, Refusal):
        return None, f"{laid.backend}: {laid.reason}"
    right = spelt.hostfile(laid).hosts
    merged = [
        _merged(file, wrong, names.index(rank.host.name), entry)
        for rank, entry in zip(laid.ranks, right, strict=True)
    ]
    made = replace(told, hosts=tuple(merged))
    left = hostfile.findings(where.cluster, made)
    still = [f for f in left if f.status is Status.FAIL and f.severity is Severity.ERROR]
    if any(f.id in hostfile.WIRES | hostfile.ADDRESSES for f in still):
        return None, f"with these cables and addresses none is right: {_line(still[0])}"
    return made, ""


def _laid(where: Site, name: Backend, order: tuple[str, ...]) -> Plan | Refusal:
    """Lay the backend out along this order, or along the cables where only that is possible."""
    backend = BACKENDS[name]
    laid = backend.lay(where, order, 0, 1)
    if isinstance(laid, Refusal) or (name == "ring" and not laid.wires):
        other = backend.lay(where, _cycle(where, name, order), 0, 1)
        laid = laid if isinstance(other, Refusal) else other
    if isinstance(laid, Refusal):
        return laid
    silent = [host for host in order if not where.cluster.of(host).reached]
    if name == "ring" and silent and not laid.wires:
        return Refusal(name, f"{', '.join(silent)} did not say which addresses its cables have")
    return Plan(backend.name, backend.mlx_name, laid.ranks, "")


def _cycle(where: Site, name: Backend, order: tuple[str, ...]) -> tuple[str, ...]:
    """Find a rank order of the same hosts along their cables, with the same rank 0."""
    if set(order) != set(where.cluster.topology.hosts):
        return order
    found = choose.order_of(BACKENDS[name], where)
    at = found.index(order[0])
    return (*found[at:], *found[:at])


def _merged(file: File, wrong: Sequence[Finding], rank: int, right: HostfileEntry) -> HostfileEntry:
    """Take from the layout what is wrong in an entry, and keep the rest of it."""
    entry = file.entries[rank]
    failed = {f.id for f in wrong}
    if file.backend in MATRIX:
        bad = any(f.id == hostfile.IPS and f.subject.host == entry.label for f in wrong)
        moved = bad or (rank == 0 and hostfile.REACH in failed)
        rdma = right.rdma if failed & hostfile.WIRES else entry.told.rdma
        return replace(entry.told, rdma=rdma, ips=right.ips if moved else entry.told.ips)
    return replace(entry.told, ips=right.ips)
