"""Versions: what is installed in the Pythons, and the bugs of MLX that are known."""

from __future__ import annotations

from collections.abc import Callable

from mlxdiag.capture import Outcome
from mlxdiag.recording import Recording
from tests.checks.recorded import altered, ended
from tests.checks.surveyed import HOST, clean

EVERYWHERE = tuple(clean().hosts)


def running(version: str) -> Recording:
    """Return a recording in which every host has this MLX."""
    made = clean()
    for host in EVERYWHERE:
        made = altered(made, host, "mlx_runtime", b"0.32.4", version.encode())
    return made


def mixed() -> Recording:
    return altered(running("0.32.2"), HOST, "sysctl", b"Apple M3 Ultra", b"Apple M5 Max")


def on_one(old: bytes, new: bytes) -> Callable[[], Recording]:
    return lambda: altered(clean(), HOST, "mlx_runtime", old, new)


FAILING: dict[str, Callable[[], Recording]] = {
    "versions-mlx-metal": on_one(b'"mlx_metal": "0.32.4"', b'"mlx_metal": "0.32.1"'),
    "versions-mlx-lm-match": on_one(b'"mlx_lm": "0.31.0"', b'"mlx_lm": "0.30.2"'),
    "versions-python-match": on_one(b'"python": "3.12.8"', b'"python": "3.13.1"'),
    "versions-mlx-frames": lambda: running("0.30.5"),
    "versions-mlx-races": lambda: running("0.31.1"),
    "versions-mlx-gid": lambda: running("0.32.0"),
    "versions-mlx-messages": lambda: running("0.32.0"),
    "versions-mlx-first-send": lambda: running("0.30.6"),
    "versions-mlx-mixed-chips": mixed,
}
UNKNOWN = dict.fromkeys(FAILING, lambda: ended(clean(), HOST, "mlx_runtime", Outcome.TIMEOUT))
OF_ALL = (
    "versions-mlx-lm-match",
    "versions-python-match",
    "versions-mlx-mixed-chips",
)
BUGS = (
    "versions-mlx-frames",
    "versions-mlx-races",
    "versions-mlx-gid",
    "versions-mlx-messages",
    "versions-mlx-first-send",
)
ABOUT: dict[str, str | tuple[str, ...]] = {
    **dict.fromkeys(OF_ALL, "cluster"),
    **dict.fromkeys(BUGS, EVERYWHERE),
}
NOT_KNOWN_OF = dict.fromkeys(BUGS, HOST)
CAUSES = {
    "versions-mlx-messages": "versions-mlx-gid",
    "versions-mlx-first-send": "versions-mlx-races",
}
"""An older MLX has the bugs of the later ones too: the oldest bug is the cause."""
