"""Real ranks that Open MPI's mpirun starts on this machine, of every version that is here."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlxdiag.backends import mpi
from mlxdiag.inventory import Host
from mlxdiag.probe import choose, gang, launch
from mlxdiag.probe.judge import Blame, Probe
from mlxdiag.probe.plan import Plan, Settings
from mlxdiag.probe.said import LAUNCHER, Event
from tests.probe.mpiruns import MPIRUNS, VERSIONS
from tests.probe.world import (
    DEADLINES,
    HERE,
    NO_RANKS,
    OnEvent,
    World,
    at,
    exits,
    launched,
    patched,
    send,
    with_python,
    wrapper,
)

LOOP = "    for left in range(iterations, 0, -1):\n"
"""Where the kernel times: a rank that behaves differently does it here."""


pytestmark = pytest.mark.skipif(bool(NO_RANKS), reason=NO_RANKS)


@pytest.fixture(params=VERSIONS)
def mpirun(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the launches of the test take one mpirun."""
    program = MPIRUNS[request.param]
    monkeypatch.setattr(gang, "PROGRAMS", (program,))
    return program


real = pytest.mark.usefixtures("world", "mpirun")


def plan_of(count: int, host: Host = HERE, **settings: object) -> Plan:
    """Plan a short launch on this machine."""
    given: dict[str, object] = {"sizes": (4,), "iterations": 5, "warmup": 1, "check": False}
    chosen = Settings(**{**given, **settings})  # type: ignore[arg-type]
    made = choose.on_machine(mpi.BACKEND, count, host, 0, launch.nonce(), chosen)
    assert isinstance(made, Plan)
    return replace(made, deadlines_s=dict(DEADLINES), lease_s=6.0)


def long_plan(count: int, size: int = 4) -> Plan:
    """Plan a launch that is in its one measurement until somebody ends it."""
    return plan_of(count, sizes=(size,), iterations=10_000_000 // max(1, size >> 12))


def with_words(plan: Plan, rank: int, python: str) -> Plan:
    """Give one rank another interpreter; mpirun is told, too."""
    plan = with_python(plan, rank, python)
    return replace(plan, launcher=mpi.words(plan.ranks, [mpi.HERE] * len(plan.ranks)))


def blamed(probe: Probe) -> Blame:
    assert probe.blame is not None
    assert probe.rows == ()
    assert probe.run.left == ()
    return probe.blame


def when(moment: str, who: int, act: Callable[[dict[int, Event]], None]) -> OnEvent:
    """Act once, when a rank comes to a phase or an event, on all that was said to be spawned."""
    spawned: dict[int, Event] = {}
    acted: list[int] = []

    def on_event(rank: int, event: Event) -> None:
        if event["ev"] == "spawn":
            spawned[rank] = event
        said = event["phase"] if event["ev"] == "phase" else event["ev"]
        beats = said == "beat" and event["phase"] != "measure"
        if (rank, said) == (who, moment) and not acted and not beats:
            acted.append(rank)
            act(spawned)

    return on_event


def kill(who: int, key: str, number: int = signal.SIGKILL) -> Callable[[dict[int, Event]], None]:
    return lambda spawned: os.kill(spawned[who][key], number)


# It works.


@real
@pytest.mark.parametrize("count", [2, 3])
def test_healthy_ranks(count: int) -> None:
    probe = launched(plan_of(count, sizes=(4, 4096), check=True))
    assert probe.blame is None
    assert [(row.size, row.samples, row.wrong) for row in probe.rows] == [(4, 5, 0), (4096, 5, 0)]
    assert exits(probe.run.logs) == [("exited", 0, None)] * count
    assert probe.run.left == ()
    assert probe.run.launcher is not None
    assert (probe.run.launcher.last("exit") or {}).get("status") == 0


@real
@pytest.mark.parametrize("op", ["all_gather", "send"])
def test_the_other_collectives(op: str) -> None:
    probe = launched(plan_of(2, op=op, sizes=(1024,), check=True))
    assert probe.passed
    assert [row.wrong for row in probe.rows] == [0]


@real
def test_many_samples_of_one_size_arrive_whole() -> None:
    plan = plan_of(2, iterations=20_000)
    probe = launched(replace(plan, deadlines_s={**plan.deadlines_s, "measure": 30.0}))
    assert probe.blame is None
    assert [row.samples for row in probe.rows] == [20_000]


@real
def test_noise_before_the_kernel_is_not_taken_for_it(tmp_path: Path) -> None:
    noisy = wrapper(tmp_path, "echo Welcome home", "echo ouch >&2", "printf 'no end of line: '")
    probe = launched(with_words(plan_of(2), 1, noisy))
    assert probe.passed
    assert "Welcome home" in "".join(probe.run.logs[1].noise)
    assert "ouch" in "".join(probe.run.logs[1].noise)


@real
def test_settings_of_the_login_environment_do_not_reach_ranks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("MLX_RANK", "MLX_METAL_FAST_SYNCH", "JACCL_RANK"):
        monkeypatch.setenv(name, "1")
    tells = (
        "        in_import(rank)\n",
        '        rank.tell("environment", names=sorted(os.environ))\n        in_import(rank)\n',
    )
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, tells))
    probe = launched(plan_of(2))
    assert probe.passed
    for log in probe.run.logs:
        names = (log.last("environment") or {})["names"]
        assert not [n for n in names if n.startswith(("MLX_", "JACCL_", "MLXDIAG_K", "MLXDIAG_J"))]
        assert "OMPI_COMM_WORLD_RANK" in names
        assert (log.last("spawn") or {})["scrubbed"] == [
            "JACCL_RANK", "MLX_METAL_FAST_SYNCH", "MLX_RANK",
        ]  # fmt: skip


# A rank dies.


@real
@pytest.mark.parametrize(
    ("moment", "phase"), [("spawn", ("spawn", "import", "init")), ("init", ("init", "identity"))]
)
def test_a_rank_that_is_killed_on_its_way(moment: str, phase: tuple[str, ...]) -> None:
    probe = launched(plan_of(3), at(1, moment, send(signal.SIGKILL)))
    assert probe.run.end == "failed"
    blame = blamed(probe)
    assert blame.ranks == (1,)
    assert blame.text in {f"was ended by signal 9 in {name}" for name in phase}


@real
@pytest.mark.parametrize("size", [4, 16 << 20])
def test_a_rank_that_is_killed_in_a_collective(size: int) -> None:
    probe = launched(long_plan(3, size), at(1, "beat", send(signal.SIGKILL)))
    assert probe.run.end == "failed"
    blame = blamed(probe)
    assert (blame.ranks, blame.text) == ((1,), "was ended by signal 9 in measure")


@real
@pytest.mark.parametrize("who", [0, 1])
def test_a_supervisor_that_is_killed(who: int) -> None:
    plan = long_plan(3)
    plan = replace(plan, deadlines_s={**plan.deadlines_s, "measure": 15.0})
    probe = launched(plan, when("beat", who, kill(who, "supervisor")))
    assert probe.run.end == "failed"
    blame = blamed(probe)
    assert (blame.ranks, blame.text) == ((who,), "its supervisor was ended by signal 9")


@real
def test_mpirun_that_is_killed(world: World) -> None:
    probe = launched(long_plan(2), when("beat", 1, kill(LAUNCHER, "pid")))
    assert probe.run.end == "failed"
    assert blamed(probe).text.startswith("its mpirun was ended by signal 9")
    assert world.left() == []


@real
@pytest.mark.parametrize("moment", ["init", "beat"])
def test_the_supervisor_of_mpirun_that_is_killed(world: World, moment: str) -> None:
    probe = launched(long_plan(2), when(moment, 1, kill(LAUNCHER, "supervisor")))
    assert probe.run.end == "failed"
    assert blamed(probe).text.startswith("was lost: ")
    assert world.left(8.0) == []


# A rank is there and does nothing.


@real
def test_a_rank_that_is_stopped_in_a_collective() -> None:
    probe = launched(long_plan(2), at(1, "beat", send(signal.SIGSTOP)))
    assert (probe.run.end, probe.run.phase) == ("deadline", "measure")
    blame = blamed(probe)
    assert (blame.ranks, blame.text) == ((1,), "is stopped (SIGSTOP, or a debugger) in measure")
    assert exits(probe.run.logs)[1] == ("asked", None, signal.SIGKILL)


@real
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


@real
def test_a_rank_that_does_not_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late = (LOOP, f"{LOOP}        time.sleep(60 * (ME == 1))\n")
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, late))
    probe = launched(plan_of(3))
    assert probe.run.end == "deadline"
    blame = blamed(probe)
    assert (blame.ranks, blame.text) == ((1,), "did not arrive at collective 3")


@real
def test_a_rank_that_skips_a_collective(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skips = (LOOP, LOOP.replace("iterations", "iterations - (ME == 1)"))
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, skips))
    blame = blamed(launched(plan_of(2)))
    assert blame.ranks == (1,)
    assert blame.text in {  # it waits in MPI_Finalize for the others
        "was done before the others: it took part in fewer collectives",
        "did not arrive at collective 7",
    }


@real
@pytest.mark.parametrize("moment", ["init", "beat"])
def test_ranks_that_ignore_sigterm_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    deaf = (
        "signal.signal(signal.SIGTERM, signal.SIG_DFL)",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    )
    stuck = (
        "    start = time.perf_counter()\n    group = mx",
        "    time.sleep(60)\n    group = mx",
    )
    changes = (deaf, stuck) if moment == "init" else (deaf,)
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, *changes))
    stop = asyncio.Event()
    probe = launched(long_plan(2), at(1, moment, lambda _pid: stop.set()), stop=stop)
    assert probe.run.end == "interrupted"
    first, second = exits(probe.run.logs)
    assert second == ("asked", None, signal.SIGKILL)
    # In init mpirun may end the other rank, supervisor and all, before it has said anything.
    assert first == second or (moment == "init" and first[0] in ("asked", ""))
    assert probe.run.left == ()
    assert blamed(probe) == Blame((), "interrupted")


@real
def test_a_lease_that_runs_out_ends_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller is there and says nothing: its host has lost its network."""
    monkeypatch.setattr(gang, "LEASE_EVERY_S", 60.0)
    probe = launched(replace(long_plan(2), lease_s=2.0))
    assert probe.run.launcher is not None
    whys = {why for why, _, _ in exits([probe.run.launcher, *probe.run.logs])}
    assert "lease" in whys
    assert world.left() == []


# A rank gives wrong data.


@real
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
    assert blame.evidence == "all_sum: 1 wrong elements, the first at 777 (on rank 0, 1, 2)"


# Before it can begin.


@real
def test_an_interpreter_that_is_not_there() -> None:
    blame = blamed(launched(with_words(plan_of(3), 1, "/no/such/python")))
    assert blame.ranks == (1,)
    assert blame.text.startswith("did not start")
    assert "/no/such/python" in blame.evidence


@real
def test_a_python_without_mlx(tmp_path: Path) -> None:
    (tmp_path / "empty" / "mlx").mkdir(parents=True)
    (tmp_path / "empty" / "mlx" / "__init__.py").touch()
    bare = wrapper(tmp_path, f"export PYTHONPATH={tmp_path}/empty")
    blame = blamed(launched(with_words(plan_of(2), 1, bare)))
    assert blame.ranks == (1,)
    assert blame.text == "failed in import: ModuleNotFoundError: No module named 'mlx.core'"


@pytest.mark.usefixtures("world")
def test_no_mpirun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gang, "PROGRAMS", ("/no/such/mpirun",))
    blame = blamed(launched(plan_of(2)))
    assert blame.ranks == (0,)
    assert blame.text == (
        "did not launch: mpirun is not there (install Open MPI on the first host)"
    )


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    ("says", "means"),
    [
        ("HYDRA build details:", " (mlx takes Open MPI only)"),
        ("mpirun (Open MPI) 3.1.6", ""),
        (" ", ""),
    ],
)
def test_another_mpi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, means: str
) -> None:
    other = tmp_path / "mpirun"
    other.write_text(f"#!/bin/sh\necho '{says}'\n")
    other.chmod(0o755)
    monkeypatch.setattr(gang, "PROGRAMS", (str(other),))
    blame = blamed(launched(plan_of(2)))
    assert blame.ranks == (0,)
    said = says.strip() or "it says no version"
    assert blame.text == f"did not launch: {other} is not Open MPI 4 or 5: {said}{means}"
