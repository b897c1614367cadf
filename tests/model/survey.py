"""Print what healthy Macs say to the further commands of `mlxdiag check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.model.printed import Printed

if TYPE_CHECKING:
    from tests.model.cluster import ModelCluster
    from tests.model.machine import Mac

SECONDS = {"pmset": 0.02}
"""Further commands in the order they are asked, with how long each takes."""


def survey(cluster: ModelCluster, mac: Mac) -> dict[str, Printed]:
    """Return what the Mac prints by command."""
    del cluster, mac
    return {"pmset": pmset()}


def pmset(sleep: str = "0") -> Printed:
    settings = {
        "Sleep On Power Button": "1",
        "autorestart": "1",
        "powernap": "0",
        "standby": "0",
        "networkoversleep": "0",
        "disksleep": "0",
        "sleep": sleep,
        "ttyskeepawake": "1",
        "displaysleep": "10",
        "tcpkeepalive": "1",
        "powermode": "0",
        "womp": "1",
    }
    lines = "".join(f" {key:<20} {value}\n" for key, value in settings.items())
    return Printed(f"System-wide power settings:\nCurrently in use:\n{lines}".encode())
