"""Reading: the text of one log -> what is known in it, first places and counts. Bounded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from mlxdiag.diagnose import crash, speaker
from mlxdiag.diagnose.blocks import REDRAWN, blocks, pieces, split
from mlxdiag.diagnose.entry import Entry, Role
from mlxdiag.diagnose.matcher import Matcher, Stranger, starts
from mlxdiag.diagnose.speaker import Speaker
from mlxdiag.diagnose.stamps import Stamp, stamp
from mlxdiag.probe.errnos import NAMES

SIGHTINGS = 2000
"""Different sightings of one log that are kept; further ones are counted as `dropped`."""

STRANGERS = 50
"""Different errors that nobody knows, of one log, and as many again of those that end a process."""

GAP_S = 600.0
"""Errors of one log that are further apart by their times are of two runs."""

TIMED = 2000
"""Errors without a time of their own for which one is looked for above."""

ENDS = ("launch-exit", "launch-killed")
"""Ids of what mlx.launch says of ranks that have ended: they begin no run."""

WELL = "launch-completed"
"""What it says of a rank that ended well: below its failure, it is of a run that came after."""

KILLED = "launch-killed"
"""What mlx.launch says last: an error below it is of another run."""

SHOWN = 400
"""Characters of a line that are kept."""

EDGE = 20
"""Lines at each end of a log that are kept for what comes near to them."""

TAIL = 1 << 14
"""Characters at each end of a log in which these are looked for."""

ABOVE = 1 << 12
"""Characters above a line without a time in which the time of it is looked for."""


@dataclass(frozen=True)
class Log:
    """One log: what to call it, and its bytes, piece by piece."""

    name: str
    chunks: Iterable[bytes]


@dataclass(frozen=True)
class Sighting:
    """A known message: who said it, where first, how often. `line` counts from 1.

    `errno` is the number's name. `about_rank` is whom the message names, `device` and `host` too.
    `run` counts from 0 where a log is of several.
    """

    entry: Entry
    speaker: Speaker
    text: str
    line: int
    when: Stamp | None = None
    number: int | None = None
    errno: str | None = None
    device: str | None = None
    about_rank: int | None = None
    host: str | None = None
    count: int = 1
    run: int = 0

    @property
    def means(self) -> str:
        """What it means with its number."""
        return self.entry.meaning(self.errno)

    @property
    def place(self) -> str:
        """Where it stands: `FILE:LINE`."""
        return _place(self.speaker.source, self.line)


@dataclass(frozen=True)
class Unknown:
    """An error that no entry is of, or a line of a log in which none was found (`error` false)."""

    speaker: Speaker
    text: str
    line: int
    when: Stamp | None = None
    grave: bool = False
    error: bool = True
    count: int = 1

    @property
    def place(self) -> str:
        """Where it stands: `FILE:LINE`."""
        return _place(self.speaker.source, self.line)


@dataclass(frozen=True)
class Reading:
    """What one log says, in the order of its lines. `dropped` counts what was not kept.

    `runs` are how many it is of, as far as it has errors.
    """

    name: str
    lines: int
    sightings: tuple[Sighting, ...]
    unknown: tuple[Unknown, ...]
    edges: tuple[Unknown, ...] = ()
    dropped: int = 0
    runs: int = 1

    @property
    def empty(self) -> bool:
        """Whether there was no text at all."""
        return not (self.sightings or self.unknown or self.edges)


@dataclass
class _Page:
    """What has been found so far."""

    own: Speaker
    hosts: Sequence[str]
    matcher: Matcher
    now: Speaker
    numbered: bool = True
    sightings: dict[tuple[object, ...], Sighting] = field(default_factory=dict)
    unknown: dict[tuple[object, ...], Unknown] = field(default_factory=dict)
    strangers: Counter[bool] = field(default_factory=Counter)
    dropped: int = 0
    run: int = 0
    over: bool = False
    ended: set[int | None] = field(default_factory=set)
    timed: int = 0
    last: Stamp | None = None

    def line(self, number: int, text: str, before: str = "") -> None:
        """Take one line that may say something; `before` is what stands above it."""
        name = speaker.header(text)
        if name is not None:
            self.now = replace(speaker.of_file(name, self.hosts), source=self.own.source)
            return
        found = self.matcher.find(text)
        number = number if self.numbered else 0
        if isinstance(found, Stranger):
            self._strange(number, text, before, grave=found.grave)
        elif found is not None:
            self._seen(number, text, before, *found)

    def _seen(
        self, number: int, text: str, before: str, entry: Entry, match: re.Match[str]
    ) -> None:
        said = self._sighting(number, text, entry, match)
        if entry.role is not Role.NOTICE and not entry.id.startswith(ENDS):
            self._error(said.when, before)
        self._told(entry.id, said.about_rank)
        said = replace(said, run=self.run)
        what = (said.number, said.device, said.about_rank, said.host)
        key = (self.run, entry.id, said.speaker, *what)
        known = self.sightings.get(key)
        if known is not None:
            self.sightings[key] = replace(known, count=known.count + 1)
        elif len(self.sightings) < SIGHTINGS:
            self.sightings[key] = replace(said, when=said.when or _above(before))
        else:
            self.dropped += 1

    def _told(self, id_: str, rank: int | None) -> None:
        """Take what the launcher says of a rank that has ended."""
        self.over |= id_ == KILLED
        if id_.startswith(ENDS):
            self.ended.add(rank)
        elif id_ == WELL and rank in self.ended:
            self._another()

    def _another(self) -> None:
        """Begin another run."""
        self.run += 1
        self.over = False
        self.ended.clear()

    def _strange(self, number: int, text: str, before: str, *, grave: bool) -> None:
        of = speaker.of_line(text, self.now, self.hosts)
        shown = text[:SHOWN].strip()
        if grave:
            self._error(stamp(text), before)
        key = (of, re.sub(r"0x[0-9a-f]+|\d+", "0", shown))
        known = self.unknown.get(key)
        if known is not None:
            self.unknown[key] = replace(known, count=known.count + 1)
        elif self.strangers[grave] < STRANGERS:
            self.strangers[grave] += 1
            when = stamp(text) or _above(before)
            self.unknown[key] = Unknown(of, shown, number, when, grave)
        else:
            self.dropped += 1

    def _error(self, when: Stamp | None, before: str) -> None:
        """Begin another run where an error is long after the last, or below the launcher's end."""
        if when is None and self.timed < TIMED:
            self.timed += 1
            when = _above(before)
        last = self.last
        if when and last and when.kind == last.kind and when.seconds - last.seconds > GAP_S:
            self.over = True
        if self.over:
            self._another()
        self.last = when or last

    def _sighting(self, number: int, text: str, entry: Entry, match: re.Match[str]) -> Sighting:
        told = match.groupdict()
        errno = _whole(told.get("errno"))
        device, host = told.get("device"), told.get("host")
        return Sighting(
            entry=entry,
            speaker=speaker.of_line(text, self.now, self.hosts),
            text=_around(text, match),
            line=number,
            when=stamp(text),
            number=errno,
            errno=name_of(errno),
            device=device and device[:64].rstrip(".,:;'\")"),
            about_rank=_whole(told.get("rank")),
            host=host and host[:128],
        )


def read(log: Log, matcher: Matcher, hosts: Sequence[str] = ()) -> Reading:
    """Read a log to its end; `hosts` are names that a line may begin with."""
    own = speaker.of_file(log.name, hosts)
    page = _Page(own, hosts, matcher, own)
    count, head, tail = 0, "", ""
    for block in _report(blocks(log.chunks), page):
        for number, line, before in _candidates(block):
            page.line(count + number, line, before)
        count += block.count("\n")
        head = head or block[:TAIL]
        tail = (tail + block)[-TAIL:]
    unknown = tuple(page.unknown.values())
    if not page.numbered and page.sightings:
        unknown = ()  # the headline of a report whose frames are known
    return Reading(
        name=log.name,
        lines=count,
        sightings=tuple(page.sightings.values()),
        unknown=unknown,
        edges=_edges(page.own, head, tail, count),
        dropped=page.dropped,
        runs=page.run + 1,
    )


def _report(found: Iterator[str], page: _Page) -> Iterator[str]:
    """Give a crash report as its text, and everything else as it is."""
    first = next(found, None)
    if first is None:
        return
    if not crash.is_header(first.partition("\n")[0]):
        yield first
        yield from found
        return
    parts, size = [first], len(first)
    for block in found:
        parts.append(block)
        size += len(block)
        if size > crash.LARGEST:
            break
    spelt = crash.lines("".join(parts)) if size <= crash.LARGEST else None
    page.numbered = spelt is None
    yield from parts if spelt is None else ["\n".join(spelt) + "\n"]
    yield from found


def _candidates(block: str) -> Iterator[tuple[int, str, str]]:
    """Find the lines that may say something: number within the block from 1, line, text above."""
    at, number = 0, 1
    for start in starts(block):
        number += block.count("\n", at, start)
        at = start
        line = block[start : block.find("\n", start)].partition(REDRAWN)[0]
        for piece in pieces(line):
            yield number, piece, block[max(0, start - ABOVE) : start]


def _above(text: str) -> Stamp | None:
    """Read the time of the nearest line above that has one: a traceback's lines have none."""
    return next(filter(None, map(stamp, reversed(split(text)))), None)


def _edges(own: Speaker, head: str, tail: str, count: int) -> tuple[Unknown, ...]:
    """Take the first and the last lines that are not empty."""
    first = enumerate(head.split("\n"), 1)
    ends = tail.split("\n")
    last = enumerate(ends, count - len(ends) + 2)
    kept = dict([pair for pair in first if pair[1].strip()][:EDGE])
    kept |= dict([pair for pair in last if pair[1].strip()][-EDGE:])
    return tuple(
        Unknown(own, split(text)[-1][:SHOWN].strip(), n, error=False) for n, text in kept.items()
    )


def _place(source: str, line: int) -> str:
    """Name a line of a file; a crash report has no lines of its own."""
    return f"{source}:{line}" if line else source


def _around(text: str, match: re.Match[str]) -> str:
    """Give the line, or where it is long the part of it with the message."""
    start = 0 if match.end() < SHOWN else max(0, match.start() - 80)
    return text[start : start + SHOWN].strip()


def _whole(text: str | None) -> int | None:
    return int(text) if text and len(text) < 10 else None


def name_of(errno: int | None) -> str | None:
    """Name a number as macOS does; one that only Linux has as Linux does."""
    if errno is None:
        return None
    return NAMES["macOS"].get(abs(errno)) or NAMES["Linux"].get(abs(errno))
