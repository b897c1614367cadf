"""Cluster: inventory, facts and topology of one moment: all that a check can see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from mlxdiag import topology as topologies
from mlxdiag.capture import Captures
from mlxdiag.inventory import Inventory
from mlxdiag.ports import thunderbolt5
from mlxdiag.readings import HostFacts, read
from mlxdiag.topology import Topology


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
        return {facts.host.name: thunderbolt5(facts) for facts in self.facts}

    def of(self, host: str) -> HostFacts:
        """Return the facts of one host by name."""
        return self._by_name[host]

    def thunderbolt5(self, host: str) -> bool | None:
        """Whether a host has Thunderbolt 5, without which it has no RDMA; None if not known."""
        return self._generation[host]


def build(inventory: Inventory, hosts: Mapping[str, Captures]) -> Cluster:
    """Read what every host said and join it."""
    facts = tuple(read(host, hosts.get(host.name, {})) for host in inventory.hosts)
    return Cluster(inventory, facts, topologies.build(facts))
