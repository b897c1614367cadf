"""The largest mesh and the largest ring within a cluster, against brute force and the clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from itertools import combinations, pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxdiag.subset import LIMIT_S, Subset, largest_clique, longest_cycle
from tests.test_ringsearch import complete, cycle, petersen, shuffled

Edges = list[tuple[int, int]]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, Edges]:
    count = draw(st.integers(1, 7))
    return count, draw(st.lists(st.sampled_from(complete(count) or [(0, 0)]), unique=True))


def joined(edges: Edges, pairs: Sequence[tuple[int, int]]) -> bool:
    there = {frozenset(edge) for edge in edges}
    return all(frozenset(pair) in there for pair in pairs)


def most_in_a_clique(count: int, edges: Edges) -> int:
    sizes = range(2, count + 1)
    found = (
        k for k in sizes for c in combinations(range(count), k) if joined(edges, complete_of(c))
    )
    return max(found, default=0)


def complete_of(members: Sequence[int]) -> Edges:
    return list(combinations(members, 2))


def most_in_a_cycle(count: int, edges: Edges) -> int:
    sizes = range(3, count + 1)
    orders = ((k, order) for k in sizes for order in permutations(range(count), k))
    return max((k for k, order in orders if joined(edges, cycle(order))), default=0)


@settings(max_examples=200, deadline=None)
@given(graphs(), st.integers(2, 8))
def test_a_clique_is_as_large_as_brute_force_finds(graph: tuple[int, Edges], most: int) -> None:
    count, edges = graph
    found = largest_clique(count, edges, most)
    real = [edge for edge in edges if edge[0] != edge[1]]
    assert not found.gave_up
    assert len(found.members) == min(most, most_in_a_clique(count, real))
    assert list(found.members) == sorted(set(found.members))
    assert joined(real, complete_of(found.members))


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_a_cycle_is_as_long_as_brute_force_finds(graph: tuple[int, Edges]) -> None:
    count, edges = graph
    found = longest_cycle(count, edges)
    assert not found.gave_up
    assert len(found.members) == most_in_a_cycle(count, edges)
    assert len(set(found.members)) == len(found.members)
    if found.members:
        assert joined(edges, cycle(found.members))
        assert found.members[0] == min(found.members)


@pytest.mark.parametrize("count", [0, 1, 2, 64])
def test_without_cables_there_is_nothing(count: int) -> None:
    assert largest_clique(count, [], 8) == longest_cycle(count, []) == Subset(())


def test_eight_of_a_complete_graph_of_64() -> None:
    found = largest_clique(64, complete(64), 8)
    assert (len(found.members), found.gave_up) == (8, False)


def test_a_path_has_no_cycle_and_two_neighbours() -> None:
    path = list(pairwise(range(64)))
    assert longest_cycle(64, path) == Subset(())
    assert largest_clique(64, path, 8) == Subset((0, 1))


def test_of_two_rings_the_larger() -> None:
    edges = [*cycle(range(5)), *cycle(range(5, 12)), (0, 5)]
    assert longest_cycle(12, edges) == Subset((5, 6, 7, 8, 9, 10, 11))


def test_a_hard_graph_is_given_up_in_time_and_that_is_said() -> None:
    edges = shuffled(58, petersen(29), 1)
    began = time.process_time()
    assert longest_cycle(58, edges) == Subset((), gave_up=True)
    assert time.process_time() - began < LIMIT_S + 0.6
    turan = [(a, b) for a, b in complete(64) if a % 7 != b % 7]
    assert largest_clique(64, turan, 8).gave_up


def test_outside_of_the_main_thread_it_gives_up_rather_than_hangs() -> None:
    found: list[Subset] = []
    edges = shuffled(40, cycle(range(39)), 9)
    thread = threading.Thread(target=lambda: found.append(longest_cycle(40, edges)))
    thread.start()
    thread.join(5)
    assert found == [Subset((), gave_up=True)]
