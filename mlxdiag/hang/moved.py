"""Moved: what changed of a rank between its two looks. A run that moves is not hung."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlxdiag.facts.ss import Socket
from mlxdiag.hang import frames
from mlxdiag.hang.place import Place, place
from mlxdiag.hang.seen import Look, SeenRank
from mlxdiag.readings import Gap

GROWN_BYTES = 256 << 20
"""A rank that loads holds so much more between the looks; Python's own garbage is less."""

SAMPLES = 50
"""From so many samples on, their shares say whether a thread came and went."""

PART = 0.9
"""In a hang all samples are at one place; in a run that works some are between two steps."""


@dataclass(frozen=True)
class Moved:
    """`steps` is progress that takes other ranks too, `own` such that a rank makes alone.

    `compared` tells whether there was anything to compare: without it nothing is known. `took`
    tells whether memory grew or a page was read, however little: who does is in no endless wait.
    """

    steps: tuple[str, ...]
    own: tuple[str, ...]
    compared: bool
    took: bool = False

    @property
    def said(self) -> tuple[str, ...]:
        """All of it in words."""
        return (*self.steps, *self.own)


def moved(rank: SeenRank, between: Sequence[tuple[str, str]]) -> Moved:
    """Compare the looks; `between` are the ends of the sockets that join ranks."""
    first, second = rank.looks
    if isinstance(first, Gap) or isinstance(second, Gap):
        return Moved((), (), compared=False)
    was, now = place(first), place(second)
    passed, counted = _passed(first.sockets, second.sockets, set(between))
    steps = [*_places(was, now), *_shares(second), *passed]
    own = [*_lines(was, now), *_grown(first, second)]
    known = counted or "unknown" not in (was.kind, now.kind)
    return Moved(tuple(dict.fromkeys(steps)), tuple(own), known, _took(first, second))


def _places(was: Place, now: Place) -> list[str]:
    """Another collective, or one left behind, is a step that all ranks took."""
    if was.collective and now.collective and was.collective != now.collective:
        return [f"from {was.collective.op} to {now.collective.op}"]
    if was.collective and now.kind in ("eval", "python", "load") and now.seen_native:
        return [f"left {was.collective.op}"]
    return []


def _shares(look: Look) -> list[str]:
    """See in one look that a thread came to collectives and left them: the second one decides."""
    if isinstance(look.native, Gap):
        return []
    many = [thread for thread in look.native if thread.count >= SAMPLES]
    found = frames.collective(many)
    if found is None or found[1] >= PART:
        return []
    return [f"in {found[0].op} for {found[1]:.0%} of a second only"]


def _passed(
    before: Sequence[Socket], after: Sequence[Socket], between: set[tuple[str, str]]
) -> tuple[list[str], bool]:
    """Count what the sockets that join ranks moved between the looks."""
    old = {(s.local, s.remote): s.moved_bytes for s in before}
    passed, counted = 0, False
    for socket in after:
        end = (socket.local, socket.remote)
        was = old.get(end)
        if end in between and was is not None and socket.moved_bytes is not None:
            counted = True
            passed += max(0, socket.moved_bytes - was)
    return ([f"{size(passed)} over its sockets to other ranks"] if passed else []), counted


def _lines(was: Place, now: Place) -> list[str]:
    if was.line is None or now.line is None or was.line == now.line:
        return []
    return [f"from {was.line} to {now.line}"]


def _grown(first: Look, second: Look) -> list[str]:
    before, after = held(first), held(second)
    if before is None or after is None or after - before < GROWN_BYTES:
        return []
    return [f"holds {size(after - before)} more"]


def _took(first: Look, second: Look) -> bool:
    sizes = [look.process.rss_bytes if look.process else None for look in (first, second)]
    pairs = (
        sizes,
        [first.footprint_bytes, second.footprint_bytes],
        [first.page_ins, second.page_ins],
    )
    return any(was is not None and now is not None and now > was for was, now in pairs)


def held(look: Look) -> int | None:
    """Give what a rank holds of memory: its footprint, which has the GPU's part, else RSS."""
    if look.footprint_bytes is not None:
        return look.footprint_bytes
    return look.process.rss_bytes if look.process else None


def size(count: float) -> str:
    """Write bytes as a person reads them."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
