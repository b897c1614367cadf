"""Choose: what is known of a cluster, and a wish -> the plan of a launch, or why none. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from mlxdiag.backends.backend import Backend, Layout, Site
from mlxdiag.inventory import Host
from mlxdiag.probe import fit
from mlxdiag.probe.plan import DEADLINES_S, Plan, Refusal, Settings

AGAINST: Mapping[str, str] = {
    "access-reachable": "not reached",
    "access-answers": "no answer",
    "backend-rank-limit": "too many ranks",
    "cabling-both-ends": "cable seen from one end",
    "cabling-mesh": "no mesh",
    "cabling-peers-listed": "Macs that cannot be told apart, or are not in the inventory",
    "cabling-ring": "no ring",
    "gid-index-1": "IPv4 GID not at index 1",
    "gid-ipv4-mapped": "no IPv4 GID",
    "hardware-thunderbolt5": "no Thunderbolt 5",
    "network-bridge": "port in a bridge",
    "network-interface-active": "interface not active",
    "network-ipv4": "no IPv4 on the port",
    "rdma-device": "no RDMA device",
    "rdma-devices-listed": "no RDMA devices",
    "rdma-enabled": "RDMA is off",
    "rdma-host-ports": "all ports down",
    "rdma-port-active": "not PORT_ACTIVE",
    "rdma-stack-wedged": "RDMA commands do not return",
    "versions-macos-frames": "hosts on two sides of macOS 26.3",
    "versions-macos-rdma": "macOS before 26.2",
    "versions-mlx-jaccl": "no jaccl in the installed mlx",
    "versions-mlx-match": "different mlx versions",
    "versions-mlx-present": "no mlx",
}
"""What stands against a fragile backend, by the check that says so; the others go by their id."""

FORCED = "forced, although {}: a failed init leaks protection domains until the host is restarted"


def on_machine(
    backend: Backend, count: int, host: Host, port: int, nonce: str, settings: Settings
) -> Plan | Refusal:
    """Plan ranks of one machine."""
    made = backend.local(count, host, port, settings.connections)
    return made if isinstance(made, Refusal) else _plan(backend, made, nonce, settings)


def over_site(
    backend: Backend, site: Site, order: Sequence[str], port: int, nonce: str, settings: Settings
) -> Plan | Refusal:
    """Plan one rank per host along `order`; refuse where a host has not what it takes.

    A fragile backend needs proof, and no MLX job beside it; with the site's `force` what stands
    against it is a note, as long as there is something to launch.
    """
    unfit = fit.unfit(backend, site, order)
    if unfit:
        return unfit
    unproven = _unproven(backend, site) if backend.fragile else None
    company = _company(backend, site, order) if backend.fragile else None
    against = [refusal for refusal in (unproven, company) if refusal]
    if against and not site.force:
        return against[0]
    made = backend.lay(site, order, port, settings.connections)
    if isinstance(made, Refusal):
        return replace(made, usable=unproven.usable) if unproven else made
    forced = tuple(FORCED.format(refusal.reason) for refusal in against)
    return _plan(backend, replace(made, notes=(*forced, *made.notes)), nonce, settings)


def asks_company(backend: Backend, site: Site) -> bool:
    """Whether it matters what else runs on the hosts: nothing else stands against the launch."""
    alone = replace(site, beside=dict.fromkeys(site.cluster.topology.hosts, ()))
    trial = over_site(backend, alone, order_of(backend, site), 0, "", Settings())
    return backend.fragile and isinstance(trial, Plan)


def order_of(backend: Backend, site: Site) -> tuple[str, ...]:
    """Give the rank order: that of the recommendation, else the inventory's.

    Forced, a cycle along cables that are not proven comes before the latter.
    """
    choice, hosts = site.choice(backend.name), site.cluster.topology.hosts
    if choice is not None and choice.order:
        return choice.order
    if not (backend.fragile and site.force):
        return hosts
    links = [link for pair in combinations(hosts, 2) for link in site.rdma(*pair)]
    cycle = site.cluster.topology.ring(links).order
    return tuple(hosts[place] for place in cycle) if cycle else hosts


def _plan(backend: Backend, made: Layout, nonce: str, settings: Settings) -> Plan:
    return Plan(
        backend=backend.name,
        mlx_backend=backend.mlx_name,
        ranks=made.ranks,
        nonce=nonce,
        settings=settings,
        wires=made.wires,
        notes=made.notes,
        deadlines_s={**DEADLINES_S, **backend.deadlines_s},
        fragile=backend.fragile,
        launcher=made.launcher,
    )


def _unproven(backend: Backend, site: Site) -> Refusal | None:
    """Say by name what stands against the backend, as far as the facts go."""
    choice = site.choice(backend.name)
    if choice is None or choice.usable:
        return None
    said = [f"{AGAINST.get(b.id, b.id)}: {', '.join(b.subjects)}" for b in choice.blockers]
    return Refusal(backend.name, "; ".join(said) or "not known to work", choice.usable)


def _company(backend: Backend, site: Site, order: Sequence[str]) -> Refusal | None:
    """Name the MLX jobs on the hosts: a second one takes the regions and domains of a device."""
    jobs = [f"{name} ({job})" for name in order for job in site.beside.get(name) or ()]
    if jobs:
        return Refusal(backend.name, f"beside a running MLX job: {', '.join(jobs)}")
    unknown = [name for name in order if site.beside.get(name) is None]
    if unknown:
        reason = f"not known whether an MLX job runs on {', '.join(unknown)}"
        return Refusal(backend.name, reason, usable=None)
    return None
