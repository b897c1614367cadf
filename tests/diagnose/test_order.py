"""Which error was first: roles, lines, times, and when it cannot be known."""

from __future__ import annotations

import pytest

from mlxdiag.diagnose.suspect import suspect
from tests.diagnose.logs import HEAD, causes, diagnosed, ended, killed, raised

DOMAIN = "[jaccl] Couldn't allocate protection domain"
RTR = "[jaccl] Changing queue pair to RTR failed with errno 22"
ECHO = "[jaccl] Recv failed with errno=2"
REFUSED = "[jaccl] Couldn't connect (error: 61)"


def test_an_echo_above_its_cause_is_still_an_echo() -> None:
    found = diagnosed(HEAD + raised(ECHO) + raised(ECHO) + raised(DOMAIN) + raised(ECHO))
    assert causes(found) == ["jaccl-protection-domain"]
    assert found.by == "one"
    assert [(e.entry.id, e.count) for e in found.echoes] == [("jaccl-side-channel", 3)]
    assert found.no_retry


def test_of_two_causes_in_one_log_the_first_counts() -> None:
    found = diagnosed(raised(RTR, "[rank 1] ") + raised(DOMAIN, "[rank 2] "))
    assert (causes(found), found.by) == (["jaccl-rtr"], "lines")
    assert [said.entry.id for said in found.later] == ["jaccl-protection-domain"]
    found = diagnosed(raised(DOMAIN, "[rank 2] ") + raised(RTR, "[rank 1] "))
    assert causes(found) == ["jaccl-protection-domain"]


def test_ranks_that_say_the_same_are_one_cause() -> None:
    found = diagnosed(raised(RTR, "[rank 1] ") + raised(RTR, "[rank 0] ") + raised(ECHO))
    assert (causes(found), found.by) == (["jaccl-rtr", "jaccl-rtr"], "same")
    assert [said.speaker.rank for said in found.causes] == [1, 0]


def test_the_same_message_with_another_number_is_another_cause() -> None:
    other = RTR.replace("22", "96")
    found = diagnosed(raised(RTR, "[rank 1] ") + raised(other, "[rank 0] "))
    assert ([said.number for said in found.causes], found.by) == ([22], "lines")


def test_a_refused_connection_follows_from_the_error_of_rank_0() -> None:
    found = diagnosed(rank1_err=raised(REFUSED), rank0_err=raised(DOMAIN))
    assert causes(found) == ["jaccl-protection-domain"]
    assert [said.entry.id for said in found.later] == ["jaccl-connect"]
    assert found.causes[0].speaker.rank == 0


def test_a_refused_connection_counts_where_nobody_says_more() -> None:
    found = diagnosed(raised(REFUSED) + raised(ECHO))
    assert (causes(found), found.by) == (["jaccl-connect"], "one")


def test_only_echoes_are_no_cause() -> None:
    found = diagnosed(raised(ECHO) + killed(0, 1), rank1_err=raised(ECHO))
    assert (causes(found), found.by) == ([], "none")
    assert not found.near


def test_across_files_without_times_the_order_is_not_known() -> None:
    found = diagnosed(rank1_err=raised(RTR), rank2_err=raised(DOMAIN), rank0_err=raised(ECHO))
    assert (causes(found), found.by) == (["jaccl-rtr", "jaccl-protection-domain"], "unknown")
    assert [said.speaker.rank for said in found.causes] == [1, 2]


def timed(*pairs: tuple[str, str]) -> str:
    return "".join(f"{time} ERROR {text}\n" for time, text in pairs)


@pytest.mark.parametrize(
    ("one", "other", "by"),
    [
        ("2026-01-30 22:10:08,100", "2026-01-30 22:10:02,900", "time"),
        ("2026-01-30T22:10:08Z", "2026-01-30T23:10:02+01:00", "time"),
        ("22:10:08.1", "22:10:02.9", "time"),
        ("2026-01-30 22:10:07,100", "2026-01-30 22:10:02,900", "unknown"),
        ("2026-01-30 22:10:05,100", "22:10:02", "unknown"),
        ("2026-01-30T22:10:05Z", "2026-01-30 22:10:02", "unknown"),
        ("00:00:05", "23:59:59", "unknown"),
        ("2026-01-30 22:10:05", "99:10:02", "unknown"),
    ],
)
def test_times_order_files_where_they_are_of_one_kind_and_apart(
    one: str, other: str, by: str
) -> None:
    found = diagnosed(rank1_err=timed((one, RTR)), rank2_err=timed((other, DOMAIN)))
    assert found.by == by
    if by == "time":
        assert causes(found) == ["jaccl-protection-domain"]
        assert [said.entry.id for said in found.later] == ["jaccl-rtr"]
    else:
        assert sorted(causes(found)) == ["jaccl-protection-domain", "jaccl-rtr"]


def test_the_time_of_a_traceback_is_that_of_the_line_above_it() -> None:
    early, late = ("2026-01-30 22:10:02,000 INFO loading\n", "2026-01-30 22:11:02,000 INFO on\n")
    found = diagnosed(rank1_err=late + raised(RTR), rank2_err=early + raised(DOMAIN))
    assert (causes(found), found.by) == (["jaccl-protection-domain"], "time")
    assert found.causes[0].when is not None
    assert found.causes[0].when.text == "2026-01-30 22:10:02,000"


def test_an_error_that_nobody_knows_outweighs_a_symptom() -> None:
    found = diagnosed("[rank 0] KeyError: 'layers'\n" + raised(REFUSED, "[rank 1] "))
    assert causes(found) == []
    assert [said.entry.id for said in found.later] == ["jaccl-connect"]
    assert found.strange[0].said.text == "[rank 0] KeyError: 'layers'"


def test_an_error_that_nobody_knows_is_named_where_it_stands_before_the_cause() -> None:
    found = diagnosed("KeyError: 'layers'\n" + raised(DOMAIN) + "IndexError: 7\n")
    assert causes(found) == ["jaccl-protection-domain"]
    assert [(s.said.text, s.before) for s in found.strange] == [
        ("KeyError: 'layers'", True),
        ("IndexError: 7", False),
    ]


def test_of_a_log_of_several_runs_the_last_counts() -> None:
    first = raised(RTR) + ended(2) + killed(0, 1, 3)
    second = raised(DOMAIN) + raised(RTR) + ended(1) + killed(0, 2, 3)
    found = diagnosed(first + HEAD + second)
    assert (causes(found), found.by, found.runs) == (["jaccl-protection-domain"], "lines", 2)
    assert [said.entry.id for said in found.later] == ["jaccl-rtr", "jaccl-rtr"]
    assert suspect(found.causes[0], found).rank == 1
    echoes = diagnosed(first + raised(ECHO) + killed(0))
    assert (causes(echoes), echoes.by) == ([], "none")


def test_an_old_failure_before_a_run_that_went_well_is_no_cause() -> None:
    text = raised(DOMAIN, "[rank 1] ") + ended(1) + "[INFO] Node with rank 0 completed\n"
    same = diagnosed(text)
    assert (causes(same), same.runs) == (["jaccl-protection-domain"], 1)
    after = diagnosed(text + "[INFO] Node with rank 1 completed\n")
    assert (causes(after), after.runs) == ([], 2)
    assert [said.entry.id for said in after.later] == ["jaccl-protection-domain"]


@pytest.mark.parametrize(("later", "runs"), [("22:30:00", 2), ("22:12:00", 1)])
def test_errors_that_are_long_apart_are_of_two_runs(later: str, runs: int) -> None:
    found = diagnosed(timed(("22:10:00", RTR), (later, DOMAIN)))
    assert found.runs == runs
    assert causes(found) == ["jaccl-protection-domain" if runs == 2 else "jaccl-rtr"]
    above = diagnosed(f"22:10:00 INFO on\n{raised(RTR)}{later} INFO on\n{raised(DOMAIN)}")
    assert above.runs == runs


def test_a_grave_error_has_room_beside_many_others() -> None:
    many = "".join(f"ERROR {chr(97 + n % 26)}{chr(97 + n // 26)} is odd\n" for n in range(120))
    found = diagnosed(many + "KeyError: 'layers'\n" + raised(REFUSED))
    assert found.grave
    assert causes(found) == []


def test_mlx_launch_names_the_rank_where_it_saw_one_end_by_itself() -> None:
    found = diagnosed(raised(DOMAIN) + ended(2) + killed(0, 1, 3))
    who = suspect(found.causes[0], found)
    assert (who.rank, who.sure) == (2, True)


def test_with_an_echo_beside_it_that_rank_is_only_likely() -> None:
    found = diagnosed(raised(ECHO) + raised(DOMAIN) + ended(2) + killed(0, 1, 3))
    who = suspect(found.causes[0], found)
    assert (who.rank, who.sure) == (2, False)


def test_where_several_ended_by_themselves_the_rank_is_not_known() -> None:
    found = diagnosed(raised(ECHO) + raised(DOMAIN) + ended(2) + ended(0))
    assert suspect(found.causes[0], found).rank is None


def test_what_another_log_says_of_ranks_is_not_about_this_one() -> None:
    found = diagnosed(raised(DOMAIN), ended(2))
    assert suspect(found.causes[0], found).rank is None


@pytest.mark.parametrize("code", [255, 127, 139, -9])
def test_an_exit_code_counts_where_nothing_else_is_said(code: int) -> None:
    found = diagnosed(HEAD + ended(3, code) + killed(0, 1, 2))
    (said,) = found.causes
    assert suspect(said, found).rank == 3
    assert said.entry.id.startswith("launch-exit-")
    assert causes(diagnosed(HEAD + raised(DOMAIN) + ended(3, code))) == ["jaccl-protection-domain"]


def test_exit_1_alone_is_no_cause() -> None:
    found = diagnosed(HEAD + ended(3, 1) + killed(0, 1))
    assert causes(found) == []
    assert [said.entry.id for said in found.notices] == ["launch-exit"]


def test_a_cut_link_is_no_echo_though_every_rank_only_hears_of_it() -> None:
    lost = "[ring] Receiving from socket 5 failed with errno 60\n"
    gone = "[ring] Socket 5 was closed by the peer\n[ring] connection to a peer was lost\n"
    assert causes(diagnosed(gone)) == []
    assert causes(diagnosed(gone + lost)) == ["ring-link"]


def test_an_empty_log_is_empty() -> None:
    found = diagnosed("", " \n\n")
    assert found.empty
    assert not diagnosed("x").empty
