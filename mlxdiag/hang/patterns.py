"""Patterns: the known ways in which a run hangs, recognised; no clock, no host."""

from __future__ import annotations

from mlxdiag.hang.causes import CAUSES
from mlxdiag.hang.moved import size
from mlxdiag.hang.seen import Memory
from mlxdiag.hang.standing import Run
from mlxdiag.hang.stuck import FROM_PLACES
from mlxdiag.hang.verdict import Verdict
from mlxdiag.hang.words import make, names

SWAP_BYTES_PER_S = 16 << 20
"""A Mac that only tidies up swaps less; one that swaps its model in and out, a lot more."""


def recognised(run: Run) -> tuple[Verdict, ...]:
    """List what is recognised, the cause before what follows from it.

    A host that swaps stands before what its rank is blamed for, and else behind it.
    """
    found = [verdict for pattern in CAUSES for verdict in pattern(run)]
    if not found:
        found = [verdict for pattern in FROM_PLACES for verdict in pattern(run)]
    swaps, blamed = _swap(run), {host for verdict in found for host in verdict.hosts}
    first = [verdict for verdict in swaps if blamed.intersection(verdict.hosts)]
    return (*first, *found, *(verdict for verdict in swaps if verdict not in first))


def _swap(run: Run) -> tuple[Verdict, ...]:
    """A host that swaps explains why its rank is slow, and the others with it."""
    found = []
    for name in dict.fromkeys(s.rank.found.host for s in run.standings):
        rate = swap_rate(run.host(name).memory)
        if rate is not None and rate >= SWAP_BYTES_PER_S:
            who = [s for s in run.standings if s.rank.found.host == name]
            found.append(
                make(
                    run,
                    "swap",
                    who,
                    f"{name} swaps {size(rate)}/s, which is where {names(who)} spends its time",
                    "free memory on that host, or give its rank a smaller part of the model",
                )
            )
    return tuple(found)


def swap_rate(memory: tuple[Memory | None, Memory | None]) -> float | None:
    """Give the bytes per second that a host swapped between the looks, in and out."""
    first, second = memory
    if first is None or second is None or first.swapped is None or second.swapped is None:
        return None
    seconds = second.at_s - first.at_s
    return (second.swapped - first.swapped) / seconds if seconds > 0 else None
