"""All checks about facts: those of `ports`, and the further ones that `mlxdiag check` asks."""

from __future__ import annotations

from typing import Any

from mlxdiag import checks
from mlxdiag.checks import (
    answers,
    bridging,
    enough,
    firewall,
    gidmatch,
    identity,
    power,
    routing,
    standing,
    subnets,
)
from mlxdiag.finding import Check

FURTHER: dict[str, tuple[Check[Any], ...]] = {
    "access": answers.CHECKS,
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
    "power": power.CHECKS,
}
"""What `ports` does not ask, by area."""

AREAS: dict[str, tuple[Check[Any], ...]] = {
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

CHECKS: tuple[Check[Any], ...] = tuple(check for area in AREAS.values() for check in area)
