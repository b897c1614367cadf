"""Hanging: the one place where a look at a server meets `mlxdiag hang`."""

from __future__ import annotations

from mlxdiag.inventory import Inventory
from mlxdiag.server.record import Examined


def examined(inventory: Inventory, left_s: float | None) -> Examined:
    """Look at the ranks of the inventory's hosts, within `left_s`; say what came of it."""
    if not inventory.hosts:
        return Examined("whose ranks these are is not known: no inventory names the hosts")
    del left_s
    return Examined("the ranks were not looked at")
