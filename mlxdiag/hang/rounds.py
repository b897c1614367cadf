"""Rounds: the names of what is asked. The first round finds the ranks, two more look at them."""

from __future__ import annotations

FIND, FIRST, SECOND = "find", "first", "second"


def of(look: str, fact: str, pid: int | None = None) -> str:
    """Name the capture of a fact in a round: `first_ps`, `second_sample_4711`."""
    return f"{look}_{fact}" if pid is None else f"{look}_{fact}_{pid}"


def kind_of(name: str) -> str:
    """Give the fact that a capture is of, without its round and its pid."""
    return name.partition("_")[2].rstrip("0123456789").removesuffix("_")
