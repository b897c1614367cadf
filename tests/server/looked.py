"""Looks at a server: live ones in this process, and made ones of which every time is known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from mlxdiag import report
from mlxdiag.finding import Finding, Status
from mlxdiag.inventory import Inventory
from mlxdiag.recording import Recording
from mlxdiag.report import Report
from mlxdiag.server.asked import Asked
from mlxdiag.server.command import Visit
from mlxdiag.server.exchange import Chunk, Exchange, What
from mlxdiag.server.record import Examined, Look
from mlxdiag.server.secret import Secret

NOBODY = Inventory("lab", ())
URL = "http://macstudio1:8080"
SEEN = Examined("rank 1 is the one to look at", ("rank 0 waits in all_sum",), "kill -CONT 7")


def visit(
    url: str,
    *,
    key: str = "",
    timeout_s: float | None = None,
    path_s: float = 10.0,
    **asked: Any,  # noqa: ANN401
) -> Recording:
    """Look at a server; a hang is looked at by somebody who knows the answer."""
    told = {"url": url, "requests": 1, "deadline_s": 5.0, **asked}
    examine = lambda _inventory, _left, _show: SEEN  # noqa: E731
    look = Look(Asked(**told))
    return Visit(look, NOBODY, Secret(key), timeout_s, examine, path_s=path_s).run()


def reported(found: Recording) -> Report:
    return report.build(found, "server", "0.1.0")


def bad(made: Report) -> list[tuple[str, Status]]:
    """List what is not well, causes first."""
    return [(cause.id, cause.status) for cause in made.causes]


def finding(made: Report, name: str) -> Finding:
    return next(f for f in made.findings if f.id == name)


def recorded(*exchanges: Exchange, hang: Examined | None = None, **asked: Any) -> Recording:  # noqa: ANN401
    """Make a recording of what a server answered."""
    look = Look(Asked(**{"url": URL, "requests": 1, **asked}), exchanges, hang)
    return Recording(NOBODY, {}, "2026-01-30T21:14:05Z", 1.5, "0.1.0", server=look)


MODELS = Exchange(
    "models", 1, "/v1/models", 0.0, 0.01, "done", "", 0.001, 0.009, 200,
    {"content-type": "application/json"},
    (Chunk(0.01, b'{"object": "list", "data": [{"id": "qwen"}]}'),),
)  # fmt: skip


def chat(
    pieces: Iterable[tuple[float, object]],
    *,
    number: int = 1,
    what: What = "request",
    end: Any = "done",  # noqa: ANN401
    seconds: float | None = None,
    status: int = 200,
) -> Exchange:
    """Make an exchange of events at their times; a text is a piece of the answer."""
    chunks = tuple(Chunk(at, event(said)) for at, said in pieces)
    last = chunks[-1].at if chunks else 0.5
    return Exchange(
        what, number, "/v1/chat/completions", number * 1.0, last if seconds is None else seconds,
        end, "", 0.001, 0.01, status, {"content-type": "text/event-stream"}, chunks,
    )  # fmt: skip


def event(said: object) -> bytes:
    if isinstance(said, bytes):
        return said
    what = delta(said) if isinstance(said, str) else said
    return f"data: {json.dumps(what, ensure_ascii=False)}\n\n".encode()


def delta(text: str) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}


def steady(
    first_s: float, gap_s: float, count: int, usage: int | None = None
) -> Sequence[tuple[float, object]]:
    """Give an answer whose pieces come at even gaps, with its end."""
    pieces: list[tuple[float, object]] = [
        (round(first_s + n * gap_s, 6), f"w{n} ") for n in range(count)
    ]
    last = pieces[-1][0]
    if usage is not None:
        pieces.append((last, {"choices": [], "usage": {"completion_tokens": usage}}))
    return [*pieces, (last, b"data: [DONE]\n\n")]
