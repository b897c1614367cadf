"""What was not seen is not concluded: looks without an answer, ranks that nobody looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from mlxdiag import report
from mlxdiag.capture import Outcome
from mlxdiag.finding import Status
from mlxdiag.hang.judge import judge
from mlxdiag.hang.keep import kept
from mlxdiag.recording import Recording
from tests.hang.model import SERVER, Rank, recorded
from tests.hang.test_judge import BUSY, FROZEN, GATHERS, IN_INIT, MOVES, WAITS


def without(made: Recording, host: str, start: str) -> Recording:
    """Take it that a host did not answer any more in a round."""
    captures = {
        name: replace(c, outcome=Outcome.DISCONNECTED, stdout=b"") if name.startswith(start) else c
        for name, c in made.hosts[host].items()
    }
    return replace(made, hosts={**made.hosts, host: captures})


def changed(made: Recording, host: str, text: Mapping[str, str]) -> Recording:
    captures = dict(made.hosts[host])
    for name, said in text.items():
        captures[name] = replace(captures[name], stdout=said.encode())
    return replace(made, hosts={**made.hosts, host: captures})


def status(made: Recording, check: str) -> Status:
    return next(f.status for f in report.build(made, "hang", "0").findings if f.id == check)


@pytest.mark.parametrize("other", [WAITS, BUSY, FROZEN, IN_INIT])
def test_a_second_look_without_an_answer_is_no_hang(other: Rank) -> None:
    made = recorded([WAITS, other])
    for host in ("mac0", "mac1"):
        made = without(made, host, "second_")
    hang = judge(made)
    assert (hang.state, hang.verdicts) == ("unknown", ())
    assert hang.said.startswith("not known: not every look was answered: mac0, second look: ")
    assert all(len(row.gaps) == 1 for row in hang.hosts)
    assert report.build(made, "hang", "0").exit_code == 3
    assert status(made, "hang-host-answers") is Status.UNKNOWN


def test_one_host_without_a_second_look_accuses_nobody() -> None:
    for ranks in ([WAITS, WAITS, WAITS], [WAITS, WAITS, BUSY]):
        hang = judge(without(recorded(ranks), "mac2", "second_"))
        assert (hang.state, hang.verdicts) == ("unknown", ())


def test_a_run_that_moves_with_a_look_missing_is_not_0() -> None:
    made = without(recorded([MOVES, MOVES, None]), "mac2", "first_")
    assert judge(made).state == "moving"
    assert report.build(made, "hang", "0").exit_code == 3


def test_a_rank_without_a_number_is_not_missing() -> None:
    """As for another user's process: its environment is not to be read."""
    made = changed(recorded([WAITS, WAITS, WAITS]), "mac1", {"find_environment_ps": ""})
    hang = judge(made)
    assert hang.missing == ()
    assert [verdict.kind for verdict in hang.verdicts] == ["stalled"]
    gone = changed(recorded([WAITS, WAITS, None]), "mac1", {"find_environment_ps": ""})
    assert (judge(gone).state, judge(gone).missing) == ("unknown", ())


def test_a_rank_that_the_pattern_does_not_meet_is_not_gone() -> None:
    made = recorded([WAITS, WAITS, WAITS])
    ps = made.hosts["mac2"]["find_ps"].stdout.decode()
    made = changed(made, "mac2", {"find_ps": ps.replace(SERVER, "/opt/other/python3 job.py")})
    hang = judge(made)
    assert [row.host for row in hang.ranks] == ["mac0", "mac1"]
    assert (hang.state, hang.verdicts, hang.missing) == ("unknown", (), ())
    assert hang.said == (
        "not known: rank 2 (mac2, pid 802) runs and is not met by the pattern,"
        " so nobody looked at it"
    )


def test_what_has_the_number_of_a_rank_is_kept_for_the_replay() -> None:
    from mlxdiag.hang.command import _wanted  # noqa: PLC0415
    from mlxdiag.hang.find import ground  # noqa: PLC0415

    captures = recorded([WAITS]).hosts["mac0"]
    wanted = _wanted(ground("mac0", captures), ())
    assert b"serve.py" in kept(captures, wanted)["find_ps"].stdout


def test_a_host_that_is_lost_may_have_what_the_others_wait_for() -> None:
    hang = judge(recorded([WAITS, WAITS, None], size=2, lost=[2]))
    assert (hang.state, hang.verdicts) == ("unknown", ())


@pytest.mark.parametrize(
    "check", ["hang-out-of-step", "hang-loading", "hang-control", "hang-behind", "hang-stalled"]
)
def test_what_is_not_looked_for_beside_a_cause_does_not_pass(check: str) -> None:
    made = recorded([WAITS, FROZEN, GATHERS])
    found = next(f for f in report.build(made, "hang", "0").findings if f.id == check)
    assert found.status is Status.SKIP
    assert found.blocked_by is not None
    assert found.blocked_by.id == "hang-rank-stopped"
    assert status(made, "hang-kernel") is Status.PASS


def test_a_host_that_swaps_is_said_of_any_rank() -> None:
    moving = recorded([MOVES, MOVES], swapped={1: 100_000})
    assert (judge(moving).state, status(moving, "hang-swap")) == ("moving", Status.FAIL)
    assert report.build(moving, "hang", "0").exit_code == 0
    hung = judge(recorded([WAITS, BUSY], swapped={0: 100_000}))
    assert [verdict.kind for verdict in hung.verdicts] == ["behind", "swap"]
    assert hung.said == hung.verdicts[0].text
    blind = without(recorded([WAITS, BUSY]), "mac0", "second_vm_stat")
    assert status(blind, "hang-swap") is Status.SKIP
