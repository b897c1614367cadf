"""Texts of the area power."""

from __future__ import annotations

from mlxdiag.explained.entry import Explained

ENTRIES: dict[str, Explained] = {
    "power-sleep": Explained(
        detect="`sleep` of `pmset -g`: minutes until the system sleeps, 0 for never.",
        steps=(
            "`sudo pmset -a sleep 0 disksleep 0 standby 0 powernap 0`.",
            "For one night only: `caffeinate -dims` beside the server.",
            "It has slept already and RDMA fails now: restart the host.",
        ),
        risk="The Mac uses power while idle.",
        survives_reboot=True,
        place="host",
        versions="all; several reports of RDMA that fails after sleep or a long idle time",
        sources=(
            "https://github.com/exo-explore/exo/issues/1973",
            "https://github.com/exo-explore/exo/issues/1847",
        ),
    ),
}
