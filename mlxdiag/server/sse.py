"""Server-sent events: chunks as they arrived -> events with their times. Pure.

https://html.spec.whatwg.org/multipage/server-sent-events.html: lines end in CR, LF or both, an
empty line ends an event, a line that begins with a colon is a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlxdiag.server.exchange import Chunk

_LINE = re.compile(rb"([^\r\n]*)(\r\n|\n|\r)")


@dataclass(frozen=True)
class Event:
    """The data of one event, `at` seconds from the start of the request."""

    at: float
    data: str


@dataclass(frozen=True)
class Stream:
    """`comments` are the times of comment lines, which servers send to keep a connection alive.

    `stray` is the first line that no field of an event is, as garbage is. `rest` is what came after
    the last end of a line.
    """

    events: tuple[Event, ...]
    comments: tuple[float, ...]
    stray: str
    rest: bytes


def read(chunks: Sequence[Chunk]) -> Stream:
    """Cut chunks into events, wherever their boundaries are: lines are decoded when complete."""
    events: list[Event] = []
    comments: list[float] = []
    data: list[str] = []
    stray = ""
    body = b"".join(chunk.raw for chunk in chunks)
    lines = list(_lines(body))
    for (line, _), at in zip(lines, _times(chunks, lines), strict=True):
        text = line.decode("utf-8", "replace")
        field, _, value = text.partition(":")
        if not text:
            if data:
                events.append(Event(at, "\n".join(data)))
            data = []
        elif text.startswith(":"):
            comments.append(at)
        elif field == "data":
            data.append(value.removeprefix(" "))
        elif field not in ("event", "id", "retry") and not stray:
            stray = text
    return Stream(tuple(events), tuple(comments), stray, body[lines[-1][1] if lines else 0 :])


def _lines(body: bytes) -> Iterator[tuple[bytes, int]]:
    """Give every complete line with where it ends."""
    return ((match[1], match.end()) for match in _LINE.finditer(body))


def _times(chunks: Sequence[Chunk], lines: Sequence[tuple[bytes, int]]) -> Iterator[float]:
    """Give for every complete line when its last byte came."""
    place, reached = 0, 0
    for _, end in lines:
        while reached < end:
            reached += len(chunks[place].raw)
            place += 1
        yield chunks[place - 1].at
