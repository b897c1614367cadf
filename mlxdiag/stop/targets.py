"""Targets: which processes of a host are the user's server, and which only look like it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mlxdiag import processes
from mlxdiag.capture import Captures
from mlxdiag.facts import proc_stat, ps
from mlxdiag.facts.ps import Process
from mlxdiag.hang.rounds import of
from mlxdiag.keys import masked
from mlxdiag.readings import Gap, fact_of
from mlxdiag.stop.signals import Named


@dataclass(frozen=True)
class Target:
    """One process to be stopped. `launcher`: mlx.launch, which ends by itself after its ranks."""

    host: str
    process: Process
    named: Named
    launcher: bool = False

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    @property
    def command(self) -> str:
        """Its command line, without what looks like a key."""
        return masked(self.process.arguments.encode()).decode()


@dataclass(frozen=True)
class Population:
    """What runs on a host: the targets, what they have started beside them, and all there is."""

    host: str
    targets: tuple[Target, ...]
    started: tuple[Target, ...]
    running: frozenset[Named]


def population(
    host: str, captures: Captures, look: str, pattern: re.Pattern[str]
) -> Population | Gap:
    """Read a listing; nothing that mlxdiag itself runs from is among the targets."""
    listed = fact_of(host, captures, of(look, ps.COMMAND.name), ps.parse, ps.parse_failure)
    if isinstance(listed, Gap):
        return listed
    stats = fact_of(host, captures, of(look, proc_stat.COMMAND.name), proc_stat.parse)
    ticks = {} if isinstance(stats, Gap) else {stat.pid: str(stat.began) for stat in stats}
    ours = _ours(listed)

    def target(process: Process, *, launcher: bool = False) -> Target:
        began = ticks.get(process.pid, process.began)
        return Target(host, process, Named(process.pid, began), launcher)

    own = [p for p in listed if p.pid not in ours]
    met = [target(p) for p in own if processes.met(p, pattern)]
    launch = [target(p, launcher=True) for p in own if _launches(p, pattern)]
    below = processes.descendants([t.pid for t in met], listed)
    started = tuple(target(p) for p in own if p.pid in below and p.state != "Z")
    running = frozenset(target(p).named for p in listed if p.state != "Z")
    return Population(host, (*met, *launch), started, running)


def _launches(process: Process, pattern: re.Pattern[str]) -> bool:
    around = not processes.is_launcher(process) or process.state == "Z"
    return not around and pattern.search(process.arguments) is not None


def _ours(listed: Sequence[Process]) -> set[int]:
    """Name all mlxdiags, and what this very listing comes from: its ps, and all above that.

    Above another mlxdiag may be the server itself, should it look at its cluster.
    """
    asking = " ".join(ps.COMMAND.argv)
    parents = {p.pid: p.parent for p in listed}
    asks = [p.pid for p in listed if p.arguments == asking]
    above = {pid for one in asks for pid in (one, *processes.ancestors(one, parents))}
    return above | {p.pid for p in listed if processes.is_ours(p)}
