"""Exchange: one request and all that came back, with the time of every piece."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

What = Literal["models", "health", "queue", "request", "parallel"]
End = Literal[
    "done",
    "unresolved",
    "refused",
    "unreachable",
    "tls",
    "closed",
    "not_http",
    "cut",
    "too_long",
    "deadline",
    "interrupted",
]
"""How it ended: the answer came to its end, no connection, or what broke it off.

`closed`: the server closed the connection without a word. `cut`: it did so in the middle of its
answer, and HTTP says that more was to come. `deadline`: the time for this request was up.
"""

ENDS: tuple[End, ...] = get_args(End)
WHATS: tuple[What, ...] = get_args(What)
NO_CONNECTION = frozenset({"unresolved", "refused", "unreachable", "tls"})


@dataclass(frozen=True)
class Chunk:
    """Bytes as they arrived, `at` seconds from the start of the request."""

    at: float
    raw: bytes


@dataclass(frozen=True)
class Exchange:
    """Times are seconds: `began_s` of the run, all others of the request. None: it never came.

    `connected_s` is when the connection was there, `headers_s` when the head of the answer was.
    Of the headers only those are kept that say something about the answer (`client.KEPT`).
    """

    what: What
    number: int
    path: str
    began_s: float
    seconds: float
    end: End
    detail: str = ""
    connected_s: float | None = None
    headers_s: float | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: tuple[Chunk, ...] = ()

    @property
    def body(self) -> bytes:
        """All that came of the body."""
        return b"".join(chunk.raw for chunk in self.chunks)

    @property
    def is_chat(self) -> bool:
        """Whether it asked for a completion."""
        return self.what in ("request", "parallel")

    @property
    def name(self) -> str:
        """What a report calls it."""
        return f"{self.what} {self.number}" if self.is_chat else self.path


def sound(text: str) -> str:
    """Replace halves of pairs, which JSON can spell and no file can hold."""
    return text.encode("utf-8", "replace").decode()
