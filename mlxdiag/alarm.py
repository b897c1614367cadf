"""Alarm: a bound in processor time on a search that igraph does in C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class TimeIsUpError(Exception):
    """Raised by the alarm inside the search."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Bound a search by SIGVTALRM: igraph polls Python's signals, which the main thread gets.

    Processor time, not the clock: a busy machine gives the same answer, only later. Outside of the
    main thread nothing is searched.
    """
    if threading.current_thread() is not threading.main_thread():
        raise TimeIsUpError

    def ring(_number: int, _frame: object) -> None:
        raise TimeIsUpError

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
