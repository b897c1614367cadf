"""Every command, killed while a host's command hangs: nothing of ours is left on any host."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from mlxdiag.cli.lazy import SUMMARIES
from mlxdiag.probe.plan import LEASE_S
from tests.killed.lab import ALL, B, Controller, Lab, lab
from tests.probe.world import NO_RANKS
from tests.simhosts import UNAVAILABLE, Process

pytestmark = [
    pytest.mark.skipif(bool(UNAVAILABLE or NO_RANKS), reason=UNAVAILABLE or NO_RANKS),
    pytest.mark.xdist_group("ranks"),
]

ASKS_NOBODY = {"demo", "explain", "schema", "history"}
GONE_S = 5.0
RANKS_GONE_S = 4.0
"""Two graces of a supervisor; a rank in a collective ends at SIGTERM."""
RANK = "-c import sys;sys.path[:]=[p for p in sys.path if p];"


@pytest.fixture(scope="module")
def hung(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Hosts of which the second one has a command that never returns, whoever asks."""
    folder = tmp_path_factory.mktemp("hung")
    with lab(folder, hangs=[(B, "ibv_devinfo")], hanging={B: "ps"}) as made:
        yield made


def until(run: Controller, true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert run.process.poll() is None, run.said()
        assert time.monotonic() < end, run.running()
        time.sleep(0.02)


def hangs(run: Controller) -> bool:
    return any(process.words.strip() == "sleep 600" for process in run.running())


def test_every_command_that_asks_hosts_is_here() -> None:
    assert {name.split()[0] for name in ALL} == set(SUMMARIES) - ASKS_NOBODY


@pytest.mark.parametrize("command", list(ALL))
def test_killed_while_a_host_hangs(hung: Lab, command: str) -> None:
    local = list(ALL).index(command) % 2 == 1
    with hung.running(command, local=local) as run:
        until(run, lambda: hangs(run))
        left = run.ended()
    assert left.nothing, left
    assert left.gone_s < GONE_S
    assert [child.poll() for child in hung.own] == [None] * len(hung.own)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_ended_while_it_connects(hung: Lab, number: int) -> None:
    """A host accepts and says nothing; its connection is closed, and the others are left."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        told = {"name": "mute", "address": "127.0.0.1", "port": mute.getsockname()[1]}
        with hung.running("ports", beside=[told]) as run:
            mute.settimeout(20)
            peer, _ = mute.accept()
            with peer:
                until(run, lambda: hangs(run))
                left = run.ended(number)
                peer.settimeout(GONE_S)
                while peer.recv(1 << 12):  # what ssh says first, and then its end
                    pass
    assert left.nothing, left
    assert left.gone_s < GONE_S


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("well")) as made:
        yield made


@pytest.mark.parametrize("command", ["preflight standard", "probe mpi"])
def test_killed_while_ranks_run(well: Lab, command: str) -> None:
    """The ranks go at once; what mpirun started needs its own time, and leaves no folder."""
    with well.running(command) as run:
        until(run, lambda: len(ranks(run)) == 2)
        run.process.kill()
        ends = time.monotonic() + RANKS_GONE_S
        while ranks(run):
            assert time.monotonic() < ends, run.running()
            time.sleep(0.02)
        left = run.left()
    assert left.nothing, left
    assert left.gone_s < LEASE_S


def ranks(run: Controller) -> list[Process]:
    """List its ranks: a supervisor's program goes another way."""
    return [process for process in run.running() if RANK in process.words]
