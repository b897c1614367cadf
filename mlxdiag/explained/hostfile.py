"""Texts of the area hostfile."""

from __future__ import annotations

from mlxdiag.explained.access import DOCS
from mlxdiag.explained.entry import Explained


def _entry(detect: str, versions: str, *sources: str, last: str = "") -> Explained:
    """Make the entry of a check whose fix is the corrected file."""
    steps = (
        "`mlxdiag hostfile check FILE` shows the correction as a diff.",
        "`mlxdiag hostfile check FILE --write` puts it in place.",
    )
    return Explained(
        detect=detect,
        steps=(*steps, last) if last else steps,
        risk="None for what runs: mlx.launch reads the file at the start.",
        survives_reboot=True,
        place="here",
        versions=versions,
        sources=sources or (DOCS,),
    )


_LAUNCH = "MLX's source: python/mlx/_distributed_utils/launch.py"

ENTRIES: dict[str, Explained] = {
    "hostfile-backend": _entry(
        "The key `backend` of the file's object form.", "MLX 0.30.6 and later", _LAUNCH
    ),
    "hostfile-hosts": _entry(
        "`ssh` of each entry, as ssh's configuration resolves it, beside the hosts.", "all"
    ),
    "hostfile-all-hosts": _entry("The hosts of the inventory beside the entries.", "all"),
    "hostfile-envs": _entry(
        "The names under `envs`: what a shell can export, and no JACCL_*, which goes before the"
        " MLX_* that mlx.launch sets.",
        "MLX 0.30.6 and later; JACCL_* from 0.31.2 on",
        _LAUNCH,
        "https://github.com/ml-explore/mlx/pull/3412",
    ),
    "hostfile-size": _entry(
        "The number of ranks, of wires of each pair and of addresses of each entry.",
        "mesh: 8 ranks; ring: 4 wires",
        "https://github.com/ml-explore/mlx/pull/4284",
    ),
    "hostfile-rows": _entry(
        "The length of each row, and null on the diagonal.",
        "all with jaccl",
        "https://github.com/ml-explore/mlx/issues/4040",
    ),
    "hostfile-device": _entry(
        "Each cell beside `ibv_devices` of the row's host.",
        "before 0.32.1 a missing device is a crash",
        "https://github.com/ml-explore/mlx/pull/4180",
        "https://github.com/ml-explore/mlx/issues/4283",
    ),
    "hostfile-wiring": _entry(
        "The cable at each device, by the domain UUIDs of both ends, beside the cell's rank.",
        "all with jaccl",
        "https://github.com/ml-explore/mlx/pull/4530",
        last="Or move the cable, if the file is as you mean it to be.",
    ),
    "hostfile-pairs": _entry(
        "Cells [i][j] and [j][i]: the two ends of the same cables in the same order.",
        "all with jaccl",
        "https://github.com/exo-explore/exo/pull/2160",
    ),
    "hostfile-ips": _entry(
        "Each address beside `ifconfig -a` of its host; IPv4 alone, as MLX has no IPv6.",
        "all",
        "https://github.com/ml-explore/mlx/issues/3207",
    ),
    "hostfile-reach": _entry(
        "The networks of the ranks that call an address, and of the one that holds it.",
        "all",
        "https://github.com/ml-explore/mlx/issues/1903",
    ),
}
