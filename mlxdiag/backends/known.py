"""Words of a backend, taken from the messages that `mlxdiag diagnose` knows: written once."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlxdiag.backends.backend import Word
from mlxdiag.diagnose.entry import Entry, Role
from mlxdiag.diagnose.messages import BY_ID, MESSAGES


def known(*ids: str) -> tuple[Word, ...]:
    """Give the words of these entries, in this order."""
    return tuple(word for id_ in ids for word in _words(BY_ID[id_]))


def beginning(prefix: str, *others: str) -> tuple[Word, ...]:
    """Give those of all entries whose ids begin so, and of others, in the order of the data."""
    chosen = (e.id for e in MESSAGES if e.id.startswith(prefix) or e.id in others)
    return known(*chosen)


def _words(entry: Entry) -> Iterator[Word]:
    """Give a word for each number that has a meaning of its own, then one for all others.

    The judge writes a number's name behind it: `errno 22 EINVAL`.
    """
    for name, means in entry.errnos.items():
        yield _word(entry, re.compile(f"(?:{entry.pattern}) {name}"), means)
    yield _word(entry, entry.compiled, entry.means)


def _word(entry: Entry, pattern: re.Pattern[str], means: str) -> Word:
    return Word(
        pattern=pattern,
        means=means,
        echo=entry.role is Role.ECHO,
        device=entry.about == "device",
        first=entry.role is Role.SYMPTOM and entry.about == "coordinator",
    )
