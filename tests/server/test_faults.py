"""Every way in which a server is not well, injected into a real one whose ranks are MLX's."""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import Any

import pytest

from mlxdiag.finding import FixKind, Status
from mlxdiag.report import Report
from tests.server.conftest import Endpoint
from tests.server.looked import bad, finding, reported, visit

pytestmark = pytest.mark.xdist_group("ranks")

FAIL, UNKNOWN = Status.FAIL, Status.UNKNOWN
ANSWERS = [("server-answers", FAIL)]

FAULTS: dict[str, tuple[list[tuple[str, Status]], str, FixKind]] = {
    "before": (ANSWERS, "connected, and not a byte of an answer in", FixKind.RUN),
    "begun": (ANSWERS, "the answer began, and not a token in", FixKind.RUN),
    "middle": (ANSWERS, "4 pieces of text, then nothing for", FixKind.RUN),
    "kept": (ANSWERS, "keep-alive comments came", FixKind.RUN),
    "endless": (ANSWERS, "and more to come", FixKind.NONE),
    "busy": (
        [("server-answers", UNKNOWN)],
        "HTTP 429: queue is full; it asks to wait 7 s",
        FixKind.WAIT,
    ),
    "later": ([("server-answers", UNKNOWN)], "HTTP 503: loading; it asks to", FixKind.WAIT),
    "broken": (ANSWERS, "HTTP 500: unpickling stack underflow", FixKind.NONE),
    "garbage": (ANSWERS, "not what a completion is: <html><body>504", FixKind.SETTINGS),
    "not-json": (ANSWERS, "not what a completion is: {not json", FixKind.SETTINGS),
    "error": (ANSWERS, "[jaccl] Recv failed with error code -12", FixKind.NONE),
    "cut": (ANSWERS, "of the answer, 3 pieces of text in", FixKind.RUN),
    "old": (ANSWERS, "ended without its end ([DONE], finish_reason), 3 pieces", FixKind.RUN),
    "nothing": (ANSWERS, "an answer without a body", FixKind.RUN),
    "flood": (ANSWERS, "no end: ", FixKind.SETTINGS),
    "redirect": (ANSWERS, "HTTP 307 to http://127.0.0.1:1/elsewhere, which", FixKind.SETTINGS),
    "model": (ANSWERS, "HTTP 404: model qwen not found", FixKind.SETTINGS),
    "key": ([("server-models", FAIL)], "/v1/models: HTTP 401", FixKind.SETTINGS),
    "empty": ([("server-empty", FAIL)], "not a word in request 1", FixKind.NONE),
    "whole": ([("server-stream", FAIL)], "in one piece", FixKind.SETTINGS),
    "ill": ([("server-health", FAIL)], 'HTTP 503: {"status": "a rank is gone"}', FixKind.NONE),
    "mute": ([("server-reachable", FAIL)], "connected, and not a byte in", FixKind.RUN),
    "not-http": ([("server-reachable", FAIL)], "what it sent is no HTTP", FixKind.RUN),
    "closed": ([("server-reachable", FAIL)], "closed the connection without", FixKind.RUN),
    "odd": ([("server-models", UNKNOWN)], "not a list of models: <html>It works", FixKind.SETTINGS),
}


def looked(endpoint: Endpoint, fault: str, **asked: Any) -> Report:  # noqa: ANN401
    told: dict[str, Any] = {"deadline_s": HANGS[fault]} if fault in HANGS else {}
    if fault == "model":
        told["model"] = "qwen"
    if fault == "mute":
        told["path_s"] = 1.0
    return reported(visit(endpoint.url(fault), **{**told, **asked}))


HANGS = {"before": 1.0, "begun": 1.5, "middle": 3.0, "kept": 1.5, "endless": 1.5, "mute": 1.0}
"""Deadlines that leave a busy machine the time to come as far as the fault."""


def only_a_hang_has_its_ranks_looked_at(made: Report, fault: str) -> None:
    """What is slow has not; and nothing more is sent after either."""
    assert made.server is not None
    assert (made.server.hang is not None) is (fault != "endless")
    assert len(made.server.alone) == (0 if fault == "mute" else 1)
    if fault not in ("endless", "mute"):
        cause = made.causes[0].evidence
        assert cause is not None
        assert "; /v1/models answers all the same; rank 1 is the one" in cause.observed


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_and_explained(endpoint: Endpoint, fault: str) -> None:
    causes, said, kind = FAULTS[fault]
    made = looked(endpoint, fault, requests=2 if fault in HANGS else 1)
    assert bad(made) == causes
    (cause,) = made.causes
    assert cause.evidence is not None
    assert said in cause.evidence.observed
    assert cause.fix is not None
    assert cause.fix.kind is kind
    if fault in HANGS:
        only_a_hang_has_its_ranks_looked_at(made, fault)
    warns = cause.severity.value == "warning"
    assert made.exit_code == (0 if warns else 3 if cause.status is UNKNOWN else 1)


@pytest.mark.parametrize("fault", ["ok", "usage", "comments", "bare", "thinking"])
def test_a_server_that_is_well(endpoint: Endpoint, fault: str) -> None:
    made = looked(endpoint, fault, requests=2)
    assert (made.verdict, made.exit_code, bad(made)) == ("pass", 0, [])
    assert made.server is not None
    assert len(made.server.good) == 2
    health = finding(made, "server-health").status
    assert health is (Status.SKIP if fault == "bare" else Status.PASS)
    assert made.server.counted == ("usage" if fault == "usage" else "chunks")
    if fault == "usage":
        assert [each.tokens for each in made.server.alone] == [10, 10]


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    made = reported(visit(f"http://127.0.0.1:{port}", requests=3))
    assert bad(made) == [("server-reachable", FAIL)]
    assert "refused: nothing listens there" in str(made.causes[0].evidence)
    skipped = [f for f in made.findings if f.status is Status.SKIP and "not sent" in f.reason]
    assert [f.subject.interface for f in skipped] == [
        "request 1",
        "request 2",
        "request 3",
        "parallel",
    ]


@pytest.mark.parametrize(
    "url", ["http://no-such-host.invalid:8080", "http://[zz]:80", "http://a:b"]
)
def test_a_name_that_nobody_knows(url: str) -> None:
    made = reported(visit(url))
    assert bad(made) == [("server-reachable", FAIL)]
    assert "unresolved" in str(made.causes[0].evidence)


def test_a_rank_that_stops_hangs_a_real_completion(endpoint: Endpoint) -> None:
    """The front of the server lives, and its second rank is frozen: nothing but words shows it."""
    (other,) = endpoint.ranks
    os.kill(other, signal.SIGSTOP)
    try:
        made = reported(visit(endpoint.url(), deadline_s=1.5, requests=3))
    finally:
        os.kill(other, signal.SIGCONT)
    assert bad(made) == ANSWERS
    assert finding(made, "server-models").status is Status.PASS
    assert finding(made, "server-health").status is Status.PASS
    time.sleep(0.1)
    assert reported(visit(endpoint.url())).exit_code == 0


def test_the_second_request_in_a_row_hangs(endpoint: Endpoint) -> None:
    made = looked(endpoint, "second", requests=3, deadline_s=2.0)
    assert bad(made) == [("server-repeat", FAIL)]
    said = [(f.subject.interface, f.status) for f in made.findings if f.id == "server-repeat"]
    assert said == [("request 2", FAIL), ("request 3", Status.SKIP)]
    assert finding(made, "server-answers").status is Status.PASS


def test_a_model_that_is_not_listed_is_not_asked_for(endpoint: Endpoint) -> None:
    made = looked(endpoint, "ok", model="Kimi-K2.5", requests=2)
    assert bad(made) == [("server-models", FAIL)]
    assert made.server is not None
    assert made.server.alone == ()
    assert "does not list Kimi-K2.5" in made.server.unsent


def test_a_model_is_known_by_the_last_part_of_its_name(endpoint: Endpoint) -> None:
    made = looked(endpoint, "ok", model="Qwen3-4B-Instruct-2507-4bit")
    assert made.exit_code == 0
    assert made.server is not None
    assert made.server.model == "mlx-community/Qwen3-4B-Instruct-2507-4bit"


def test_requests_at_once_bring_down_what_takes_one(endpoint: Endpoint) -> None:
    made = looked(endpoint, "single", parallel=3)
    failed = {f.subject.label: f.status for f in made.findings if f.id == "server-parallel"}
    assert sorted(failed) == ["parallel 1", "parallel 2", "parallel 3"]
    assert {Status.PASS, FAIL} >= set(failed.values())
    assert list(failed.values()).count(FAIL) >= 1
    assert made.exit_code == 1
    made = looked(endpoint, "ok", parallel=3)
    assert made.exit_code == 0
    assert made.server is not None
    assert made.server.together_per_s is not None
    assert looked(endpoint, "single", requests=2).exit_code == 0


def test_requests_at_once_wait_for_one_that_is_answered_alone(endpoint: Endpoint) -> None:
    made = looked(endpoint, "broken", parallel=2)
    assert made.server is not None
    assert made.server.together == ()
    assert finding(made, "server-parallel").status is Status.SKIP
    assert "request 1 alone was not answered" in finding(made, "server-parallel").reason


def test_floors_hold_the_speed(endpoint: Endpoint) -> None:
    slow = looked(endpoint, "slow", tokens_per_s=100.0, requests=2)
    assert bad(slow) == [("server-speed", FAIL)]
    assert looked(endpoint, "slow", tokens_per_s=1.0).exit_code == 0
    late = looked(endpoint, "late", first_token_s=0.2)
    assert bad(late) == [("server-first-token", FAIL)]
    evidence = finding(late, "server-first-token").evidence
    assert evidence is not None
    assert evidence.measured is not None
    assert evidence.measured > 0.3
    assert (evidence.limit, evidence.unit) == (0.2, "s")


def test_a_character_in_two_chunks_is_one_character(endpoint: Endpoint) -> None:
    found = visit(endpoint.url("torn"))
    assert found.server is not None
    made = reported(found)
    assert made.exit_code == 0
    assert made.server is not None
    assert made.server.alone[0].text == "\U0001f680 caf\u00e9 \u4e09"


def test_several_tokens_a_piece_fool_nobody_whom_the_server_tells(endpoint: Endpoint) -> None:
    """Ten tokens in five pieces: with the server's count the rate is twice that of the pieces."""
    made = looked(endpoint, "pairs-usage")
    assert made.server is not None
    (told,) = made.server.alone
    assert (told.tokens, told.counted, len(told.gaps_s)) == (10, "usage", 4)
    span = sum(told.gaps_s)
    assert told.tokens_per_s == pytest.approx(8 / span, rel=0.01)
    (guessed,) = looked(endpoint, "pairs").server.alone  # type: ignore[union-attr]
    assert (guessed.tokens, guessed.counted) == (5, "chunks")
    assert guessed.tokens_per_s == pytest.approx(4 / sum(guessed.gaps_s), rel=0.01)
