"""Judge on logs made by hand: who is to blame, by which rule, and when there are numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from mlxdiag.checks.probes import findings
from mlxdiag.finding import Status
from mlxdiag.probe.judge import Blame, Row, judge, quantile
from mlxdiag.probe.said import Event, GangRun, RankLog
from tests.probe.logs import (
    beat,
    checked,
    done,
    ended,
    failed,
    healthy,
    log,
    plan,
    ran,
    samples,
)

RING_ECHO = "RuntimeError: [ring] all_sum failed, the connection to a peer was lost."


def blamed(run: GangRun) -> Blame:
    """Judge a run that has somebody to blame; a spoilt run has no numbers."""
    probe = judge(plan(len(run.logs)), run)
    assert probe.blame is not None
    assert probe.rows == ()
    assert not probe.passed
    return probe.blame


def rows(*logs: RankLog, **settings: Any) -> tuple[Row, ...]:  # noqa: ANN401
    probe = judge(plan(len(logs), **settings), ran(logs))
    assert probe.passed
    return probe.rows


# Nobody to blame: the numbers.


def test_a_row_is_what_the_slowest_rank_by_its_median_saw() -> None:
    (row,) = rows(healthy(0, (1000, 1000, 90000)), healthy(1, (2000, 4000, 6000)))
    assert (row.slowest, row.samples, row.size, row.wrong) == (1, 3, 4, 0)
    assert (row.min_us, row.p50_us, row.p90_us, row.p99_us, row.max_us) == (2, 4, 6, 6, 6)


def test_quantiles_are_nearest_rank() -> None:
    hundred = list(range(100, 0, -1))
    assert [quantile(hundred, share) for share in (0.5, 0.9, 0.99, 1.0)] == [50, 90, 99, 100]
    assert quantile([7], 0.5) == quantile([7], 0.99) == 7
    assert quantile([1, 2], 0.5) == 1
    assert quantile(range(1, 51), 0.99) == 50


@pytest.mark.parametrize(
    ("count", "op", "algbw", "busbw"),
    [
        (2, "all_sum", 1.0, 1.0),
        (4, "all_sum", 1.0, 1.5),
        (2, "all_gather", 2.0, 1.0),
        (4, "all_gather", 4.0, 3.0),
        (2, "send", 1.0, 1.0),
        (4, "send", 1.0, 1.0),
    ],
)
def test_bandwidths_of_1024_bytes_in_1024_ns(
    count: int, op: str, algbw: float, busbw: float
) -> None:
    ranks = (healthy(n, [1024], size=1024) for n in range(count))
    (row,) = rows(*ranks, op=op, sizes=(1024,))
    assert row.algbw_gb_per_s == pytest.approx(algbw)
    assert row.busbw_gb_per_s == pytest.approx(busbw)


def test_a_size_that_was_not_planned_has_no_row() -> None:
    both = (samples(size=4), samples(size=8))
    found = rows(log(0, *both, *done()), log(1, both[0], *done()), check=False)
    assert [row.size for row in found] == [4]


def test_wrong_is_not_known_where_one_rank_did_not_check() -> None:
    (row,) = rows(healthy(0), log(1, samples(), *done()), check=False)
    assert row.wrong is None


TOLD = (checked(), samples(), *done())


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (TOLD[1:], "was done without having checked anything"),
        ((checked(), *done()), "timed 0 collectives of 4 B, where 5 are due"),
        ((checked(), samples(size=8), *done()), "timed 0 collectives of 4 B, where 5 are due"),
        ((checked(), samples([1, 2]), *done()), "timed 2 collectives of 4 B, where 5 are due"),
        (
            (checked(), samples([1, 2, 0, 3, 4]), *done()),
            "timed a collective of 4 B at no time: its clock does not run",
        ),
    ],
)
def test_who_is_done_and_did_not_do_all_is_no_pass(said: Sequence[Event], text: str) -> None:
    blame = blamed(ran([healthy(0), log(1, *said)]))
    assert (blame.ranks, blame.text) == ((1,), text)


def test_where_nobody_did_anything_nothing_passes() -> None:
    idle = [log(n, checked(), *done()) for n in range(2)]
    blame = blamed(ran(idle))
    assert (blame.ranks, blame.text) == ((0, 1), "timed 0 collectives of 4 B, where some are due")
    soak = judge(plan(2, soak_s=60.0), ran(idle))
    assert soak.blame == Blame((0, 1), "was done without a soak")


def test_a_rank_without_a_result_is_no_smaller_cluster() -> None:
    blame = blamed(ran([healthy(0), log(1, checked(), samples())]))
    assert (blame.ranks, blame.text) == ((1,), "ended without a result")


# Wrong data goes before everything else.


def wrong(text: str, *guilty: int) -> Event:
    return failed(text, "check", "wrong", guilty=list(guilty))


def test_wrong_data_names_the_guilty_and_not_who_saw_it() -> None:
    run = ran(
        [
            log(0, wrong("all_sum: 1 wrong elements, the first at 7", 2), ended(status=3)),
            log(1, wrong("all_sum: 1 wrong elements, the first at 7", 2), ended(status=3)),
            log(2, failed(RING_ECHO), ended(status=3)),
        ],
        "failed",
    )
    blame = blamed(run)
    assert blame.ranks == (2,)
    assert blame.text == "its data arrived wrong"
    assert "the first at 7" in blame.evidence


def test_wrong_data_of_several_and_of_nobody_in_particular() -> None:
    several = [log(0, wrong("x", 2)), log(1, wrong("x", 1, 2)), log(2)]
    assert blamed(ran(several, "failed")).ranks == (1, 2)
    assert blamed(ran([log(0, wrong("floats")), log(1)], "deadline")).ranks == ()


def summed(begun: int, *guilty: int, **more: object) -> Event:
    text = "all_sum: 1 wrong elements"
    return failed(text, "check", "wrong", guilty=list(guilty), op="all_sum", begun=begun, **more)


def test_of_a_sum_that_others_got_right_who_got_it_wrong_is_named() -> None:
    went_on = failed(RING_ECHO, begun=8)
    blame = blamed(ran([log(0, went_on), log(1, summed(7, 0)), log(2, *done())], "failed"))
    assert blame.ranks == (1,)
    assert blame.text == "got wrong data where rank 0, 2 got the right"
    assert blame.evidence == "all_sum: 1 wrong elements (on rank 1)"


def test_whom_a_wrong_result_was_handed_on_to_is_not_accused() -> None:
    run = ran([log(0, summed(7, 3)), log(1, summed(7, 3)), log(2, *done())], "failed")
    assert blamed(run).ranks == ()
    assert blamed(run).text == "rank 0, 1 got wrong data, rank 2 the right"


def test_who_did_not_come_further_has_not_got_it_right() -> None:
    run = ran([log(0, summed(7, 2)), log(1, beat(7, 9.0)), log(2, failed(RING_ECHO, begun=7))])
    assert blamed(run).ranks == (2,)
    assert blamed(run).text == "its part of a sum is wrong"


def test_a_result_of_another_kind_is_the_own_fault_of_who_has_it() -> None:
    run = ran([log(0, summed(7, 0, own=True)), log(1, summed(7, 1, own=True))], "failed")
    assert (blamed(run).ranks, blamed(run).text) == ((0, 1), "got wrong data")


def leased(rank: int) -> RankLog:
    return log(rank, ended(signal=15, why="lease"))


def test_where_nobody_heard_of_us_nobody_is_accused() -> None:
    run = ran([leased(0), leased(1)], "failed")
    assert blamed(run).ranks == ()
    assert blamed(run).text == "no host heard mlxdiag for 15 s: the way from it to all"


def test_who_heard_nothing_of_us_is_named_unless_we_were_away() -> None:
    echoes = log(0, failed(RING_ECHO), ended(status=3))
    run = ran([echoes, leased(1)], "failed")
    assert blamed(run).ranks == (1,)
    assert blamed(run).text == "heard nothing of mlxdiag for 15 s: the way to its host"
    away = replace(run, away_s=20.0)
    found = judge(plan(2), away)
    assert found.blame == Blame((), "interrupted: mlxdiag itself did not run for 20 s")
    assert found.run.end == "interrupted"


def test_an_end_of_its_own_counts_although_we_were_away() -> None:
    run = ran([log(0, ended(signal=9)), leased(1)], "failed")
    assert blamed(replace(run, away_s=20.0)).ranks == (0,)


# A rank failed.


def test_a_rank_that_never_spoke() -> None:
    silent = log(1, up_to="nothing", lost="the process ended")
    silent.noise.append("sh: 1: exec: /no/python: not found\n")
    blame = blamed(ran([log(0, failed("own error")), silent], "failed"))
    assert (blame.ranks, blame.text) == ((1,), "did not start")
    assert blame.evidence == "the process ended sh: 1: exec: /no/python: not found"


def test_who_had_not_yet_spoken_is_not_to_blame_for_another_ones_error() -> None:
    """Its host is slow to start; the run ended before its time was over."""
    silent = log(1, up_to="nothing")
    dead = log(0, ended(signal=9), up_to="import")
    blame = blamed(ran([dead, silent], "failed"))
    assert (blame.ranks, blame.text) == ((0,), "was ended by signal 9 in import")
    blame = blamed(ran([log(0, failed(RING_ECHO), ended(status=3)), silent], "failed"))
    assert (blame.ranks, blame.text) == ((1,), "did not start")
    assert blame.evidence == "no word of the kernel"


def test_somebody_else_in_a_ranks_place_is_not_who_noticed() -> None:
    said = failed("who answers as rank 2 is of another run: it sent [7]", kind="identity", peer=2)
    blame = blamed(ran([log(0, said, ended(status=3)), log(1, said), log(2)], "failed"))
    assert (blame.ranks, blame.text) == ((2,), "is not who answers in its place")
    assert "of another run" in blame.evidence


@pytest.mark.parametrize("echo", [RING_ECHO, "Socket 3 was closed by the peer"])
def test_an_echo_is_not_a_cause(echo: str) -> None:
    run = ran(
        [
            log(0, failed(echo), ended(status=3, at=7.0)),
            log(1, ended(signal=9, at=7.5)),
            log(2, failed(echo), ended(status=3, at=7.0)),
        ],
        "failed",
    )
    blame = blamed(run)
    assert (blame.ranks, blame.text) == ((1,), "was ended by signal 9 in measure")


def test_an_error_of_its_own_with_its_stderr() -> None:
    own = failed("RuntimeError: [ring] Couldn't bind socket (error: 99)", "init")
    stderr: Event = {"ev": "stderr", "text": "[ring] Rank 1 accepting\n"}
    blame = blamed(ran([log(0, up_to="init"), log(1, stderr, own, up_to="init")], "failed"))
    assert blame.ranks == (1,)
    assert blame.text == "failed in init: RuntimeError: [ring] Couldn't bind socket (error: 99)"
    assert blame.evidence == "[ring] Rank 1 accepting"


def test_of_two_errors_the_first_counts() -> None:
    late = {**failed("B"), "at": 8.5}
    assert blamed(ran([log(0, late), log(1, failed("A"))], "failed")).text.endswith("A")


def test_an_exit_status_and_a_signal_to_the_supervisor_are_a_ranks_own() -> None:
    run = ran([log(0, ended(why="asked", signal=15)), log(1, ended(status=5))], "failed")
    assert blamed(run).text == "exited with status 5 in measure"
    run = ran([log(0, ended(why="signalled", signal=15)), log(1)], "failed")
    assert blamed(run) == Blame((0,), "was ended by signal 15 in measure")


def test_a_rank_whose_connection_broke_is_lost() -> None:
    run = ran([log(0, failed(RING_ECHO)), log(1, lost="the connection was closed")], "failed")
    blame = blamed(run)
    assert (blame.ranks, blame.text) == ((1,), "was lost: the connection was closed")


MUTE = "does not answer any more: it or its host is stopped, or the way there is gone"


def test_a_rank_that_does_not_say_how_it_ended() -> None:
    echo = log(0, failed(RING_ECHO), ended(status=3))
    blame = blamed(ran([echo, log(1, beat(4, 6.0)), log(2, ended(why="asked"))], "failed"))
    assert (blame.ranks, blame.text) == ((1,), MUTE)
    blame = late(log(0, beat(4, 9.0), ended(why="asked")), log(1, beat(4, 6.0)))
    assert (blame.ranks, blame.text) == ((1,), MUTE)


def test_a_supervisor_that_ps_shows_stopped_afterwards() -> None:
    stood = log(1, {"ev": "stood"})
    blame = blamed(ran([log(0, failed(RING_ECHO), ended(status=3)), stood], "failed"))
    assert (blame.ranks, blame.text) == ((1,), "its supervisor is stopped (SIGSTOP, or a debugger)")


def test_a_rank_that_was_done_too_early_took_part_in_fewer_collectives() -> None:
    early = log(1, {"ev": "done", "begun": 3}, ended(status=0))
    blame = blamed(ran([log(0, failed(RING_ECHO), ended(status=3, at=6.0)), early], "failed"))
    assert blame == Blame((1,), "was done before the others: it took part in fewer collectives")


def test_where_all_only_echo_the_first_is_named() -> None:
    echoes = [log(n, failed(RING_ECHO), ended(status=3, at=7.0 - n)) for n in range(2)]
    blame = blamed(ran(echoes, "failed"))
    assert (blame.ranks, blame.text) == ((1,), "ended first")


def test_only_alarms_are_judged_as_a_deadline() -> None:
    run = ran(
        [log(0, beat(5, 6.0), ended(signal=14, at=15.0)), log(1, beat(4, 6.0), ended(why="asked"))],
        "failed",
    )
    assert blamed(run) == Blame((1,), "did not arrive at collective 5")


def test_an_alarm_before_the_deadline_is_somebodys_signal() -> None:
    run = ran([log(0, beat(5, 6.0)), log(1, beat(4, 6.0), ended(signal=14, at=8.0))], "failed")
    assert blamed(run) == Blame((1,), "was ended by signal 14 in measure")


# A deadline passed.


def late(*logs: RankLog, phase: str = "measure", overdue: tuple[int, ...] = ()) -> Blame:
    overdue = overdue or tuple(log.rank for log in logs)
    return blamed(ran(logs, "deadline", overdue=overdue, phase=phase))


def test_a_rank_that_did_not_start_in_time() -> None:
    blame = late(log(0, up_to="init"), log(1, up_to="nothing"), phase="spawn", overdue=(1,))
    assert (blame.ranks, blame.text) == ((1,), "did not start in time")


@pytest.mark.parametrize(
    ("stat", "text"),
    [
        ("T", "is stopped (SIGSTOP, or a debugger) in measure"),
        ("Ds", "waits inside the kernel in measure"),
        ("U+", "waits inside the kernel in measure"),
    ],
)
def test_what_ps_says_goes_before_what_the_ranks_say(stat: str, text: str) -> None:
    state: Event = {"ev": "state", "stat": stat}
    blame = late(log(0, beat(4, 9.0), {"ev": "state", "stat": "Sl"}), log(1, beat(4, 9.0), state))
    assert (blame.ranks, blame.text) == ((1,), text)


def test_all_stopped_is_nobody_in_particular() -> None:
    state: Event = {"ev": "state", "stat": "T"}
    assert late(log(0, beat(4, 9.0), state), log(1, beat(4, 9.0), state)).ranks == ()


def test_a_rank_in_an_earlier_phase() -> None:
    blame = late(log(0, up_to="init"), log(1, up_to="import"), phase="init", overdue=(0,))
    assert (blame.ranks, blame.text) == ((1,), "still in import when the others had passed it")


def test_who_is_late_before_init_is_late_by_himself() -> None:
    """No rank waits for another there, and there are no heartbeats to compare."""
    both = [log(n, {"ev": "mlx", "at": 9.0 * n}, up_to="import") for n in range(2)]
    blame = late(*both, phase="import", overdue=(0,))
    assert (blame.ranks, blame.text) == ((0, 1), "did not come out of import in time")
    ready: Event = {"ev": "phase", "phase": "ready", "at": 2.0}
    both = [log(n, ready, up_to="import") for n in range(2)]
    blame = late(*both, phase="ready", overdue=(0,))
    assert (blame.ranks, blame.text) == ((0,), "did not come out of ready in time")


def test_all_in_init_is_nobody_in_particular() -> None:
    stack: Event = {"ev": "stderr", "text": 'File "mlxdiag-kernel", line 9 in in_init\n'}
    blame = late(log(0, stack, up_to="init"), log(1, up_to="init"), phase="init")
    assert (blame.ranks, blame.text) == ((), "all ranks wait inside init")
    assert "in_init" in blame.evidence


def test_a_rank_without_a_heartbeat_is_frozen() -> None:
    blame = late(log(0, beat(9, 9.0)), log(1, beat(9, 5.0)), log(2, beat(9, 9.5)))
    assert (blame.ranks, blame.text) == (
        (1,),
        "frozen: no heartbeat while the others have one",
    )


def test_the_rank_that_did_the_fewest_collectives_did_not_arrive() -> None:
    blame = late(log(0, beat(9, 9.0)), log(1, beat(7, 9.0)), log(2, beat(9, 9.0)))
    assert (blame.ranks, blame.text) == ((1,), "did not arrive at collective 8")


def test_who_is_still_inside_what_others_are_through_with_lacks_their_data() -> None:
    """Its `begun` is the least, as that of a rank that did not arrive; its `seq` is less too."""
    ahead = {**beat(9, 9.0), "seq": 7}
    blame = late(log(0, ahead), log(1, {**beat(8, 9.0), "seq": 6}), log(2, ahead))
    assert (blame.ranks, blame.text) == (
        (),
        "data for rank 1 is lost: still in collective 8, which others are through with",
    )
    blame = late(log(0, ahead), log(1, {**beat(8, 9.0), "seq": 7}), log(2, ahead))
    assert (blame.ranks, blame.text) == ((1,), "did not arrive at collective 9")


def test_all_at_the_same_collective_means_the_data_between_them() -> None:
    blame = late(log(0, beat(9, 9.0)), log(1, beat(9, 9.0)))
    assert (blame.ranks, blame.text) == ((), "all ranks wait in collective 9: no data passes")


def test_ranks_that_still_move_are_compared_with_nobody() -> None:
    blame = late(log(0, beat(8, 8.0), beat(9, 9.0)), log(1, beat(7, 8.4), beat(8, 9.4)))
    assert (blame.ranks, blame.text) == (
        (),
        "the ranks go on, too slowly for the 60 s that measure has",
    )


# Interrupted; and what the findings make of all this.


def test_interrupted_blames_nobody_and_is_not_known() -> None:
    probe = judge(plan(2), ran([log(0), log(1)], "interrupted"))
    assert probe.blame == Blame((), "interrupted")
    found = [f.status for f in findings([probe], ())][:3]
    assert found == [Status.PASS, Status.UNKNOWN, Status.PASS]


def test_findings_name_rank_and_host_and_what_is_left() -> None:
    run = ran([healthy(0), log(1)], left=["rank 1 on mac1: still there as pid 7"])
    _, collective, left = findings([judge(plan(2), run)], ())[:3]
    assert collective.status is left.status is Status.FAIL
    assert collective.evidence is not None
    assert collective.evidence.observed == "ring: rank 1 (mac1) ended without a result"


def test_where_nobody_could_look_it_is_not_known_what_is_left() -> None:
    run = ran([healthy(0), healthy(1)], left=["rank 1 on mac1: not known: no answer"])
    _, collective, left = findings([judge(plan(2), run)], ())[:3]
    assert (collective.status, left.status) == (Status.PASS, Status.UNKNOWN)
