"""All checks about facts: those of `ports`, and the further ones that `mlxdiag check` asks."""

from __future__ import annotations

from typing import Any

from mlxdiag import checks
from mlxdiag.checks import (
    answers,
    bridging,
    bugs,
    crashes,
    enough,
    environment,
    firewall,
    gidmatch,
    identity,
    login,
    memory,
    power,
    processes,
    rendezvous,
    routing,
    runtimes,
    standing,
    subnets,
)
from mlxdiag.finding import Asked

FURTHER: dict[str, tuple[Asked[Any], ...]] = {
    "access": (*answers.CHECKS, *login.CHECKS),
    "versions": (*runtimes.CHECKS, *bugs.CHECKS),
    "environment": environment.CHECKS,
    "hardware": enough.HARDWARE,
    "cabling": enough.CABLING,
    "network": (
        *identity.CHECKS,
        *standing.CHECKS,
        *bridging.CHECKS,
        *subnets.CHECKS,
        *routing.CHECKS,
        *standing.LATER,
        *bridging.LATER,
        *firewall.CHECKS,
    ),
    "rdma": gidmatch.RDMA,
    "gid": gidmatch.GID,
    "resources": (*processes.CHECKS, *memory.CHECKS),
    "power": power.CHECKS,
    "rendezvous": rendezvous.CHECKS,
    "crashes": crashes.CHECKS,
}
"""What `ports` does not ask, by area."""

AREAS: dict[str, tuple[Asked[Any], ...]] = {
    area: (*checks.AREAS.get(area, ()), *FURTHER.get(area, ()))
    for area in (
        "access",
        "versions",
        "environment",
        "hardware",
        "cabling",
        "network",
        "rdma",
        "gid",
        "resources",
        "power",
        "rendezvous",
        "crashes",
    )
}
"""Areas in causal order, those of `ports` and the further ones together."""

CHECKS: tuple[Asked[Any], ...] = tuple(check for area in AREAS.values() for check in area)
