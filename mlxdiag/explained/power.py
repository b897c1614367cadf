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
    "power-low": Explained(
        detect="`lowpowermode` and `powermode` of `pmset -g`; 1 is low power.",
        steps=(
            "`sudo pmset -a lowpowermode 0`, or `powermode` where the Mac has that.",
            "Where the Mac has it, `sudo pmset -a powermode 2` asks for the most.",
        ),
        risk="The Mac uses more power and may be louder.",
        survives_reboot=True,
        place="host",
        versions="all",
        sources=("reasoned: a collective waits for its slowest rank",),
    ),
}
