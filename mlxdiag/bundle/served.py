"""Served: a look at a server without its words, so that every time and count stays.

A body keeps its length, its chunks and its JSON; texts in it become `x`, names of models others of
the same length. An answer that is no JSON and no stream of it becomes `x` as well.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace

from mlxdiag.bundle.pseudonyms import Pseudonyms
from mlxdiag.keys import masked_text
from mlxdiag.server.asked import Asked
from mlxdiag.server.exchange import Chunk, Exchange
from mlxdiag.server.record import Examined, Look

LEFT_OUT = "left out"
_URL = re.compile(r"(?P<scheme>https?)://(?:\[[^\]]*\]|[^/:?#]*)(?P<port>:\d{1,5})?(?:[/?#]|$)")
_STRING = re.compile(rb'"((?:[^"\\\r\n]|\\.)*)"(?P<key>\s*:)?')
_KEPT = frozenset(
    {b"object", b"finish_reason", b"role", b"type", b"status"}  # of OpenAI's API, and of /health
)
_NAMES = frozenset({b"id", b"model", b"root"})
_LINE = re.compile(rb"(?P<field>(?:data|event|id|retry)?: ?)?(?P<value>[^\r\n]+)")
_BLANK = re.compile(rb"(?P<stays>(?i:\bmodels?\b))|[0-9A-Za-z\x80-\xff]")
_INSIDE = re.compile(rb"(?P<stays>\\[nrt]|(?i:\bmodels?\b))|\\u[0-9A-Fa-f]{4}|\\[^u]|[^\s\\]")
"""`model` stays: a server that does not know the model says so."""


@dataclass(frozen=True)
class Served:
    """What makes names unreadable is the key of the pseudonyms."""

    pseudonyms: Pseudonyms

    def look(self, said: Look) -> Look:
        """Leave out address, model, prompt and the key's variable; keep times and counts."""
        return replace(
            said,
            asked=self._asked(said.asked),
            exchanges=tuple(map(self._exchange, said.exchanges)),
            hang=said.hang and self._examined(said.hang),
        )

    def _asked(self, said: Asked) -> Asked:
        found = _URL.match(said.url)
        scheme, port = (found["scheme"], found["port"] or "") if found else ("http", "")
        return replace(
            said,
            url=f"{scheme}://server{port}",
            model=said.model and self._name(said.model.encode()).decode(),
            prompt=LEFT_OUT,
            key_env=said.key_env and LEFT_OUT,
        )

    def _exchange(self, said: Exchange) -> Exchange:
        return replace(
            said,
            path=self._text(said.path),
            detail=self._text(said.detail),
            headers={name: self._header(name, value) for name, value in said.headers.items()},
            chunks=self._chunks(said.chunks),
        )

    def _header(self, name: str, value: str) -> str:
        """Only the type and the seconds to wait say nothing of the place."""
        return value if name in ("content-type", "retry-after") else LEFT_OUT

    def _chunks(self, said: tuple[Chunk, ...]) -> tuple[Chunk, ...]:
        """Cut the body where it was cut: names stand across the ends of chunks."""
        body = self.body(b"".join(chunk.raw for chunk in said))
        at, made = 0, []
        for chunk in said:
            made.append(replace(chunk, raw=body[at : at + len(chunk.raw)]))
            at += len(chunk.raw)
        return tuple(made)

    def body(self, said: bytes) -> bytes:
        """Give a body of the same length."""
        if _is_json(said):
            return self._json(said)
        return _LINE.sub(self._line, said)

    def _line(self, found: re.Match[bytes]) -> bytes:
        field, value = found["field"] or b"", found["value"]
        if value.strip() == b"[DONE]":
            return found[0]
        return field + (self._json(value) if _is_json(value) else _BLANK.sub(_blank, value))

    def _json(self, said: bytes) -> bytes:
        key, end, made = b"", 0, b""
        for found in _STRING.finditer(said):
            made += said[end : found.start()]
            end = found.end()
            if found["key"]:
                key = found[1]
                made += found[0]
            else:
                made += b'"' + self._value(key, found[1]) + b'"'
        return made + said[end:]

    def _value(self, key: bytes, text: bytes) -> bytes:
        if key in _KEPT:
            return text
        if key in _NAMES:
            return self._name(text)
        return _INSIDE.sub(_blank, text)

    def _name(self, said: bytes) -> bytes:
        """Equal names stay equal, and so does what is behind the last slash of a path."""
        return b"/".join(map(self._part, said.split(b"/")))

    def _part(self, said: bytes) -> bytes:
        if said == b"default_model":
            return said
        key, made = self.pseudonyms.key, b""
        while len(made) < len(said):
            made += hashlib.blake2b(said + made, key=key, digest_size=32).hexdigest().encode()
        return made[: len(said)]

    def _examined(self, said: Examined) -> Examined:
        lines = tuple(map(self._text, said.lines))
        return replace(
            said, conclusion=self._text(said.conclusion), lines=lines, todo=self._text(said.todo)
        )

    def _text(self, said: str) -> str:
        return self.pseudonyms.text(masked_text(said))


def _is_json(said: bytes) -> bool:
    try:
        return isinstance(json.loads(said), dict | list)
    except (ValueError, RecursionError):
        return False


def _blank(found: re.Match[bytes]) -> bytes:
    return found["stays"] or b"x" * len(found[0])
