"""Speaker: which rank or host a line is of, by its prefix or by the name of its file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

FILE, PREFIX = "by the name of its file", "by the prefix of its line"

MOST = 4096
"""A number above is no rank."""


@dataclass(frozen=True)
class Speaker:
    """Who says a line, as far as the line or its file tell; `source` is the file it is in.

    `how` says by what the rank or host is known.
    """

    source: str
    rank: int | None = None
    host: str | None = None
    how: str = ""


_PREFIX = re.compile(
    r"""(?:^|(?<=[\s\[(<]))(?:
        [Rr][Aa][Nn][Kk][\s=:_\#-]?\s?(?P<a>\d{1,4})\s*[\])>:|]
        | \[\d+,(?P<b>\d{1,4})\]<(?:stdout|stderr|stddiag)>
        | \[mpi\.\d+\.(?P<c>\d{1,4})\]
        | \[ring\]\sRank\s(?P<d>\d{1,4})\s(?:accepting|connecting|has)
    )""",
    re.VERBOSE,
)
"""`[rank 2]`, `[rank2]:`, `rank 2:`, `(rank=2)`; mpirun's --tag-output; ring, of itself."""

LOOKED_AT = 96
"""Characters of a line in which its rank is looked for: a time and a level may stand before it."""

_HEADER = re.compile(r"^==> (?P<name>.{1,400}) <==$")
_HOST = re.compile(
    r"(?:\[?\d{4}-\d\d-\d\d[T ])?(?:\d\d:\d\d:\d\d\S{0,16}\s)?\[?(?P<name>[A-Za-z][\w.@-]{0,80})\]?"
    r"\s?[:|>]"
)
_IN_NAME = re.compile(r"(?:^|[^A-Za-z])rank[\s._=-]*(?P<rank>\d{1,4})(?!\d)", re.IGNORECASE)


def header(line: str) -> str | None:
    """Give the file that `tail` or `head` says the lines below are of."""
    found = _HEADER.match(line)
    return found["name"] if found else None


def of_file(name: str, hosts: Iterable[str] = ()) -> Speaker:
    """Tell the rank or host of a file from its name: `rank2.err`, `rank.2/stderr`, `studio1.log`.

    Of the path only the last two parts are looked at.
    """
    parts = re.split(r"[/\\]", name)[-2:]
    for part in reversed(parts):
        found = _IN_NAME.search(part)
        if found is not None:
            return Speaker(name, int(found["rank"]), how=FILE)
    words = {re.split(r"[.\s]", part, maxsplit=1)[0].lower() for part in parts}
    words |= {part.rpartition(".")[0].lower() for part in parts}
    named = [host for host in hosts if host.lower() in words or _short(host) in words]
    return Speaker(name, host=named[0], how=FILE) if len(named) == 1 else Speaker(name)


def of_line(line: str, of: Speaker, hosts: Iterable[str] = ()) -> Speaker:
    """Tell it from the prefix of a line; what the line does not say stays as the file has it."""
    found = _PREFIX.search(line, 0, LOOKED_AT)
    if found is not None:
        number = int(next(filter(None, found.groups())))
        known = replace(of, rank=number, host=None, how=PREFIX)
        return known if number <= MOST else of
    named = _HOST.match(line)
    if named is not None:
        word = _short(named["name"].rpartition("@")[2])
        for host in hosts:
            if word == _short(host):
                return replace(of, rank=None, host=host, how=PREFIX)
    return of


def _short(host: str) -> str:
    return host.lower().rstrip(".").removesuffix(".local")
