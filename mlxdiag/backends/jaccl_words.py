"""What jaccl says when it fails, and what the judge says where nobody said anything.

The messages and their meanings are entries of `diagnose/messages.py`. Numbers of errors have their
name behind them when they are looked up here: `errno 22 EINVAL`.
"""

from __future__ import annotations

import re

from mlxdiag.backends.backend import Word
from mlxdiag.backends.known import beginning


def _word(pattern: str, means: str, *, device: bool = False) -> Word:
    return Word(re.compile(pattern), means, device=device)


LIBRARY = (
    _word(
        r"this mlx has no jaccl",
        "the installed mlx is a build without jaccl, or macOS has no librdma",
    ),
    _word(
        r"was ended by signal (6|10|11) in init",
        "without librdma, and before mlx 0.32.1 without the device, init ends so",
        device=True,
    ),
)

LATER = (
    _word(
        r"was ended by signal (10|11) in",
        "a cable that is pulled ends its ranks so (mlx#4192); seen with none touched (mlx#4319)",
        device=True,
    ),
)

HANGS = (
    _word(
        r"^all ranks wait inside init",
        "one is held by the RDMA driver, or a stranger is connected to the coordinator's port;"
        " a host where ibv_devinfo does not return has to be replugged or restarted",
    ),
    _word(
        r"^only echoes of another's end, in init",
        "a stranger was connected to the coordinator's port, or the side channel was cut",
    ),
    _word(
        r"^computes inside init, for ever",
        "so does rank 0 when two ranks have one number",
    ),
    _word(
        r"^waits inside the kernel in init",
        "the RDMA driver does not return: replug its cables, else restart",
        device=True,
    ),
)
"""Texts of the judge, where nobody said anything."""

MESSAGES = beginning(
    "jaccl-", "backend-name", "json-parse", "address-parse", "group-of-one", "thread-pool"
)

WORDS = (*LIBRARY, *MESSAGES, *LATER, *HANGS)
"""The first that is found counts: of one message the narrower comes before the wider."""
