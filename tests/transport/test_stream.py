"""The streams of a session, cut into pieces of any size."""

from __future__ import annotations

import os
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxdiag.transport.stream import (
    STDERR_CAP_BYTES,
    Bytes,
    Control,
    Event,
    Frame,
    LaneBegins,
    Output,
    Told,
)

NONCE = "zabcdefzabcdefza"
N = NONCE.encode()

chunks = st.lists(st.binary(max_size=60), max_size=6)
cuts = st.lists(st.integers(0, 2000), max_size=30)


def pieces(data: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(n, len(data)) for n in at), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def joined(events: list[Event]) -> list[Event]:
    """Put neighbouring bytes together: where they were cut says nothing."""
    out: list[Event] = []
    for event in events:
        if isinstance(event, Bytes) and out and isinstance(out[-1], Bytes):
            out[-1] = Bytes(out[-1].data + event.data)
        else:
            out.append(event)
    return out


def read(data: bytes, at: list[int]) -> list[Event]:
    output = Output(NONCE)
    return joined([event for piece in pieces(data, at) for event in output.feed(piece)])


@given(st.binary(max_size=40), chunks, st.binary(max_size=40), cuts)
def test_frames_survive_any_cutting(
    noise: bytes, outs: list[bytes], err: bytes, at: list[int]
) -> None:
    data, expected = noise + N + b"=0" + N + b">", [LaneBegins(0)]
    events: list[Event] = [*expected]
    for n, out in enumerate(outs):
        data += out + N + b"<c%d " % n + err + b" %d" % n + N + b">"
        events += [Bytes(out)] if out else []
        events.append(Frame(f"c{n}", err and err + b"\n", str(n)))
    assert read(data, at) == events


@given(cuts, st.integers(0, 200))
def test_a_stream_that_breaks_off_tells_what_was_whole(at: list[int], end: int) -> None:
    data = N + b"=0" + N + b">one" + N + b"<a  0" + N + b">two" + N + b"<b x 1" + N + b">"
    events = read(data[:end], at)
    whole = read(data, [])
    frames = [e for e in events if isinstance(e, Frame)]
    assert frames == [e for e in whole if isinstance(e, Frame)][: len(frames)]
    assert b"onetwo".startswith(b"".join(e.data for e in events if isinstance(e, Bytes)))


def test_bytes_like_half_a_nonce_are_bytes() -> None:
    for cut in range(1, len(N)):
        data = N + b"=0" + N + b">" + N[:cut] + b"!" + N + b"<a  0" + N + b">"
        assert read(data, list(range(len(data)))) == [
            LaneBegins(0),
            Bytes(N[:cut] + b"!"),
            Frame("a", b"", "0"),
        ]


def test_stderr_is_capped_and_the_status_kept() -> None:
    flood = os.urandom(1 << 20).replace(N, b"")
    data = N + b"=0" + N + b">" + N + b"<a " + flood + b" 7" + N + b">"
    *_, frame = read(data, list(range(0, len(data), 9999)))
    assert frame == Frame("a", flood[:STDERR_CAP_BYTES] + b"\n", "7")


@given(cuts)
def test_control_lines_are_found_among_other_text(at: list[int]) -> None:
    control = Control(NONCE)
    data = (
        b"warning: x\n"
        + N
        + b":0 lane 12 "
        + N
        + b";"
        + b"oops\n"
        + N
        + b":1 next "
        + N
        + b";"
        + N
        + b":1 left 3\n4 "
        + N
        + b";"
        + N
        + b":1 left  "
        + N
        + b";"
    )
    told = [t for piece in pieces(data, at) for t in control.feed(piece)]
    assert told == [
        Told(0, "lane", (12,)),
        Told(1, "next"),
        Told(1, "left", (3, 4)),
        Told(1, "left"),
    ]
    assert control.chatter == "oops"
    assert control.before == b"warning: x\noops\n"


@given(cuts)
def test_what_a_login_prints_before_the_first_lane_is_set_apart(at: list[int]) -> None:
    output = Output(NONCE)
    data = b"Welcome\n" + N + b"=0" + N + b">out" + N + b"<a  0" + N + b">"
    events = [event for piece in pieces(data, at) for event in output.feed(piece)]
    assert output.before == b"Welcome\n"
    assert b"".join(e.data for e in events if isinstance(e, Bytes)) == b"out"


def test_of_a_long_greeting_the_beginning_is_kept() -> None:
    output = Output(NONCE)
    list(output.feed(b"x" * 5000 + N + b"=0" + N + b">"))
    assert output.before == b"x" * 256


@pytest.mark.parametrize("data", [b"", b"\n \n"])
def test_silence_is_no_chatter(data: bytes) -> None:
    control = Control(NONCE)
    assert list(control.feed(data)) == []
    assert control.chatter == ""
    assert control.before == b""
