"""Ending: what ends a live run before it is through: Ctrl-C, SIGTERM, `--timeout`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

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


@dataclass
class Noted:
    """Takes note of them between two event loops, each of which listens by itself.

    `arm` is called after each loop, which leaves the signals as Python has them.
    """

    how: Ended = "complete"

    def __enter__(self) -> Noted:
        """Begin to take note."""
        self.arm()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the signals as Python has them, unless the run was ended."""
        if self.how == "complete":
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def arm(self) -> None:
        """Take note from here on; what is ignored since a first Ctrl-C stays so."""
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._note)
            signal.signal(signal.SIGTERM, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.how == "complete":
            self.how = "interrupted" if number == signal.SIGINT else "terminated"
