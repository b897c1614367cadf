"""Place: where one rank was at one moment, in the few words that matter for a hang."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from mlxdiag.facts.py_spy import Line
from mlxdiag.facts.sample import Thread
from mlxdiag.hang import frames
from mlxdiag.hang.frames import SURE, Collective, Doing
from mlxdiag.hang.seen import UNENDING, Look
from mlxdiag.readings import Gap

Kind = Literal[
    "gone",
    "stopped",
    "kernel",
    "init",
    "collective",
    "fence",
    "load",
    "eval",
    "request",
    "message",
    "python",
    "unknown",
]

_SOCKETS = (
    "wait_woken", "sk_wait_data", "unix_stream_", "skb_wait_", "do_select",
    "do_poll", "poll_schedule", "ep_poll", "do_epoll", "pipe_read", "anon_pipe_read",
)  # fmt: skip
"""Functions of Linux in which a thread waits for somebody's message."""


@dataclass(frozen=True)
class Place:
    """`collective` for that kind, `step` for init; `share` is that of the samples there, 0 to 1.

    `seen_native` tells whether native stacks were there to say so: without them a rank in mx.eval
    may be inside a collective.
    """

    kind: Kind
    line: Line | None = None
    collective: Collective | None = None
    step: str = ""
    share: float = 1.0
    active: bool | None = None
    seen_native: bool = False

    @property
    def text(self) -> str:
        """Say it: `in all_sum (ring), at step (server.py:412)`."""
        at = f", at {self.line}" if self.line else ""
        return f"{_said(self)}{at}"


def place(look: Look | Gap) -> Place:
    """Decide where a rank is; the stacks of the process go before what the kernel says."""
    if isinstance(look, Gap):
        return Place("unknown")
    if look.process is None or look.process.state == "Z":
        return Place("gone")
    doing = None if isinstance(look.python, Gap) else frames.python(look.python)
    line = doing.line if doing else None
    if look.process.state in "T" + "".join(UNENDING):
        return Place("stopped" if look.process.state == "T" else "kernel", line)
    if isinstance(look.native, Gap):
        return _by_kernel(look.waits.main if look.waits else "", doing)
    return _in_mlx(look.native, doing) or _in_python(look.native, doing)


def _in_mlx(threads: tuple[Thread, ...], doing: Doing | None) -> Place | None:
    """Find the rank in a function of MLX, if some thread was there for most of the samples."""
    line = doing.line if doing else None
    if frames.share(threads, frames.INIT) >= SURE:
        return Place("init", line, step=frames.step(threads), seen_native=True)
    found = frames.collective(threads)
    if found and found[1] >= SURE:
        return Place("collective", line, found[0], share=found[1], seen_native=True)
    for kind, pattern in _FUNCTIONS:
        share = frames.share(threads, pattern)
        if share >= SURE:
            own: Kind = "load" if kind == "eval" and doing and doing.loads else kind
            return Place(own, line, share=share, seen_native=True)
    return None


_FUNCTIONS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("fence", frames.FENCE),
    ("load", frames.LOAD),
    ("eval", frames.EVAL),
)


def _in_python(threads: tuple[Thread, ...], doing: Doing | None) -> Place:
    """Decide from Python's line and from the innermost native frame of the main thread."""
    innermost = frames.top(threads)
    line = doing.line if doing else None
    if doing is not None and doing.kind in ("request", "message"):
        return Place(_waits_for(doing), line, seen_native=True)
    if frames.SLEEPS.search(innermost):
        return Place("python", line, active=False, seen_native=True)
    if frames.READS.search(innermost):
        return Place("message", line, seen_native=True)
    if doing is None:
        return Place("unknown", seen_native=True)
    return Place("python", line, active=doing.active, seen_native=True)


def _waits_for(doing: Doing) -> Kind:
    return "request" if doing.kind == "request" else "message"


def _by_kernel(waits: str, doing: Doing | None) -> Place:
    """Decide from Python and from what the kernel says that the main thread waits for."""
    line = doing.line if doing else None
    if doing is not None and doing.kind in ("request", "message"):
        return Place(_waits_for(doing), line)
    if waits.startswith("inet_csk_accept"):
        return Place("init", line, step="accept")
    if waits.startswith(_SOCKETS):
        return Place("message", line)
    if doing is None or doing.kind == "waits" or not (waits or doing.loads):
        return Place("unknown", line)
    awake = doing.active or "nanosleep" in waits or not waits.startswith("futex")
    kind: Kind = "load" if doing.loads else "python" if awake else "eval"
    return Place(kind, line, active=doing.active)


def _said(place: Place) -> str:
    if place.collective is not None:
        return f"in {place.collective.op} ({place.collective.backend})"
    if place.kind == "python":
        return "in Python" if place.active is not False else "asleep in Python"
    if place.kind == "init":
        return f"inside init ({place.step})" if place.step else "inside init"
    return _WORDS[place.kind]


_WORDS = {
    "gone": "gone",
    "stopped": "stopped (state T)",
    "kernel": "in a wait of the kernel that no signal ends",
    "collective": "in a collective",
    "fence": "in the hand-over between GPU and CPU (Fence)",
    "load": "loading weights",
    "eval": "in mx.eval",
    "request": "waiting for a request",
    "message": "waiting for a message on a socket or queue",
    "unknown": "somewhere: no stack was to be had",
}
