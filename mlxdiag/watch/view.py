"""View: the live page on a terminal, drawn once a round and in between for the ages."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import StringIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from mlxdiag.cluster import Cluster
from mlxdiag.recording import Ended
from mlxdiag.render.short import verdict_line
from mlxdiag.render.style import Style
from mlxdiag.render.table import matrix
from mlxdiag.report import Report
from mlxdiag.watch.changes import Event
from mlxdiag.watch.loop import Now
from mlxdiag.watch.page import Page

REFRESH_S = 2.0
"""Between two rounds ages are brought up to date so often, and a new size of the terminal."""

EVENTS = 200
NOTES = 20
CELL = 10
"""Columns that a cell of the matrix takes with its port and its word."""


@dataclass(frozen=True)
class _Drawn:
    """What of a page only changes with the facts: the matrix and the verdict, for one width."""

    of: Cluster
    width: int
    pairs: list[Text]
    verdict: str


@dataclass
class View:
    """Draws on the terminal that `console` is, until it is closed. `clock` gives UTC text.

    What is to be noted is drawn as well, the last of it, and given to `note` when the view is gone.
    """

    style: Style
    clock: Callable[[], str]
    note: Callable[[str], None]
    console: Console | None = None
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS))
    notes: deque[str] = field(default_factory=lambda: deque(maxlen=NOTES))
    count: int = 0
    now: Now | None = None
    _drawn: _Drawn | None = None
    _live: Live | None = None
    _ticking: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Nothing is drawn before the first moment."""

    async def take(self, now: Now) -> bool:
        """Draw a moment."""
        self.now = now
        self.events.extendleft(now.events)
        self.count += len(now.events)
        if self._live is None:
            self._begin()
        self._draw()
        return True

    async def close(self, ended: Ended) -> None:
        """Give the terminal back as it was."""
        del ended
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        if self._live is not None:
            self._live.stop()
        for note in self.notes:
            self.note(note)

    def take_note(self, text: str) -> None:
        """Take note of something that is no event."""
        self.notes.append(text)

    def page(self, now: Now, width: int, height: int) -> list[Text]:
        """Lay out a moment, a text per line."""
        style = replace(self.style, width=max(40, width))
        drawn = self._once(now.report, style)
        last = Text(drawn.verdict)
        if self.notes:
            last = Text(style.text(self.notes[-1]), style="yellow")
        page = Page(now, self.clock(), style, tuple(self.events), self.count)
        lines = page.lines(height, drawn.pairs, last)
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return lines

    def _begin(self) -> None:
        self.console = self.console or Console(
            no_color=not self.style.color, highlight=False, emoji=False, markup=False
        )
        self._live = Live(console=self.console, screen=True, auto_refresh=False)
        self._live.start()
        self._ticking = asyncio.ensure_future(self._tick())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            self._draw()

    def _draw(self) -> None:
        if self._live is not None and self.now is not None and self.console is not None:
            size = self.console.size
            lines = self.page(self.now, size.width, size.height)
            self._live.update(Group(*lines), refresh=True)

    def _once(self, report: Report, style: Style) -> _Drawn:
        """Draw what only the facts change; once for each of them."""
        drawn = self._drawn
        if drawn is None or drawn.of is not report.cluster or drawn.width != style.width:
            pairs, verdict = _pairs(report, style), verdict_line(report, style)
            drawn = self._drawn = _Drawn(report.cluster, style.width, pairs, verdict)
        return drawn


def _pairs(report: Report, style: Style) -> list[Text]:
    """Draw the matrix as lines, in signs where its columns have no room."""
    names = report.cluster.topology.hosts
    if len(names) < 2:
        return []
    wide = max(*map(len, names), CELL) + 2
    narrow = (len(names) + 1) * wide > style.width
    body = matrix(report, style, narrow=narrow, links=False)
    console = Console(file=StringIO(), width=style.width, legacy_windows=False)
    rows = console.render_lines(Group(*body), pad=False)
    return [Text.assemble(*((s.text, s.style or "") for s in row)) for row in rows]
