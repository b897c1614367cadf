"""Matcher: a line of a log -> the entry that it is, or that it is an error that nobody knows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.diagnose.blocks import REDRAWN
from mlxdiag.diagnose.entry import Entry
from mlxdiag.diagnose.messages import MESSAGES

ANCHORS = (
    "rror", "ERROR", "FATAL", "atal:", "errno", "ailed", "[jaccl]", "[ring]", "[mpi]",
    "[distributed]", "[METAL]", "[metal::", "==> ", "annot ", "an't ", "ould not ", "not found",
    "Exception", "Node with rank", "Interrupt", "Exit", "panic", "denied", "erminat", "fault",
    "rap: 6", "illed", "abort", "tbt_post", "ibv_", "jaccl::", "nvalid ", "does not ", "doesn't ",
    "don't ", "must return", "IDENTIFICATION", "host key", "No script", "No IB ", "No such file",
    "safetensors", "no progress", "should be ", "should have ", "requires IPs", "alformed",
    "assword", "Try passing", "Perhaps run", "ings found", "Thunderbolt", "singleton",
    "empty distributed", "ncomplete mesh", "full ring", "local IPs", "supported", "ut of ",
    "redirect", "disconnect", "not responding", "closed by remote", "need to provide", "watchdog",
    "all-gather", "fPending", "underflow", "crash report", "Recovery OS", "ThreadPool",
    "connection to a peer", "split this", "ssh: ", "ring found", "No route", "already in use",
    "kex_exchange",
    "not loaded", "No space left", "cached snapshot", "Too many ", "queue resource", "peer is gone",
)  # fmt: skip
"""A line without one of these is no message that we know, and none that looks like an error."""


def starts(block: str) -> list[int]:
    """Find where the lines begin that hold an anchor. Plain searches are faster than a pattern."""
    found: set[int] = set()
    drawn = REDRAWN in block
    for anchor in ANCHORS:
        at = block.find(anchor)
        while at >= 0:
            start = block.rfind("\n", 0, at) + 1
            again = block.rfind(REDRAWN, start, at) if drawn else -1
            found.add(max(start, again + 1))
            end = block.find("\n", at)
            again = block.find(REDRAWN, at, end) if drawn else -1
            at = block.find(anchor, end if again < 0 else again)
    return sorted(found)


_UNKNOWN = re.compile(
    r"""
    ^(?:[^\s]{0,40}\s){0,4}?(?P<raised>(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt)
        (?::\s|$))
    | (?P<ended>libc\+\+abi:\ |terminate\ called|[Ss]egmentation\ fault|[Bb]us\ error
        |Abort\ trap|Killed:\ 9|zsh:\ (?:killed|abort|segmentation|bus)|panic\(cpu
        |crash\ report\ of\ |panic\ report,)
    | (?P<told>\[ERROR\]|\bFATAL\b|\bERROR\b|\b[Ff]atal(?:\ error)?:|^[\w.]{0,80}:?\s?error:\s)
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
