"""Texts of the area versions: what is installed in the Pythons, and known bugs of MLX."""

from __future__ import annotations

from mlxdiag.explained.entry import Explained

_PULL = "https://github.com/ml-explore/mlx/pull"
_ISSUE = "https://github.com/ml-explore/mlx/issues"
_DETECT = "The version of mlx in the host's interpreter; one that is built from source counts as"
_BUILT = f"{_DETECT} the release that its number leads to."
_UPGRADE = (
    "Stop the server on every host.",
    "On each host, with the interpreter of the report:"
    " `PYTHON -m pip install --upgrade mlx==VERSION`.",
    "Take the same version everywhere, and not 0.32.2 where chips differ (mlx#4403);"
    " `mlxdiag ports` compares them.",
)
_RISK = "Results and speed of a model may change with the version; keep the old one's number."

ENTRIES: dict[str, Explained] = {
    "versions-mlx-metal": Explained(
        detect="The versions of the packages mlx and mlx-metal in the host's interpreter.",
        steps=(
            "`PYTHON -m pip install --force-reinstall mlx==VERSION`.",
            "See that both are of that version: `PYTHON -m pip list`.",
        ),
        risk="A server that runs keeps the old library until it is started again.",
        survives_reboot=True,
        place="host",
        versions="MLX 0.26 and later, in two packages",
        sources=("https://github.com/jundot/omlx/issues/2695",),
    ),
    "versions-mlx-lm-match": Explained(
        detect="The version of the package mlx-lm in the interpreter of every host.",
        steps=("On each host: `PYTHON -m pip install mlx-lm==VERSION`, the same everywhere.",),
        risk="A server that runs keeps the old code until it is started again.",
        survives_reboot=True,
        place="host",
        versions="all",
        sources=("https://github.com/jundot/omlx/issues/2695",),
    ),
    "versions-python-match": Explained(
        detect="The first two numbers of the version of every host's interpreter.",
        steps=(
            "Make the environment anew with one Python: `uv venv --python 3.12`.",
            "Install the same packages in it, and name it as `python:` in the inventory.",
        ),
        risk="None to what is installed elsewhere: it is an environment of its own.",
        survives_reboot=True,
        place="host",
        versions="all",
        sources=("https://github.com/jundot/omlx/issues/2695",),
    ),
    "versions-mlx-frames": Explained(
        detect=_BUILT,
        steps=_UPGRADE,
        risk=_RISK,
        survives_reboot=True,
        place="host",
        versions="MLX before 0.30.6; the large frames need macOS 26.3 too",
        sources=(f"{_PULL}/3094",),
    ),
    "versions-mlx-races": Explained(
        detect=_BUILT,
        steps=_UPGRADE,
        risk=_RISK,
        survives_reboot=True,
        place="host",
        versions="MLX before 0.32.0, with jaccl",
        sources=(f"{_PULL}/3451", f"{_PULL}/3654"),
    ),
    "versions-mlx-gid": Explained(
        detect=_BUILT,
        steps=(
            "Give every cabled port an IPv4 address; see `mlxdiag explain network-ipv4`.",
            *_UPGRADE,
        ),
        risk=_RISK,
        survives_reboot=True,
        place="host",
        versions="MLX 0.31.2 to 0.32.0, with jaccl; with an IPv4 GID on every port nothing fails",
        sources=(f"{_ISSUE}/3467", f"{_PULL}/4191"),
    ),
    "versions-mlx-messages": Explained(
        detect=_BUILT,
        steps=_UPGRADE,
        risk=_RISK,
        survives_reboot=True,
        place="host",
        versions="MLX before 0.32.1",
        sources=(
            f"{_PULL}/4180",
            f"{_PULL}/4209",
            f"{_PULL}/4060",
            f"{_PULL}/4281",
            f"{_PULL}/4210",
            f"{_PULL}/4193",
        ),
    ),
    "versions-mlx-first-send": Explained(
        detect=_BUILT,
        steps=(
            "After init, on every rank, twice: `mx.eval(mx.distributed.all_sum(mx.ones(10)))`.",
            *_UPGRADE,
        ),
        risk=_RISK,
        survives_reboot=True,
        place="host",
        versions="seen with MLX 0.30.6; 165 runs with 0.32.1 did not show it",
        sources=(f"{_ISSUE}/3149",),
    ),
    "versions-mlx-mixed-chips": Explained(
        detect="The version of mlx, and machdep.cpu.brand_string of every host.",
        steps=(
            "On each host: `PYTHON -m pip install mlx==0.32.1`.",
            "Or run the model on hosts of one chip.",
        ),
        risk=_RISK,
        survives_reboot=True,
        place="host",
        versions="MLX 0.32.2 on M3 Ultra beside M5 Max",
        sources=(f"{_ISSUE}/4403",),
    ),
}
