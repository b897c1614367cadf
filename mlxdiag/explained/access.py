"""Texts of the area access."""

from __future__ import annotations

from mlxdiag.explained.entry import Explained

TN = "https://developer.apple.com/documentation/technotes/tn3205-low-latency-communication-with-rdma-over-thunderbolt"
DOCS = "https://ml-explore.github.io/mlx/build/html/usage/distributed.html"

ENTRIES: dict[str, Explained] = {
    "access-reachable": Explained(
        detect="One ssh connection with keys alone, host keys checked, nobody asked for anything;"
        " the way it failed (name, refusal, route, time, host key, user's key) is the finding.",
        steps=(
            "Run `ssh -v HOST true` from this machine: it must end without a question.",
            "No key there yet: `ssh-copy-id USER@HOST`.",
            "Key of the host unknown: `ssh HOST true` once, and compare its fingerprint.",
            "Key of the host changed: find out why before `ssh-keygen -R HOST`.",
            "Refused: turn on Remote Login in System Settings > General > Sharing.",
        ),
        risk="Removing a host key that changed for a bad reason lets you connect to a stranger.",
        survives_reboot=True,
        place="here",
        versions="all",
        sources=("https://github.com/jundot/omlx/issues/2763", DOCS),
    ),
    "access-answers": Explained(
        detect="Each command of the collection ends by itself within its deadline, with exit"
        " status 0, and its parser recognises what it printed.",
        steps=(
            "Run the command that the finding names by hand: `ssh HOST COMMAND`.",
            "Not understood: save what it said with `mlxdiag ports --save DIR` and report it.",
        ),
        risk="None: it only looks.",
        survives_reboot=None,
        place="host",
        versions="all",
        sources=("follows from what was asked",),
    ),
    "access-further-answers": Explained(
        detect="As access-answers, for the commands that only `mlxdiag check` asks.",
        steps=(
            "Run the command that the finding names by hand: `ssh HOST COMMAND`.",
            "An older recording, or one of another command: record again with"
            " `mlxdiag check --save DIR`.",
        ),
        risk="None: it only looks.",
        survives_reboot=None,
        place="host",
        versions="all",
        sources=("follows from what was asked",),
    ),
}
