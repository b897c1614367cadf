"""Texts of the area versions."""

from __future__ import annotations

from mlxdiag.explained.access import DOCS, TN
from mlxdiag.explained.entry import Explained

_UPDATE = (
    "Stop the server on every host.",
    "On each host: System Settings > General > Software Update, or `softwareupdate --list` and"
    " `sudo softwareupdate --install --restart NAME` for the one that is meant.",
    "Take the same build on every host: `sw_vers` shows it.",
    "After the restart run `mlxdiag ports` again: interfaces and addresses may have other names.",
)
_RESTART = "The host restarts; names of interfaces and self-assigned addresses may change."
_PIN = (
    "Choose one version and write it down: `expect: mlx:` in the inventory.",
    "On each host, with the interpreter of the report: `PYTHON -m pip install mlx==VERSION`.",
    "mlx-metal comes with it; check both with `PYTHON -m pip list`.",
)
_LAUNCH = "A server that runs keeps the old version until it is started again."

ENTRIES: dict[str, Explained] = {
    "versions-macos-rdma": Explained(
        detect="`sw_vers`, of hosts that have Thunderbolt 5.",
        steps=_UPDATE,
        risk=_RESTART,
        survives_reboot=True,
        place="host",
        versions="macOS before 26.2",
        sources=(TN, DOCS),
    ),
    "versions-macos-buffers": Explained(
        detect="`sw_vers`, of hosts that have Thunderbolt 5.",
        steps=_UPDATE,
        risk=_RESTART,
        survives_reboot=True,
        place="host",
        versions="macOS 26.2, with MLX 0.30.6 and later",
        sources=("https://github.com/ml-explore/mlx/pull/3094",),
    ),
    "versions-macos-frames": Explained(
        detect="`sw_vers` of all hosts: jaccl takes larger frames from macOS 26.3 on, decided on"
        " each host for itself.",
        steps=_UPDATE,
        risk=_RESTART,
        survives_reboot=True,
        place="host",
        versions="macOS 26.2 beside 26.3 and later, MLX 0.30.6 and later",
        sources=("https://github.com/ml-explore/mlx/pull/3094",),
    ),
    "versions-macos-match": Explained(
        detect="Version and build of `sw_vers` of all hosts. Sources conflict: exo asks for equal"
        " builds, while a mix of 26.4.1 and 26.5 was reported to work.",
        steps=_UPDATE,
        risk=_RESTART,
        survives_reboot=True,
        place="host",
        versions="macOS 26.2 and later",
        sources=(
            "https://github.com/exo-explore/exo#readme",
            "https://github.com/ml-explore/mlx/issues/3467",
        ),
    ),
    "versions-macos-expected": Explained(
        detect="`sw_vers` beside `expect: macos:` of the inventory, as version or as build.",
        steps=_UPDATE,
        risk=_RESTART,
        survives_reboot=True,
        place="host",
        versions="all",
        sources=("the inventory",),
    ),
    "versions-mlx-present": Explained(
        detect="The interpreter that the inventory names, or the first that is found with mlx in"
        " the usual places, imports mlx.core in a process of its own.",
        steps=(
            "Find the interpreter of your server: its start script or `which python` in its"
            " environment says which.",
            "Write its absolute path into the inventory as `python:`.",
            "No mlx there: `PYTHON -m pip install mlx`.",
        ),
        risk="None for what runs.",
        survives_reboot=True,
        place="here",
        versions="all",
        sources=(DOCS, "https://github.com/ml-explore/mlx/pull/3536"),
    ),
    "versions-mlx-match": Explained(
        detect="`mlx.core.__version__` of each host's interpreter.",
        steps=_PIN,
        risk=_LAUNCH,
        survives_reboot=True,
        place="host",
        versions="all: MLX has no handshake of versions",
        sources=(DOCS, "https://github.com/jundot/omlx/pull/2695"),
    ),
    "versions-mlx-expected": Explained(
        detect="`mlx.core.__version__` beside `expect: mlx:` of the inventory.",
        steps=_PIN,
        risk=_LAUNCH,
        survives_reboot=True,
        place="host",
        versions="all",
        sources=("the inventory",),
    ),
    "versions-mlx-jaccl": Explained(
        detect="`mx.distributed.is_available('jaccl')` and the tag of the mlx-metal wheel: only"
        " macosx_26_0 holds jaccl. Older pips and Pythons that take the system for an older macOS"
        " choose another wheel.",
        steps=(
            "`PYTHON -m pip install --upgrade pip`.",
            "`PYTHON -m pip install --force-reinstall --no-cache-dir mlx mlx-metal`.",
            "The tag is still macosx_15_0: use a Python that was built for macOS 26, or unset"
            " `SYSTEM_VERSION_COMPAT`.",
        ),
        risk=_LAUNCH,
        survives_reboot=True,
        place="host",
        versions="MLX 0.30.1 and later on macOS 26.2 and later",
        sources=("https://github.com/ml-explore/mlx/issues/2959", "wheels of mlx-metal 0.32.1"),
    ),
}
