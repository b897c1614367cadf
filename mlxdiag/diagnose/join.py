"""Join: an error of a rank, and the cluster -> host, cells, ports, findings that explain it.

Ranks are hosts in the order of the hostfile, or of the inventory where none is given. The facts are
those of now, or of the recording: not of the moment when the run failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from mlxdiag.checks import entries
from mlxdiag.checks.entries import File
from mlxdiag.cluster import Cluster
from mlxdiag.diagnose.entry import Likely
from mlxdiag.diagnose.order import Diagnosis
from mlxdiag.diagnose.reading import Sighting
from mlxdiag.diagnose.suspect import Suspect, suspect
from mlxdiag.finding import Finding, Status, Subject
from mlxdiag.ports import Port

Answer = Literal["found", "ruled out", "not known", "not tested"]
"""Of a possible cause: a check of it fails; all pass; one is unknown; none was asked of this."""


@dataclass(frozen=True)
class Cell:
    """A cell of a rank's row: the peer, the device that MLX opens for it, the port it is of.

    `said` is what is to say of it, `sound` whether nothing is wrong there.
    """

    peer: str
    device: str | None
    port: str | None
    said: str
    sound: bool


@dataclass(frozen=True)
class Tested:
    """A possible cause, and what the checks say of it."""

    likely: Likely
    answer: Answer


@dataclass(frozen=True)
class Case:
    """A cause joined with the cluster. `host` is None where it is not known, or none was asked.

    `findings` are those that fail and explain it, the likeliest cause first.
    """

    said: Sighting
    suspect: Suspect
    host: str | None
    tested: tuple[Tested, ...]
    cells: tuple[Cell, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Ground:
    """What errors are joined with. `file` is the hostfile of the run, as far as one was given."""

    cluster: Cluster
    findings: tuple[Finding, ...]
    file: File | None = None

    @property
    def ranks(self) -> tuple[str | None, ...]:
        """Hosts in rank order."""
        if self.file is not None:
            return tuple(entry.host for entry in self.file.entries)
        return self.cluster.topology.hosts

    def host_of(self, who: Suspect) -> str | None:
        """Name the host of a rank, or the one that goes under a name."""
        if who.rank is not None:
            return self.ranks[who.rank] if who.rank < len(self.ranks) else None
        wanted = _short(who.host or "")
        for host in self.cluster.inventory.hosts:
            if wanted and wanted in (_short(host.name), _short(host.address), host.ip):
                return host.name
        return None


def cases(diagnosis: Diagnosis, ground: Ground) -> tuple[Case, ...]:
    """Join every cause of a diagnosis."""
    return tuple(_case(said, suspect(said, diagnosis), ground) for said in diagnosis.causes)


def _case(said: Sighting, who: Suspect, ground: Ground) -> Case:
    host = ground.host_of(who)
    found = _about(said, host, ground)
    by_id = {id_: [f for f in found if f.id == id_] for id_ in said.entry.checks}
    failed = [f for of in by_id.values() for f in of if f.status is Status.FAIL]
    return Case(
        said=said,
        suspect=who,
        host=host,
        tested=tuple(Tested(one, _answer(one, by_id)) for one in said.entry.causes),
        cells=_cells(said, host, ground) if said.entry.about == "device" and host else (),
        findings=tuple(failed),
    )


def _answer(likely: Likely, found: dict[str, list[Finding]]) -> Answer:
    statuses = {finding.status for id_ in likely.checks for finding in found[id_]}
    if Status.FAIL in statuses:
        return "found"
    if Status.UNKNOWN in statuses:
        return "not known"
    return "ruled out" if Status.PASS in statuses else "not tested"


def _about(said: Sighting, host: str | None, ground: Ground) -> Sequence[Finding]:
    """List the findings about the host, both ends of its cables, and the cluster as a whole."""
    hosts = {host} if host else set(ground.cluster.topology.hosts)
    if host and said.entry.about == "coordinator" and ground.ranks:
        hosts.add(ground.ranks[0] or host)
    touching = [f for f in ground.findings if f.subject.kind == "cluster" or hosts & _hosts(f)]
    if said.device is None or host is None:
        return touching
    ports = {p.interface for p in ground.cluster.topology.ports[host] if p.device == said.device}
    return [f for f in touching if _is_at(f.subject, host, ports)] if ports else touching


def _hosts(finding: Finding) -> set[str | None]:
    far = finding.subject.far
    return {finding.subject.host, far.host if far else None}


def _is_at(subject: Subject, host: str, interfaces: Iterable[object]) -> bool:
    """Whether a finding about a port or link is about these ports; others are about all."""
    if subject.kind not in ("port", "link"):
        return True
    ends = [subject, subject.far] if subject.far else [subject]
    return any(end.host == host and end.interface in interfaces for end in ends)


def _cells(said: Sighting, host: str, ground: Ground) -> tuple[Cell, ...]:
    """Say for every peer which device MLX opens, and what is to say of its port."""
    made = [
        _cell(said, host, peer, device, ground)
        for peer, devices in _row(host, ground)
        for device in devices or (None,)
    ]
    if said.device is not None:
        named = tuple(cell for cell in made if cell.device == said.device)
        return named or (_cell(said, host, "", said.device, ground),)
    return tuple(made)


def _row(host: str, ground: Ground) -> Sequence[tuple[str, tuple[str, ...]]]:
    """Give the row of a host: that of the hostfile, else what the cables ask for."""
    file = ground.file
    if file is not None and file.cells:
        return [
            (cell.other.label, entries.wires(cell.one, cell.other))
            for cell in file.cells
            if cell.one.host == host
        ]
    topology = ground.cluster.topology
    matrix = topology.matrix(topology.links)
    row = matrix[topology.hosts.index(host)]
    pairs = zip(topology.hosts, row, strict=True)
    return [(peer, entries.devices(cell)) for peer, cell in pairs if peer != host]


def _cell(said: Sighting, host: str, peer: str, device: str | None, ground: Ground) -> Cell:
    port = next((p for p in ground.cluster.topology.ports[host] if p.device == device), None)
    if device is None:
        cabled = ground.cluster.topology.between(host, peer) if peer in _names(ground) else ()
        return Cell(peer, None, None, "no device" if cabled else "no cable", sound=False)
    if port is None:
        return Cell(peer, device, None, "the host has no such device", sound=False)
    wrong = _wrong(said, port, ground.findings)
    state = port.state or "port state not known"
    told = "; ".join(dict.fromkeys([state, *wrong]))
    return Cell(peer, device, port.name, told, sound=not wrong and state == "PORT_ACTIVE")


def _wrong(said: Sighting, port: Port, findings: Iterable[Finding]) -> list[str]:
    """Say what fails at a port, or at the far end of its cable, of what the message can mean."""
    found = []
    for finding in findings:
        if finding.status is not Status.FAIL or finding.id not in said.entry.checks:
            continue
        near, far = finding.subject, finding.subject.far
        if near.kind == "port" and (near.host, near.receptacle) == (port.host, port.receptacle):
            found.append(_observed(finding))
        elif near.kind == "port" and far and (far.host, far.receptacle) == _place(port):
            found.append(f"its far end {near.label}: {_observed(finding)}")
    return found


def _place(port: Port) -> tuple[str, int]:
    return port.host, port.receptacle


def _observed(finding: Finding) -> str:
    seen = finding.evidence.observed if finding.evidence else finding.reason
    return seen.removesuffix(" while its far end is PORT_ACTIVE")


def _names(ground: Ground) -> tuple[str, ...]:
    return ground.cluster.topology.hosts


def _short(host: str) -> str:
    return host.rpartition("@")[2].lower().rstrip(".").removesuffix(".local")
