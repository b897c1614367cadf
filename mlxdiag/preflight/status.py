"""Status: one line on stderr while a preflight waits; in a pipe a line whenever it changes."""

from __future__ import annotations

import asyncio
import shutil
import sys
from dataclasses import dataclass, field
from typing import TextIO

from mlxdiag.ending import listening
from mlxdiag.recording import Ended
from mlxdiag.render.short import verdict_line
from mlxdiag.render.sizes import duration
from mlxdiag.render.style import Style
from mlxdiag.report import Report

TICK_S = 1.0


@dataclass
class Status:
    """The line. On a terminal it is rewritten in place and taken away before anything else."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    style: Style = field(default_factory=Style)
    said: str = ""

    def pause(self, report: Report, pause_s: float, left_s: float, most_s: float | None) -> Ended:
        """Show how it stands and wait; say whether a signal or the time for all has ended it."""
        return asyncio.run(self._pause(verdict_line(report, self.style), pause_s, left_s, most_s))

    async def _pause(self, text: str, pause_s: float, left_s: float, most_s: float | None) -> Ended:
        with listening(most_s) as ending:
            spent = 0.0
            while spent < pause_s and not ending.stop.is_set():
                self._show(text, left_s - spent)
                step = min(TICK_S, pause_s - spent)
                try:
                    await asyncio.wait_for(ending.stop.wait(), step)
                except TimeoutError:
                    spent += step
            self._clear()
        return ending.how

    def _show(self, text: str, left_s: float) -> None:
        if not self.stream.isatty():
            if text != self.said:
                self.stream.write(f"mlxdiag: waiting: {text}\n")
                self.stream.flush()
            self.said = text
            return
        line = f"waiting, {duration(max(1, int(left_s)))} left: {text}"
        width = shutil.get_terminal_size((100, 24)).columns - 1
        self.stream.write(f"\r\x1b[K{line[:width]}")
        self.stream.flush()

    def _clear(self) -> None:
        if self.stream.isatty():
            self.stream.write("\r\x1b[K")
            self.stream.flush()
