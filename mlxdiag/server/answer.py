"""Answer: one exchange about a completion -> what was said, how fast, or what was wrong. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil
from typing import Any, Literal

from mlxdiag.server import sse
from mlxdiag.server.course import KEY, is_busy
from mlxdiag.server.exchange import NO_CONNECTION, Exchange

Fault = Literal[
    "",
    "connection",
    "hang",
    "slow",
    "busy",
    "key",
    "model",
    "status",
    "redirect",
    "garbage",
    "cut",
    "interrupted",
]
"""What was wrong: `hang` is silence until the deadline, `slow` words that were not through by it,
`cut` an answer without its end."""

SILENCE_S, SILENCE_GAPS = 2.0, 10.0
"""At the deadline a stream hangs when it was silent for so long, and for so many of its longest
gaps; until then it is slow."""

TEXTS = ("content", "reasoning_content", "reasoning", "text")
"""Where servers put what a model says; `text` is that of the older completions."""

SHOWN = 160
"""Characters of what a server said that go into a report."""


@dataclass(frozen=True)
class Answer:
    """Times in seconds. None: not known; without a stream there is no first token and no gap.

    `tokens` are those that the server counted (`counted` is `usage`), else the pieces with text
    (`chunks`). `gaps_s` lie between pieces. `text` is how the answer begins.
    """

    exchange: Exchange
    fault: Fault
    said: str
    text: str = ""
    streamed: bool = False
    first_token_s: float | None = None
    tokens: int | None = None
    counted: Literal["usage", "chunks"] | None = None
    tokens_per_s: float | None = None
    gaps_s: tuple[float, ...] = ()
    comments: int = 0

    def gap_s(self, share: float) -> float | None:
        """Give the gap that `share` of its gaps do not exceed; None where there is none."""
        return quantile(self.gaps_s, share)

    @property
    def empty(self) -> bool:
        """Whether it came to its end without a word."""
        return self.fault == "" and not self.text.strip()


def quantile(gaps: Sequence[float], share: float) -> float | None:
    """Give the gap that `share` of all gaps do not exceed; None where there is none."""
    ordered = sorted(gaps)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None


@dataclass(frozen=True)
class _Piece:
    """A part of a message at its time."""

    at: float
    text: str


@dataclass(frozen=True)
class _Read:
    """What the body of an exchange holds."""

    pieces: tuple[_Piece, ...] = ()
    tokens: int | None = None
    ended: bool = False
    error: str = ""
    garbage: str = ""
    comments: tuple[float, ...] = ()
    streamed: bool = False


def answer(found: Exchange) -> Answer:
    """Read an exchange that asked for a completion."""
    read = _body(found)
    fault, said = _fault(found, read)
    text = "".join(piece.text for piece in read.pieces)
    made = Answer(found, fault, said, text[:SHOWN], read.streamed, comments=len(read.comments))
    return _timed(made, read, found)


def _timed(made: Answer, read: _Read, found: Exchange) -> Answer:
    """Add the numbers. Of several tokens in the first piece, its share is not counted as rate."""
    pieces = [piece for piece in read.pieces if piece.text]
    tokens = read.tokens if read.tokens is not None else len(pieces) if read.streamed else None
    if tokens is None or (made.fault and not tokens):
        return made
    counted: Literal["usage", "chunks"] = "usage" if read.tokens is not None else "chunks"
    made = replace(made, tokens=tokens, counted=counted)
    if not read.streamed:
        rate = tokens / found.seconds if found.seconds > 0 and tokens else None
        return replace(made, tokens_per_s=rate)
    if not pieces:
        return made
    first, last = pieces[0].at, pieces[-1].at
    after = tokens * (len(pieces) - 1) / len(pieces)
    return replace(
        made,
        first_token_s=first,
        tokens_per_s=after / (last - first) if last > first else None,
        gaps_s=tuple(round(b.at - a.at, 4) for a, b in pairwise(pieces)),
    )


def _body(found: Exchange) -> _Read:
    """Read a body by what it is, not by what its head calls it."""
    raw = found.body.lstrip()
    if found.status != 200 or not raw:
        return _Read(error=_message(found.body))
    if raw[:1] == b"{":
        return _whole(found)
    return _stream(found)


def _whole(found: Exchange) -> _Read:
    """Read an answer in one piece."""
    try:
        document = json.loads(found.body)
    except (ValueError, RecursionError):
        done = found.end == "done"
        return _Read(garbage="JSON that is not whole" if done else "", ended=False)
    error = _message(found.body) if isinstance(document, dict) and "error" in document else ""
    texts = tuple(_Piece(found.seconds, text) for text in _texts(document, "message"))
    bad = "" if error or _choices(document) is not None else "JSON without choices"
    return _Read(texts, _usage(document), ended=True, error=error, garbage=bad)


def _stream(found: Exchange) -> _Read:
    """Read an answer in events."""
    stream = sse.read(found.chunks)
    pieces: list[_Piece] = []
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
        pieces += [_Piece(event.at, text) for text in _texts(document, "delta")]
        ended = ended or any(choice.get("finish_reason") for choice in choices or ())
        tokens = _usage(document) if _usage(document) is not None else tokens
    if found.end == "done" and stream.rest.strip() and not garbage and not ended:
        garbage = "" if stream.rest.startswith(b"data") else stream.rest.decode("utf-8", "replace")
    comments = stream.comments
    return _Read(tuple(pieces), tokens, ended, error, garbage, comments, streamed=True)


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
            yield from (place[n] for n in TEXTS if isinstance(place.get(n), str) and place[n])
        calls = places[0].get("tool_calls")
        if calls:
            yield json.dumps(calls, sort_keys=True)


def _usage(document: Any) -> int | None:  # noqa: ANN401
    usage = document.get("usage") if isinstance(document, dict) else None
    count = usage.get("completion_tokens") if isinstance(usage, dict) else None
    known = isinstance(count, int) and not isinstance(count, bool) and count >= 0
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
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 3]}..."


def _fault(found: Exchange, read: _Read) -> tuple[Fault, str]:
    """Say what was wrong with an exchange: the connection, the status, the body, the end."""
    if found.end in NO_CONNECTION or found.end in ("closed", "not_http"):
        return "connection", found.detail
    if found.end == "interrupted":
        return "interrupted", f"not through after {found.seconds:.1f} s, when the run was ended"
    if found.status is not None and found.status != 200:
        return _status(found, read)
    if read.garbage:
        return "garbage", f"not what a completion is: {shown(read.garbage)}"
    if read.error:
        return "status", f"an error in place of words: {read.error}"
    return _overdue(found, read) if found.end == "deadline" else _end(found, read)


def _end(found: Exchange, read: _Read) -> tuple[Fault, str]:
    """Say whether an answer that is over has its end."""
    if found.end == "too_long":
        return "garbage", f"no end: {found.detail}"
    if found.end == "cut":
        return "cut", f"the connection was closed {found.detail}, {_so_far(read)}"
    if not found.body.strip():
        return "cut", "an answer without a body"
    if not read.ended:
        return "cut", f"the stream ended without its end ([DONE], finish_reason), {_so_far(read)}"
    return "", ""


def _so_far(read: _Read) -> str:
    count = sum(bool(piece.text) for piece in read.pieces)
    return f"{count} piece{'' if count == 1 else 's'} of text in"


def _status(found: Exchange, read: _Read) -> tuple[Fault, str]:
    status = f"HTTP {found.status}"
    said = f"{status}: {read.error}" if read.error else status
    if found.status in KEY:
        return "key", said
    if is_busy(found):
        after = found.headers.get("retry-after")
        wait = f"it asks to wait {after} s" if after and after.isdigit() else "it is busy"
        return "busy", f"{said}; {wait}"
    if 300 <= (found.status or 0) < 400:
        place = found.headers.get("location", "nowhere").partition("?")[0]
        return "redirect", f"{status} to {shown(place)}, which is not followed"
    if found.status == 404 and "model" in read.error.lower():
        return "model", said
    return "status", said


def _overdue(found: Exchange, read: _Read) -> tuple[Fault, str]:
    """Tell a server that hangs from one that is slow."""
    limit = f"{found.seconds:.1f} s"
    times = [piece.at for piece in read.pieces if piece.text]
    still = f"; {len(read.comments)} keep-alive comments came" if read.comments else ""
    if found.connected_s is None:
        return "connection", f"no connection in {limit}"
    if found.headers_s is None:
        return "hang", f"connected, and not a byte of an answer in {limit}"
    if not times:
        return "hang", f"the answer began, and not a token in {limit}{still}"
    silent = found.seconds - times[-1]
    longest = max((b - a for a, b in pairwise(times)), default=0.0)
    count = f"{len(times)} piece{'' if len(times) == 1 else 's'}"
    if silent >= max(min(SILENCE_S, found.seconds / 2), SILENCE_GAPS * longest):
        return "hang", f"{count} of text, then nothing for {silent:.1f} s{still}"
    return "slow", f"{count} of text in {limit}, and more to come"
