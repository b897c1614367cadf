"""Which cables to run or move, and the cheapest ring: against brute force, and bounded."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise, permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxdiag.wiring import Cycle, End, Pair, Run, Steps, Wiring, cheapest_cycle, wire
from tests.test_ringsearch import cycle

HOSTS = "abcde"
CABLE = 11
FREE: Steps = frozenset()


@st.composite
def sites(
    draw: st.DrawFn,
) -> tuple[list[Pair], dict[str, list[int]], list[tuple[End, ...]]]:
    """Draw pairs to join, free receptacles from 1 on, spare cables on those from 10 on."""
    pairs = draw(st.lists(st.sampled_from(list(combinations(HOSTS, 2))), unique=True, max_size=5))
    free = {host: list(range(1, 1 + draw(st.integers(0, 3)))) for host in HOSTS}
    plugged = draw(st.lists(st.lists(st.sampled_from(HOSTS), min_size=1, max_size=2), max_size=4))
    number = iter(range(10, 30))
    spares = [tuple((host, next(number)) for host in hosts) for hosts in plugged]
    return pairs, free, spares


def fits(
    pairs: Sequence[Pair], free: Mapping[str, list[int]], pulled: Sequence[tuple[End, ...]]
) -> bool:
    ends = Counter(host for spare in pulled for host, _ in spare)
    need = Counter(host for pair in pairs for host in pair)
    return all(n <= len(free[host]) + ends[host] for host, n in need.items())


def fewest_pulled(
    pairs: Sequence[Pair], free: Mapping[str, list[int]], spares: Sequence[tuple[End, ...]]
) -> int | None:
    tries = (c for n in range(len(spares) + 1) for c in combinations(spares, n))
    return next((len(chosen) for chosen in tries if fits(pairs, free, chosen)), None)


@settings(max_examples=400, deadline=None)
@given(sites())
def test_every_pair_gets_a_cable_with_the_fewest_acts(
    site: tuple[list[Pair], dict[str, list[int]], list[tuple[End, ...]]],
) -> None:
    pairs, free, spares = site
    laid = wire(pairs, free, spares)
    fewest = fewest_pulled(pairs, free, spares)
    assert bool(laid.short) == (fewest is None)
    if fewest is None:
        assert laid == Wiring(short=laid.short)
        return
    assert [(run.a[0], run.b[0]) for run in laid.runs] == pairs
    moved = [run.moved for run in laid.runs if run.moved]
    pulled = [*moved, *laid.unplugged]
    assert sorted(set(pulled)) == sorted(pulled)
    assert set(pulled) <= set(spares)
    used = [end for run in laid.runs for end in (run.a, run.b)]
    room = {end for spare in pulled for end in spare}
    room |= {(host, number) for host, numbers in free.items() for number in numbers}
    assert len(set(used)) == len(used)
    assert set(used) <= room
    # No spare is pulled that need not be, and none is left in place of which a cable is got.
    assert len(laid.unplugged) == max(0, fewest - len(pairs))
    new = sum(not run.moved for run in laid.runs)
    assert new == max(0, len(pairs) - len(spares))


def test_a_moved_cable_stays_where_it_can() -> None:
    spare = (("a", 5), ("b", 6))
    laid = wire([("a", "c")], {"a": [1], "c": [2]}, [spare])
    assert laid == Wiring((Run(("a", 5), ("c", 2), spare),))


def test_a_cable_is_pulled_that_only_makes_room() -> None:
    spares = [(("a", 1), ("c", 1)), (("b", 1), ("d", 1))]
    laid = wire([("a", "b")], {}, spares)
    assert laid == Wiring((Run(("a", 1), ("b", 1), spares[0]),), (spares[1],))


def test_who_is_short_is_named_with_how_many() -> None:
    assert wire([("a", "b"), ("a", "c")], {"b": [1]}, []).short == (("a", 2), ("c", 1))


def test_many_spare_cables_are_chosen_from_in_time() -> None:
    spares = [(("a", n), ("b", n)) for n in range(30)]
    pairs = [("a", "c"), ("b", "c"), ("a", "d"), ("b", "d")]
    laid = wire(pairs, {"c": [1, 2], "d": [1, 2]}, spares)
    assert (len(laid.runs), laid.unplugged) == (4, ())


# The cheapest ring.

Ways = dict[tuple[int, int], list[Steps]]
PRICE = {"p": 2, "q": 8, "r": 14}


@st.composite
def jobs(draw: st.DrawFn) -> tuple[int, Ways, list[int]]:
    count = draw(st.integers(3, 6))
    way = st.lists(st.frozensets(st.sampled_from("pqr"), max_size=2), min_size=1, max_size=2)
    pairs = list(combinations(range(count), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True))
    room = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    return count, {pair: draw(way) for pair in chosen}, room


def cost(steps: Steps) -> tuple[int, int]:
    return len(steps), sum(PRICE.get(step, CABLE) for step in steps)


def brute(count: int, ways: Ways, room: list[int]) -> tuple[int, int] | None:
    """Try every order and every way."""
    best: tuple[int, int] | None = None
    for rest in permutations(range(1, count)):
        pairs = [(min(p), max(p)) for p in cycle((0, *rest))]
        new = [pair for pair in pairs if pair not in ways]
        plugs = Counter(v for pair in new for v in pair)
        if any(n > room[v] for v, n in plugs.items()):
            continue
        cables = frozenset(f"{a} {b}" for a, b in new)
        for chosen in product(*(ways[pair] for pair in pairs if pair in ways)):
            found = cost(cables.union(*chosen))
            best = found if best is None else min(best, found)
    return best


@settings(max_examples=300, deadline=None)
@given(jobs())
def test_the_ring_is_as_cheap_as_brute_force_finds(job: tuple[int, Ways, list[int]]) -> None:
    count, ways, room = job
    found = cheapest_cycle(count, ways, PRICE, room, CABLE)
    best = brute(count, ways, room)
    assert not found.gave_up
    assert (found.order is None) == (best is None)
    if found.order is None:
        return
    assert sorted(found.order) == list(range(count))
    assert cost(found.steps) == best
    new = {f"{min(p)} {max(p)}" for p in cycle(found.order) if (min(p), max(p)) not in ways}
    assert new == found.steps - PRICE.keys()
    for pair in cycle(found.order):
        there = ways.get((min(pair), max(pair)))
        assert there is None or any(way <= found.steps for way in there)


def usable(edges: Sequence[tuple[int, int]]) -> Ways:
    return {(min(edge), max(edge)): [FREE] for edge in edges}


def fast(count: int, ways: Ways, price: Mapping[str, int] = PRICE) -> Cycle:
    began = time.process_time()
    found = cheapest_cycle(count, ways, price, [2] * count, CABLE)
    assert time.process_time() - began < 8
    return found


@pytest.mark.parametrize("every", [1, 4, 16, 64])
def test_a_ring_of_64_with_breaks_needs_as_many_cables(every: int) -> None:
    edges = [edge for n, edge in enumerate(cycle(range(64))) if n % every]
    found = fast(64, usable(edges))
    assert (found.gave_up, len(found.steps)) == (False, 64 // every)


def test_eight_rings_of_eight_need_eight_cables() -> None:
    edges = [edge for n in range(0, 64, 8) for edge in cycle(range(n, n + 8))]
    found = fast(64, usable(edges))
    assert (found.gave_up, len(found.steps)) == (False, 8)


def test_a_repair_that_mends_two_links_is_one_step() -> None:
    ways = usable(cycle(range(64)))
    ways[3, 4] = ways[5, 6] = [frozenset("p")]
    assert fast(64, ways).steps == {"p"}


@pytest.mark.parametrize("seed", range(4))
def test_what_is_too_hard_is_given_up_in_time_and_that_is_said(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    price = {letter: 2 + n for n, letter in enumerate("abcdefgh")}
    pairs = [pair for pair in combinations(range(64), 2) if rng.random() < 0.04]
    ways = {pair: [frozenset(rng.sample("abcdefgh", rng.randint(0, 2)))] for pair in pairs}
    found = fast(64, ways, price)
    assert (found.order is None) == found.gave_up
    assert found == fast(64, ways, price)


def test_nothing_closes_without_room() -> None:
    path = usable(list(pairwise(range(5))))
    assert cheapest_cycle(5, path, PRICE, [0] * 5, CABLE) == Cycle(None)
