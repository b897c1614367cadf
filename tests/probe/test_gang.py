"""Real ranks of mlx's ring on this machine: each run ends in time and leaves nothing."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mlxdiag.probe import gang
from mlxdiag.probe.judge import Blame, Probe
from tests.probe.world import (
    NO_RANKS,
    World,
    at,
    exits,
    hostfile,
    launched,
    long_plan,
    patched,
    plan_of,
    send,
    with_python,
    wrapper,
)

pytestmark = [
    pytest.mark.skipif(bool(NO_RANKS), reason=NO_RANKS),
    pytest.mark.usefixtures("world"),
]
LOOP = "    for _ in range(iterations):\n"
"""Where the kernel times: a rank that behaves differently does it here."""


def blamed(probe: Probe) -> Blame:
    assert probe.blame is not None
    assert probe.rows == ()
    assert probe.run.left == ()
    return probe.blame


# It works.


@pytest.mark.parametrize("count", [2, 3])
def test_healthy_ranks(count: int) -> None:
    probe = launched(plan_of(count, sizes=(4, 4096), check=True))
    assert probe.blame is None
    assert probe.passed
    assert [(row.size, row.samples, row.wrong) for row in probe.rows] == [(4, 5, 0), (4096, 5, 0)]
    assert exits(probe.run.logs) == [("exited", 0, None)] * count
    assert probe.run.left == ()


@pytest.mark.parametrize("op", ["all_gather", "send"])
def test_the_other_collectives(op: str) -> None:
    probe = launched(plan_of(3, op=op, sizes=(1024,), check=True))
    assert probe.passed
    assert [row.wrong for row in probe.rows] == [0]


def test_many_samples_of_one_size_arrive_whole() -> None:
    plan = plan_of(2, iterations=3_000)
    probe = launched(replace(plan, deadlines_s={**plan.deadlines_s, "measure": 30.0}))
    assert [row.samples for row in probe.rows] == [3_000]


def test_noise_before_the_kernel_is_not_taken_for_it(tmp_path: Path) -> None:
    noisy = wrapper(tmp_path, "echo Welcome home", "echo ouch >&2", "printf 'no end of line: '")
    probe = launched(with_python(plan_of(2), 1, noisy))
    assert probe.passed
    assert "Welcome home" in "".join(probe.run.logs[1].noise)


# A rank dies.


@pytest.mark.parametrize(
    ("moment", "phase"), [("spawn", ("spawn", "import")), ("init", ("init", "identity"))]
)
def test_a_rank_that_is_killed_on_its_way(moment: str, phase: tuple[str, ...]) -> None:
    probe = launched(plan_of(3), at(1, moment, send(signal.SIGKILL)))
    assert probe.run.end == "failed"
    blame = blamed(probe)
    assert blame.ranks == (1,)
    assert blame.text in {f"was ended by signal 9 in {name}" for name in phase}


@pytest.mark.parametrize("size", [4, 16 << 20])
def test_a_rank_that_is_killed_in_a_collective(size: int) -> None:
    probe = launched(long_plan(3, size), at(1, "beat", send(signal.SIGKILL)))
    assert probe.run.end == "failed"
    blame = blamed(probe)
    assert (blame.ranks, blame.text) == ((1,), "was ended by signal 9 in measure")


def test_a_supervisor_that_is_told_to_end_ends_its_rank() -> None:
    def end(pid: int) -> None:
        send(signal.SIGTERM)(
            int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        )

    probe = launched(long_plan(2), at(1, "beat", end))
    assert exits(probe.run.logs)[1] == ("signalled", None, signal.SIGTERM)
    assert blamed(probe).ranks == (1,)


# A rank is there and does nothing.


def test_a_rank_that_is_stopped_in_a_collective() -> None:
    probe = launched(long_plan(2), at(1, "beat", send(signal.SIGSTOP)))
    assert (probe.run.end, probe.run.phase) == ("deadline", "measure")
    blame = blamed(probe)
    assert (blame.ranks, blame.text) == ((1,), "is stopped (SIGSTOP, or a debugger) in measure")
    assert exits(probe.run.logs)[1] == ("asked", None, signal.SIGKILL)


def test_a_rank_that_is_stopped_in_init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = (
        '    backend = job["mlx_backend"]\n',
        '    backend = job["mlx_backend"]\n    time.sleep(ME)\n',
    )
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, slow))
    probe = launched(plan_of(2), at(1, "init", send(signal.SIGSTOP)))
    assert (probe.run.end, probe.run.phase) == ("deadline", "init")
    blame = blamed(probe)
    assert (blame.ranks, blame.text) == ((1,), "is stopped (SIGSTOP, or a debugger) in init")


def test_a_rank_that_does_not_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late = (LOOP, f"{LOOP}        time.sleep(60 * (ME == 1))\n")
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, late))
    probe = launched(plan_of(3))
    assert probe.run.end == "deadline"
    blame = blamed(probe)
    assert (blame.ranks, blame.text) == ((1,), "did not arrive at collective 3")


def test_a_rank_that_is_slow_is_in_the_numbers_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = (LOOP, f"{LOOP}        time.sleep(0.05 * (ME == 1))\n")
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, slow))
    probe = launched(plan_of(2))
    assert probe.passed
    assert [row.p50_us > 50_000 for row in probe.rows] == [True]


def test_a_rank_that_skips_a_collective(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skips = (LOOP, "    for _ in range(iterations - (ME == 1)):\n")
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, skips))
    blame = blamed(launched(plan_of(2)))
    assert (blame.ranks, blame.text) == (
        (1,),
        "was done before the others: it took part in fewer collectives",
    )


def test_a_rank_that_ignores_sigterm_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = (
        "signal.signal(signal.SIGTERM, signal.SIG_DFL)",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    )
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, deaf))
    stop = asyncio.Event()
    probe = launched(long_plan(2), at(1, "beat", lambda _pid: stop.set()), stop=stop)
    assert probe.run.end == "interrupted"
    assert ("asked", None, signal.SIGKILL) in exits(probe.run.logs)
    assert blamed(probe) == Blame((), "interrupted")


# A rank gives wrong data.


def test_one_flipped_element_names_its_rank_and_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flips = (
        "def check_sum(rank: Rank, group: Any, count: int, iteration: int) -> None:\n",
        "def check_sum(rank: Rank, group: Any, count: int, iteration: int) -> None:\n"
        "    job, right = rank.job, globals()['plane']\n"
        "    def plane(who, count, iteration, start=0):\n"
        "        made = right(who, count, iteration, start)\n"
        "        if ME == who == 1 and count > 900 and start == 0 and not rank.__dict__.get('x'):\n"
        "            rank.x = True\n"
        "            made[777] = made[777] ^ (1 << 3)\n"
        "        return made\n",
    )
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, flips))
    blame = blamed(launched(plan_of(3, check=True)))
    assert blame.ranks == (1,)
    assert blame.evidence == "all_sum: 1 wrong elements, the first at 777"


def test_one_wrong_element_of_a_send_names_who_sent_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shift around the ring is checked in every run, whatever is timed."""
    line = "    mine = numbers(me, count, 1, dtype)\n"
    flips = (line, line + "    mine[count // 2] = mine[count // 2] + (me == 2 and count == 1027)\n")
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, flips))
    blame = blamed(launched(plan_of(3, check=True, op="all_sum")))
    assert blame.ranks == (2,)
    assert blame.evidence == "recv of int32 from rank 2: 1 wrong elements"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_dtype_that_is_timed_is_checked_in_every_collective(
    dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert launched(plan_of(2, check=True, dtype=dtype)).passed
    line = "    index = mx.arange(count, dtype=mx.int32)\n    return ("
    flips = (line, line + "4 * (rank == job_rank == 1) + ")
    text = ("mx: Any = None\n", "mx: Any = None\njob_rank = -1\n")
    own = (
        "def check_gather_of(rank: Rank, group: Any, name: str) -> None:\n",
        "def check_gather_of(rank: Rank, group: Any, name: str) -> None:\n"
        "    globals()['job_rank'] = rank.job['rank']\n",
    )
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, flips, text, own))
    blame = blamed(launched(plan_of(3, check=True, dtype=dtype)))
    assert blame.ranks == (1,)
    assert blame.evidence == f"all_gather of {dtype}: 1027 wrong elements of rank 1"


# Before it can begin.


def test_an_interpreter_that_is_not_there() -> None:
    blame = blamed(launched(with_python(plan_of(2), 1, "/no/such/python")))
    assert (blame.ranks, blame.text) == ((1,), "did not start")
    assert "/no/such/python" in blame.evidence


def test_a_python_without_mlx(tmp_path: Path) -> None:
    (tmp_path / "empty" / "mlx").mkdir(parents=True)
    (tmp_path / "empty" / "mlx" / "__init__.py").touch()
    bare = wrapper(tmp_path, f"export PYTHONPATH={tmp_path}/empty")
    blame = blamed(launched(with_python(plan_of(2), 1, bare)))
    assert blame.ranks == (1,)
    assert blame.text == "failed in import: ModuleNotFoundError: No module named 'mlx.core'"


@contextmanager
def listener(port: int, *, shared: bool) -> Iterator[None]:
    with socket.socket() as sock:
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen()
        yield


def port_of(place: str) -> int:
    return int(place.rpartition(":")[2])


def test_a_port_that_is_taken() -> None:
    plan = plan_of(2)
    with listener(port_of(hostfile(plan)[1][0]), shared=False):
        blame = blamed(launched(plan))
    assert blame.ranks == (1,)
    assert blame.text.startswith("failed in init: ")
    assert "Couldn't bind socket" in blame.text


def test_a_stale_rank_on_the_port_is_never_taken_for_ours() -> None:
    """Linux gives the connection to either listener: it works, or it is said that it does not."""
    plan = plan_of(2)
    with listener(port_of(hostfile(plan)[1][0]), shared=True):
        probe = launched(plan)
    if not probe.passed:
        assert probe.run.end == "deadline"
        assert probe.run.phase in {"init", "identity"}
        waits = {"all ranks wait inside init", "still in init when the others had passed it"}
        assert blamed(probe).text in waits


def test_a_hostfile_of_another_size_for_one_rank() -> None:
    plan = plan_of(2)
    listing = hostfile(plan)
    other = str([*listing, listing[0]]).replace("'", '"')
    ranks = (replace(plan.ranks[0], files={"MLX_HOSTFILE": other}), plan.ranks[1])
    blame = blamed(launched(replace(plan, ranks=ranks)))
    assert blame.ranks == (0,)
    assert blame.text == "failed in init: rank 0 of 3, planned 0 of 2"


def test_a_lease_that_runs_out_ends_a_rank(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller is there and says nothing: its host has lost its network."""
    monkeypatch.setattr(gang, "LEASE_EVERY_S", 60.0)
    probe = launched(replace(long_plan(2), lease_s=2.0))
    assert {why for why, _, _ in exits(probe.run.logs)} <= {"lease", "exited", "asked"}
    assert ("lease", None, signal.SIGTERM) in exits(probe.run.logs)
    assert world.left() == []
