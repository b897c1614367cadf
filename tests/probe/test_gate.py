"""Who is told to begin init, and when: nobody before all are ready, rank 0 before the others."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest

from mlxdiag.backends import mpi
from mlxdiag.inventory import Host
from mlxdiag.probe import gang
from tests.probe.logs import plan
from tests.probe.test_hearing import line

READY = line(ev="phase", phase="ready", deadline_s=70.0)
INIT = line(ev="phase", phase="init", deadline_s=45.0)
ENDED = line(ev="exit", why="exited", status=None, signal=9, left=False)


@dataclass
class Noted:
    """A talk that keeps what is said to it."""

    said: bytes = b""

    def send(self, data: bytes) -> None:
        """Keep it."""
        self.said += data

    async def close(self) -> None:
        """Nothing is open."""


def told(*said: tuple[int, bytes], dismissed: bool = False) -> list[bytes]:
    """Let ranks of three say these lines in this order; give what each was told."""

    async def hear() -> list[bytes]:
        made = gang._Gang(plan(3), lambda _host: pytest.fail("nobody is started"), lambda *_: None)
        talks = [Noted() for _ in made.voices]
        for voice, talk in zip(made.voices, talks, strict=True):
            voice.talk = talk
        made.dismissed = dismissed
        for rank, text in said:
            made.voices[rank].hear(text)
        return [talk.said for talk in talks]

    return asyncio.run(hear())


ALL = ((0, READY), (1, READY), (2, READY))
GO, NOBODY = b"g\n", [b"", b"", b""]


def test_rank_0_goes_when_all_are_ready_and_the_others_when_it_has_begun() -> None:
    assert told(*ALL[:2]) == NOBODY
    assert told(*ALL) == [GO, b"", b""]
    assert told(*ALL, (0, INIT)) == [GO, GO, GO]


def test_nobody_goes_where_one_has_ended_or_all_were_told_to_end() -> None:
    assert told((1, READY), (1, ENDED), (2, READY), (0, READY)) == NOBODY
    assert told(*ALL, (2, ENDED), (0, INIT)) == [GO, b"", b""]
    assert told(*ALL, dismissed=True) == NOBODY


def test_who_was_told_has_some_seconds_to_begin() -> None:
    async def due() -> list[float]:
        made = gang._Gang(plan(3), lambda _host: pytest.fail("nobody is started"), lambda *_: None)
        for rank, text in ALL:
            made.voices[rank].hear(text)
        return [round(member.due) for member in made.members]

    assert asyncio.run(due()) == [10, 70, 70]


def test_ranks_of_mpirun_wait_inside_mpi() -> None:
    made = plan(2)
    assert made.job(made.ranks[0])["gated"] is True
    here = Host("a", "127.0.0.1", connection="local")
    layout = mpi.local(2, here, 0, 1)
    assert replace(made, launcher=layout.launcher).job(made.ranks[0])["gated"] is False
