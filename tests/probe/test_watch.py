"""Watch: the line about a launch, from what its ranks said and when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlxdiag.probe.watch import ORDER, Launch, Watch
from tests.probe.logs import plan


def begun(count: int = 3, **settings: Any) -> Launch:  # noqa: ANN401
    return Launch(plan(count, **settings), 2, 3, began=100.0)


def enter(phase: str, **more: object) -> dict[str, Any]:
    return {"ev": "phase", "phase": phase, "deadline_s": 60.0, **more}


def beat(count: int) -> dict[str, Any]:
    return {"ev": "beat", "begun": count}


def test_the_line_says_backend_launch_phase_and_size() -> None:
    launch = begun()
    assert launch.line(100.0) == "ring  launch 2 of 3  spawn  0 s"
    for rank in range(3):
        launch.hear(rank, enter("measure", size=16 << 20), 101.0)
    assert launch.line(102.5) == "ring  launch 2 of 3  measure  16 MiB  2 s"


def test_the_phase_is_that_of_the_rank_that_has_come_least_far() -> None:
    launch = begun()
    launch.hear(0, enter("measure", size=4), 101.0)
    launch.hear(1, enter("init"), 101.0)
    launch.hear(2, enter("check"), 101.0)
    assert launch.line(102.0) == "ring  launch 2 of 3  init  2 s"


def test_who_is_behind_is_named_after_some_seconds_and_not_before() -> None:
    launch = begun()
    for rank in range(3):
        launch.hear(rank, enter("init"), 101.0)
    launch.hear(0, enter("check"), 102.0)
    launch.hear(2, enter("check"), 102.0)
    assert launch.line(103.9) == "ring  launch 2 of 3  init  3 s"
    assert launch.line(104.0) == "ring  launch 2 of 3  init  4 s  behind: rank 1 (mac1)"


def test_in_a_collective_the_ranks_that_came_to_the_fewest_are_behind() -> None:
    launch = begun()
    for rank, count in enumerate((9, 8, 8)):
        launch.hear(rank, enter("measure", size=4), 101.0)
        launch.hear(rank, beat(count), 102.0)
    for now in (103.0, 104.0, 105.0):
        launch.hear(0, beat(9), now)
    assert launch.line(105.0).endswith("behind: rank 1 (mac1), rank 2 (mac2)")
    launch.hear(1, beat(20), 105.5)
    launch.hear(2, beat(19), 105.6)
    launch.hear(0, beat(20), 105.7)
    assert launch.line(105.8) == "ring  launch 2 of 3  measure  4 B  5 s"


def test_where_all_stand_at_the_same_nobody_is_behind() -> None:
    launch = begun()
    for rank in range(3):
        launch.hear(rank, enter("init"), 101.0)
    assert launch.line(111.0) == "ring  launch 2 of 3  init  11 s  all ranks wait, 10 s"


def test_a_soak_says_how_long_and_how_many_and_its_pauses_are_no_delay() -> None:
    launch = begun(soak_s=600.0)
    for rank in range(3):
        launch.hear(rank, enter("soak"), 101.0)
        launch.hear(rank, beat(50), 102.0)
    assert launch.line(103.0) == ("ring  launch 2 of 3  soak  3 s (soak of 10 min, 50 collectives)")
    for rank in range(3):
        launch.hear(rank, enter("soak", idle_s=61.0), 104.0)
    assert launch.line(130.0).endswith("  pause")
    for rank in range(3):
        launch.hear(rank, enter("soak"), 165.0)
        launch.hear(rank, beat(51), 165.2)
    assert launch.line(166.0).endswith("(soak of 10 min, 51 collectives)")


def test_a_watch_counts_launches_and_is_silent_before_the_first() -> None:
    now = [0.0]
    watch = Watch(2, clock=lambda: now[0])
    first, second = plan(2), replace(plan(2), nonce="1")
    watch.hear(first, 0, beat(1))
    assert watch.line() == ""
    watch.begin((first,))
    watch.begin((second,))
    now[0] = 1.0
    watch.hear(second, 0, {"ev": "done"})
    assert watch.line() == "ring  launch 2 of 2  spawn  1 s"


def test_of_launches_at_the_same_time_it_shows_the_one_that_came_least_far() -> None:
    pairs = [replace(plan(2), nonce=word, part="pair") for word in "ab"]
    watch = Watch(3, clock=lambda: 0.0)
    watch.begin(tuple(pairs))
    for one, phase in zip(pairs, ("measure", "init"), strict=True):
        for rank in range(2):
            watch.hear(one, rank, enter(phase))
    hosts = " - ".join(rank.host.name for rank in pairs[1].ranks)
    assert watch.line() == f"ring  round 1 of 3  {hosts}  init  0 s"


@pytest.mark.parametrize("phase", ORDER)
def test_every_phase_has_a_place(phase: str) -> None:
    launch = begun(2)
    for rank in range(2):
        launch.hear(rank, {"ev": "done"} if phase == "done" else enter(phase), 101.0)
    assert f"  {phase}  " in launch.line(101.0)
