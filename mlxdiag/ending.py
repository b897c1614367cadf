"""Ending: what ends a live run before it is through: Ctrl-C, SIGTERM, `--timeout`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mlxdiag.recording import Ended


@dataclass
class Ending:
    """`stop` is set by the first of them; `how` says which it was."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    how: Ended = "complete"

    def end(self, how: Ended) -> None:
        """Take note; the first one counts."""
        if not self.stop.is_set():
            self.how = how
            self.stop.set()


@contextmanager
def listening(timeout_s: float | None = None) -> Iterator[Ending]:
    """Listen while the block runs, inside a running event loop."""
    ending, loop = Ending(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, ending.end, "interrupted")
    loop.add_signal_handler(signal.SIGTERM, ending.end, "terminated")
    alarm = loop.call_later(timeout_s, ending.end, "timeout") if timeout_s is not None else None
    try:
        yield ending
    finally:
        if alarm is not None:
            alarm.cancel()
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)
        if ending.stop.is_set():  # a second Ctrl-C must not cost the report of what there is
            signal.signal(signal.SIGINT, signal.SIG_IGN)
