"""Hanging: the one place where a look at a server meets `mlxdiag hang`."""

from __future__ import annotations

from collections.abc import Callable

from mlxdiag.inventory import Inventory
from mlxdiag.recording import Recording
from mlxdiag.server.record import Examined

Show = Callable[[str], None]


def look(inventory: Inventory, left_s: float | None, show: Show) -> Recording | Examined:
    """Look at the ranks on the hosts of an inventory, or say why nobody did."""
    del left_s, show
    if not inventory.hosts:
        return Examined("whose ranks these are is not known: no inventory names the hosts")
    return Examined("the ranks were not looked at: `mlxdiag hang` says where each of them is")


def concluded(recording: Recording) -> Examined | None:
    """Give what the look at the ranks came to; None where there was none."""
    return recording.server.hang if recording.server else None
