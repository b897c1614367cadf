"""Latecomer: who is waited for, told by how long each rank is inside collectives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from mlxdiag.probe import latecomer
from mlxdiag.probe.judge import judge
from mlxdiag.probe.said import Event, RankLog
from mlxdiag.probe.summary import summaries
from tests.probe.logs import checked, done, log, plan, ran, samples, spawned


def beats(waited: float, seconds: int = 5) -> list[Event]:
    """Let a rank be inside collectives for such a share of its time."""
    beat: Event = {"ev": "beat", "phase": "measure"}
    return [
        {**beat, "begun": at, "at": 10.0 + at, "waited_s": waited * at} for at in range(seconds + 1)
    ]


def waiting(*shares: float, seconds: int = 5) -> list[RankLog]:
    return [log(rank, *beats(share, seconds)) for rank, share in enumerate(shares)]


def accused(logs: Sequence[RankLog]) -> tuple[int, str] | None:
    return latecomer.accused(ran(logs, "deadline", phase="measure"))


def test_who_hardly_waits_is_waited_for() -> None:
    found = accused(waiting(0.97, 0.04, 0.9))
    text = "comes late to every collective: it waits 4% of the time, the others 90% or more"
    assert found == (1, text)
    probe = judge(plan(3), ran(waiting(0.97, 0.04, 0.9), "deadline", phase="measure"))
    assert probe.blame is not None
    assert (probe.blame.ranks, probe.blame.text) == ((1,), text)


@pytest.mark.parametrize(
    "shares",
    [
        (0.97, 0.9, 0.95),  # the data is slow: nobody stands out
        (0.5, 0.04, 0.9),  # another one is not waiting either
        (0.97, 0.49, 0.9),  # not by far
        (0.04, 0.04, 0.9),  # two of them
    ],
)
def test_where_nobody_stands_out_nobody_is_named(shares: Sequence[float]) -> None:
    assert accused(waiting(*shares)) is None


def test_a_few_heartbeats_tell_nothing() -> None:
    assert accused(waiting(0.97, 0.04, seconds=3)) is None
    assert accused([log(0), *waiting(0.04)]) is None
    old = log(1, *({k: v for k, v in e.items() if k != "waited_s"} for e in beats(0.1)))
    assert accused([log(0, *beats(0.9)), old]) is None


def timed(rank: int, us: float, cores: int = 8, size: int = 4) -> RankLog:
    began = spawned(rank, cores=cores)
    return log(rank, began, checked(), samples([int(us * 1000)] * 5, size), *done())


def said(*logs: RankLog, **settings: Any) -> tuple[str, ...]:  # noqa: ANN401
    return latecomer.notes(plan(len(logs), **settings), ran(logs))


def test_a_launch_that_went_well_says_whom_it_waited_for() -> None:
    logs = (timed(0, 50_100), timed(1, 60), timed(2, 50_200))
    (note,) = said(*logs)
    assert note == (
        "rank 1 (mac1) comes late to every collective:"
        " the others wait 50.1 ms or more (p50 at 4 B), it 0.06 ms"
    )
    probe = judge(plan(3), ran(logs))
    assert probe.passed
    assert note in probe.notes
    (summary,) = summaries([probe, probe])
    assert summary.notes.count(note) == 1


@pytest.mark.parametrize("us", [(60, 1000, 1100), (600, 1500, 1700), (60, 61, 9000)])
def test_a_little_is_not_worth_a_word(us: Sequence[float]) -> None:
    assert said(*(timed(rank, each) for rank, each in enumerate(us))) == ()


def test_who_is_late_now_and_then_is_not_late() -> None:
    """Five samples on a busy machine: the medians are far apart, the times are not."""
    logs = [timed(0, 1), timed(1, 1)]
    for each, ns in zip(
        logs, ([30_000, 9_000_000, 9_000_000], [20_000, 30_000, 9_500_000]), strict=True
    ):
        each.events[:] = [{**e, "ns": ns} if e["ev"] == "samples" else e for e in each.events]
    assert said(*logs) == ()


def test_who_did_not_time_it_is_not_waited_for() -> None:
    assert said(timed(0, 50_000), log(1, checked(), *done())) == ()


def still(*lengths: float) -> list[RankLog]:
    """Let each rank beat every second for 30 s, but for one pause of such a length at 10 s."""
    every = [[beating(at) for at in range(31) if not 0 < at - 10 < length] for length in lengths]
    return [log(rank, *beats_, checked(), samples(), *done()) for rank, beats_ in enumerate(every)]


def beating(at: float) -> Event:
    """Say a heartbeat that has come one collective further."""
    return {"ev": "beat", "phase": "measure", "begun": int(at), "at": float(at)}


def test_a_rank_that_stood_still_and_went_on_is_a_note() -> None:
    probe = judge(plan(3), ran(still(0, 8, 0)))
    assert probe.passed
    said = "rank 1 (mac1) gave no heartbeat for 8 s while the others did: they waited"
    assert said in probe.notes


@pytest.mark.parametrize("lengths", [(0, 3, 0), (8, 8, 8), (0, 0, 0)])
def test_who_did_not_stand_still_alone_is_no_note(lengths: Sequence[float]) -> None:
    assert not any("heartbeat" in note for note in judge(plan(3), ran(still(*lengths))).notes)


def test_who_cost_the_others_their_deadline_by_standing_still_is_named() -> None:
    probe = judge(plan(2), ran(still(0, 18), "deadline", phase="measure", overdue=(0, 1)))
    assert probe.blame is not None
    assert (probe.blame.ranks, probe.blame.text) == ((1,), "stood still for 18 s, then went on")
