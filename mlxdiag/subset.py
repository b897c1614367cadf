"""The most hosts that are all joined in pairs, or by a cycle: exact, bounded in time (igraph)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mlxdiag.alarm import TimeIsUpError, bounded

Edge = tuple[int, int]
LIMIT_S = 0.4
"""Seconds of processor time for each of the two."""


@dataclass(frozen=True)
class Subset:
    """Vertices: of a clique ascending, of a cycle in its order; `gave_up` if more may exist."""

    members: tuple[int, ...]
    gave_up: bool = False


def largest_clique(count: int, edges: Sequence[Edge], at_most: int) -> Subset:
    """Find the most vertices, up to `at_most`, of which every two are joined; none without edge."""
    unique = _unique(edges)
    if not unique:
        return Subset(())
    if not _has_triangle(count, unique):
        return Subset(unique[0])
    most = min(at_most, _core(_degrees(count, unique)))
    return _largest(count, unique, "clique", 3, most, unique[0])


def longest_cycle(count: int, edges: Sequence[Edge]) -> Subset:
    """Find the cycle through the most vertices, three at least; none if there is no cycle."""
    unique = _unique(edges)
    if len(unique) < 3:
        return Subset(())
    return _largest(count, unique, "cycle", 3, count, ())


@lru_cache(maxsize=8)
def _largest(
    count: int,
    edges: tuple[Edge, ...],
    shape: str,
    least: int,
    most: int,
    fallback: tuple[int, ...],
) -> Subset:
    """Look for the shape in ever smaller sizes, where it can be: in what one cut does not part."""
    import igraph  # noqa: PLC0415  # 45 ms

    make = igraph.Graph.Full if shape == "clique" else igraph.Graph.Ring
    try:
        with bounded(LIMIT_S):
            parts = list(_parts(igraph.Graph(n=count, edges=edges)))
            largest = max((len(names) for _, names in parts), default=0)
            for size in range(min(most, largest), least - 1, -1):
                for part, names in parts:
                    if len(names) < size:
                        continue
                    found, order = part.subisomorphic_lad(make(size), return_mapping=True)
                    if found:
                        return Subset(_spelt([names[i] for i in order], shape))
    except TimeIsUpError:
        return Subset(fallback, gave_up=True)
    return Subset(fallback)


def _parts(graph: Any) -> Iterator[tuple[Any, list[int]]]:  # noqa: ANN401  # igraph has no types
    """Cut a graph where a single vertex holds it together: no cycle and no clique spans that."""
    for members in sorted(map(sorted, graph.biconnected_components())):
        if len(members) > 2:
            yield graph.induced_subgraph(members), members


def _spelt(found: Sequence[int], shape: str) -> tuple[int, ...]:
    """Sort a clique; begin a cycle at its lowest vertex, towards the lower neighbour."""
    if shape == "clique":
        return tuple(sorted(found))
    at = found.index(min(found))
    turned = (*found[at:], *found[:at])
    return turned if turned[1] < turned[-1] else (turned[0], *reversed(turned[1:]))


def _unique(edges: Sequence[Edge]) -> tuple[Edge, ...]:
    return tuple(sorted({(min(e), max(e)) for e in edges if e[0] != e[1]}))


def _degrees(count: int, edges: Sequence[Edge]) -> list[int]:
    degrees = [0] * count
    for edge in edges:
        for end in edge:
            degrees[end] += 1
    return degrees


def _has_triangle(count: int, edges: Sequence[Edge]) -> bool:
    """Whether there is a clique of three: a chain and a ring of cables have none."""
    neighbours: list[set[int]] = [set() for _ in range(count)]
    for a, b in edges:
        neighbours[a].add(b)
        neighbours[b].add(a)
    return any(not neighbours[a].isdisjoint(neighbours[b]) for a, b in edges)


def _core(degrees: Sequence[int]) -> int:
    """Bound a clique: k of its members have k - 1 neighbours each."""
    ordered = sorted(degrees, reverse=True)
    return max(k for k in range(1, len(ordered) + 1) if ordered[k - 1] >= k - 1)
