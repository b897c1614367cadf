"""Ranks over OpenSSH's own daemon: the same ring, and a connection that breaks."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlxdiag.backends import ring
from mlxdiag.capture import Command
from mlxdiag.fanout import transport_choice
from mlxdiag.probe import gang, launch
from mlxdiag.probe.judge import Probe, judge
from mlxdiag.probe.plan import Plan, Settings
from tests.probe.world import DEADLINES, NO_RANKS, OnEvent, at
from tests.simhosts import UNAVAILABLE, SimHosts, _processes, _signal

pytestmark = pytest.mark.skipif(bool(UNAVAILABLE or NO_RANKS), reason=UNAVAILABLE or NO_RANKS)

LEASE_S = 3.0


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimHosts]:
    folders = {f"mac{n}": tmp_path / "hosts" / f"mac{n}" for n in range(2)}
    for folder in folders.values():
        folder.mkdir(parents=True)
    with SimHosts(folders, (Command("hello", ("hello",)),), folder=tmp_path / "sim") as sim:
        monkeypatch.setenv("HOME", str(sim.home))
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        yield sim
        assert sim.wait_gone() == []


def launched(sim: SimHosts, settings: Settings, on_event: OnEvent = lambda *_: None) -> Probe:
    """Launch a rank on each host, at the host's own address."""
    hosts = [replace(host, python=sys.executable) for host in sim.hosts()]
    port = launch.port(len(hosts))
    ranks = ring.ranks(hosts, [[host.address] for host in hosts], port)
    plan = Plan("ring", "ring", ranks, launch.nonce(), settings, lease_s=LEASE_S)
    plan = replace(plan, deadlines_s=dict(DEADLINES))

    async def run() -> Probe:
        going = gang.run(plan, transport_choice(), on_event=on_event)
        return judge(plan, await asyncio.wait_for(going, 60))

    return asyncio.run(run())


LONG = Settings(sizes=(4,), iterations=10_000_000, warmup=1, check=False)


def test_a_ring_over_ssh(two: SimHosts) -> None:
    probe = launched(two, Settings(sizes=(4, 4096), iterations=5, warmup=1))
    assert probe.passed
    assert [(row.size, row.samples, row.wrong) for row in probe.rows] == [(4, 5, 0), (4096, 5, 0)]
    assert probe.run.left == ()
    assert two.survivors() == []


def ancestors(pid: int) -> list[int]:
    found: list[int] = []
    while pid > 1:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        pid = int(fields[1])
        found.append(pid)
    return found


def test_a_connection_that_is_cut_loses_its_rank_and_no_other(two: SimHosts) -> None:
    def cut(pid: int) -> None:
        wanted = ancestors(pid)
        for process in two.connections():
            if process.pid in wanted:
                _signal(process, 9)

    probe = launched(two, LONG, at(1, "beat", cut))
    assert probe.run.end == "failed"
    assert probe.blame is not None
    assert probe.blame.ranks == (1,)
    assert probe.blame.text.startswith("was lost: ")
    assert probe.run.left == ()
    assert two.wait_gone() == []


def test_a_host_that_hears_nothing_any_more_ends_its_rank_with_the_lease(two: SimHosts) -> None:
    """Its sshd is frozen, as by a network cut: no end of file comes, and nobody can end it."""
    frozen: list[int] = []

    def freeze(pid: int) -> None:
        wanted = ancestors(pid)
        for process in two.connections():
            if process.pid in wanted:
                frozen.append(process.pid)
                _signal(process, 19)

    probe = launched(two, LONG, at(1, "beat", freeze))
    assert frozen
    assert probe.blame is not None
    assert probe.blame.ranks == (1,)
    assert probe.blame.text in {  # whichever is noticed first: the heartbeat or ssh's own keepalive
        "does not answer any more: it or its host is stopped, or the way there is gone",
        "was lost: the connection was closed",
    }
    assert probe.run.left == ()
    for process in _processes():
        if process.pid in frozen:
            _signal(process, 9)
