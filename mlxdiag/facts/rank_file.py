"""MLX's file of a running rank: how many ranks it counts. Named by the rank's own environment."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

_MOST_BYTES = 65536


@dataclass(frozen=True)
class RankFile:
    """`size` is the number of ranks. `places` are the `ip:port` of each, empty for devices."""

    size: int
    places: tuple[tuple[str, ...], ...]


def command(path: str, name: str = "rank_file") -> Command:
    """Read the file, but no more of it than such a file has."""
    return Command(name, ("head", "-c", str(_MOST_BYTES), "--", path))


def parse(out: bytes) -> RankFile:
    """Read a list with an entry per rank; the entries of ring are lists of `ip:port`."""
    try:
        told = json.loads(out)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"not JSON: {out[:80]!r}") from error
    if not isinstance(told, list) or not told:
        raise ParseError(f"not a list with an entry per rank: {out[:80]!r}")
    places = tuple(_places(entry) for entry in told)
    return RankFile(len(told), places if all(places) else ())


def _places(entry: object) -> tuple[str, ...]:
    listed = entry if isinstance(entry, list) else [entry]
    return tuple(p[:100] for p in listed if isinstance(p, str) and ":" in p)
