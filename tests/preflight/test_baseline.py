"""What changed since it last worked, in words; and what is no report."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from mlxdiag import recording
from mlxdiag.errors import InventoryError
from mlxdiag.preflight import baseline
from mlxdiag.render import FORMATS
from mlxdiag.render.json import document
from mlxdiag.render.style import Style
from mlxdiag.report import Report
from tests.checks.recorded import reported
from tests.preflight.gated import gated, judged
from tests.render.measured import measured
from tests.test_cli import run

SINCE = "since 2026-01-30"


def text_of(report: Report) -> str:
    return json.dumps(document(report))


def since(before: str, now: Report) -> tuple[str, ...]:
    return baseline.changes(baseline.load(before, "b.json"), document(now))


def spoilt(case: str, change: Any) -> str:  # noqa: ANN401
    """Change the report of a case: the baseline is another than today."""
    made = copy.deepcopy(document(reported(case)))
    change(made)
    return json.dumps(made)


def test_nothing_changed() -> None:
    assert since(text_of(reported("clean-mesh-4")), reported("clean-mesh-4")) == ()


def port(made: Any, host: int, device: str) -> Any:  # noqa: ANN401
    return next(p for p in made["hosts"][host]["ports"] if p["device"] == device)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda made: port(made, 1, "rdma_en3").update(port_state="PORT_DOWN"),
            "macstudio2 rdma_en3: DOWN -> ACTIVE",
        ),
        (
            lambda made: port(made, 1, "rdma_en3").update(ipv4=["10.0.0.9/30"]),
            "macstudio2 rdma_en3: IPv4 10.0.0.9/30 -> 10.219.1.2/30",
        ),
        (lambda made: made["hosts"][0].update(mlx="0.31.0"), "macstudio1: mlx 0.31.0 -> 0.32.4"),
        (lambda made: made["hosts"][3].update(name="old"), "old: no longer a host"),
        (
            lambda made: made["hosts"][2].update(reachable=False),
            "macstudio3: did not answer -> answered",
        ),
        (lambda made: made["hosts"][2].update(macos=None), "macstudio3: macOS not known -> 26.3"),
        (
            lambda made: made["links"].pop(0),
            "cable macstudio1 receptacle 2 - macstudio2 receptacle 2: not there -> there",
        ),
    ],
)
def test_a_change_is_said_in_words(change: Any, said: str) -> None:  # noqa: ANN401
    found = since(spoilt("clean-mesh-4", change), reported("clean-mesh-4"))
    assert f"{said} {SINCE}" in found
    assert len(found) <= 2


def test_ports_with_the_same_change_are_one_line() -> None:
    found = since(text_of(reported("clean-mesh-4")), reported("rdma-off-one-host"))
    lost = "rdma_en2, rdma_en3, rdma_en4, rdma_en5, rdma_en6, rdma_en7"
    assert f"macstudio4 {lost}: device there -> not known {SINCE}" in found
    assert f"macstudio4: RDMA enabled -> disabled {SINCE}" in found
    assert len([text for text in found if text.startswith("macstudio4")]) == 2


def test_of_a_host_that_is_silent_nothing_else_is_said() -> None:
    found = since(text_of(reported("clean-mesh-4")), reported("unreachable-host"))
    silent = [text for text in found if "answered -> did not answer" in text]
    assert len(silent) == 1
    name = silent[0].partition(":")[0]
    assert not [text for text in found if name in text and text not in silent]


def test_a_number_is_compared_beyond_what_two_runs_differ_by() -> None:
    now = document(measured())
    before = copy.deepcopy(now)
    rows = [row for probe in before["probes"] for row in probe["rows"] if row["size"] == 4]
    for row in rows:
        row["p50_us"] /= 2
    for probe in before["probes"]:
        for row in probe["rows"]:
            row["busbw_gb_per_s"] *= 1.1
    found = since(json.dumps(before), measured())
    assert len(found) == 2  # ring and jaccl; pairs and the tenth of bandwidth are none
    assert all("4 B p50" in text and text.endswith(f"slower {SINCE}") for text in found)


def test_the_report_of_64_hosts_is_a_baseline(tmp_path: Path) -> None:
    recording.save(gated("ring-64"), tmp_path / "gate")
    words = ("preflight", "--replay", "gate", "--require", "jaccl-ring", "-f", "json")
    first = run(*words, "--save-baseline", "b.json", cwd=tmp_path)
    assert (tmp_path / "b.json").stat().st_size > 1 << 20
    again = run(*words, "--baseline", "b.json", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (first.returncode, "") == (0, "")
    assert json.loads(again.stdout)["preflight"]["changes"] == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": "mlxdiag/report", "schema_version": 2}', "null",
             '{"schema": "mlxdiag/report", "schema_version": 1}']
)  # fmt: skip
def test_what_is_no_report_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(InventoryError, match=r"^b\.json: "):
        baseline.load(text, "b.json")


@pytest.mark.parametrize("form", ["table", "markdown", "html", "json"])
def test_it_is_shown(form: str) -> None:
    before = spoilt("clean-mesh-4", lambda made: made["hosts"][0].update(mlx="0.31.0"))
    made = gated("clean-mesh-4", baseline=baseline.load(before, "b.json"))
    text = FORMATS[form](judged(made), Style())
    assert "0.31.0" in text
    assert "0.32.4" in text
    clean = gated("clean-mesh-4", baseline=baseline.load(text_of(judged(made)), "b.json"))
    assert "0.31.0" not in FORMATS[form](judged(clean), Style())
