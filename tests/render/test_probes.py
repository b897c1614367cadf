"""Launches in the table: one, several of one backend, several backends, a soak; widths; a curve."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from rich.cells import cell_len

import mlxdiag
from mlxdiag.inventory import Expect, Host, Inventory
from mlxdiag.probe.plan import Plan
from mlxdiag.probe.said import GangRun
from mlxdiag.recording import Recording
from mlxdiag.render import FORMATS
from mlxdiag.render.style import Style
from mlxdiag.report import Report, build
from tests.probe.logs import (
    failed,
    imported,
    log,
    mesh,
    plan,
    ran,
    soaked,
    swept,
)

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
SIZES = (4, 1024, 4096, 32768, 65536, 512 << 10, 1 << 20, 16 << 20, 64 << 20)
Launch = tuple[Plan, GangRun]


def report(*launches: Launch, ended: str = "complete", expect: Expect = Expect()) -> Report:  # noqa: B008
    hosts = tuple(Host(f"mac{n}", f"10.0.0.{n + 1}") for n in range(4))
    return build(
        Recording(
            inventory=Inventory("studio", hosts, expect),
            hosts={host.name: {} for host in hosts},
            started_at="2026-11-24T00:00:00Z",
            duration_s=12.3,
            tool_version="0",
            ended=ended,  # type: ignore[arg-type]
            probes=launches,
        ),
        "probe",
        "0",
    )


def launch(backend: str, gb_per_s: float, latency_us: float = 30.0) -> Launch:
    """Let four ranks need so long for nothing, and then so long per byte."""
    us_of = {size: latency_us + size / gb_per_s / 1000 for size in SIZES}
    wires = mesh(4) if backend != "mpi" else ()
    made = plan(4, backend, wires, sizes=SIZES)
    return made, ran([swept(rank, us_of) for rank in range(4)])


def soak(end: str = "done", **more: object) -> Launch:
    made = plan(2, soak_s=600.0)
    logs = [log(rank, imported(), soaked(**more)) for rank in range(2)]  # type: ignore[arg-type]
    if end == "done":
        for one in logs:
            one.events += [{"ev": "done", "at": 9.0}, {"ev": "exit", "status": 0, "at": 9.0}]
    if end == "failed":
        logs[0].events.append(failed("all_sum 8 of the soak", "soak", "wrong", guilty=[1]))
    return made, ran(logs, end)  # type: ignore[arg-type]


def failing() -> Launch:
    return plan(4), ran([log(0, failed("no memory")), *(log(n) for n in range(1, 4))], "failed")


REPORTS: Mapping[str, Callable[[], Report]] = {
    "one": lambda: report(launch("jaccl", 10.0)),
    "three launches": lambda: report(*(launch("jaccl", 10.0, us) for us in (30.0, 36.0, 33.0))),
    "slow to the microsecond": lambda: report(launch("ring", 0.002), launch("ring", 0.0021)),
    "four backends": lambda: report(
        launch("ring", 2.0, 60.0), launch("jaccl", 10.0), launch("jaccl-ring", 11.0),
        launch("mpi", 1.5, 17.0),
    ),
    "one of two fails": lambda: report(launch("ring", 2.0), failing(), launch("ring", 2.1)),
    "soak": lambda: report(soak()),
    "soak, wrong": lambda: report(soak("failed", wrong=1)),
    "soak, interrupted": lambda: report(soak("interrupted"), ended="interrupted"),
}  # fmt: skip


def table(told: Report, **style: object) -> str:
    return FORMATS["table"](told, Style(**style))  # type: ignore[arg-type]


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("curve", [True, False])
@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("name", sorted(REPORTS))
def test_no_line_is_wider_than_the_terminal(
    name: str, width: int, *, curve: bool, unicode: bool
) -> None:
    text = table(REPORTS[name](), width=width, curve=curve, unicode=unicode)
    assert [line for line in text.splitlines() if cell_len(line) > width] == []
    assert "…" not in text
    assert "\x1b" not in text
    if not unicode:
        text.encode("ascii")


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_colour_adds_nothing_but_escapes(name: str) -> None:
    told = REPORTS[name]()
    bare = ESCAPE.sub("", table(told, color=True, curve=False))
    assert [line.rstrip() for line in bare.splitlines()] == table(told).splitlines()


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_json_is_what_the_schema_says(name: str) -> None:
    schema = json.loads((Path(mlxdiag.__file__).parent / "report.schema.json").read_text())
    Draft202012Validator(schema).validate(json.loads(FORMATS["json"](REPORTS[name](), Style())))


def test_one_launch() -> None:
    assert table(REPORTS["one"](), width=80).splitlines()[2:] == [
        "PROBE jaccl  all_sum of float32, 4 ranks on mac0, mac1, mac2, mac3",
        "                 p50  p99  max  algbw  busbw   link",
        "   size samples   us   us   us   GB/s   GB/s   GB/s wrong slowest",
        "    4 B       5 30.0 30.0 30.0 0.0001 0.0002 0.0001     0  rank 0",
        "  1 KiB       5 30.1 30.1 30.1   0.03   0.05   0.03     0  rank 0",
        "  4 KiB       5 30.4 30.4 30.4   0.13   0.20   0.13     0  rank 0",
        " 32 KiB       5 33.3 33.3 33.3   0.98   1.48   0.98     0  rank 0",
        " 64 KiB       5 36.6 36.6 36.6   1.79   2.69   0.90     0  rank 0",
        "512 KiB       5 82.4 82.4 82.4   6.36   9.54   3.18     0  rank 0",
        "  1 MiB       5  135  135  135   7.78   11.7   3.89     0  rank 0",
        " 16 MiB       5 1708 1708 1708   9.82   14.7   4.91     0  rank 0",
        " 64 MiB       5 6741 6741 6741   9.96   14.9   4.98     0  rank 0",
        "link: 4 B to 32 KiB mesh-broadcast, algbw; 64 KiB to 64 MiB mesh-rsag, busbw/3;",
        "mlx 0.32.4",
        "",
        "SPEED",
        "? jaccl: measured in one launch; a verdict takes two (--repeat 2, or --level",
        "full)",
        "",
        "PASS: jaccl ok",
    ]


def test_the_model_of_a_rate_is_said_once_for_each_run_of_sizes() -> None:
    (line,) = [x for x in table(REPORTS["one"](), width=140).splitlines() if "link:" in x]
    assert line == (
        "link: 4 B to 32 KiB mesh-broadcast, algbw; 64 KiB to 64 MiB mesh-rsag, busbw/3; mlx 0.32.4"
    )


def test_several_launches_are_one_table_with_the_spread() -> None:
    text = table(REPORTS["three launches"](), width=100)
    assert text.count("PROBE ") == 1
    assert "4 ranks on mac0, mac1, mac2, mac3, 3 launches" in text
    (first,) = [line for line in text.splitlines() if line.lstrip().startswith("4 B")]
    assert first.split()[:7] == ["4", "B", "15", "33.0", "18", "36.0", "36.0"]


def test_a_launch_that_failed_among_others_is_named_by_its_number() -> None:
    text = table(REPORTS["one of two fails"](), width=100)
    assert "4 ranks on mac0, mac1, mac2, mac3, 3 launches" in text
    assert "✗ launch 2: rank 0 on mac0 failed in measure: no memory" in text
    (first,) = [line for line in text.splitlines() if line.lstrip().startswith("4 B")]
    assert first.split()[2] == "10"


def test_backends_stand_side_by_side_with_the_ratio_to_the_first() -> None:
    lines = table(REPORTS["four backends"](), width=80).splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("SIDE BY SIDE"))
    assert "how many times that of ring" in lines[at]
    found = [line.split() for line in lines[at + 2 : at + 6]]
    assert [row[-4:] for row in found] == [
        ["ring", "60.0", "0.0001", "1.00x"],
        ["jaccl", "30.0", "0.0002", "2.00x"],
        ["jaccl-ring", "30.0", "0.0002", "2.00x"],
        ["mpi", "17.0", "0.0004", "3.53x"],
    ]


def test_one_backend_stands_beside_nobody() -> None:
    assert "SIDE BY SIDE" not in table(REPORTS["three launches"]())
    assert "SIDE BY SIDE" not in table(REPORTS["one of two fails"]())


def test_numbers_that_are_not_as_expected_are_said() -> None:
    slow = [launch("jaccl", 1.0, 200.0)] * 2
    lines = table(report(*slow), width=200).splitlines()
    assert [line for line in lines if line.startswith("! jaccl")] == [
        "! jaccl: 204 us at 4096 B, median of 2 launches; expected at most 100 us p50"
        " (provisional; above 1000 something is broken)",
        "! jaccl: 0.494 GB/s at 16 MiB, median of 2 launches; expected at least 6 GB/s per link"
        " (provisional; below 3 something is broken)",
    ]
    assert lines[-1].startswith("PASS: ")
    told = report(*slow, expect=Expect(thresholds={"latency_us": 150.0}))
    lines = table(told, width=200).splitlines()
    assert any(line.startswith("✗ jaccl: 204 us") for line in lines)
    assert (lines[-1].split()[0], told.exit_code) == ("FAIL:", 1)


def test_a_soak_says_what_it_did() -> None:
    lines = table(REPORTS["soak"](), width=100).splitlines()
    assert lines[2] == "PROBE ring  soak of all_sum, 2 ranks on mac0, mac1"
    assert [line.split() for line in lines[4:6]] == [
        ["4", "B", "90", "0.90", "rank", "0"],
        ["1", "MiB", "10", "7.00", "rank", "0"],
    ]
    assert lines[6] == (
        "10 min of 10 min: 100 collectives, 10000 elements compared, 0 wrong,"
        " 4 pauses of up to 61 s"
    )


def test_a_soak_that_ended_early_says_what_it_did_and_who_is_to_blame() -> None:
    text = table(REPORTS["soak, wrong"](), width=100)
    assert ", 2 wrong, " in text
    assert "✗ rank 1 on mac1 its data arrived wrong" in text
    told = REPORTS["soak, interrupted"]()
    assert "100 collectives" in table(told, width=100)
    assert told.exit_code == 130


@pytest.mark.parametrize("unicode", [True, False])
def test_a_curve_names_backends_and_sizes_and_marks_each_line(*, unicode: bool) -> None:
    text = table(REPORTS["four backends"](), width=80, curve=True, unicode=unicode)
    drawn = text[text.index("CURVE") :]
    for name, marker in zip(("ring", "jaccl", "jaccl-ring", "mpi"), "*o+x", strict=True):
        assert f"{marker}{marker} {name}" in drawn
    assert "4 B" in drawn
    assert "64 MiB" in drawn


def test_a_curve_is_coloured_only_where_colour_is_wanted() -> None:
    told = REPORTS["four backends"]()
    assert "\x1b[" in table(told, curve=True, color=True)
    assert "\x1b[" not in table(told, curve=True, color=False)
    assert "CURVE" not in table(told, curve=False, color=True)


def test_one_size_is_no_curve() -> None:
    made = plan(2, "jaccl", mesh(2))
    told = report((made, ran([swept(rank, {4: 30.0}) for rank in range(2)])))
    assert "CURVE" not in table(told, curve=True)
