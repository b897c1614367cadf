"""Cluster: inventory, facts and topology of one moment: all that a check can see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mlxdiag import topology as topologies
from mlxdiag.capture import Captures
from mlxdiag.inventory import Host, Inventory
from mlxdiag.ports import thunderbolt5
from mlxdiag.readings import HostFacts, read
from mlxdiag.topology import Topology

if TYPE_CHECKING:
    from mlxdiag.survey import HostSurvey


@dataclass(frozen=True)
class Cluster:
    """Everything established about the hosts, in inventory order."""

    inventory: Inventory
    facts: tuple[HostFacts, ...]
    topology: Topology

    @cached_property
    def _by_name(self) -> Mapping[str, HostFacts]:
        return {facts.host.name: facts for facts in self.facts}

    @cached_property
    def _generation(self) -> Mapping[str, bool | None]:
        ports = self.topology.ports
        return {f.host.name: thunderbolt5(f, ports[f.host.name]) for f in self.facts}

    def of(self, host: str) -> HostFacts:
        """Return the facts of one host by name."""
        return self._by_name[host]

    @cached_property
    def _surveys(self) -> Mapping[str, HostSurvey]:
        from mlxdiag.survey import read as surveyed  # noqa: PLC0415  # `ports` does without

        return {facts.host.name: surveyed(facts) for facts in self.facts}

    def survey(self, host: str) -> HostSurvey:
        """Return what one host said to the further commands, which only `mlxdiag check` asks."""
        return self._surveys[host]

    def thunderbolt5(self, host: str) -> bool | None:
        """Whether a host has Thunderbolt 5, without which it has no RDMA; None if not known."""
        return self._generation[host]


def build(
    inventory: Inventory, hosts: Mapping[str, Captures], early: Mapping[str, HostFacts] = {}
) -> Cluster:
    """Read what every host said and join it; `early` are facts that were read before."""
    facts = tuple(_facts(host, hosts.get(host.name, {}), early) for host in inventory.hosts)
    return Cluster(inventory, facts, topologies.build(facts))


def _facts(host: Host, captures: Captures, early: Mapping[str, HostFacts]) -> HostFacts:
    """Take early facts only where they are of this host and these captures."""
    facts = early.get(host.name)
    if facts is not None and facts.captures is captures and facts.host is host:
        return facts
    return read(host, captures)
