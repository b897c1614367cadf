"""Ladder: per link, rung by rung from the cable up, what holds at each end; usable or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from mlxdiag.checks.network import shared_subnet
from mlxdiag.finding import Finding, Severity, Status
from mlxdiag.ports import Port
from mlxdiag.readings import Gap
from mlxdiag.topology import Link, Topology

RUNGS: Mapping[str, tuple[str, ...]] = {
    "cable": ("cabling-both-ends", "cabling-direct"),
    "speed": ("hardware-thunderbolt5", "cabling-speed"),
    "interface": ("network-interface-active",),
    "bridge": ("network-bridge",),
    "IPv4": ("network-ipv4", "network-link-local", "network-subnet"),
    "RDMA": ("access-reachable", "versions-macos-rdma", "rdma-stack-wedged", "rdma-enabled",
             "rdma-devices-listed"),
    "device": ("rdma-device",),
    "port": ("rdma-port-active",),
    "GID": ("gid-ipv4-mapped", "gid-index-1", "gid-current-address"),
    "far service": ("rdma-far-service",),
}  # fmt: skip
"""Rung -> its checks, lowest first. Warnings bend a rung, errors break it."""

DECISIVE = frozenset({"hardware-thunderbolt5"})
"""Not an error of the cluster, and yet the end of RDMA on this link."""

PROOF = frozenset({"rdma-port-active", "gid-index-1", "gid-current-address"})
"""What must have passed at both ends before a link is called usable."""


@dataclass(frozen=True)
class Usable:
    """Whether a backend can use a link; None if that is not known. `blockers` are check ids."""

    usable: bool | None
    blockers: tuple[str, ...] = ()


@dataclass(frozen=True)
class LinkState:
    """A link and what was found at each end, in the order of the ladder."""

    link: Link
    a: tuple[Finding, ...]
    b: tuple[Finding, ...]

    @cached_property
    def jaccl(self) -> Usable:
        """RDMA over this cable."""
        return _rdma((*self.a, *self.b), ends=2)

    @cached_property
    def ring(self) -> Usable:
        """TCP over this cable: two active interfaces, two addresses, one subnet."""
        down = [f for f in (*self.a, *self.b) if f.id == "network-interface-active"]
        if any(f.status is not Status.PASS for f in down):
            return _usable([f for f in down if f.status is not Status.PASS])
        if any(isinstance(end.net, Gap) for end in self.link.ends):
            return Usable(None, ("access-answers",))
        if not all(end.ipv4 for end in self.link.ends):
            return Usable(usable=False, blockers=("network-ipv4",))
        if not shared_subnet(self.link):
            return Usable(usable=False, blockers=("network-subnet",))
        return Usable(usable=True)

    def at(self, port: Port) -> tuple[Finding, ...]:
        """List the findings at one end."""
        return self.a if port is self.link.a else self.b

    def end(self, port: Port) -> Usable:
        """RDMA as far as this end is concerned."""
        return _rdma(self.at(port), ends=1)

    def rungs(self, port: Port) -> Mapping[str, Finding | None]:
        """Per rung, the worst finding at this end; None where no check asked."""
        at = self.at(port)
        return {
            rung: max((f for f in at if f.id in ids), key=_badness, default=None)
            for rung, ids in RUNGS.items()
        }

    def bent(self, port: Port) -> tuple[Finding, ...]:
        """List warnings at one end."""
        return tuple(f for f in self.at(port) if f.status is Status.FAIL and not breaks(f))

    @property
    def clean(self) -> bool:
        """Usable for RDMA and without a warning at either end."""
        ends = self.link.ends
        return self.jaccl.usable is True and not any(self.bent(end) for end in ends)


def climb(topology: Topology, findings: Iterable[Finding]) -> tuple[LinkState, ...]:
    """Sort the findings onto the ends of the links they are about."""
    order = [id_ for ids in RUNGS.values() for id_ in ids]
    wanted = set(order)
    placed: dict[tuple[str | None, int | None], list[Finding]] = {}
    for finding in findings:
        if finding.id not in wanted:
            continue
        near, far = finding.subject, finding.subject.far
        placed.setdefault((near.host, near.receptacle), []).append(finding)
        if near.kind == "link" and far is not None:
            placed.setdefault((far.host, far.receptacle), []).append(finding)

    def at(port: Port) -> tuple[Finding, ...]:
        mine = [*placed.get((port.host, None), ()), *placed.get((port.host, port.receptacle), ())]
        return tuple(sorted(mine, key=lambda f: order.index(f.id)))

    return tuple(LinkState(link, at(link.a), at(link.b)) for link in topology.links)


def _badness(finding: Finding) -> int:
    worth = {Status.SKIP: 0, Status.PASS: 1, Status.UNKNOWN: 3}
    return worth.get(finding.status, 4 if breaks(finding) else 2)


def breaks(finding: Finding) -> bool:
    """Whether a finding ends RDMA on its link: it failed as an error, or is not known."""
    if finding.status is Status.UNKNOWN:
        return finding.check.severity is Severity.ERROR or finding.id in DECISIVE
    return finding.broken or (finding.status is Status.FAIL and finding.id in DECISIVE)


def _rdma(findings: tuple[Finding, ...], *, ends: int) -> Usable:
    """Nothing against it is not enough: the proof must have been given at every end."""
    usable = _usable([f for f in findings if breaks(f)])
    proofs = sum(f.id in PROOF and f.status is Status.PASS for f in findings)
    return Usable(None) if usable.usable and proofs < len(PROOF) * ends else usable


def _usable(against: list[Finding]) -> Usable:
    failed = [f for f in against if f.status is Status.FAIL]
    order = [id_ for ids in RUNGS.values() for id_ in ids]
    blockers = tuple(sorted({f.id for f in failed or against}, key=order.index))
    return Usable(False if failed else None if against else True, blockers)
