"""Moment: what all hosts said last -> a report and the topics; what is equal is not read twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mlxdiag import __version__, readings, report
from mlxdiag.capture import Captures
from mlxdiag.facts import vm_stat
from mlxdiag.inventory import Host, Inventory
from mlxdiag.probe import neighbours
from mlxdiag.readings import HostFacts
from mlxdiag.recording import Recording
from mlxdiag.report import Report
from mlxdiag.watch import topics, vitals
from mlxdiag.watch.topics import Seen

BESIDE = frozenset({neighbours.COMMAND.name, vm_stat.COMMAND.name})
"""Commands whose answers change all the time and are in no report."""


@dataclass
class Moments:
    """Reads moment after moment of one cluster. `read` counts the hosts that had to be read."""

    inventory: Inventory
    read: int = 0
    report: Report | None = None
    _facts: dict[str, HostFacts] = field(default_factory=dict)

    def look(
        self, hosts: Mapping[str, Captures], started_at: str, duration_s: float
    ) -> tuple[Report, Seen]:
        """Give the report of now and all that is watched; times are those of the whole watch."""
        fresh = [host for host in self.inventory.hosts if self._take(host, hosts[host.name])]
        if fresh or self.report is None:
            self.report = self._report(started_at, duration_s)
        else:
            self.report = replace(self.report, duration_s=duration_s)
        pattern = self.inventory.server.pattern
        alive = {name: vitals.read(captures, pattern) for name, captures in hosts.items()}
        return self.report, topics.see(self.report, alive)

    def _take(self, host: Host, captures: Captures) -> bool:
        told = {name: one for name, one in captures.items() if name not in BESIDE}
        before = self._facts.get(host.name)
        if before is not None and readings.same(before.captures, told):
            return False
        self._facts[host.name] = readings.read(host, told, before)
        self.read += 1
        return True

    def _report(self, started_at: str, duration_s: float) -> Report:
        told = {name: facts.captures for name, facts in self._facts.items()}
        found = Recording(self.inventory, told, started_at, duration_s, __version__)
        return report.build(found, "watch", __version__, early=self._facts)
