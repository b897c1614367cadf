"""Page: a moment as lines for a terminal: hosts, pairs, links and since when, the last events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from mlxdiag.capture import ACCESS, Outcome
from mlxdiag.facts import system_profiler_thunderbolt
from mlxdiag.render.sizes import duration
from mlxdiag.render.style import Style
from mlxdiag.render.table import COLORS
from mlxdiag.render.verdicts import WORDS, LinkMark, of_link
from mlxdiag.watch.changes import DOWNS, Event
from mlxdiag.watch.loop import Now
from mlxdiag.watch.topics import FINE, GONE, LEAKED

if TYPE_CHECKING:
    from mlxdiag.ladder import LinkState
    from mlxdiag.watch.state import State

LEAST_EVENTS = 4
LEAST_ROWS = 4
HOST = ("host", "state", "for", "answered", "wiring", "lost", "ranks", "memory")
LINK = ("link", "", "for", "flaps", "Gb/s")
WIRING = system_profiler_thunderbolt.COMMAND.name
"""What is not asked in every round: its age is shown."""

ORDER: tuple[LinkMark, ...] = ("bad", "unknown", "bent", "tcp", "good")
Row = tuple[Text, ...]


@dataclass(frozen=True)
class Page:
    """Lays out one moment. `at` is the time of drawing (UTC); `events` are the newest first.

    Columns are counted here: with tables of rich a page took 35 ms, and it is drawn every 2 s.
    """

    now: Now
    at: str
    style: Style
    events: Sequence[Event]
    count: int

    def lines(self, height: int, pairs: Sequence[Text], last: Text) -> list[Text]:
        """Give the lines for so many rows; `pairs` is the matrix, `last` the last line.

        What does not fit is counted. The matrix goes first, then the hosts that are as they should
        be: links and events stay.
        """
        rows = self._links()
        least = 3 + min(len(rows), LEAST_ROWS) + 2 + LEAST_EVENTS + 2
        hosts = self._hosts(all_of_them=True)
        matrix = _part("PORT PAIRS", "a row is one end", pairs) if pairs else []
        if 2 + len(hosts) + len(matrix) + least > height:
            matrix = []
        if 2 + len(hosts) + least > height:
            hosts = self._hosts(all_of_them=False)
        top = [self._title(), Text(""), *hosts, *matrix]
        room = height - len(top) - 2
        shown = max(1, min(len(rows), room - 3 - 2 - LEAST_EVENTS))
        if rows:
            more = f"; {len(rows) - shown} more do not fit" if shown < len(rows) else ""
            top += _part("LINKS", f"the worst first{more}", _columns(LINK, rows[:shown]))
            room -= 3 + shown
        return [*top, *self._events(max(1, room - 2)), Text(""), last]

    def _title(self) -> Text:
        now = self.now
        name = self.style.text(now.report.cluster.inventory.cluster)
        said = f"  {name}  every {duration(now.every_s)}  round {now.number}  {now.at}, "
        title = Text("mlxdiag watch", style="bold")
        return title.append(said + self._ago(self._since(now.at)), style="not bold")

    def _hosts(self, *, all_of_them: bool) -> list[Text]:
        """Give a line per host, or only of those that are not as they should be."""
        rows: list[Row] = []
        well = 0
        for facts in self.now.report.cluster.facts:
            name = facts.host.name
            up = self.now.captures[name][ACCESS].outcome is Outcome.EXITED
            memory = self.now.timeline.of("memory", name)
            if up and not _leaked(memory) and not all_of_them:
                well += 1
            else:
                rows.append(self._host(name, memory, up=up))
        if well:
            name = f"all {well}" if not rows else f"{well} more"
            rows.append((Text(name), Text("up", style="green"), *[Text("")] * 6))
        return _columns(HOST, rows)

    def _host(self, name: str, memory: State | None, *, up: bool) -> Row:
        line = self.now.lines[name]
        access = self.now.captures[name][ACCESS].outcome.value.replace("_", " ")
        lost = "connecting" if line.condition == "connecting" else access
        return (
            Text(self.style.text(name)),
            Text("up", style="green") if up else Text(lost, style="bold red"),
            Text(self._for(self.now.timeline.of("reachable", name))),
            Text(self._age(line.age_s)),
            Text(self._age(line.ages.get(WIRING))),
            Text(str(line.reconnects)),
            Text(self._ranks(name)),
            Text(_memory(memory), style="bold red" if _leaked(memory) else ""),
        )

    def _age(self, age_s: float | None) -> str:
        return "-" if age_s is None else self._ago(age_s + self._since(self.now.at))

    def _ago(self, seconds: float) -> str:
        return f"{_rounded(seconds)} ago" if seconds >= 1 else "now"

    def _ranks(self, host: str) -> str:
        count = self.now.timeline.ranks(host)
        return "?" if count is None else str(count)

    def _links(self) -> list[Row]:
        """Give a row per cable that was ever seen: what is broken first, then what changed last."""
        seen = {_subject(state): state for state in self.now.report.links}
        found: list[tuple[tuple[int, int, float], Row]] = []
        for topic, cable in self.now.timeline.states.items():
            if topic.what != "cable":
                continue
            link = seen.get(topic.subject)
            states = self._states(topic.subject, *topic.ports)
            flaps = max(state.flaps for state in states)
            latest = max(states, key=lambda state: state.since)
            mark, word = _verdict(link, gone=cable.value == GONE)
            speed = link.link.speed_gbps if link else None
            row = (
                Text(self.style.text(topic.subject)),
                Text(self.style.text(f"{self.style.mark(mark)} {word}"), style=COLORS[mark]),
                Text(self._for(latest)),
                Text(str(flaps), style="yellow" if flaps else "dim"),
                Text(f"{speed:g}" if speed else "?"),
            )
            found.append(((ORDER.index(mark), -flaps, self._since(latest.since)), row))
        found.sort(key=lambda each: each[0])
        return [row for _, row in found]

    def _states(self, subject: str, *ports: str) -> list[State]:
        """Give the states of a link: its verdict, its cable, its two ports. There is its cable."""
        kinds = (("link", subject), ("cable", subject), *(("port", port) for port in ports))
        states = (self.now.timeline.of(*kind) for kind in kinds)
        return [state for state in states if state is not None]

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

    def _events(self, room: int) -> list[Text]:
        lines: list[Text] = []
        for event in list(self.events)[:room]:
            color = "red" if event.kind in DOWNS else ""
            line = Text(f"{event.at}  ", style="dim")
            text = self.style.text(event.text)
            lines.append(line.append(text, style=f"not dim {color}".strip()))
        return _part("EVENTS", f"{self.count or 'none'} since the watch began", lines)

    def _since(self, at: str) -> float:
        then, now = datetime.fromisoformat(at), datetime.fromisoformat(self.at)
        return max(0.0, round((now - then).total_seconds()))


def _part(name: str, note: str, lines: Sequence[Text]) -> list[Text]:
    title = Text(name, style="bold").append(f"  {note}", style="not bold dim")
    return [Text(""), title, *lines]


def _columns(names: Sequence[str], rows: Sequence[Row]) -> list[Text]:
    """Lay out rows of one line each under their names, two blanks between."""
    table = [tuple(Text(name, style="dim") for name in names), *rows]
    wide = [max(cell_len(row[n].plain) for row in table) for n in range(len(names))]
    return [_joined(row, wide) for row in table]


def _joined(row: Row, wide: Sequence[int]) -> Text:
    line = Text()
    for cell, room in zip(row, wide, strict=True):
        line.append_text(cell).append(" " * (room + 2 - cell_len(cell.plain)))
    line.rstrip()
    return line


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


def _leaked(state: State | None) -> bool:
    return state is not None and state.value == LEAKED


def _memory(state: State | None) -> str:
    if state is None or not state.known:
        return "?"
    return "ok" if state.value == FINE else state.value


def _rounded(seconds: float) -> str:
    """Spell a time without fractions, and long ones without seconds."""
    whole = round(seconds)
    return duration(whole if whole < 3600 else whole // 60 * 60)
