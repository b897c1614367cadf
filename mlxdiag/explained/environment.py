"""Texts of the area environment."""

from __future__ import annotations

from mlxdiag.explained.entry import Explained

_ASKED = (
    "awk, in the session of mlxdiag: the environment that ssh gives a command without a terminal,"
    " as mlx.launch starts its ranks. No other variable leaves the host."
)
_UNSET = (
    "Find it: `ssh HOST 'grep -n NAME ~/.zshenv ~/.ssh/environment /etc/zshenv'`.",
    "Take the line out; for one launch give the variable with `mlx.launch --env NAME=VALUE`.",
    "See that it has gone: `ssh HOST env`.",
)
_KEPT = "Whatever else relied on the variable is without it; processes that run keep theirs."

ENTRIES: dict[str, Explained] = {
    "environment-leftovers": Explained(
        detect=_ASKED,
        steps=_UNSET,
        risk=_KEPT,
        survives_reboot=True,
        place="host",
        versions="JACCL_* from MLX 0.31.2 on, MLX_* of all",
        sources=("https://github.com/ml-explore/mlx/issues/3442",),
    ),
    "environment-fast-synch": Explained(
        detect=_ASKED,
        steps=(
            "Decide: without it inference over RDMA may be several times slower; with it a lost"
            " peer or work on two streams can wedge the GPU until a restart.",
            *_UNSET,
        ),
        risk="Tokens per second may fall.",
        survives_reboot=True,
        place="host",
        versions="the documentation asks for it up to MLX 0.32.0, and against it from 0.32.1 on",
        sources=(
            "https://github.com/ml-explore/mlx/issues/3142",
            "https://github.com/ml-explore/mlx/issues/3830",
            "https://github.com/ml-explore/mlx/pull/4005",
        ),
    ),
    "environment-match": Explained(
        detect=_ASKED + " Compared are MLX_* and JACCL_* that have no check of their own.",
        steps=_UNSET,
        risk=_KEPT,
        survives_reboot=True,
        place="host",
        versions="all",
        sources=("reasoned: ranks of one job run one program",),
    ),
    "environment-launchd": Explained(
        detect=_ASKED + " XPC_SERVICE_NAME names the service; over ssh there is none, so this is"
        " about hosts with `connection: local`.",
        steps=(
            "Start the server over ssh or from Terminal: `ssh HOST SERVER`.",
            "Compare the time to the first token both ways before you decide.",
        ),
        risk="A server from Terminal ends with the login; over ssh, with the session.",
        survives_reboot=None,
        place="host",
        versions="seen once, on a server from a LaunchAgent",
        sources=("https://github.com/raullenchai/Rapid-MLX/issues/1363",),
    ),
    "environment-version-compat": Explained(
        detect=_ASKED,
        steps=(
            *_UNSET,
            "Install again: `PYTHON -m pip install --force-reinstall mlx-metal`.",
        ),
        risk=_KEPT,
        survives_reboot=True,
        place="host",
        versions="all; wheels of mlx-metal for macOS 26 and for older ones",
        sources=("reasoned from the wheels of mlx-metal 0.32.1",),
    ),
    "environment-clock": Explained(
        detect="`date +%s`, less the time since the run began, of every host. It is known to a"
        " second or so.",
        steps=(
            "On the host that is apart: System Settings > General > Date & Time > Set time and"
            " date automatically.",
            "At once: `sudo sntp -sS time.apple.com`.",
        ),
        risk="Files and logs of that host jump in time.",
        survives_reboot=True,
        place="host",
        versions="all",
        sources=("reasoned: the first error of all ranks is the cause",),
    ),
}
