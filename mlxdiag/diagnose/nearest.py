"""Nearest: entries whose text is like a line that no entry fits. A hint, never a diagnosis."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache

from mlxdiag.diagnose.entry import Entry
from mlxdiag.diagnose.messages import MESSAGES

LEAST = 0.6
"""So alike two texts have to be, of 1: words of other programs stay below it."""

_NOISE = re.compile(r"^(?:[\w.]*(?:Error|Exception): |\[[^\]]{0,24}\]:?\s+|[\d:.,TZ+-]+\s)+")
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
_WORD = re.compile(r"[a-z]{4,}")


@dataclass(frozen=True)
class Near:
    """An entry, and how alike its text is, from 0 to 1."""

    entry: Entry
    likeness: float


def nearest(text: str, most: int = 3) -> tuple[Near, ...]:
    """Find the entries that come nearest to a line, the nearest first."""
    line = _normal(text[:240])
    words = frozenset(_WORD.findall(line))
    found = []
    for entry, says, own in _texts():
        if not words & own:
            continue
        part = says[: 3 * len(line) // 2]
        likeness = SequenceMatcher(None, line, part, autojunk=False).ratio()
        if likeness >= LEAST:
            found.append(Near(entry, round(likeness, 2)))
    return tuple(sorted(found, key=lambda near: -near.likeness)[:most])


def of_any(texts: Sequence[str], most: int = 3) -> tuple[Near, ...]:
    """Find those that come nearest to any of several lines."""
    best: dict[str, Near] = {}
    for near in (near for text in texts for near in nearest(text)):
        if near.likeness > getattr(best.get(near.entry.id), "likeness", 0.0):
            best[near.entry.id] = near
    return tuple(sorted(best.values(), key=lambda near: -near.likeness)[:most])


@cache
def _texts() -> tuple[tuple[Entry, str, frozenset[str]], ...]:
    said = [(entry, _normal(entry.says[:240])) for entry in MESSAGES]
    return tuple((entry, text, frozenset(_WORD.findall(text))) for entry, text in said)


def _normal(text: str) -> str:
    bare = re.sub(r"^\[\w+\] ", "", _NOISE.sub("", text))
    return " ".join(_NUMBER.sub("0", bare.lower()).split())
