"""Texts of what is decided about backends, and of what a server needs before it starts."""

from __future__ import annotations

from mlxdiag.explained.access import DOCS
from mlxdiag.explained.entry import Explained

_FOLLOW = "None of its own: that of the steps it leads to."
_OTHERS = ("the findings it rests on", DOCS)

ENTRIES: dict[str, Explained] = {
    "backend-expected": Explained(
        detect="The backend of `expect: backend:` beside what the findings leave usable.",
        steps=(
            "Repair what the finding names as its causes, the cheapest first; or",
            "`mlxdiag recommend` for the fewest steps, and the backend that works meanwhile.",
        ),
        risk=_FOLLOW,
        survives_reboot=None,
        place="here",
        versions="all",
        sources=("the inventory", *_OTHERS),
    ),
    "backend-usable": Explained(
        detect="What the findings and launches leave usable of jaccl, jaccl-ring, ring and mpi.",
        steps=("`mlxdiag recommend` names the fewest steps, the easiest first.",),
        risk=_FOLLOW,
        survives_reboot=None,
        place="here",
        versions="all",
        sources=_OTHERS,
    ),
    "backend-required": Explained(
        detect="`--require` beside the facts and the collectives of the preflight.",
        steps=(
            "Repair what is named; or",
            "let the server start on what holds: `--require any`.",
        ),
        risk=_FOLLOW,
        survives_reboot=None,
        place="here",
        versions="all",
        sources=_OTHERS,
    ),
    "rendezvous-port-free": Explained(
        detect="Who listens at the ports of the server's ranks, from `netstat` and `lsof` on the"
        " hosts. The port is never connected to: rank 0 would take the caller for a rank.",
        steps=(
            "Look who it is: `lsof -nP -iTCP:32323 -sTCP:LISTEN` on the host.",
            "A rank that was left behind: end it by its pid with SIGTERM, and wait.",
            "Somebody else: take other ports, `--port` here and `--starting-port` for mlx.launch.",
        ),
        risk="Ending a rank of a server that is in use ends the server.",
        survives_reboot=None,
        place="host",
        versions="all: MLX sets SO_REUSEPORT, so that two can hold one port",
        sources=("MLX's source: distributed/utils.cpp, jaccl/lib/jaccl/tcp.cpp",),
    ),
    "jobs-none-running": Explained(
        detect="Processes with MLX's variables or a launcher of MLX in their command line.",
        steps=("Wait for the job, or end it by its pid with SIGTERM.",),
        risk="Ending it ends the server that it is part of.",
        survives_reboot=None,
        place="host",
        versions="MLX 0.32.1 registers 64 memory regions a device, of 100",
        sources=(
            "https://github.com/ml-explore/mlx/issues/3162",
            "https://github.com/ml-explore/mlx/pull/4209",
        ),
    ),
}
