"""Body: what a completion says, piece by piece at its time, in events or in one JSON. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlxdiag.server import sse
from mlxdiag.server.exchange import Exchange, sound

TEXTS = ("content", "reasoning_content", "reasoning", "text")
"""Where servers put what a model says; `text` is that of the older completions."""

MOST = 1 << 30
"""A server that counts more tokens than this has not counted."""

SHOWN = 160
"""Characters of what a server said that go into a report."""


@dataclass(frozen=True)
class Piece:
    """A part of a message at its time."""

    at: float
    text: str


@dataclass(frozen=True)
class Body:
    """What the body of an exchange holds.

    `tokens` are those that the server counted. `ended` is whether it says that this is all.
    `error` is what it says in place of words, `garbage` the first thing that is neither, and
    `comments` are the times of those that keep a connection alive.
    """

    pieces: tuple[Piece, ...] = ()
    tokens: int | None = None
    ended: bool = False
    error: str = ""
    garbage: str = ""
    comments: tuple[float, ...] = ()
    streamed: bool = False


def read(found: Exchange) -> Body:
    """Read a body by what it is, not by what its head calls it."""
    raw = found.body.lstrip()
    if found.status != 200 or not raw:
        return Body(error=_message(found.body))
    if raw[:1] == b"{":
        return _whole(found)
    return _stream(found)


def _whole(found: Exchange) -> Body:
    """Read an answer in one piece."""
    try:
        document = json.loads(found.body)
    except (ValueError, RecursionError):
        done = found.end == "done"
        return Body(garbage="JSON that is not whole" if done else "", ended=False)
    failed = isinstance(document, dict) and document.get("error")
    error = _message(found.body) if failed else ""
    texts = tuple(Piece(found.seconds, text) for text in _texts(document, "message"))
    bad = "" if error or _choices(document) is not None else "JSON without choices"
    return Body(texts, _usage(document), ended=True, error=error, garbage=bad)


def _stream(found: Exchange) -> Body:
    """Read an answer in events."""
    stream = sse.read(found.chunks)
    pieces: list[Piece] = []
    tokens, ended, error, garbage = None, False, "", stream.stray
    for event in stream.events:
        if event.data.strip() == "[DONE]":
            ended = True
            continue
        try:
            document = json.loads(event.data)
        except (ValueError, RecursionError):
            garbage = garbage or event.data
            continue
        if isinstance(document, dict) and document.get("error"):
            error = error or _message(event.data.encode())
        choices = _choices(document)
        if choices is None and not error and _usage(document) is None:
            garbage = garbage or event.data
        pieces += [Piece(event.at, text) for text in _texts(document, "delta")]
        ended = ended or any(choice.get("finish_reason") for choice in choices or ())
        tokens = _usage(document) if _usage(document) is not None else tokens
    if found.end == "done" and stream.rest.strip() and not garbage and not ended:
        garbage = "" if stream.rest.startswith(b"data") else stream.rest.decode("utf-8", "replace")
    comments = stream.comments
    return Body(tuple(pieces), tokens, ended, error, garbage, comments, streamed=True)


def _choices(document: Any) -> list[dict[str, Any]] | None:  # noqa: ANN401
    found = document.get("choices") if isinstance(document, dict) else None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        return None
    return found


def _texts(document: Any, part: str) -> Iterator[str]:  # noqa: ANN401
    """Give what a choice says, thoughts and calls of tools included."""
    for choice in _choices(document) or ():
        held = choice.get(part)
        places: Sequence[Mapping[str, Any]] = (held if isinstance(held, dict) else {}, choice)
        for place in places:
            yield from (
                sound(place[n]) for n in TEXTS if isinstance(place.get(n), str) and place[n]
            )
        calls = places[0].get("tool_calls")
        if calls:
            yield json.dumps(calls, sort_keys=True)


def _usage(document: Any) -> int | None:  # noqa: ANN401
    usage = document.get("usage") if isinstance(document, dict) else None
    count = usage.get("completion_tokens") if isinstance(usage, dict) else None
    known = isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= MOST
    return count if known else None


def _message(raw: bytes) -> str:
    """Give what a server says of an error, in a line."""
    text = raw.decode("utf-8", "replace")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return shown(text)
    for key in ("error", "message", "detail"):
        if isinstance(said, dict) and said.get(key):
            said = said[key]
    return shown(said if isinstance(said, str) else json.dumps(said, sort_keys=True))


def shown(text: str) -> str:
    """Cut what a server said to what a line holds."""
    line = " ".join(sound(text).split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 3]}..."
