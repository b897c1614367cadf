"""What the controller makes of bytes, however they are cut: lines of ours, noise, torn lines."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from mlxdiag.inventory import Host
from mlxdiag.probe import gang
from mlxdiag.probe.said import NOISE_CHARS, GangRun, RankLog
from mlxdiag.transport.talk import Ears, Talk
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


# A host that goes silent.


@dataclass
class Silent:
    """A way to hosts where a process says these bytes when it is started, and no more.

    One that was started to look after others breaks off, or ends, and says no more than `looks`.
    """

    says: bytes
    known: bool
    looks: bytes

    async def talk(self, _host: Host, line: str, ears: Ears) -> Talk:
        if line.startswith("echo; "):
            ears.stdout(self.looks)
            ears.ended("the connection was closed", self.known)
        else:
            ears.stdout(self.says)
        return Mute()


class Mute:
    def send(self, data: bytes) -> None:
        """Nobody hears it."""

    async def close(self) -> None:
        """Nothing comes of it."""


SPAWNED = line(ev="spawn", pid=7, supervisor=8, began="Mon", supervisor_began="Mon")


STAYS = b"no end of line\n  7 D Sat Nov 28 22:00:00 2026 python mlxdiag-kernel\nmlxdiag-looked\n"


@pytest.mark.parametrize(
    ("says", "known", "looks", "left"),
    [
        (b"Welcome\n", True, b"", "not known: it never said what it started"),
        (SPAWNED, False, b"", "not known: the connection was closed"),
        (SPAWNED, True, b"", "not known: its shell did not run what it was told"),
        (SPAWNED, True, b"\nmlxdiag-looked\n", ""),
        (SPAWNED, True, STAYS, "still there as pid 7"),
        (SPAWNED, True, b"\xff\xa8noise\nmlxdiag-looked\n", ""),
    ],
)
def test_of_a_host_that_is_silent_nobody_says_that_nothing_is_left(
    says: bytes,
    *,
    known: bool,
    looks: bytes,
    left: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for patience in ("END_S", "KILLED_S"):
        monkeypatch.setattr(gang, patience, 0.1)
    made = replace(plan(2), deadlines_s={**plan(2).deadlines_s, "spawn": 0.2}, lease_s=0.1)

    async def run() -> GangRun:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.4, stop.set)
        return await gang.run(made, lambda _host: Silent(says, known, looks), stop=stop)

    wanted = tuple(f"rank {n} on mac{n}: {left}" for n in range(2)) if left else ()
    assert asyncio.run(run()).left == wanted
