"""Matcher: a line of a log -> the entry that it is, or that it is an error that nobody knows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.diagnose.entry import Entry
from mlxdiag.diagnose.messages import MESSAGES

ANCHOR = re.compile(
    r"[Ee]rror|ERROR|errno|[Ff]ailed|\[(?:jaccl|ring|mpi|distributed|METAL|metal::)|==> |[Cc]annot "
    r"|[Cc]an't |[Cc]ould(?:n't| not) |not (?:found|be|supported|implemented|allowed|support|been)"
    r"|Node with rank|rank(?:s)? |Rank 0 |panic|[Dd]enied|Exception|terminat|[Ff]ault|[Tt]rap"
    r"|[Kk]illed|[Cc]losed by|tbt_post|ibv_|jaccl::|invalid|doesn't|does not|peers? "
    r"|No \S+ host key|CHANGED|should (?:be|have|contain|define)|must return"
    r"|No (?:script|IB |module|safetensors)"
    r"|Invalid|[Ii]nsufficient|[Oo]ut of |Try passing|Perhaps run|Rings found|Thunderbolt"
    r"|do not form|Up to |fish: |redirect|variable|disconnect|not responding|need to provide"
    r"|watchdog|passwordless|ssh: |needs to be|returned|Not allowed|fPendingMemorySet"
    r"|supported|[Ww]ired|KeyError|full ring|is not |requires IPs"
    r"|[Mm]alformed|Maybe they|don't |Neither|required|Interrupt|No such file"
)
"""A line without one of these is no message that we know, and none that looks like an error."""

_UNKNOWN = re.compile(
    r"""
    ^(?:[^\s]{0,40}\s){0,4}?(?P<raised>(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt)
        (?::\s|$))
    | (?P<ended>libc\+\+abi:\ |terminate\ called|[Ss]egmentation\ fault|[Bb]us\ error
        |Abort\ trap|Killed:\ 9|zsh:\ (?:killed|abort|segmentation|bus)|panic\(cpu
        |crash\ report\ of\ |panic\ report,)
    | (?P<told>\[ERROR\]|\bFATAL\b|\bERROR\b|\b[Ff]atal(?:\ error)?:|^\w*\.?\w*:?\s?error:\s)
    """,
    re.VERBOSE,
)
_NUMBER = re.compile(r"\d+")
_GENERAL = re.compile(r"\\.|\{[\d,]+\}")
"""Parts of a pattern in which a digit is none, or not one that is looked for."""

_REMEMBERED = 4096


@dataclass(frozen=True)
class Stranger:
    """An error that no entry is of. `grave`: it ends the process that says it."""

    grave: bool


class Matcher:
    """Finds entries. What was asked before is remembered by the line without its numbers."""

    def __init__(self, entries: tuple[Entry, ...] = MESSAGES) -> None:
        self._entries = entries
        self._counting = frozenset(e.id for e in entries if _counts(e))
        self._known: dict[str, tuple[Entry, ...] | Stranger | None] = {}

    def find(self, line: str) -> tuple[Entry, re.Match[str]] | Stranger | None:
        """Find what a line is; None where it is nothing that looks like an error."""
        key = _NUMBER.sub("0", line)
        if key not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = self._asked(line)
        found = self._known[key]
        if not isinstance(found, tuple):
            return found
        pairs = ((entry, entry.compiled.search(line)) for entry in found)
        return next(((entry, match) for entry, match in pairs if match), None) or stranger(line)

    def _asked(self, line: str) -> tuple[Entry, ...] | Stranger | None:
        """List the entries that the line, or one with other numbers in it, may be."""
        fit = {e.id for e in self._entries if e.compiled.search(line)}
        if not fit:
            return stranger(line)
        return tuple(e for e in self._entries if e.id in fit | self._counting)


def _counts(entry: Entry) -> bool:
    """Whether a pattern wants a number to be just this one."""
    return _NUMBER.search(_GENERAL.sub("", entry.pattern)) is not None


def stranger(line: str) -> Stranger | None:
    """Say whether a line that no entry fits looks like an error."""
    found = _UNKNOWN.search(line)
    if found is None:
        return None
    return Stranger(grave=found["told"] is None)
