"""Secret: the key that a server wants, and the work of keeping it out of all that is kept.

A server may say the key back: as it is, escaped or encoded, or spread over the pieces of a stream.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from mlxdiag.errors import InventoryError
from mlxdiag.server import sse
from mlxdiag.server.exchange import Chunk

SHORT = 8
"""A key shorter than this is a word like `none`: masked where it stands alone."""

LEAST = 6
"""The beginning of a key that a stream broke off in the middle of is masked from this length on."""

_STRING = re.compile(rb'("(?:[^"\\]|\\.)*"\s*:\s*)("(?:[^"\\]|\\.)*"?)')
_WORDS = re.compile(rb"[^\s{}\[\]:,\"\\]")


@dataclass(frozen=True)
class Secret:
    """A key; its text shows in no repr. An empty one is none."""

    text: str = field(default="", repr=False)

    def header(self) -> dict[str, str]:
        """Give what is sent."""
        return {"Authorization": f"Bearer {self.text}"} if self.text else {}

    def out_of(self, said: str) -> str:
        """Mask the key in a text."""
        return self._masked(said.encode("utf-8", "surrogateescape")).decode(
            "utf-8", "surrogateescape"
        )

    def out_of_raw(self, said: bytes) -> bytes:
        """Mask the key in bytes; the length stays."""
        return self._masked(said)

    def out_of_all(self, chunks: Sequence[Chunk]) -> tuple[Chunk, ...]:
        """Mask the key in chunks, also across them; lengths and times stay.

        Where only the pieces of a stream together spell it, all of what they say is masked.
        """
        if not self.text:
            return tuple(chunks)
        body = self._masked(b"".join(chunk.raw for chunk in chunks))
        masked = _cut(body, chunks)
        if self._spelt(masked):
            body = _STRING.sub(lambda m: m[1] + _WORDS.sub(b"*", m[2]), body)
            masked = _cut(body, chunks)
        return masked

    def _masked(self, body: bytes) -> bytes:
        for form in _forms(self.text):
            body = _pattern(form).sub(lambda m: b"*" * len(m[0]), body)
            begun = _begun(form, body)
            body = body[: len(body) - begun] + b"*" * begun
        return body

    def _spelt(self, chunks: Sequence[Chunk]) -> bool:
        """Whether the strings of a stream's events give the key when put together, by name."""
        if len(self.text) < SHORT:
            return False
        by_name: dict[str, str] = {}
        for event in sse.read(chunks).events:
            for name, value in _strings(event.data):
                by_name[name] = by_name.get(name, "") + value
        key = self.text.encode()
        said = [text.encode("utf-8", "replace") for text in by_name.values()]
        return any(key in text or _begun(key, text) for text in said)


def of(name: str | None, value: str | None) -> Secret:
    """Take the key from the value of a variable; raise InventoryError, which never shows it."""
    if name is None:
        return Secret()
    key = (value or "").strip()
    if not key:
        raise InventoryError(f"{name}, which holds the key of the server, is not set, or empty")
    if not all("!" <= character <= "~" for character in key):
        raise InventoryError(f"{name}: holds what is in no key: blanks, or other than ASCII")
    return Secret(key)


def _forms(key: str) -> list[bytes]:
    """Spell the key in the ways in which it may come back, the longest first."""
    if not key:
        return []
    raw = key.encode()
    escaped = json.dumps(key)[1:-1]
    percent = "".join(c if c.isalnum() or c in "-._~" else f"%{ord(c):02X}" for c in key)
    entities = key.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    forms = {raw, escaped.encode(), escaped.replace("/", r"\/").encode(), percent.encode()}
    forms |= {percent.lower().encode(), entities.encode(), entities.replace('"', "&quot;").encode()}
    if len(key) >= SHORT:
        forms |= {form.rstrip(b"=") for form in (base64.b64encode(raw), raw.hex().encode())}
        forms |= {raw[::-1]}
    return sorted(forms, key=len, reverse=True)


def _pattern(form: bytes) -> re.Pattern[bytes]:
    literal = re.escape(form)
    if len(form) < SHORT:
        literal = rb"(?<![A-Za-z0-9])" + literal + rb"(?![A-Za-z0-9])"
    return re.compile(literal)


def _begun(form: bytes, body: bytes) -> int:
    """Count the bytes at the end of a body that begin a form: the rest did not come."""
    most = min(len(form), len(body))
    return next((n for n in range(most, LEAST - 1, -1) if body.endswith(form[:n])), 0)


def _cut(body: bytes, chunks: Sequence[Chunk]) -> tuple[Chunk, ...]:
    """Cut a body as it was before."""
    made, at = [], 0
    for chunk in chunks:
        made.append(Chunk(chunk.at, body[at : at + len(chunk.raw)]))
        at += len(chunk.raw)
    return tuple(made)


def _strings(data: str) -> list[tuple[str, str]]:
    """List the strings of an event by their names; what is not JSON is one string."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return [("", data)]
    found: list[tuple[str, str]] = []
    queue = [("", value)]
    while queue:
        name, inner = queue.pop(0)
        if isinstance(inner, str):
            found.append((name, inner))
        elif isinstance(inner, dict):
            queue += inner.items()
        elif isinstance(inner, list):
            queue += [(name, each) for each in inner]
    return found
