"""Choose: a cluster and a wish -> the plan of a launch, or why there is none. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from mlxdiag.backends import ring
from mlxdiag.cluster import Cluster
from mlxdiag.inventory import Host
from mlxdiag.ladder import LinkState
from mlxdiag.probe.plan import Plan, Settings
from mlxdiag.readings import Gap


@dataclass(frozen=True)
class Refusal:
    """Why a backend is not launched: nothing was started."""

    backend: str
    reason: str


def local_ring(count: int, host: Host, port: int, nonce: str, settings: Settings) -> Plan:
    """Plan ranks of this machine on its loopback."""
    note = "loopback: correctness and hangs are tested, speed is that of this machine"
    return Plan("ring", ring.MLX_BACKEND, ring.local(count, host, port), nonce, settings, (note,))


def ring_of(
    cluster: Cluster,
    states: Sequence[LinkState],
    order: Sequence[str],
    port: int,
    nonce: str,
    settings: Settings,
) -> Plan | Refusal:
    """Plan a ring along `order`: over the cables between neighbours, or over the LAN for all."""
    lacking = [name for name in order if _mlx(cluster, name) is None]
    if lacking:
        return Refusal("ring", f"no mlx known on {', '.join(lacking)}")
    versions = {_mlx(cluster, name) for name in order}
    if len(versions) > 1:
        return Refusal("ring", f"different mlx versions: {', '.join(sorted(map(str, versions)))}")
    cabled = [_cable_address(states, order, index) for index in range(len(order))]
    notes: tuple[str, ...] = ()
    addresses = [[address] for address in cabled if address]
    if len(addresses) < len(order):
        lan = {name: _lan_address(cluster, name) for name in order}
        without = [name for name, address in lan.items() if address is None]
        if without:
            return Refusal("ring", f"no IPv4 address of {', '.join(without)}")
        addresses = [[str(lan[name])] for name in order]
        notes = ("over LAN addresses: not every pair of neighbours has a cable with IPv4",)
    hosts = [cluster.of(name).host for name in order]
    planned = ring.ranks(hosts, addresses, port)
    return Plan("ring", ring.MLX_BACKEND, planned, nonce, settings, notes)


def _mlx(cluster: Cluster, name: str) -> str | None:
    fact = cluster.of(name).mlx_runtime
    return None if isinstance(fact, Gap) else fact.mlx


def _cable_address(states: Sequence[LinkState], order: Sequence[str], index: int) -> str | None:
    """Where rank `index` listens: its own address on the cable to the rank before it."""
    me, before = order[index], order[index - 1]
    for state in states:
        if state.ring.usable and set(state.link.hosts) == {me, before}:
            end = state.link.a if state.link.a.host == me else state.link.b
            return end.ipv4[0].partition("/")[0]
    return None


def _lan_address(cluster: Cluster, name: str) -> str | None:
    facts = cluster.of(name)
    if facts.host.ip:
        return facts.host.ip
    if isinstance(facts.ifconfig, Gap):
        return None
    found = (
        address.address
        for interface in facts.ifconfig.interfaces
        if interface.name.startswith("en")
        for address in interface.ipv4
    )
    usable = (a for a in found if not IPv4Address(a).is_link_local)
    return next(usable, None)
