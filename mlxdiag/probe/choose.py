"""Choose: what is known of a cluster, and a wish -> the plan of a launch, or why none. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from mlxdiag.backends.backend import Backend, Layout, Site
from mlxdiag.inventory import Host
from mlxdiag.probe import fit
from mlxdiag.probe.plan import DEADLINES_S, Plan, Refusal, Settings


def on_machine(
    backend: Backend, count: int, host: Host, port: int, nonce: str, settings: Settings
) -> Plan | Refusal:
    """Plan ranks of one machine."""
    made = backend.local(count, host, port, settings.connections)
    return made if isinstance(made, Refusal) else _plan(backend, made, nonce, settings)


def over_site(
    backend: Backend, site: Site, order: Sequence[str], port: int, nonce: str, settings: Settings
) -> Plan | Refusal:
    """Plan one rank per host along `order`; refuse where a host has not what it takes."""
    unfit = fit.unfit(backend, site, order)
    if unfit:
        return unfit
    made = backend.lay(site, order, port, settings.connections)
    return made if isinstance(made, Refusal) else _plan(backend, made, nonce, settings)


def order_of(backend: Backend, site: Site) -> tuple[str, ...]:
    """Give the rank order: that of the recommendation, else the inventory's."""
    choice = site.choice(backend.name)
    return (choice.order if choice else ()) or site.cluster.topology.hosts


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
    )
