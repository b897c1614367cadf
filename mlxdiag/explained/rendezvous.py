"""Texts of the area rendezvous: whether ranks start close enough together to meet."""

from __future__ import annotations

from mlxdiag.explained.entry import Explained

ENTRIES: dict[str, Explained] = {
    "rendezvous-start": Explained(
        detect="Seconds that the host's interpreter took to start and import mlx, on the hosts of"
        " which the inventory names it.",
        steps=(
            "See what is slow: `time ssh HOST PYTHON -c 'import mlx.core'`.",
            "In the script call `mx.distributed.init()` before the model is loaded.",
            "Do not start again and again: each start that fails may keep a protection domain.",
        ),
        risk="None.",
        survives_reboot=True,
        place="here",
        versions="jaccl tries for 15 s, ring for 31 s, in MLX up to 0.32.4",
        sources=("https://github.com/exo-explore/exo/pull/2063",),
    ),
}
