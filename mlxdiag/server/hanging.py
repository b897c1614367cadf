"""Hanging: the one place where a look at a server meets `mlxdiag hang`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mlxdiag.inventory import Inventory
from mlxdiag.recording import Recording
from mlxdiag.server.record import Examined

if TYPE_CHECKING:
    from mlxdiag.hang.verdict import Hang

Show = Callable[[str], None]


def look(inventory: Inventory, left_s: float | None, show: Show) -> Recording | Examined:
    """Look at the ranks on the hosts of an inventory, or say why nobody did."""
    if not inventory.hosts:
        return Examined("whose ranks these are is not known: no inventory names the hosts")
    from mlxdiag.hang.command import examine  # noqa: PLC0415  # a replay asks nobody

    return examine(inventory, timeout_s=left_s, say=show)


def concluded(recording: Recording) -> Examined | None:
    """Give what the look at the ranks came to; None where there was none."""
    if recording.hang is None:
        return recording.server.hang if recording.server else None
    from mlxdiag.hang.judge import judge  # noqa: PLC0415  # most looks at a server see no hang

    found = judge(recording)
    todo = found.verdicts[0].todo if found.verdicts else ""
    return Examined(found.said, tuple(_lines(found)), todo)


def _lines(found: Hang) -> list[str]:
    said = [verdict.text for verdict in found.verdicts if verdict.text != found.said]
    return [*said, *(f"{row.label} (pid {row.pid}): {row.where[-1]}" for row in found.ranks)]
