"""Texts of the area crashes."""

from __future__ import annotations

from mlxdiag.explained.entry import Explained

_NAMES = (
    "Names of files in /Library/Logs/DiagnosticReports and ~/Library/Logs/DiagnosticReports; the"
    " time in a name is held against kern.boottime. Of what is in them only words are looked for"
    " that say what it died of, such as tbt_post_recv or completeMemory."
)

ENTRIES: dict[str, Explained] = {
    "crashes-panic": Explained(
        detect=_NAMES + " Where that folder may be listed by root alone, the check is skipped.",
        steps=(
            "Read its head: `sudo head -c 2000 /Library/Logs/DiagnosticReports/NAME.panic`.",
            "IOGPU or watchdogd in it: lower `iogpu.wired_limit_mb`, and bound the KV cache.",
            "AppleThunderboltRDMA in it: fewer starts and ends of jobs; report it to Apple.",
        ),
        risk="None: nothing is changed.",
        survives_reboot=None,
        place="host",
        versions="all",
        sources=(
            "https://github.com/ml-explore/mlx/issues/3186",
            "https://github.com/ml-explore/mlx/issues/3346",
            "https://github.com/ml-explore/mlx-lm/issues/883",
            "https://github.com/exo-explore/exo/issues/1972",
        ),
    ),
    "crashes-ranks": Explained(
        detect=_NAMES
        + " Information for any Python, a warning where MLX or RDMA is in the report or in the"
        " program's name.",
        steps=(
            "Look for the frame: `grep -l tbt_post_recv ~/Library/Logs/DiagnosticReports/*.ips`.",
            "It is there: reseat the cables of this host and start all ranks again.",
            "ibv_reg_mr is there: the hostfile names a device that the host has not.",
            "It is of another program: silence this check, or take the file away.",
        ),
        risk="None: nothing is changed.",
        survives_reboot=None,
        place="host",
        versions="all",
        sources=(
            "https://github.com/ml-explore/mlx/issues/4192",
            "https://github.com/ml-explore/mlx/issues/4319",
        ),
    ),
    "crashes-memory": Explained(
        detect=_NAMES + " Where that folder may be listed by root alone, the check is skipped. The"
        " name does not say whose process was ended: it is information.",
        steps=(
            "See who was ended: `sudo grep -m1 largestProcess"
            " /Library/Logs/DiagnosticReports/JetsamEvent-*.ips`.",
            "Look at what is wired now: `vm_stat | grep wired`.",
            "Give this host a smaller part of the model, or a shorter context.",
        ),
        risk="None: nothing is changed.",
        survives_reboot=None,
        place="host",
        versions="all",
        sources=(
            "https://github.com/jundot/omlx/issues/2184",
            "https://github.com/jundot/omlx/issues/2855",
        ),
    ),
}
