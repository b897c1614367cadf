"""A cycle through all hosts: exact, and bounded in time (graph search by igraph's LAD)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache

from mlxdiag.alarm import TimeIsUpError, bounded

Edge = tuple[int, int]
LIMIT_S = 0.9
"""Seconds of processor time."""
UNBOUNDED = 12
"""Up to this many hosts every graph is searched in milliseconds: no clock is needed."""


@dataclass(frozen=True)
class RingSearch:
    """`order` is a cycle through every vertex, or None; then `gave_up` says if one may exist."""

    order: tuple[int, ...] | None
    gave_up: bool = False


def search(count: int, edges: Sequence[Edge]) -> RingSearch:
    """Find a Hamiltonian cycle of `count` vertices: two that are joined are one, one alone is none.

    What a cycle needs (every vertex has two neighbours, no single vertex holds the graph together)
    is asked first, because the search itself is slow exactly where the answer is no for one of
    these reasons.
    """
    return _search(count, tuple(sorted({(min(e), max(e)) for e in edges if e[0] != e[1]})))


@lru_cache(maxsize=8)
def _search(count: int, unique: tuple[Edge, ...]) -> RingSearch:
    if count <= 2:
        return RingSearch(tuple(range(count)) if unique else None)
    near: list[list[int]] = [[] for _ in range(count)]
    for a, b in unique:
        near[a].append(b)
        near[b].append(a)
    degrees = set(map(len, near))
    if min(degrees) < 2:
        return RingSearch(None)
    if degrees == {2}:
        order = _around(near)
        return RingSearch(order if len(order) == count else None)
    if degrees == {count - 1}:
        return RingSearch(tuple(range(count)))
    return _searched(count, unique)


def _searched(count: int, unique: tuple[Edge, ...]) -> RingSearch:
    import igraph  # noqa: PLC0415  # 45 ms, and neither a ring nor a full mesh needs it

    graph = igraph.Graph(n=count, edges=unique)
    if not graph.is_biconnected():
        return RingSearch(None)
    try:
        with nullcontext() if count <= UNBOUNDED else bounded(LIMIT_S):
            found, order = graph.subisomorphic_lad(igraph.Graph.Ring(count), return_mapping=True)
    except TimeIsUpError:
        return RingSearch(None, gave_up=True)
    return RingSearch(_from_first(order) if found else None)


def _around(near: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Walk from vertex 0 to its lower neighbour and on until 0 comes again; all have two."""
    order = [0, min(near[0])]
    while (ahead := next(v for v in near[order[-1]] if v != order[-2])) != 0:
        order.append(ahead)
    return tuple(order)


def _from_first(order: Sequence[int]) -> tuple[int, ...]:
    """Start at vertex 0 and go towards its lower neighbour: one spelling per cycle."""
    at = order.index(0)
    turned = (*order[at:], *order[:at])
    return turned if turned[1] < turned[-1] else (turned[0], *reversed(turned[1:]))
