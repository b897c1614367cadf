"""Ring search against brute force, on graphs where the answer is known, and against the clock."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from itertools import combinations, pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxdiag.ringsearch import LIMIT_S, RingSearch, search

Edges = list[tuple[int, int]]

GENEROUS_S = 1.5
"""Of the processor: a machine that does other things as well is no fault of the search."""


def complete(count: int, first: int = 0) -> Edges:
    return list(combinations(range(first, first + count), 2))


def cycle(order: Sequence[int]) -> Edges:
    return list(pairwise((*order, order[0])))


def petersen(size: int = 5, step: int = 2) -> Edges:
    outer = cycle(range(size))
    spokes = [(i, size + i) for i in range(size)]
    inner = [(size + i, size + (i + step) % size) for i in range(size)]
    return outer + spokes + inner


def shuffled(count: int, edges: Edges, seed: int) -> Edges:
    names = list(range(count))
    rng = random.Random(seed)  # noqa: S311
    rng.shuffle(names)
    turned = [
        (names[a], names[b]) if rng.random() < 0.5 else (names[b], names[a]) for a, b in edges
    ]
    rng.shuffle(turned)
    return turned


def exists(count: int, edges: Edges) -> bool:
    """Try every order."""
    joined = {frozenset(edge) for edge in edges}
    return any(
        all(frozenset(pair) in joined for pair in pairwise((0, *rest, 0)))
        for rest in permutations(range(1, count))
        if count < 3 or rest[0] < rest[-1]
    )


def assert_ring(found: RingSearch, count: int, edges: Edges) -> None:
    assert found.order is not None
    assert not found.gave_up
    assert sorted(found.order) == list(range(count))
    joined = {frozenset(edge) for edge in edges}
    assert all(frozenset(pair) in joined for pair in cycle(found.order))


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, Edges]:
    count = draw(st.integers(2, 8))
    pairs = complete(count)
    density = draw(st.floats(0.2, 1.0))
    kept = draw(st.lists(st.floats(0, 1), min_size=len(pairs), max_size=len(pairs)))
    return count, [pair for pair, x in zip(pairs, kept, strict=True) if x <= density]


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_small_graphs_are_answered_as_brute_force_answers(graph: tuple[int, Edges]) -> None:
    count, edges = graph
    found = search(count, edges)
    assert not found.gave_up
    if exists(count, edges):
        assert_ring(found, count, edges)
    else:
        assert found.order is None


@settings(max_examples=60, deadline=None)
@given(graphs(), st.randoms())
def test_order_direction_and_number_of_cables_change_nothing(
    graph: tuple[int, Edges], rng: random.Random
) -> None:
    count, edges = graph
    more = [rng.choice([edge, edge[::-1]]) for edge in edges for _ in range(rng.randint(1, 3))]
    rng.shuffle(more)
    assert search(count, more) == search(count, edges)


@pytest.mark.parametrize(
    ("count", "edges", "order"),
    [
        (1, [], None),
        (2, [(0, 1)], (0, 1)),
        (2, [(1, 0), (0, 1)], (0, 1)),
        (2, [], None),
        (2, [(0, 0), (1, 1)], None),
        (3, [(0, 1), (1, 2)], None),
        (3, [(0, 1), (0, 1), (1, 2)], None),
        (3, [(0, 1), (1, 2), (2, 0)], (0, 1, 2)),
        (4, cycle((0, 2, 1, 3)), (0, 2, 1, 3)),
        (4, cycle((3, 1, 2, 0)), (0, 2, 1, 3)),
        (6, cycle((0, 1, 2)) + cycle((3, 4, 5)), None),
    ],
)
def test_one_spelling_per_cycle(count: int, edges: Edges, order: tuple[int, ...] | None) -> None:
    assert search(count, edges) == RingSearch(order)


@pytest.mark.parametrize("seed", range(5))
def test_a_shuffled_ring_of_64_is_found_at_once(seed: int) -> None:
    edges = shuffled(64, cycle(range(64)), seed)
    began = time.process_time()
    assert_ring(search(64, edges), 64, edges)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("seed", range(3))
def test_a_ring_with_chords_is_found(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    chords = [(a, (a + rng.randint(2, 30)) % 64) for a in range(64)]
    edges = shuffled(64, cycle(range(64)) + chords, seed)
    found = search(64, edges)
    if not found.gave_up:
        assert_ring(found, 64, edges)


def test_a_complete_graph_of_64_has_a_ring() -> None:
    assert_ring(search(64, complete(64)), 64, complete(64))


def test_two_cliques_joined_by_one_cable_have_none() -> None:
    edges = [*complete(32), *complete(32, 32), (0, 32)]
    began = time.process_time()
    assert search(64, edges) == RingSearch(None)
    assert time.process_time() - began < 0.5


def test_two_cliques_joined_at_one_host_have_none() -> None:
    edges = [*complete(32), *[(a, b) for a, b in combinations([0, *range(32, 64)], 2)]]
    assert search(64, edges) == RingSearch(None)


def test_two_cliques_joined_by_two_cables_have_one() -> None:
    edges = [*complete(8), *complete(8, 8), (0, 8), (1, 9)]
    assert_ring(search(16, edges), 16, edges)


def test_petersen_s_graph_has_none_though_every_vertex_has_three_neighbours() -> None:
    assert search(10, petersen()) == RingSearch(None)


@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (5, 5), (7, 9)])
def test_an_odd_grid_has_none(rows: int, columns: int) -> None:
    """Colour it like a chessboard: one colour has more fields than the other."""
    at = [(r, c) for r in range(rows) for c in range(columns)]
    beside = [(p, q) for p, q in combinations(at, 2) if abs(p[0] - q[0]) + abs(p[1] - q[1]) == 1]
    edges = [(at.index(p), at.index(q)) for p, q in beside]
    assert search(len(at), shuffled(len(at), edges, 3)) == RingSearch(None)


@pytest.mark.parametrize("short", range(8))
def test_a_host_with_one_cable_is_in_no_ring(short: int) -> None:
    edges = [edge for edge in complete(8) if short not in edge] + [(short, (short + 1) % 8)]
    assert search(8, edges) == RingSearch(None)


def hard() -> tuple[int, Edges]:
    """Return GP(29, 2): 58 hosts, three cables each, and no ring (Alspach, 1983: n = 5 mod 6)."""
    return 58, shuffled(58, petersen(29), 1)


def test_a_hard_graph_is_given_up_in_time_and_that_is_said() -> None:
    count, edges = hard()
    began = time.process_time()
    found = search(count, edges)
    assert time.process_time() - began < GENEROUS_S
    assert LIMIT_S < 1
    assert found.order is None
    assert found.gave_up


def test_after_giving_up_no_alarm_is_left_and_the_next_search_is_right() -> None:
    import signal  # noqa: PLC0415

    before = signal.getsignal(signal.SIGALRM)
    count, edges = hard()
    assert search(count, edges).gave_up
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    ring = cycle(range(40))
    assert_ring(search(40, ring), 40, ring)


def test_outside_of_the_main_thread_it_gives_up_rather_than_hangs() -> None:
    found: list[RingSearch] = []
    edges = shuffled(64, cycle(range(64)), 7)
    thread = threading.Thread(target=lambda: found.append(search(64, edges)))
    thread.start()
    thread.join(5)
    assert len(found) == 1
    if not found[0].gave_up:
        assert_ring(found[0], 64, edges)
