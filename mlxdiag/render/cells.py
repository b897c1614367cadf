"""Cells of the port-pair matrix: what one end of a pair looks like, in a sign and two words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlxdiag.finding import Finding, Status
from mlxdiag.ladder import LinkState
from mlxdiag.ports import Port
from mlxdiag.readings import Gap
from mlxdiag.report import Report

Mark = Literal["good", "bad", "far", "tcp", "bent", "unknown", "none", "self"]

WORDS = {
    "access-reachable": "no ssh",
    "hardware-thunderbolt5": "TB4",
    "versions-macos-rdma": "macOS",
    "cabling-both-ends": "one end",
    "cabling-direct": "dock",
    "cabling-speed": "slow",
    "network-interface-active": "idle",
    "network-bridge": "bridge",
    "network-ipv4": "no IP",
    "network-link-local": "169.254",
    "network-subnet": "subnet",
    "rdma-stack-wedged": "hangs",
    "rdma-enabled": "off",
    "rdma-devices-listed": "no dev",
    "rdma-device": "no dev",
    "rdma-host-ports": "DOWN",
    "rdma-port-active": "DOWN",
    "rdma-far-service": "far off",
    "gid-ipv4-mapped": "no GID",
    "gid-index-1": "GID idx",
    "gid-current-address": "GID old",
}
"""The word for a cause in a cell of a few columns."""

LEGEND: tuple[tuple[Mark, str], ...] = (
    ("good", "RDMA usable at both ends"),
    ("bent", "usable, with a warning"),
    ("bad", "broken at this end"),
    ("far", "fine here, broken at the far end"),
    ("tcp", "TCP only (Thunderbolt 4)"),
    ("unknown", "not known"),
    ("none", "no cable"),
)


@dataclass(frozen=True)
class Cell:
    """One end of a pair as its row's host has it; `port` is its name, `word` the cause in short."""

    mark: Mark
    port: str = ""
    word: str = ""


def cell(report: Report, one: str, other: str) -> Cell:
    """Judge the pair from the first host's side; with several cables the best one speaks."""
    if one == other:
        return Cell("self")
    states = report.between(one, other)
    if not states:
        return Cell("unknown" if _blind(report, one) or _blind(report, other) else "none")
    cells = [end(state, _near(state, one)) for state in states]
    order: list[Mark] = ["good", "bent", "unknown", "far", "bad", "tcp"]
    best = min(cells, key=lambda c: order.index(c.mark))
    return Cell(best.mark, ",".join(c.port for c in cells), best.word)


def end(state: LinkState, port: Port) -> Cell:
    """Judge one cable as one of its ends has it."""
    if state.jaccl.usable:
        bent = [f for end in (port, state.link.other(port)) for f in state.bent(end)]
        word = WORDS.get(bent[0].id, "") if bent else ""
        return Cell("bent" if bent else "good", port.name, word)
    if "hardware-thunderbolt5" in state.jaccl.blockers:
        return Cell("tcp", port.name, WORDS["hardware-thunderbolt5"])
    here, there = state.end(port), state.end(state.link.other(port))
    if here.usable is False:
        failed = [f for f in state.at(port) if f.id in here.blockers and f.status is Status.FAIL]
        roots = [f.root for f in failed]
        own = [root for root in roots if _is_own(root, state, port)]
        if not own:
            return Cell("far", port.name)
        return Cell("bad", port.name, WORDS.get(own[0].id, ""))
    if there.usable is False:
        return Cell("far", port.name)
    return Cell("unknown", port.name)


def _is_own(root: Finding, state: LinkState, port: Port) -> bool:
    """Whether a cause lies at this end: of a link, at both, or at the end that is blind."""
    if root.id == "cabling-both-ends":
        return not state.link.sees(port)
    subject = root.subject
    hosts = {subject.host}
    if subject.kind in ("link", "pair") and subject.far is not None:
        hosts.add(subject.far.host)
    return port.host in hosts


def _near(state: LinkState, host: str) -> Port:
    return state.link.a if state.link.a.host == host else state.link.b


def _blind(report: Report, host: str) -> bool:
    facts = report.cluster.of(host)
    return isinstance(facts.thunderbolt, Gap) or bool(report.cluster.topology.unclear(host))
