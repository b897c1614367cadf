"""All checks in causal order, and the runner: cluster -> findings, one per check and subject."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlxdiag.checks import access, cabling, gid, hardware, network, rdma, versions
from mlxdiag.checks.subject import End, Pair, expected_pairs
from mlxdiag.cluster import Cluster
from mlxdiag.errors import LeftOut, MissingFact
from mlxdiag.finding import (
    Asked,
    Check,
    Evidence,
    Finding,
    Severity,
    SkipCheck,
    Status,
    Subject,
    link_subject,
    port_subject,
)
from mlxdiag.readings import HostFacts
from mlxdiag.topology import Link

AREAS = {
    "access": access.CHECKS,
    "versions": versions.CHECKS,
    "hardware": hardware.CHECKS,
    "cabling": cabling.CHECKS,
    "network": network.CHECKS,
    "rdma": rdma.CHECKS,
    "gid": gid.CHECKS,
}
CHECKS: tuple[Asked[Any], ...] = tuple(check for area in AREAS.values() for check in area)
RDMA_ONLY = frozenset(
    {
        "versions-macos-rdma",
        "versions-macos-buffers",
        "versions-macos-frames",
        "versions-macos-match",
        "versions-mlx-jaccl",
        "versions-mlx-frames",
        "versions-mlx-races",
        "versions-mlx-gid",
        "versions-mlx-first-send",
        "resources-domains",
        "resources-rdma-users",
        "hardware-port-beside-ethernet",
        "cabling-direct",
        "cabling-speed",
        "network-bridge",
        "network-bridge-stored",
    }
)
"""Checks outside the areas rdma and gid that only RDMA cares about."""
RETIRED: frozenset[str] = frozenset()
"""Ids that were in use once: never given to another check."""


Key = tuple[object, ...]
Found = Mapping[Key, Finding]
"""Findings so far, by check id, host, receptacle, and the far end's for links and pairs."""


def run(cluster: Cluster, checks: Sequence[Asked[Any]] = CHECKS) -> tuple[Finding, ...]:
    """Ask every check about each of its subjects; nothing a check raises is lost."""
    things = _things(cluster)
    subjects = {per: [(thing, _subject(thing)) for thing in things[per]] for per in things}
    found: dict[Key, Finding] = {}
    for check in checks:
        for thing, subject in subjects[check.per]:
            found[_key(check.id, subject)] = _ask(check, cluster, thing, subject, found)
    return tuple(found.values())


def _things(cluster: Cluster) -> Mapping[str, list[Any]]:
    links = cluster.topology.links
    ends = {(p.host, p.receptacle): End(link, p) for link in links for p in link.ends}
    ports = [p for group in cluster.topology.ports.values() for p in group]
    return {
        "host": list(cluster.facts),
        "port": [ends[p.host, p.receptacle] for p in ports if (p.host, p.receptacle) in ends],
        "link": list(links),
        "pair": list(expected_pairs(cluster.inventory.expect, cluster.topology.hosts)),
        "cluster": [cluster],
    }


def _ask(
    check: Asked[Any], cluster: Cluster, thing: object, subject: Subject, found: Found
) -> Finding:
    lowered = lowered_for(check, cluster.inventory.expect.backend)
    try:
        evidence = check.ask(cluster, thing)
    except SkipCheck as skip:
        return Finding(check, subject, Status.SKIP, reason=str(skip), lowered=lowered)
    except LeftOut as gap:
        return Finding(check, subject, Status.SKIP, reason=gap.reason, lowered=lowered)
    except MissingFact as gap:
        said = Evidence(gap.source, gap.reason, check.title)
        cause = _cause(check, subject, Status.UNKNOWN, found) or _silence(gap, found)
        return Finding(check, subject, Status.UNKNOWN, said, "", cause, lowered)
    if evidence is None:
        return Finding(check, subject, Status.PASS, lowered=lowered)
    status = Status.UNKNOWN if evidence.unknown else Status.FAIL
    cause = _cause(check, subject, status, found)
    return Finding(check, subject, status, evidence, "", cause, lowered or evidence.severity)


def _silence(gap: MissingFact, found: Found) -> Finding | None:
    """Trace a missing fact to its host: it was not reached, or a command of it did not answer."""
    ids = ["access-reachable", "access-answers", "access-further-answers"]
    if gap.source == "mlx_runtime":
        ids[1:] = ["versions-mlx-present", "access-answers"]
    for id_ in ids:
        cause = found.get((id_, gap.host, None))
        if cause is not None and cause.status is Status.UNKNOWN:
            return cause
    return None


def lowered_for(check: Check, backend: str | None) -> Severity | None:
    """Where a backend over TCP is asked for, RDMA is information, not a fault."""
    if backend not in ("ring", "mpi"):
        return None
    if check.area in ("rdma", "gid") or check.id in RDMA_ONLY:
        return Severity.INFO
    of_cable = check.area == "network" and check.per in ("port", "link")
    lower = of_cable and check.severity is Severity.ERROR
    return Severity.WARNING if lower else None


def _subject(thing: object) -> Subject:
    match thing:
        case HostFacts():
            return Subject("host", thing.host.name)
        case End():
            return port_subject(thing.port, thing.far)
        case Link():
            return link_subject(thing)
        case Pair():
            return Subject("pair", thing.a, far=Subject("host", thing.b))
    return Subject("cluster")


def _key(id: str, subject: Subject) -> Key:  # noqa: A002
    far = subject.far if subject.kind in ("link", "pair") else None
    where = (far.host, far.receptacle) if far else ()
    return (id, subject.host, subject.receptacle, *where)


def _cause(check: Check, subject: Subject, status: Status, found: Found) -> Finding | None:
    """Find the first of what the check needs that is not as it should be.

    A failure follows from a failure only: that something is unknown does not explain it.
    """
    enough = {Status.FAIL, status}
    for need in check.needs:
        for key in _places(need, subject):
            cause = found.get(key)
            if cause is not None and cause.status in enough:
                return cause
    return None


def _places(need: str, subject: Subject) -> Iterator[Key]:
    """Name where a needed check would have been asked: the port, its link, its host."""
    id_, sides = need.removeprefix("far:"), [subject]
    if subject.far is not None:
        sides = [subject.far] if need.startswith("far:") else [subject]
        if subject.kind in ("link", "pair"):
            sides = [subject, subject.far]
        one, other = subject, subject.far
        yield (id_, one.host, one.receptacle, other.host, other.receptacle)
        yield (id_, other.host, other.receptacle, one.host, one.receptacle)
    for side in sides:
        yield (id_, side.host, side.receptacle)
        yield (id_, side.host, None)


__all__ = ["AREAS", "CHECKS", "RETIRED", "lowered_for", "run"]
