"""All that is said of checks at length, by id; a file per area or part of one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from mlxdiag.explained import (
    access,
    backend,
    bridges,
    cabling,
    crashes,
    environment,
    further,
    hang,
    hostfile,
    hosts,
    login,
    network,
    power,
    probes,
    rdma,
    rendezvous,
    resources,
    routes,
    runtimes,
    server,
    versions,
)
from mlxdiag.explained.entry import Explained

PARTS: tuple[Mapping[str, Explained], ...] = (
    access.ENTRIES,
    login.ENTRIES,
    versions.ENTRIES,
    runtimes.ENTRIES,
    environment.ENTRIES,
    cabling.ENTRIES,
    network.ENTRIES,
    hosts.ENTRIES,
    bridges.ENTRIES,
    routes.ENTRIES,
    rdma.ENTRIES,
    further.ENTRIES,
    resources.ENTRIES,
    power.ENTRIES,
    rendezvous.ENTRIES,
    crashes.ENTRIES,
    backend.ENTRIES,
    hostfile.ENTRIES,
    probes.ENTRIES,
    server.ENTRIES,
    hang.ENTRIES,
)


@cache
def entries() -> Mapping[str, Explained]:
    """Give all entries by check id."""
    return {id_: entry for part in PARTS for id_, entry in part.items()}
