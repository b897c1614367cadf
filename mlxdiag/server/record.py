"""A look at a server on disk: server.json, with what was asked, every answer, and what was seen.

Bodies are text as far as they are UTF-8; a byte that is not is a lone surrogate (PEP 383), so that
it comes back as it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from mlxdiag.errors import RecordingError
from mlxdiag.server.asked import Asked, Before
from mlxdiag.server.exchange import ENDS, WHATS, Chunk, Exchange


@dataclass(frozen=True)
class Examined:
    """What a look at the ranks said while a request hung, or why nobody looked.

    The conclusion, the rest in lines, and what is to be done where that is known.
    """

    conclusion: str
    lines: tuple[str, ...] = ()
    todo: str = ""


@dataclass(frozen=True)
class Look:
    """One look at a server, in the order of its requests.

    `hang` is what stands in place of a look at the ranks, or is known of it without their hosts.
    """

    asked: Asked
    exchanges: tuple[Exchange, ...] = ()
    hang: Examined | None = None


def dump(look: Look) -> bytes:
    """Write it as JSON."""
    document = {
        "asked": asdict(look.asked),
        "exchanges": [_exchange(each) for each in look.exchanges],
        "hang": asdict(look.hang) if look.hang else None,
    }
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def load(text: bytes, source: str) -> Look:
    """Read it again; raise RecordingError where it is not what was written."""
    try:
        document = json.loads(text)
        asked = dict(document["asked"])
        before = asked.pop("before", None)
        hang = document["hang"]
        _hold(Asked, asked, f"{source}: asked")
        _hold(Before, before or {}, f"{source}: asked.before")
        exchanges = document["exchanges"]
        return Look(
            Asked(**asked, before=Before(**before) if before else None),
            tuple(_read(e, f"{source}: exchanges.{n}") for n, e in enumerate(exchanges)),
            _examined(hang) if hang else None,
        )
    except (
        ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError
    ) as error:  # fmt: skip
        raise RecordingError(f"{source}: not what a server was asked: {error!r}"[:300]) from error


def _examined(said: dict[str, Any]) -> Examined:
    lines = tuple(map(str, said["lines"]))
    return Examined(str(said["conclusion"]), lines, str(said["todo"]))


def _exchange(found: Exchange) -> dict[str, Any]:
    fields = asdict(found)
    fields["chunks"] = [[c.at, c.raw.decode("utf-8", "surrogateescape")] for c in found.chunks]
    return fields


def _hold(kind: type, said: Mapping[str, Any], where: str) -> None:
    """Hold the values of a class to the kinds that its fields have, as far as these are simple."""
    for name, hint in get_type_hints(kind).items():
        kinds = get_args(hint) if get_origin(hint) is UnionType else (hint,)
        if name in said and set(kinds) <= set(_KINDS) and not _is_one(said[name], kinds):
            wanted = " or ".join(_KINDS[one] for one in kinds)
            raise RecordingError(f"{where}.{name}: {said[name]!r} is not {wanted}"[:300])


_KINDS = {str: "text", int: "a whole number", float: "a number", NoneType: "nothing"}


def _is_one(value: object, kinds: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return False
    if float in kinds and isinstance(value, int | float):
        return isfinite(value)
    return isinstance(value, kinds)


def _read(fields: dict[str, Any], where: str) -> Exchange:
    _hold(Exchange, fields, where)
    headers = fields["headers"]
    if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
        raise RecordingError(f"{where}.headers: not names with a text each")
    if fields["end"] not in ENDS or fields["what"] not in WHATS:
        raise ValueError(f"{fields['what']!r} that ended in {fields['end']!r}")
    chunks = tuple(
        Chunk(float(at), text.encode("utf-8", "surrogateescape")) for at, text in fields["chunks"]
    )
    if not all(isfinite(chunk.at) for chunk in chunks):
        raise RecordingError(f"{where}.chunks: not times with a text each")
    return Exchange(**{**fields, "chunks": chunks})
