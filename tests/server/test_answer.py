"""Numbers and faults of exchanges of which every time is known."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mlxdiag.finding import Severity, Status
from mlxdiag.server import course, sse
from mlxdiag.server.answer import answer, quantile
from mlxdiag.server.asked import Asked, Before
from mlxdiag.server.exchange import Chunk
from mlxdiag.server.judge import judge
from mlxdiag.server.record import Examined, Look
from tests.server.looked import (
    MODELS,
    SEEN,
    URL,
    bad,
    chat,
    delta,
    event,
    finding,
    recorded,
    reported,
    steady,
)


def test_first_token_rate_and_gaps() -> None:
    found = answer(chat(steady(0.4, 0.1, 11)))
    assert (found.fault, found.tokens, found.counted) == ("", 11, "chunks")
    assert found.first_token_s == pytest.approx(0.4)
    assert found.tokens_per_s == pytest.approx(10.0)
    assert quantile(found.gaps_s, 0.5) == pytest.approx(0.1)
    assert found.text.startswith("w0 w1 w2")


def test_the_servers_count_goes_before_ours() -> None:
    found = answer(chat(steady(0.4, 0.1, 11, usage=33)))
    assert (found.tokens, found.counted) == (33, "usage")
    assert found.tokens_per_s == pytest.approx(30.0)


def test_all_in_one_piece_of_a_stream_has_no_rate() -> None:
    found = answer(chat(steady(0.4, 0.1, 1, usage=20)))
    assert (found.tokens, found.tokens_per_s, found.gaps_s) == (20, None, ())


@pytest.mark.parametrize("usage", [None, "many", True, -1, {}, 10**400])
def test_a_count_that_is_none_is_not_taken(usage: object) -> None:
    pieces = [(0.1, "a"), (0.2, "b"), (0.3, {"choices": [], "usage": {"completion_tokens": usage}})]
    found = answer(chat([*pieces, (0.3, b"data: [DONE]\n\n")]))
    assert (found.tokens, found.counted) == (2, "chunks")


def test_quantiles_are_gaps_that_were_there() -> None:
    gaps = [n / 100 for n in range(1, 21)]
    assert quantile(gaps, 0.5) == 0.10
    assert quantile(gaps, 0.95) == 0.19
    assert quantile([], 0.5) is None


def test_a_hang_is_told_from_a_slow_answer_by_its_gaps() -> None:
    pieces = steady(0.1, 0.5, 8)[:-1]  # the last at 3.6 s
    assert answer(chat(pieces, end="deadline", seconds=4.0)).fault == "slow"
    assert answer(chat(pieces, end="deadline", seconds=8.0)).fault == "slow"
    assert answer(chat(pieces, end="deadline", seconds=8.7)).fault == "hang"
    quick = steady(0.1, 0.01, 8)[:-1]
    assert answer(chat(quick, end="deadline", seconds=3.0)).fault == "hang"


@pytest.mark.parametrize("times", [(57.5,), (20.0,), (40.0, 45.0), (40.0, 40.1)])
def test_a_first_token_that_took_long_is_slow(times: tuple[float, ...]) -> None:
    pieces = [(at, "word ") for at in times]
    found = answer(chat(pieces, end="deadline", seconds=60.0))
    assert found.fault == "slow"


@pytest.mark.parametrize("first_s", [0.2, 5.0])
def test_a_stream_that_falls_silent_after_its_first_piece_hangs(first_s: float) -> None:
    assert answer(chat([(first_s, "word ")], end="deadline", seconds=60.0)).fault == "hang"


def test_without_a_name_only_a_model_that_is_listed_alone_is_asked_for() -> None:
    several = replace(MODELS, chunks=(Chunk(0.01, b'{"data": [{"id": "a"}, {"id": "b"}]}'),))
    asked = Asked(URL)
    assert course.body(asked, (MODELS,))["model"] == "qwen"
    assert "model" not in course.body(asked, (several,))
    assert course.body(replace(asked, model="b"), (several,))["model"] == "b"
    assert judge(Look(asked, (several,))).model is None
    assert course.obstacle(asked, (several,)) == ""


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_server_that_wants_a_model_named_is_told_so(status: int) -> None:
    several = replace(MODELS, chunks=(Chunk(0.01, b'{"data": [{"id": "a"}, {"id": "b"}]}'),))
    said = b'{"error": {"message": "model: field required"}}'
    refused = replace(chat([], status=status), chunks=(Chunk(0.1, said),))
    found = finding(reported(recorded(several, refused)), "server-answers")
    assert "name it: server.model" in (found.fix.text if found.fix else "")
    named = finding(reported(recorded(several, refused, model="a")), "server-answers")
    assert "name it" not in (named.fix.text if named.fix else "")


def test_a_connection_that_never_comes_is_no_hang_of_ranks() -> None:
    mute = replace(
        chat([], end="deadline", seconds=5.0), connected_s=None, headers_s=None, status=None
    )
    assert (answer(mute).fault, answer(mute).said) == ("connection", "no connection in 5.0 s")


def test_an_error_in_the_stream_is_an_error() -> None:
    found = answer(chat([(0.1, "a"), (0.2, {"error": {"message": "rank 2 is gone"}})]))
    assert (found.fault, found.said) == ("status", "an error in place of words: rank 2 is gone")


@pytest.mark.parametrize(
    "said", [[], 7, "words", {"choices": 5}, {"choices": [3]}, {"object": "list"}]
)
def test_json_that_is_no_completion_is_garbage(said: object) -> None:
    chunks = [(0.1, event(said) if not isinstance(said, str) else b'data: "words"\n\n')]
    assert answer(chat(chunks)).fault == "garbage"


def test_an_error_that_is_null_is_none() -> None:
    told = {"error": None, "choices": [{"message": {"content": "words"}}]}
    whole = json.dumps(told).encode()
    found = answer(replace(chat([]), chunks=(Chunk(0.2, whole),)))
    assert (found.fault, found.text, found.streamed) == ("", "words", False)


def test_calls_of_tools_are_words() -> None:
    calls = {"tool_calls": [{"function": {"name": "f"}}]}
    choice = {"index": 0, "delta": calls, "finish_reason": "tool_calls"}
    found = answer(chat([(0.1, {"choices": [choice]})]))
    assert (found.fault, found.empty) == ("", False)


# Server-sent events.


def test_lines_end_in_every_way_and_data_goes_over_several() -> None:
    raw = b"data: a\r\ndata: b\r\n\r\n: comment\r\revent: x\rdata:c\r\rdata: d\n\nretry: 5\nrest"
    stream = sse.read([Chunk(0.1, raw[:9]), Chunk(0.2, raw[9:11]), Chunk(0.3, raw[11:])])
    assert [e.data for e in stream.events] == ["a\nb", "c", "d"]
    assert (len(stream.comments), stream.stray, stream.rest) == (1, "", b"rest")


def test_an_event_has_the_time_of_its_last_byte() -> None:
    chunks = [Chunk(0.1, b"data: a\n"), Chunk(0.2, b"\ndata: b"), Chunk(0.3, b"\n\n")]
    assert [(e.at, e.data) for e in sse.read(chunks).events] == [(0.2, "a"), (0.3, "b")]


def test_every_boundary_in_a_stream_gives_the_same_events() -> None:
    body = (
        event(delta("\U0001f680 caf\u00e9")) + b": k\n\n" + event(delta("x")) + b"data: [DONE]\n\n"
    )
    whole = [e.data for e in sse.read([Chunk(0.0, body)]).events]
    for at in range(len(body)):
        two = [Chunk(0.0, body[:at]), Chunk(0.1, body[at:])]
        assert [e.data for e in sse.read(two).events] == whole
        assert answer(replace(chat([]), chunks=tuple(two))).text == "\U0001f680 caf\u00e9x"


# Floors and baselines.


@pytest.mark.parametrize(
    ("floor", "before", "status", "said"),
    [
        (None, None, Status.SKIP, ""),
        (9.9, None, Status.PASS, "at least 9.9 tokens/s (inventory)"),
        (10.1, None, Status.FAIL, "at least 10.1 tokens/s (inventory)"),
        (None, 12.8, Status.PASS, "at least 9.6 tokens/s (12.8 on 2026-01-30, -25%)"),
        (None, 13.5, Status.FAIL, "at least 10.1 tokens/s (13.5 on 2026-01-30, -25%)"),
        (9.9, 99.0, Status.PASS, "at least 9.9 tokens/s (inventory)"),
    ],
)
def test_speed_is_held_to_the_floor_else_to_the_baseline(
    floor: float | None, before: float | None, status: Status, said: str
) -> None:
    was = Before("2026-01-30T20:00:00Z", before, 0.4) if before else None
    made = reported(recorded(MODELS, chat(steady(0.4, 0.1, 11)), tokens_per_s=floor, before=was))
    found = finding(made, "server-speed")
    assert found.status is status
    assert (found.evidence.expected if found.evidence else "") == said


def test_the_first_token_is_held_to_the_baseline() -> None:
    for first, status in ((0.5, Status.PASS), (0.6, Status.FAIL)):
        was = Before("2026-01-30T20:00:00Z", 10.0, 0.4)
        made = reported(recorded(MODELS, chat(steady(first, 0.1, 11)), before=was))
        assert finding(made, "server-first-token").status is status


def test_what_is_different_from_the_baseline_is_said() -> None:
    was = Before("2026-01-30T20:00:00Z", 20.0, 0.1)
    served = reported(recorded(MODELS, chat(steady(0.4, 0.1, 11)), before=was)).server
    assert served is not None
    assert served.changes == (
        "tokens/s: 20 -> 10 since 2026-01-30, slower",
        "s to the first token: 0.1 -> 0.4 since 2026-01-30, slower",
    )


def test_numbers_that_nobody_measured_are_not_known() -> None:
    one = chat(steady(0.4, 0.1, 1, usage=20))
    made = reported(recorded(MODELS, one, tokens_per_s=5.0))
    assert bad(made) == [("server-speed", Status.UNKNOWN)]
    assert made.exit_code == 3


def test_numbers_are_medians_of_what_was_answered() -> None:
    three = [chat(steady(first, 0.1, 11), number=n) for n, first in enumerate((0.9, 0.4, 0.5), 1)]
    served = judge(Look(reported(recorded(MODELS)).server.asked, (MODELS, *three)))  # type: ignore[union-attr]
    assert served.first_token_s == pytest.approx(0.5)


# What follows from what.


def test_what_a_hang_showed_is_in_the_finding_and_the_line() -> None:
    hung = chat(steady(0.1, 0.01, 3)[:-1], end="deadline", seconds=60.0)
    made = reported(recorded(MODELS, hung, hang=SEEN, requests=3))
    (cause,) = made.causes
    assert cause.evidence is not None
    assert cause.evidence.observed.endswith("; rank 1 is the one to look at")
    assert cause.fix is not None
    assert cause.fix.text == "kill -CONT 7"
    assert [f.status for f in made.findings if f.id == "server-repeat"] == [Status.SKIP] * 2


def test_where_nobody_knows_what_to_do_the_ranks_are_to_be_looked_at() -> None:
    hung = chat([], end="deadline", seconds=60.0)
    (cause,) = reported(recorded(MODELS, hung, hang=Examined("not looked at"))).causes
    assert cause.fix is not None
    assert "mlxdiag hang" in cause.fix.text


def test_a_run_that_was_ended_leaves_the_rest_unknown() -> None:
    one = chat(steady(0.4, 0.1, 11))
    two = chat([(0.1, "w")], number=2, end="interrupted", seconds=0.3)
    made = reported(replace(recorded(MODELS, one, two, requests=3), ended="interrupted"))
    assert made.exit_code == 130
    assert [f.status for f in made.findings if f.id == "server-repeat"] == [
        Status.UNKNOWN,
        Status.SKIP,
    ]
    nothing = reported(replace(recorded(), ended="timeout"))
    assert nothing.exit_code == 124
    assert finding(nothing, "server-reachable").status is Status.UNKNOWN


def test_requests_at_once_are_not_sent_unless_asked_for() -> None:
    found = finding(reported(recorded(MODELS, chat(steady(0.4, 0.1, 11)))), "server-parallel")
    assert found.status is Status.SKIP
    assert "two at once have crashed distributed mlx_lm.server" in found.reason
    assert found.severity is Severity.ERROR
