"""View: how it stands now, on a terminal: hosts, matrix, links and since when, the last events."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mlxdiag.capture import ACCESS, Outcome
from mlxdiag.facts import system_profiler_thunderbolt
from mlxdiag.recording import Ended
from mlxdiag.render.layout import head
from mlxdiag.render.short import verdict_line
from mlxdiag.render.sizes import duration
from mlxdiag.render.style import Style
from mlxdiag.render.table import COLORS, matrix
from mlxdiag.render.verdicts import WORDS, LinkMark, of_link
from mlxdiag.watch.changes import DOWNS, Event
from mlxdiag.watch.loop import Now
from mlxdiag.watch.topics import FINE, GONE, LEAKED

if TYPE_CHECKING:
    from mlxdiag.ladder import LinkState
    from mlxdiag.watch.state import State

REFRESH_S = 5.0
"""Between two rounds ages are brought up to date so often; drawing costs more than looking."""

EVENTS = 200
NOTES = 20
LEAST_EVENTS = 4
LEAST_ROWS = 4
HOST = ("host", "state", "for", "answered", "wiring", "lost", "ranks", "memory")
WIRING = system_profiler_thunderbolt.COMMAND.name
"""What is not asked in every round: its age is shown."""

CELL = 10
"""Columns that a cell of the matrix takes with its port and its word."""


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
            self._live.update(self.page(self.now, size.width, size.height), refresh=True)

    def page(self, now: Now, width: int, height: int) -> RenderableType:
        """Lay out a moment for a terminal of that size; it is said what does not fit.

        The matrix goes first, then the hosts that are as they should be: links and events stay.
        """
        style = replace(self.style, width=max(40, width))
        title, verdict = self._title(now, style), verdict_line(now.report, style)
        last = Text(verdict, no_wrap=True, overflow="ellipsis")
        if self.notes:
            last = Text(style.text(self.notes[-1]), "yellow", no_wrap=True, overflow="ellipsis")
        rows = self._links(now, style)
        least = 4 + min(len(rows), LEAST_ROWS) + 3 + LEAST_EVENTS + 2
        top: list[RenderableType] = [title, Text(""), self._hosts(now, style, all_of_them=True)]
        pairs = self._pairs(now, style)
        if _lines([*top, *pairs], style) + least > height:
            pairs = []
        if _lines(top, style) + least > height:
            top[-1] = self._hosts(now, style, all_of_them=False)
        top += pairs
        room = height - _lines(top, style) - 2
        shown = max(1, min(len(rows), room - 3 - 3 - LEAST_EVENTS))
        if rows:
            more = f"; {len(rows) - shown} more do not fit" if shown < len(rows) else ""
            top += [head("LINKS", f"the worst first{more}"), _table(rows[:shown])]
            room -= 3 + shown
        return Group(*top, *self._events(style, max(1, room - 2)), Text(""), last)

    def _pairs(self, now: Now, style: Style) -> list[RenderableType]:
        names = now.report.cluster.topology.hosts
        if len(names) < 2:
            return []
        wide = max(*map(len, names), CELL) + 2
        narrow = (len(names) + 1) * wide > style.width
        body = matrix(now.report, style, narrow=narrow, links=False)
        return [head("PORT PAIRS", "a row is one end"), *body]

    def _title(self, now: Now, style: Style) -> Text:
        name = style.text(now.report.cluster.inventory.cluster)
        title = Text("mlxdiag watch", style="bold", no_wrap=True, overflow="ellipsis")
        age = self._ago(self._since(now.at))
        said = f"  {name}  every {duration(now.every_s)}  round {now.number}  {now.at}, {age}"
        return title.append(said, style="not bold")

    def _hosts(self, now: Now, style: Style, *, all_of_them: bool) -> Table:
        table = _table([], *HOST)
        well = 0
        for facts in now.report.cluster.facts:
            name, line = facts.host.name, now.lines[facts.host.name]
            state = now.timeline.of("reachable", name)
            up = now.captures[name][ACCESS].outcome is Outcome.EXITED
            memory = now.timeline.of("memory", name)
            leaked = memory is not None and memory.value == LEAKED
            if up and not leaked and not all_of_them:
                well += 1
                continue
            word = "up" if up else facts.access.outcome.value.replace("_", " ")
            if not up and line.condition == "connecting":
                word = "connecting"
            table.add_row(
                Text(style.text(name)),
                Text(word, style="green" if up else "bold red"),
                self._for(state),
                self._age(now, line.age_s),
                self._age(now, line.ages.get(WIRING)),
                str(line.reconnects),
                self._ranks(now, name),
                Text(_memory(memory), style="bold red" if leaked else ""),
            )
        if well:
            all_well = well == len(now.report.cluster.facts)
            name = f"all {well}" if all_well else f"{well} more"
            table.add_row(name, Text("up", style="green"))
        return table

    def _age(self, now: Now, age_s: float | None) -> str:
        return "-" if age_s is None else self._ago(age_s + self._since(now.at))

    def _ago(self, seconds: float) -> str:
        return f"{_rounded(seconds)} ago" if seconds >= 1 else "now"

    def _ranks(self, now: Now, host: str) -> str:
        states = [s for t, s in now.timeline.states.items() if t.what == "rank" and host in t.hosts]
        return str(len(states)) if all(state.known for state in states) else "?"

    def _links(self, now: Now, style: Style) -> list[tuple[Text, ...]]:
        """Give a row per cable that was ever seen: what is broken first, then what changed last."""
        seen = {_subject(state): state for state in now.report.links}
        cables = [topic for topic in now.timeline.states if topic.what == "cable"]
        rows: list[tuple[tuple[int, int, float], tuple[Text, ...]]] = []
        for topic in cables:
            link, a, b = seen.get(topic.subject), *topic.ports
            flaps = self._flaps(now, a, b)
            state = self._latest(now, a, b)
            since = self._since(state.since) if state else 0.0
            mark, word = _verdict(link, gone=now.timeline.states[topic].value == GONE)
            speed = link.link.speed_gbps if link else None
            row = (
                Text(style.text(topic.subject)),
                Text(style.text(f"{style.mark(mark)} {word}"), style=COLORS[mark]),
                Text(self._for(state)),
                Text(str(flaps), style="yellow" if flaps else "dim"),
                Text(f"{speed:g}" if speed else "?"),
            )
            rows.append(((ORDER.index(mark), -flaps, since), row))
        rows.sort(key=lambda row: row[0])
        return [row for _, row in rows]

    def _flaps(self, now: Now, a: str, b: str) -> int:
        """Count how often one of its ports went down or the cable was gone."""
        kinds = (("port", a), ("port", b), ("cable", f"{a} - {b}"))
        states = (now.timeline.of(what, subject) for what, subject in kinds)
        return max((state.flaps for state in states if state), default=0)

    def _latest(self, now: Now, a: str, b: str) -> State | None:
        """Give the state of the link that changed last: its verdict, its cable, or a port."""
        kinds = (("link", f"{a} - {b}"), ("cable", f"{a} - {b}"), ("port", a), ("port", b))
        states = [s for what, subject in kinds if (s := now.timeline.of(what, subject))]
        return max(states, key=lambda state: state.since, default=None)

    def _for(self, state: State | None) -> str:
        """Say for how long it has been as it is; `>` where it was so when the watch began.

        Of what is not known now, how long that is so.
        """
        if state is None:
            return "?"
        if not state.known:
            return _rounded(self._since(state.last_seen))
        most = "" if state.exact else ">"
        return f"{most}{_rounded(self._since(state.since))}"

    def _events(self, style: Style, room: int) -> list[RenderableType]:
        note = f"{self.count} since the watch began" if self.count else "none since the watch began"
        lines: list[RenderableType] = [head("EVENTS", note)]
        for event in list(self.events)[:room]:
            line = Text(f"{event.at}  ", style="dim", no_wrap=True, overflow="ellipsis")
            color = "red" if event.kind in DOWNS else ""
            lines.append(line.append(style.text(event.text), style=f"not dim {color}".strip()))
        return lines

    def _since(self, at: str) -> float:
        then, now = datetime.fromisoformat(at), datetime.fromisoformat(self.clock())
        return max(0.0, round((now - then).total_seconds()))


ORDER: tuple[LinkMark, ...] = ("bad", "unknown", "bent", "tcp", "good")


def _verdict(link: LinkState | None, *, gone: bool) -> tuple[LinkMark, str]:
    """Say in a word how it stands with a link: what stands against it, if that is known."""
    if link is None:
        return ("bad", "cable gone") if gone else ("unknown", "not known")
    mark = of_link(link)
    if mark == "bad":
        return mark, ", ".join(link.jaccl.blockers) or WORDS[mark]
    return mark, WORDS[mark]


def _subject(link: LinkState) -> str:
    return " - ".join(f"{end.host} {end.name}" for end in link.link.ends)


def _memory(state: State | None) -> str:
    if state is None or not state.known:
        return "?"
    return "ok" if state.value == FINE else state.value


def _rounded(seconds: float) -> str:
    """Spell a time without fractions, and long ones without seconds."""
    whole = round(seconds)
    return duration(whole if whole < 3600 else whole // 60 * 60)


def _table(rows: Sequence[Sequence[Text]], *names: str) -> Table:
    """Lay out rows of one line each: what is too long is cut."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    for name in names or ("link", "", "for", "flaps", "Gb/s"):
        table.add_column(name, header_style="dim", no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*row)
    return table


def _lines(parts: list[RenderableType], style: Style) -> int:
    console = Console(width=style.width, color_system=None, legacy_windows=False)
    return len(console.render_lines(Group(*parts), pad=False))
