"""Attempts per host since its boot: counted, kept, and never in the way of a launch."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from mlxdiag.probe import attempts
from mlxdiag.probe.plan import Plan
from tests.checks.recorded import built, recorded
from tests.probe.jaccl import three

BOOT = 1_769_000_000
BOOTS: dict[str, int | None] = {f"macstudio{n}": BOOT for n in (1, 2, 3)}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "mlxdiag" / "attempts.json"


def counts(boots: Mapping[str, int | None] = BOOTS) -> list[int]:
    return list(attempts.counted(boots, three()).attempts.values())


def new_notes(plan: Plan) -> list[str]:
    return list(plan.notes[len(three().notes) :])


def test_each_launch_counts_on_every_host(state: Path) -> None:
    assert [counts(), counts(), counts()] == [[1, 1, 1], [2, 2, 2], [3, 3, 3]]
    assert json.loads(state.read_text())["macstudio1 macstudio1.local"] == {
        "boot_s": BOOT,
        "attempts": 3,
    }
    assert [p.name for p in state.parent.iterdir()] == ["attempts.json"]


def test_a_boot_begins_anew_and_a_corrected_clock_does_not(state: Path) -> None:
    del state
    counts()
    assert counts({**BOOTS, "macstudio2": BOOT + 30}) == [2, 2, 2]
    assert counts({**BOOTS, "macstudio2": BOOT + 60}) == [3, 3, 3]
    assert counts({**BOOTS, "macstudio2": BOOT + 3600}) == [4, 1, 4]


def test_hosts_with_the_same_number_share_a_note(state: Path) -> None:
    del state
    counts()
    plan = attempts.counted({**BOOTS, "macstudio1": BOOT + 3600, "macstudio3": None}, three())
    tail = ": each failed one leaks a protection domain"
    assert new_notes(plan) == [
        f"attempt 1 since boot of macstudio1{tail}",
        f"attempt 2 known of on macstudio3{tail}",
        f"attempt 2 since boot of macstudio2{tail}",
    ]


def test_only_fragile_launches_count(state: Path) -> None:
    plan = replace(three(), fragile=False)
    assert attempts.counted(BOOTS, plan) is plan
    assert not state.exists()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"macstudio1 macstudio1.local": 7}',
        b'{"macstudio1 macstudio1.local": {"boot_s": "x", "attempts": 2}}',
        b'{"macstudio1 macstudio1.local": {"boot_s": 1769000000, "attempts": -2}}',
        b'{"macstudio1 macstudio1.local": {"boot_s": 1769000000, "attempts": true}}',
        b'{"macstudio1 macstudio1.local": {"attempts": 2}}',
    ],
)
def test_damage_is_said_and_does_not_stop_a_launch(state: Path, damage: bytes) -> None:
    state.parent.mkdir(parents=True)
    state.write_bytes(damage)
    plan = attempts.counted(BOOTS, three())
    assert list(plan.attempts.values()) == [1, 1, 1]
    assert len(new_notes(plan)) == 2
    assert "earlier attempts are" in new_notes(plan)[1]
    assert counts() == [2, 2, 2]


def test_what_is_whole_in_a_damaged_file_is_kept(state: Path) -> None:
    counts()
    kept = json.loads(state.read_text())
    state.write_text(json.dumps({**kept, "other": None}))
    assert counts() == [2, 2, 2]


def test_other_hosts_are_kept(state: Path) -> None:
    counts()
    others = {"mini mini.local": {"boot_s": 5, "attempts": 9}}
    state.write_text(json.dumps({**json.loads(state.read_text()), **others}))
    counts()
    assert json.loads(state.read_text())["mini mini.local"] == others["mini mini.local"]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path, state: Path) -> None:
    del state
    (tmp_path / "state").write_text("a file where a folder should be")
    plan = attempts.counted(BOOTS, three())
    assert list(plan.attempts.values()) == [1, 1, 1]
    assert "this attempt was not counted: " in new_notes(plan)[-1]


def test_without_a_home_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    plan = attempts.counted(BOOTS, three())
    assert new_notes(plan) == ["attempts are not counted: Could not determine home directory."]


COUNT_MANY = """
import sys
from mlxdiag.probe import attempts
from tests.probe.test_attempts import BOOTS, three
sys.stdin.read()
notes = [attempts.counted(BOOTS, three()).notes[len(three().notes):] for _ in range(50)]
sys.stdout.write(str(sum(len(said) - 1 for said in notes)))
"""


def test_two_processes_at_once_both_count(state: Path) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-c", COUNT_MANY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for one in both:  # each has imported what it needs when the other begins
        assert one.stdin is not None
        one.stdin.close()
        one.stdin = None
    assert [one.communicate(timeout=60)[0] for one in both] == ["0", "0"]
    assert json.loads(state.read_text())["macstudio1 macstudio1.local"]["attempts"] == 100


def test_a_lock_that_is_never_given_stops_no_launch(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "LOCK_TRIES", 3)
    counts()
    held = os.open(state.parent, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        plan = attempts.counted(BOOTS, three())
    finally:
        os.close(held)
    assert list(plan.attempts.values()) == [2, 2, 2]
    assert "another mlxdiag holds its lock" in new_notes(plan)[1]
    assert counts() == [3, 3, 3]


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_STATE_HOME", value)
        assert attempts.state_file() == tmp_path / ".local/state/mlxdiag/attempts.json"


def test_boot_times_are_those_that_the_hosts_say() -> None:
    seen = built(recorded("clean-mesh-4")).cluster
    boots = attempts.boots(seen)
    assert set(boots) == {f"macstudio{n}" for n in range(1, 5)}
    assert all(boot is not None and boot > 1_700_000_000 for boot in boots.values())
    assert attempts.boots(built(recorded("empty-recording")).cluster)["macstudio4"] is None
