"""Changes: what became of a topic -> an event, in the words of its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from mlxdiag.watch.topics import FREE, GONE, HANGS, LEAKED, NO_ADDRESS, Topic

Kind = Literal[
    "host-unreachable", "host-back", "host-rebooted", "port-down", "port-up", "port-changed",
    "cable-gone", "cable-new", "speed-changed", "bridge-back", "bridge-left", "address-changed",
    "rank-started", "rank-died", "memory-wired", "memory-freed", "rdma-hangs", "rdma-answers",
    "rdma-switch", "software-changed", "link-changed",
]  # fmt: skip

ACTIVE = "PORT_ACTIVE"
UP = "up"
SAME_BOOT_S = 60
"""macOS moves a boot time with its clock; no host is back within this time of one."""

HOST_KINDS: frozenset[Kind] = frozenset(
    {"host-unreachable", "host-back", "host-rebooted", "rdma-hangs", "rdma-answers",
     "rdma-switch", "software-changed"}
)  # fmt: skip
"""Kinds that explain what becomes of every link of a host."""

DOWNS: frozenset[Kind] = frozenset(
    {"host-unreachable", "host-rebooted", "port-down", "cable-gone", "bridge-back", "rank-died",
     "memory-wired", "rdma-hangs"}
)  # fmt: skip
"""Kinds that are counted as flaps: how often it was lost."""


@dataclass(frozen=True)
class Event:
    """One change. `before` is the last value that was known, `last_seen` when it was seen last.

    `at` and `last_seen` are UTC, ISO 8601 with a Z: it changed between the two. `flaps` counts how
    often the subject was lost since the watch began, this time included.
    """

    at: str
    kind: Kind
    subject: str
    before: str
    after: str
    last_seen: str
    hosts: tuple[str, ...]
    flaps: int = 0

    @property
    def text(self) -> str:
        """Say it in one line, without the time."""
        again = f", {self.flaps} times now" if self.kind in DOWNS and self.flaps > 1 else ""
        return f"{self.subject}: {self.kind}: {self.before} -> {self.after}{again}"


def kind_of(topic: Topic, before: str, after: str) -> Kind | None:
    """Name the change of a topic; None for one that is no event."""
    return _KINDS[topic.what](before, after) if topic.what in _KINDS else None


def _reachable(before: str, after: str) -> Kind | None:
    """Another reason not to answer is no news."""
    if UP not in (before, after):
        return None
    return "host-back" if after == UP else "host-unreachable"


def _boot(before: str, after: str) -> Kind | None:
    return "host-rebooted" if abs(int(after) - int(before)) > SAME_BOOT_S else None


def _port(before: str, after: str) -> Kind | None:
    if ACTIVE not in (before, after):
        return "port-changed"
    return "port-up" if after == ACTIVE else "port-down"


def _rank(before: str, after: str) -> Kind | None:
    """Other arguments of one process are no news: a launcher becomes what it launches."""
    return "rank-died" if after == GONE else "rank-started" if before == GONE else None


_KINDS: Mapping[str, Callable[[str, str], Kind | None]] = {
    "reachable": _reachable,
    "boot": _boot,
    "port": _port,
    "cable": lambda _, after: "cable-gone" if after == GONE else "cable-new",
    "bridge": lambda _, after: "bridge-left" if after == FREE else "bridge-back",
    "rank": _rank,
    "verbs": lambda _, after: "rdma-hangs" if after == HANGS else "rdma-answers",
    "memory": lambda _, after: "memory-wired" if after == LEAKED else "memory-freed",
    "speed": lambda *_: "speed-changed",
    "address": lambda *_: "address-changed",
    "rdma switch": lambda *_: "rdma-switch",
    "macOS": lambda *_: "software-changed",
    "MLX": lambda *_: "software-changed",
    "link": lambda *_: "link-changed",
}
"""Topic -> what its change is called."""


def rounds_to_settle(topic: Topic, after: str) -> int:
    """Say how many moments in a row must show a value before it counts.

    A rank that ends frees its memory a moment later; an interface that comes up asks for its
    address first; a link follows from its ends, which may have been asked a moment apart.
    """
    if topic.what in ("memory", "link") or (topic.what == "address" and after == NO_ADDRESS):
        return 2
    return 1
