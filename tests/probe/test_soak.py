"""Soaks of real ranks on this machine: every result compared, every collective under a deadline."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlxdiag.finding import Status
from mlxdiag.probe import gang
from mlxdiag.probe.judge import Probe, Soak
from mlxdiag.probe.plan import Plan
from tests.probe.test_cli import document, start
from tests.probe.world import NO_RANKS, World, at, launched, patched, plan_of, send

pytestmark = [
    pytest.mark.skipif(bool(NO_RANKS), reason=NO_RANKS),
    pytest.mark.usefixtures("world"),
]
SIZES = (4, 1028, 65536, 1 << 20)
COME = "        done.arm()\n        rank.begun += 1\n        start"
MADE = "    mine = [pattern.of(me, count, done.ops + at) for at, count in enumerate(counts)]\n"
"""Where the kernel comes to a collective of a soak, and makes what it sends."""


def soak_of(count: int, seconds: float, **settings: Any) -> Plan:  # noqa: ANN401
    return plan_of(count, **{"sizes": SIZES, "soak_s": seconds, **settings})


def done(probe: Probe) -> Soak:
    assert probe.blame is None
    assert probe.passed
    assert probe.soak is not None
    return probe.soak


@pytest.mark.parametrize(("op", "count"), [("all_sum", 2), ("all_gather", 3), ("send", 3)])
def test_a_healthy_soak(op: str, count: int) -> None:
    probe = launched(soak_of(count, 5.0, op=op))
    soak = done(probe)
    assert probe.rows == ()
    assert soak.seconds >= soak.wanted_s == 5.0
    assert [row.size for row in soak.sizes] == list(SIZES)
    assert all(row.ops > 1 and row.worst_us > 0 for row in soak.sizes)
    assert (soak.wrong, soak.gaps > 0, soak.longest_gap_s) == (0, True, 0.5)
    assert sum(row.ops for row in soak.sizes) == soak.ops
    shares = count if op == "all_gather" else 1
    assert soak.elements == count * shares * sum(row.ops * row.size // 4 for row in soak.sizes)


def test_rank_0_alone_decides_when_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rank 1's clock says that the time is over at once; by its own clock it would hang."""
    hasty = (
        "        return time.monotonic() - self.began\n",
        "        return time.monotonic() - self.began + 999 * (self.rank.job['rank'] == 1)\n",
    )
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, hasty))
    soak = done(launched(soak_of(2, 2.0)))
    assert soak.seconds >= 2.0
    assert soak.ops > 10


@pytest.mark.parametrize(
    ("op", "change", "guilty"),
    [
        ("all_sum", MADE + "    mine[0][0] ^= 8 * (done.ops > 30 and ME == 1)\n", (1,)),
        ("all_gather", MADE + "    mine[-1][0] ^= 1 * (done.ops > 30 and ME == 2)\n", (2,)),
        ("send", MADE + "    mine[0][0] ^= 1 * (done.ops > 30 and ME == 0)\n", (0,)),
    ],
)
def test_one_wrong_element_in_the_middle_names_its_rank(
    op: str, change: str, guilty: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = change.replace("ME", "rank.job['rank']")
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, (MADE, change)))
    probe = launched(soak_of(3, 60.0, op=op))
    assert probe.run.end == "failed"
    assert probe.blame is not None
    said = "its part of a sum is wrong" if op == "all_sum" else "its data arrived wrong"
    assert (probe.blame.ranks, probe.blame.text) == (guilty, said)
    assert f"{op} " in probe.blame.evidence
    assert "of the soak: 1 of " in probe.blame.evidence
    assert "the first at 0" in probe.blame.evidence


def test_what_was_done_before_a_wrong_element_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every rank has its word before it ends, so that each of two sees the same wrong sum."""
    spoilt = (MADE, MADE + "    mine[0][0] ^= 8 * (done.ops > 30 and ME == 1)\n")
    spoilt = (MADE, spoilt[1].replace("ME", "rank.job['rank']"))
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, spoilt))
    probe = launched(soak_of(2, 60.0))
    assert probe.soak is not None
    assert probe.soak.ops > 30
    assert probe.soak.wrong in (1, 2)


def test_a_rank_that_is_stopped_in_the_middle_is_found_within_one_collectives_deadline() -> None:
    probe = launched(soak_of(2, 600.0), at(1, "soak", send(signal.SIGSTOP)))
    assert (probe.run.end, probe.run.phase) == ("deadline", "soak")
    assert probe.run.seconds < 30
    assert probe.blame is not None
    assert probe.blame.ranks == (1,)
    assert probe.blame.text == "is stopped (SIGSTOP, or a debugger) in soak"


def test_a_rank_that_hangs_in_the_middle_did_not_arrive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = (COME, "        time.sleep(60 * (rank.begun > 40 and rank.job['rank'] == 1))\n" + COME)
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, late))
    probe = launched(soak_of(3, 600.0))
    assert (probe.run.end, probe.run.phase) == ("deadline", "soak")
    assert probe.blame is not None
    assert probe.blame.ranks == (1,)
    assert probe.blame.text.startswith("did not arrive at collective ")


def test_a_pause_longer_than_a_deadline_is_no_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pauses of a minute are too long for a test: here one is 6 s, and a collective's time 4 s."""
    changes = (
        ("LONG_GAP_S = 61.0\n", "LONG_GAP_S = 6.0\n"),
        ("LONG_GAP_EVERY_S = 120.0\n", "LONG_GAP_EVERY_S = 1.0\n"),
    )
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, *changes))
    soak = done(launched(soak_of(2, 11.0)))
    assert soak.longest_gap_s == 6.0


def test_a_soak_longer_than_a_collectives_deadline_is_no_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without pauses, 7 s are longer than the 4 s that one collective may take."""
    restless = ("    return SHORT_GAP_S if turn % 6 == 2", "    return 0.0 if turn % 6 == 2")
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, restless))
    soak = done(launched(soak_of(2, 7.0)))
    assert (soak.gaps, soak.seconds >= 7.0) == (0, True)


def test_ctrl_c_keeps_what_was_done(world: World) -> None:
    argv = ("--local", "2", "--soak", "10m", "-b", "4", "-e", "64K")
    ran = start(
        "SIGINT", "both:soak", "probe", *argv, "--format", "json", module="tests.probe.driver"
    )
    assert (ran.returncode, ran.stderr) == (130, "")
    told = document(ran.stdout)
    (probe,) = told["probes"]
    assert (told["ended"], probe["passed"]) == ("interrupted", False)
    assert probe["soak"]["ops"] > 0
    assert (probe["soak"]["wrong"], probe["soak"]["wanted_s"]) == (0, 600.0)
    assert {c["status"] for c in told["checks"] if c["id"] == "probes-collective"} == {
        Status.UNKNOWN.value
    }
    assert world.left() == []


@pytest.mark.parametrize("form", ["table", "short", "json"])
def test_a_soak_replays_byte_for_byte(form: str, tmp_path: Path) -> None:
    saved = str(tmp_path / "saved.tar.gz")
    argv = ("--local", "2", "--soak", "2s", "-b", "4", "-e", "64K", "--format", form)
    live = start("probe", *argv, "--save", saved)
    assert (live.returncode, live.stderr) == (0, "")
    again = start("probe", "--replay", saved, "--format", form)
    assert (again.returncode, again.stdout) == (0, live.stdout)


def test_the_kernels_pattern_is_its_plane(tmp_path: Path) -> None:
    """What a soak compares with is cut out of arrays made once: it must be the check's own data."""
    text = gang.KERNEL.read_text(encoding="utf-8")
    program = (
        "import json, mlx.core\nmx = mlx.core\n"
        "pattern = Pattern(11, 50)\n"
        "same = [mx.array_equal(pattern.of(r, c, i), plane(r, c, i)).item()"
        " for r in range(11) for c in (1, 7, 50) for i in range(9)]\n"
        "whole = lambda c, i: sum(plane(r, c, i) for r in range(11))\n"
        "same += [mx.array_equal(pattern.total(c, i), whole(c, i)).item()"
        " for c in (1, 7, 50) for i in range(9)]\n"
        "print(json.dumps([len(same), all(same)]))\n"
    )
    path = tmp_path / "kernel.py"
    path.write_text(text + program, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    assert json.loads(ran.stdout) == [324, True]
