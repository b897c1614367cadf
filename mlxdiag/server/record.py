"""A look at a server on disk: server.json, with what was asked, every answer, and what was seen.

Bodies are text as far as they are UTF-8; a byte that is not is a lone surrogate (PEP 383), so that
it comes back as it was.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

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
        return Look(
            Asked(**asked, before=Before(**before) if before else None),
            tuple(map(_read, document["exchanges"])),
            _examined(hang) if hang else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RecordingError(f"{source}: not what a server was asked: {error!r}"[:300]) from error


def _examined(said: dict[str, Any]) -> Examined:
    lines = tuple(map(str, said["lines"]))
    return Examined(str(said["conclusion"]), lines, str(said["todo"]))


def _exchange(found: Exchange) -> dict[str, Any]:
    fields = asdict(found)
    fields["chunks"] = [[c.at, c.raw.decode("utf-8", "surrogateescape")] for c in found.chunks]
    return fields


def _read(fields: dict[str, Any]) -> Exchange:
    if fields["end"] not in ENDS or fields["what"] not in WHATS:
        raise ValueError(f"{fields['what']!r} that ended in {fields['end']!r}")
    chunks = tuple(
        Chunk(float(at), text.encode("utf-8", "surrogateescape")) for at, text in fields["chunks"]
    )
    return Exchange(**{**fields, "chunks": chunks})
