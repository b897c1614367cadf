"""`mlxdiag probe` as a process: what it prints, saves and leaves, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.probe.world import NO_RANKS, World

pytestmark = pytest.mark.skipif(bool(NO_RANKS), reason=NO_RANKS)

ROOT = Path(__file__).parents[2]
SHORT = ("--local", "2", "-b", "4", "-e", "64K", "-f", "128", "--iters", "5")
LONG = ("--local", "2", "-b", "4", "--iters", "10000000", "--no-check")


def start(*argv: str, module: str = "mlxdiag") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *argv],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def document(text: str) -> dict[str, Any]:
    """Read a report, and hold it to the schema that the program prints."""
    told: dict[str, Any] = json.loads(text)
    validator().validate(told)
    return told


@cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(start("schema").stdout))


def test_a_table_of_real_collectives(world: World) -> None:
    ran = start("probe", *SHORT)
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert "PROBE ring  all_sum of float32, 2 ranks on localhost" in lines
    assert any(line.startswith("! loopback: ") for line in lines)
    table = lines[lines.index(next(line for line in lines if "slowest" in line)) + 1 :]
    assert [line.split()[:3] for line in table[:3]] == [
        ["4", "B", "5"],
        ["512", "B", "5"],
        ["64", "KiB", "5"],
    ]
    assert [line.split()[-3] for line in table[:3]] == ["0", "0", "0"]
    assert lines[-1] == "PASS: ring ok"
    assert world.left() == []


@pytest.mark.usefixtures("world")
def test_saved_and_replayed_reports_are_the_same_bytes(tmp_path: Path) -> None:
    for target in ("folder", "packed.tar.gz"):
        path = str(tmp_path / target)
        live = start("probe", *SHORT, "--format", "json", "--save", path)
        assert (live.returncode, live.stderr) == (0, "")
        again = start("probe", "--replay", path, "--format", "json")
        assert (again.returncode, again.stdout) == (0, live.stdout)
        told = document(live.stdout)
        assert told["command"] == "probe"
        (probe,) = told["probes"]
        assert [row["size"] for row in probe["rows"]] == [4, 512, 65536]
        assert [len(s["ns"]) for s in probe["samples"]] == [5] * 6
        assert {c["id"]: c["status"] for c in told["checks"]} == {
            "probes-allowed": "pass",
            "probes-collective": "pass",
            "probes-nothing-left": "pass",
            "probes-latency": "skip",
            "probes-bandwidth": "skip",
        }
    kept = sorted(p.name for p in (tmp_path / "folder" / "probes" / "001-ring").iterdir())
    assert kept == ["plan.json", "rank0.jsonl", "rank1.jsonl"]


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("form", ["table", "short"])
def test_every_format_of_several_launches_replays(form: str, tmp_path: Path) -> None:
    path = str(tmp_path / "saved")
    live = start("probe", *SHORT, "--repeat", "2", "--format", form, "--save", path)
    again = start("probe", "--replay", path, "--format", form)
    assert (live.returncode, again.returncode, again.stdout) == (0, 0, live.stdout)


@pytest.mark.usefixtures("world")
def test_json_says_what_each_ranks_host_was_like(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_METAL_FAST_SYNCH", "1")
    monkeypatch.setenv("JACCL_RANK", "7")
    (probe,) = document(start("probe", *SHORT, "--format", "json").stdout)["probes"]
    for host in probe["hosts"]:
        assert host["host"] == "localhost"
        assert host["mlx"].count(".") == 2
        assert host["cores"] > 0
        assert host["load"] >= 0
        assert host["scrubbed"] == ["JACCL_RANK", "MLX_METAL_FAST_SYNCH"]
        assert host["fast_synch"] == "1"
    assert any("MLX_METAL_FAST_SYNCH=1" in note for note in probe["notes"])
    assert any("JACCL_RANK; not used" in note for note in probe["notes"])
    assert {row["link"]["reason"] for row in probe["rows"]} == {
        "all ranks are on one machine: there is no link"
    }


@pytest.mark.usefixtures("world")
def test_unchecked_is_not_called_right() -> None:
    ran = start("probe", *SHORT, "--no-check", "--format", "json", "--repeat", "2")
    told = document(ran.stdout)
    assert [row["wrong"] for probe in told["probes"] for row in probe["rows"]] == [None] * 6


def test_a_dry_run_starts_nothing(world: World) -> None:
    ran = start("probe", *SHORT, "--dry-run")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "backend ring, 2 ranks" in ran.stdout
    assert "MLX_RANK=1" in ran.stdout
    assert "MLX_HOSTFILE (a file): [[" in ran.stdout
    assert world.left(0.0) == []


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("-b", "many"), "-b 'many' is not a size between 1 byte and 1 GiB; write 4, 64K, 1M"),
        (("-e", "2G"), "-e '2G' is not a size"),
        (("-b", "0"), "-b '0' is not a size"),
        (("-b", "-4"), "-b '-4' is not a size"),
        (("-b", "64K", "-e", "4"), "-b 64K is larger than -e 4; -b is the smallest size"),
        (("-e", "2"), "-b 4 is larger than -e 2"),
        (("-b", "1"), "-b 1 is less than one element of float32, 4 bytes"),
        (("--dtype", "int8"), "'--dtype'"),
        (("--level", "deep"), "'--level'"),
        (("--warmup", "-1"), "'--warmup'"),
        (("--repeat", "0"), "'--repeat'"),
        (("--soak", "soon"), "'soon' is not a duration above 0, up to a year (30s, 10m, 2h)"),
        (("--soak", "0s"), "'0s' is not a duration"),
        (("-f", "1"), "'-f'"),
        (("--iters", "0"), "'--iters'"),
        (("--local", "1"), "'--local'"),
        (("--backend", "nccl"), "'--backend'"),
    ],
)
def test_what_cannot_be_asked_is_refused(argv: tuple[str, ...], said: str) -> None:
    ran = start("probe", "--local", "2", *argv)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr


@pytest.mark.parametrize("moment", ["spawn", "ready", "init", "beat"])
def test_ctrl_c_prints_what_there_is_and_leaves_nothing(world: World, moment: str) -> None:
    ran = start("SIGINT", moment, "probe", *LONG, "--format", "json", module="tests.probe.driver")
    assert (ran.returncode, ran.stderr) == (130, "")
    told = document(ran.stdout)
    assert told["ended"] == "interrupted"
    (probe,) = told["probes"]
    assert probe["blame"]["text"] == "interrupted"
    assert (probe["passed"], probe["rows"], probe["left"]) == (False, [], [])
    assert world.left() == []


def test_timeout_ends_a_run(world: World) -> None:
    ran = start("probe", *LONG, "--timeout", "2")
    assert ran.returncode == 124
    assert ran.stdout.splitlines()[-1] == "UNKNOWN: ring interrupted"
    assert world.left() == []


@pytest.mark.parametrize(
    "moment", ["spawn", "import", "ready", "init", "identity", "check", "beat"]
)
def test_ranks_end_when_the_controller_is_killed(world: World, moment: str) -> None:
    argv = [word for word in LONG if word != "--no-check" or moment != "check"]
    ran = start("SIGKILL", moment, "probe", *argv, module="tests.probe.driver")
    assert ran.returncode == -9
    assert world.left(8.0) == []


def test_a_recording_that_was_spoilt_is_refused(tmp_path: Path, world: World) -> None:
    start("probe", *SHORT, "--save", str(tmp_path / "saved"))
    (tmp_path / "saved" / "probes" / "001-ring" / "plan.json").write_text("{}")
    ran = start("probe", "--replay", str(tmp_path / "saved"))
    assert ran.returncode == 2
    assert "probes/001-ring: not a recorded probe" in ran.stderr
    assert world.left(0.0) == []
