"""Silence: what the user knows of is shown as silenced, never as passed, and hides no other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from mlxdiag.finding import Status
from mlxdiag.inventory import Silence
from mlxdiag.recording import Recording
from mlxdiag.render import FORMATS
from mlxdiag.render.style import Style
from tests.checks.recorded import built, of, recorded
from tests.checks.surveyed import checked, clean
from tests.checks.test_further import FAILING
from tests.test_cli import run

WHY = "known, planned for March"


def silencing(made: Recording, *ids: str) -> Recording:
    wishes = tuple(Silence(id_, WHY) for id_ in ids)
    return replace(made, inventory=replace(made.inventory, silence=wishes))


def test_a_silenced_failure_is_skipped_with_its_reason() -> None:
    report = checked(silencing(FAILING["power-sleep"](), "power-sleep"))
    found = of(report, "power-sleep", "macstudio2")
    assert (found.status, found.reason) == (Status.SKIP, f"silenced: {WHY}")
    assert of(report, "power-sleep", "macstudio1").status is Status.PASS
    assert (report.summary["warning"], report.summary["skip"]) == (
        0,
        checked(clean()).summary["skip"] + 1,
    )
    table = FORMATS["table"](report, Style())
    assert f"power-sleep: macstudio2: silenced: {WHY}" in table


def test_what_follows_from_it_is_heard() -> None:
    before = built(recorded("incident"))
    followers = [f for f in before.findings if f.root.id == "rdma-host-ports" and f is not f.root]
    assert followers
    report = built(silencing(recorded("incident"), "rdma-host-ports"))
    causes = {cause.key for cause in report.causes}
    assert {f.key for f in followers if f.id == "rdma-port-active"} <= causes
    assert report.verdict == "fail"


def test_it_makes_no_backend_usable() -> None:
    ids = {f.id for f in built(recorded("incident")).findings if f.status is Status.FAIL}
    report = built(silencing(recorded("incident"), *sorted(ids)))
    assert report.recommendation.backend == "ring"
    assert not any(state.jaccl.usable for state in report.links)


def test_a_wish_for_what_is_no_check_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "inventory.yaml"
    file.write_text("hosts: [a]\nsilence:\n  - {id: network-brigde, why: x}\n", encoding="utf-8")
    ran = run("ports", "-i", str(file))
    assert ran.returncode == 2
    assert "silence[0].id: no check is called 'network-brigde'" in ran.stderr
    assert "did you mean 'network-bridge'?" in ran.stderr


def test_json_keeps_the_reason() -> None:
    report = checked(silencing(FAILING["power-sleep"](), "power-sleep"))
    told = json.loads(FORMATS["json"](report, Style()))["checks"]
    (one,) = [c for c in told if c["reason"] == f"silenced: {WHY}"]
    assert (one["id"], one["status"], one["evidence"]) == ("power-sleep", "skip", None)
