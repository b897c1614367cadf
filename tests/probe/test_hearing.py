"""What the controller makes of bytes, however they are cut: lines of ours, noise, torn lines."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Sequence

import pytest

from mlxdiag.probe import gang
from mlxdiag.probe.said import NOISE_CHARS, RankLog
from tests.probe.logs import plan

NOISE = b"x" * (2 * gang.LONGEST_NOISE)


def line(nonce: str = "abc", **event: object) -> bytes:
    text = json.dumps(event).encode()
    return b"%s %08x %s\n" % (nonce.encode(), zlib.crc32(text), text)


BEAT = line(ev="beat", begun=7)


def heard(pieces: Sequence[bytes]) -> RankLog:
    """Let rank 0 of a launch say these pieces."""

    async def hear() -> RankLog:
        made = gang._Gang(plan(2), lambda _host: pytest.fail("nobody is started"), lambda *_: None)
        for piece in pieces:
            made.voices[0].hear(piece)
        return made.members[0].log

    return asyncio.run(hear())


@pytest.mark.parametrize("at", range(0, len(BEAT), 3))
@pytest.mark.parametrize("before", [b"", b"no end of line: ", NOISE], ids=["", "a word", "much"])
def test_a_line_may_be_cut_anywhere_and_noise_stand_before_it(at: int, before: bytes) -> None:
    log = heard([before + BEAT[:at], BEAT[at:]])
    assert [(e["ev"], e["begun"]) for e in log.events] == [("beat", 7)]
    assert len("".join(log.noise)) <= NOISE_CHARS + len(NOISE)


def test_what_is_long_and_ours_is_kept() -> None:
    long = line(ev="samples", size=4, ns=list(range(100_000)))
    log = heard([long[at : at + 65536] for at in range(0, len(long), 65536)])
    assert [len(e["ns"]) for e in log.events] == [100_000]
    assert log.noise == []


@pytest.mark.parametrize(
    "damage",
    [
        BEAT.replace(b"7", b"77"),  # valid JSON all the same
        BEAT[:-8] + b"\n",
        BEAT[:-1] + b"x\n",
        b"abc 00000000 {}\n",
        b"abc \n",
    ],
)
def test_a_line_that_is_not_what_was_sent_fails_its_rank(damage: bytes) -> None:
    log = heard([damage, BEAT])
    assert [e["ev"] for e in log.events] == ["fail", "beat"]
    assert (log.events[0]["kind"], log.events[0]["text"]) == ("torn", gang.TORN)


def test_what_another_run_says_is_noise() -> None:
    other = line("feed", ev="done")
    log = heard([other, BEAT])
    assert [e["ev"] for e in log.events] == ["beat"]
    assert "".join(log.noise) == other.decode()


def test_noise_without_end_is_kept_by_its_end() -> None:
    log = heard([*[b"noise\n"] * 50_000, b"last\n"])
    kept = "".join(log.noise)
    assert kept.endswith("noise\nlast\n")
    assert len(kept) < 2 * NOISE_CHARS
