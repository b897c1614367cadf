"""Answer: one exchange about a completion -> what was said, how fast, or what was wrong. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil
from typing import Literal

from mlxdiag.server import body
from mlxdiag.server.body import Body
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

FIRST_GAPS = 3.0
"""Of a stream with fewer than two gaps the first token tells how slow a step is: silent for so many
times its time. Where weights are read from disk, a step takes as long as a short prompt."""


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


def answer(found: Exchange) -> Answer:
    """Read an exchange that asked for a completion."""
    read = body.read(found)
    fault, said = _fault(found, read)
    text = "".join(piece.text for piece in read.pieces)
    made = Answer(
        found, fault, said, text[: body.SHOWN], read.streamed, comments=len(read.comments)
    )
    return _timed(made, read, found)


def _timed(made: Answer, read: Body, found: Exchange) -> Answer:
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


def _fault(found: Exchange, read: Body) -> tuple[Fault, str]:
    """Say what was wrong with an exchange: the connection, the status, the body, the end."""
    if found.end in NO_CONNECTION or found.end in ("closed", "not_http"):
        return "connection", found.detail
    if found.end == "interrupted":
        return "interrupted", f"not through after {found.seconds:.1f} s, when the run was ended"
    if found.status is not None and found.status != 200:
        return _status(found, read)
    if read.garbage:
        return "garbage", f"not what a completion is: {body.shown(read.garbage)}"
    if read.error:
        return "status", f"an error in place of words: {read.error}"
    return _overdue(found, read) if found.end == "deadline" else _end(found, read)


def _end(found: Exchange, read: Body) -> tuple[Fault, str]:
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


def _so_far(read: Body) -> str:
    count = sum(bool(piece.text) for piece in read.pieces)
    return f"{count} piece{'' if count == 1 else 's'} of text in"


def _status(found: Exchange, read: Body) -> tuple[Fault, str]:
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
        return "redirect", f"{status} to {body.shown(place)}, which is not followed"
    if found.status == 404 and "model" in read.error.lower():
        return "model", said
    return "status", said


def _overdue(found: Exchange, read: Body) -> tuple[Fault, str]:
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
    count = f"{len(times)} piece{'' if len(times) == 1 else 's'}"
    if silent >= max(min(SILENCE_S, found.seconds / 2), _patience(times)):
        return "hang", f"{count} of text, then nothing for {silent:.1f} s{still}"
    return "slow", f"{count} of text in {limit}, and more to come"


def _patience(times: Sequence[float]) -> float:
    """Give the seconds of silence that a stream with pieces at these times may still be slow in."""
    longest = max((b - a for a, b in pairwise(times)), default=0.0)
    first = FIRST_GAPS * times[0] if len(times) < 3 else 0.0
    return max(SILENCE_GAPS * longest, first)
