"""Real ranks of mlx's ring on this machine: each run ends in time and leaves nothing."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mlxdiag.probe import gang
from mlxdiag.probe.judge import Blame, Probe
from mlxdiag.probe.said import Event
from tests.probe.world import (
    NO_RANKS,
    World,
    at,
    exits,
    launched,
    long_plan,
    patched,
    plan_of,
    send,
)

pytestmark = [
    pytest.mark.skipif(bool(NO_RANKS), reason=NO_RANKS),
    pytest.mark.usefixtures("world"),
]


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


# A rank does not end as it is told, or is told. Other faults: test_faults.py.


def test_a_supervisor_that_is_told_to_end_ends_its_rank() -> None:
    def end(pid: int) -> None:
        send(signal.SIGTERM)(
            int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        )

    probe = launched(long_plan(2), at(1, "beat", end))
    assert exits(probe.run.logs)[1] == ("signalled", None, signal.SIGTERM)
    assert blamed(probe).ranks == (1,)


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


def test_one_wrong_element_of_a_send_names_who_sent_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shift around the ring is checked in every run, whatever is timed."""
    line = "    mine = numbers(me, count, 1, dtype)\n"
    flips = (line, line + "    mine[count // 2] = mine[count // 2] + (me == 2 and count == 1027)\n")
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, flips))
    blame = blamed(launched(plan_of(3, check=True, op="all_sum")))
    assert blame.ranks == (2,)
    assert blame.evidence == "recv of int32 from rank 2: 1 wrong elements (on rank 0)"


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
    wrong = f"all_gather of {dtype}: 1027 wrong elements of rank 1"
    assert blame.evidence == f"{wrong} (on rank 0, 2)"


@pytest.mark.parametrize("op", ["all_gather", "send"])
def test_the_last_that_is_timed_is_compared_in_the_other_collectives(
    op: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = '    if job["check"]:\n        compare_last('
    flips = (last, f"    if ME == 1:\n        result[0] = result[0] + 1\n{last}")
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, flips))
    blame = blamed(launched(plan_of(3, check=True, op=op)))
    assert blame.ranks == ((1,) if op == "all_gather" else (0,))
    assert ", the last of 5 that were timed" in blame.evidence
    assert blame.evidence.endswith(" (on rank 1)")


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int32"])
@pytest.mark.parametrize("count", [2, 4])
def test_sums_of_every_dtype_are_exact(dtype: str, count: int) -> None:
    """Four ranks have no bits of their own in float16 and bfloat16."""
    assert launched(plan_of(count, check=True, dtype=dtype, sizes=(4, 8204))).passed


# Nobody says anything any more.


def test_a_lease_that_runs_out_ends_a_rank(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller is there and says nothing: its host has lost its network."""
    monkeypatch.setattr(gang, "LEASE_EVERY_S", 60.0)
    probe = launched(replace(long_plan(2), lease_s=2.0))
    assert {why for why, _, _ in exits(probe.run.logs)} <= {"lease", "exited", "asked"}
    assert ("lease", None, signal.SIGTERM) in exits(probe.run.logs)
    assert world.left() == []


def test_who_was_stopped_itself_blames_no_host() -> None:
    """Our own process, in the middle of a launch: all leases run out, and one rank is first."""
    probe = launched(replace(long_plan(2), lease_s=2.0), at(1, "beat", lambda _pid: time.sleep(6)))
    assert ("lease", None, signal.SIGTERM) in exits(probe.run.logs)
    assert probe.run.end == "interrupted"
    assert blamed(probe) == Blame((), "interrupted: mlxdiag itself did not run for 6 s")


def test_who_was_stopped_itself_takes_nobody_for_late() -> None:
    """What the ranks said meanwhile is still to be read: they are through with what was due."""
    plan = plan_of(2, sizes=(4,), iterations=50)
    plan = replace(plan, lease_s=30.0, deadlines_s={**plan.deadlines_s, "measure": 5.0})
    probe = launched(plan, at(1, "measure", lambda _pid: time.sleep(6)))
    assert probe.blame is None
    assert probe.run.away_s >= 6.0


@pytest.mark.parametrize("clock_was_set", [False, True])
def test_a_rank_that_stays_behind_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World, *, clock_was_set: bool
) -> None:
    """Stopped, and without the system call that ends it with its supervisor, as on macOS."""
    stays = ("    end_with_supervisor()\n    rank = ", "    rank = ")
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, stays))
    monkeypatch.setattr(gang, "STOPPED_S", 0.5)
    pids: list[int] = []

    def on_event(rank: int, event: Event) -> None:
        if rank != 1:
            return
        if event["ev"] == "spawn" and clock_was_set:
            event["began"] = event["supervisor_began"] = "Thu Jan  1 00:00:00 1970"
        if event["ev"] == "spawn":
            pids[:] = event["pid"], event["supervisor"]
        if event["ev"] == "beat":
            send(signal.SIGSTOP)(pids[0])
            send(signal.SIGKILL)(pids[1])

    probe = launched(replace(long_plan(2), lease_s=1.5), on_event)
    assert world.left() == []
    assert probe.run.left == ()
    assert probe.blame is not None
    assert probe.blame.ranks == (1,)


def test_a_supervisor_that_is_stopped_is_named_and_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gang, "STOPPED_S", 0.5)
    plan = replace(long_plan(2), lease_s=2.0)
    plan = replace(plan, deadlines_s={**plan.deadlines_s, "measure": 4.0})
    supervisors: list[int] = []

    def on_event(rank: int, event: Event) -> None:
        if rank == 1 and event["ev"] == "spawn":
            supervisors.append(event["supervisor"])
        if rank == 1 and event["ev"] == "beat" and event["phase"] == "measure":
            send(signal.SIGSTOP)(supervisors[0])

    blame = blamed(launched(plan, on_event))
    assert blame.ranks == (1,)
    assert blame.text.startswith("does not answer any more: it or its host is stopped")
    assert world.left() == []
