"""Pairs: which two ranks are measured together, in rounds of pairs that share no rank. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

Pair = tuple[int, int]
"""Two hosts or ranks by their place, the lower first."""

Round = tuple[int, ...]
"""Pairs that are measured at the same time, as places in the list that was given."""


def everybody(count: int) -> tuple[Pair, ...]:
    """List every pair of so many."""
    return tuple(combinations(range(count), 2))


def rounds(pairs: Sequence[Pair]) -> tuple[Round, ...]:
    """Sort pairs into rounds; no place is twice in a round, and a pair may be there twice (cables).

    The better of two orders, each pair in the first round that has room: as given, which suits a
    ring, and that of a round-robin tournament, which needs no round too many where all play all.
    With at most d pairs at one place there are d rounds at least and 2d - 1 at most.
    """
    count = 1 + max((max(pair) for pair in pairs), default=0)
    seats = count + count % 2
    tournament = sorted(range(len(pairs)), key=lambda at: (_day(pairs[at], seats), at))
    return min(_fill(range(len(pairs)), pairs), _fill(tournament, pairs), key=len)


def _fill(order: Iterable[int], pairs: Sequence[Pair]) -> tuple[Round, ...]:
    filled: list[list[int]] = []
    busy: list[set[int]] = []
    for at in order:
        place = next((n for n, taken in enumerate(busy) if taken.isdisjoint(pairs[at])), len(busy))
        if place == len(busy):
            filled.append([])
            busy.append(set())
        filled[place].append(at)
        busy[place] |= set(pairs[at])
    return tuple(map(tuple, filled))


def _day(pair: Pair, seats: int) -> int:
    """When two meet in a round-robin tournament by the circle method; the last seat stays put."""
    a, b = pair
    if seats - 1 in pair:
        return 2 * min(pair) % (seats - 1)
    return (a + b) % (seats - 1)
