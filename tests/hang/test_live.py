"""Real ranks of ring on this machine that hang in a known way: who is named, and who is not."""

from __future__ import annotations

import json
import os
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mlxdiag import recording
from mlxdiag.hang.asked import Options
from mlxdiag.hang.command import examine
from mlxdiag.hang.judge import judge
from mlxdiag.hang.rounds import kind_of
from mlxdiag.hang.verdict import Hang
from mlxdiag.inventory import Host, Inventory
from mlxdiag.recording import Recording
from tests.probe.conftest import world

__all__ = ["world"]

SCRIPT = Path(__file__).parent / "rank.py"
HERE = Inventory("lab", (Host("here", "127.0.0.1", connection="local"),))
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="sockets and states of Linux"),
    pytest.mark.skipif(shutil.which("ss") is None, reason="iproute2 is not installed"),
    pytest.mark.usefixtures("world"),
    pytest.mark.xdist_group("ranks"),
]


@dataclass
class Ring:
    ranks: list[subprocess.Popen[str]]
    pattern: str

    def record(self) -> Recording:
        return examine(HERE, Options(self.pattern, None, 1.5))

    def look(self) -> Hang:
        """Look while no other test has ranks here: theirs have numbers that would be missed."""
        for _ in range(30):
            hang = judge(self.record())
            if "not met by the pattern" not in hang.said:
                break
        return hang


def without(made: Recording, *facts: str) -> Recording:
    """Give the recording of a host that has not those tools."""
    hosts = {
        host: {name: c for name, c in captures.items() if kind_of(name) not in facts}
        for host, captures in made.hosts.items()
    }
    return replace(made, hosts=hosts)


def free_ports(count: int) -> int:
    while True:
        first = random.randrange(21000, 31000)  # noqa: S311
        try:
            for port in range(first, first + count):
                with socket.socket() as sock:
                    sock.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


@contextmanager
def ring(tmp_path: Path, mode: str, who: int = -1, size: int = 3) -> Iterator[Ring]:
    """Start ranks, wait until they go round, and kill them at the end."""
    token, first = secrets.token_hex(6), free_ports(size)
    hosts = tmp_path / "hosts.json"
    hosts.write_text(json.dumps([[f"127.0.0.1:{first + n}"] for n in range(size)]))
    there = {**os.environ, "MLX_HOSTFILE": str(hosts)}
    ranks = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), mode, str(who), token],
            env=there | {"MLX_RANK": str(n)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for n in range(size)
    ]
    try:
        for rank in ranks:
            assert rank.stdout is not None
            assert rank.stdout.readline() == "ready\n"
        yield Ring(ranks, rf"{SCRIPT.name} {mode} .*{token}")
    finally:
        for rank in ranks:
            rank.kill()
            rank.communicate()


def told(made: Ring, *wanted: tuple[str, tuple[str, ...]]) -> tuple[Recording, Recording]:
    """Look until there is a verdict, with native stacks and without; no other may come before.

    A busy machine may cut a stack short, and a rank may still be on its way: then nothing is known,
    or it moves.
    """
    for _ in range(6):
        found = made.record()
        both = found, without(found, "gdb")
        seen = [blamed(judge(known)) for known in both]
        assert all(each in ([], [*wanted]) for each in seen), seen
        if all(seen):
            break
    return both


def blamed(hang: Hang) -> list[tuple[str, tuple[str, ...]]]:
    return [(verdict.kind, verdict.ranks) for verdict in hang.verdicts]


def test_a_rank_that_is_stopped(tmp_path: Path) -> None:
    with ring(tmp_path, "stopped") as made:
        made.ranks[1].send_signal(signal.SIGSTOP)
        hang = made.look()
        assert blamed(hang) == [("rank-stopped", ("rank 1",))]
        assert (
            Path(f"/proc/{made.ranks[1].pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        )
    assert "rank 1 (here, pid " in hang.said


def test_a_rank_that_was_killed(tmp_path: Path) -> None:
    with ring(tmp_path, "killed") as made:
        made.ranks[2].kill()
        made.ranks[2].wait()
        hang = made.look()
    assert blamed(hang) == [("rank-gone", ("rank 2",))]
    assert "rank 2 does not run on any host that was asked" in hang.said
    assert hang.missing == (2,)


def test_a_rank_that_was_killed_while_the_others_go_on_with_wrong_data(tmp_path: Path) -> None:
    """They catch the error, as servers do, and bytes still pass between those that are left."""
    with ring(tmp_path, "killed", size=4) as made:
        made.ranks[1].kill()
        made.ranks[1].wait()
        hang = made.look()
    assert blamed(hang) == [("rank-gone", ("rank 1",))], hang.said
    assert hang.missing == (1,)


def test_a_rank_that_skips_a_collective(tmp_path: Path) -> None:
    with ring(tmp_path, "skip", who=1, size=2) as made:
        both = found, _ = told(made, ("behind", ("rank 1",)))
    for known in both:
        hang = judge(known)
        assert blamed(hang) == [("behind", ("rank 1",))]
        assert "it is asleep in Python" in hang.said
        assert "rank 1 is the one to look at" in hang.said
    blind = judge(without(found, "gdb", "py_spy"))
    assert (blind.state, blind.verdicts) == ("unknown", ())


@pytest.mark.skipif(shutil.which("gdb") is None, reason="native stacks need gdb")
def test_a_rank_in_another_collective(tmp_path: Path) -> None:
    """Wrong data moves: a look that finds the others between sums says so and accuses nobody."""
    with ring(tmp_path, "other", who=2) as made:
        for _ in range(12):
            hang = made.look()
            if hang.verdicts:
                break
            assert hang.state in ("moving", "unknown"), hang.said  # unknown: a busy machine
    assert blamed(hang) == [("out-of-step", ("rank 2",))]
    assert "rank 2 waits in all_gather (ring)" in hang.said


def test_a_rank_that_is_busy_in_python_live_and_from_its_recording(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "mlxdiag", "hang"]
    saved = tmp_path / "evidence.tar.gz"
    with ring(tmp_path, "busy", who=0, size=2) as made:
        asked = ["--local", "--pattern", made.pattern, "--interval", "2s", "--save", str(saved)]
        ran = subprocess.run([*words, *asked, "-f", "json"], capture_output=True, check=False)
    assert ran.returncode == 1, ran.stderr
    said = json.loads(ran.stdout)["hang"]
    assert [(v["kind"], v["ranks"]) for v in said["verdicts"]] == [("behind", ["rank 0"])]
    assert "it is busy in Python" in said["said"]
    again = [*words, "--replay", str(saved), "-f", "json"]
    assert subprocess.run(again, capture_output=True, check=False).stdout == ran.stdout
    kept = recording.load(saved).hosts["127.0.0.1"]
    listed = kept["find_ps"].stdout.decode().splitlines()
    above = {int(line.split()[0]) for line in listed}
    assert {made.ranks[0].pid, made.ranks[1].pid, os.getpid()} <= above
    assert len(above) < 40  # whom the ranks come from, and nobody else
    told = kept["find_environment_proc"].stdout
    assert set(re.findall(rb"environ:(\w+?)=", told)) == {b"MLX_RANK", b"MLX_HOSTFILE"}


def test_a_rank_that_waits_for_a_message(tmp_path: Path) -> None:
    with ring(tmp_path, "control", who=1, size=2) as made:
        both = told(made, ("control", ("rank 1",)))
    for known in both:
        hang = judge(known)
        assert blamed(hang) == [("control", ("rank 1",))]
        assert "waiting for a message that is no collective" in hang.said


def test_a_slow_run_is_let_alone(tmp_path: Path) -> None:
    with ring(tmp_path, "slow", size=2) as made:
        found = made.record()
    for known in (found, without(found, "gdb"), without(found, "gdb", "py_spy")):
        hang = judge(known)
        assert (hang.state, hang.verdicts) == ("moving", ())
        assert [row.rank for row in hang.ranks] == [0, 1]
