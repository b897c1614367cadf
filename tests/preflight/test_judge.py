"""A preflight of modelled clusters: what holds, what is given up, which stage says why."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest

from mlxdiag import recording
from mlxdiag.capture import Outcome
from mlxdiag.checks import gate
from mlxdiag.errors import InventoryError
from mlxdiag.finding import Finding, Severity, Status
from mlxdiag.inventory import Expect
from mlxdiag.preflight.options import Options
from mlxdiag.preflight.stages import STAGES, Stage
from mlxdiag.recording import Recording
from mlxdiag.render import FORMATS
from mlxdiag.render.json import document
from mlxdiag.render.style import Style
from mlxdiag.report import Report
from tests.checks.recorded import recorded, unreached
from tests.preflight.gated import FIRST, gated, judged, listening
from tests.probe.logs import ended, healthy, log, mesh, plan, ran
from tests.recommended import HOSTS
from tests.test_cli import run

JOB = "812 /opt/mlx/bin/python -m mlx_lm.server --model m\n"


def stages(report: Report) -> dict[str, Stage]:
    assert report.preflight is not None
    return {stage.name: stage for stage in report.preflight.stages}


def chosen(report: Report) -> str | None:
    assert report.preflight is not None
    return report.preflight.chosen.backend if report.preflight.chosen else None


@pytest.mark.parametrize(
    ("case", "require", "backend", "code"),
    [
        ("clean-mesh-4", "any", "jaccl", 0),
        ("clean-mesh-4", "jaccl", "jaccl", 0),
        ("clean-mesh-4", "ring", "ring", 0),
        ("clean-ring-4", "any", "jaccl-ring", 0),
        ("clean-ring-4", "jaccl", None, 1),  # two pairs of four have no cable
        ("ethernet-only", "any", "ring", 0),
        ("ethernet-only", "jaccl-ring", None, 1),
        ("incident", "jaccl", None, 1),
        ("rdma-off-one-host", "any", "ring", 0),
        ("unreachable-host", "any", None, 3),
    ],
)
def test_what_holds(case: str, require: str, backend: str | None, code: int) -> None:
    report = judged(gated(case, require=require))
    assert (chosen(report), report.exit_code) == (backend, code)
    verdict = stages(report)["verdict"]
    assert verdict.status == {0: "ok", 1: "failed", 3: "unknown"}[code]
    what = backend or ("no backend" if require == "any" else require)
    assert verdict.text.startswith(what)


def test_no_stage_is_ok_where_something_in_it_is_not_known() -> None:
    for case in ("unreachable-host", "hung-ibv-devinfo", "truncated-json", "empty-recording"):
        for require in ("any", "ring", "jaccl"):
            report = judged(gated(case, require=require))
            for stage in stages(report).values():
                assert stage.status != "ok" or "not known" not in stage.text, (case, stage)
    hardware = stages(judged(gated("unreachable-host")))["hardware"]
    assert (hardware.status, hardware.counts) == ("unknown", False)


def test_the_stages_stand_in_causal_order() -> None:
    report = judged(gated("clean-mesh-4"))
    assert list(stages(report)) == ["inventory", *STAGES]
    assert {stage.status for stage in stages(report).values()} == {"ok", "skipped"}
    assert stages(report)["collective"].text == "not launched at level quick"


def test_what_is_given_up_is_said_with_its_reason() -> None:
    report = judged(gated("rdma-off-one-host"))
    assert report.preflight is not None
    given = {each.backend: each.reason for each in report.preflight.given_up}
    assert list(given) == ["jaccl", "jaccl-ring"]
    assert given["jaccl"] == "RDMA is off: macstudio4"
    assert "GIVEN UP jaccl" in FORMATS["table"](report, Style())


def test_a_failure_skips_only_what_depends_on_it() -> None:
    made = unreached(recorded("clean-mesh-4"), "macstudio2", Outcome.REFUSED)
    report = judged(gated(made, require="jaccl"))
    found = stages(report)
    assert report.exit_code == 3
    assert found["access"].status == "unknown"
    assert found["verdict"].blocked_by == ("access-reachable macstudio2",)
    others = [f for f in report.findings if f.subject.host in ("macstudio1", "macstudio3")]
    assert any(f.id == "rdma-enabled" and f.status is Status.PASS for f in others)
    unheard = [
        f for f in report.findings if f.id == gate.PORT_FREE.id and f.status is Status.UNKNOWN
    ]
    assert [f.root.key for f in unheard] == ["access-reachable macstudio2"]


def test_a_port_that_is_taken_fails_and_says_by_whom() -> None:
    made = gated("clean-mesh-4", sockets={FIRST: listening(32323)})
    report = judged(made)
    assert report.exit_code == 1
    assert stages(report)["rendezvous"].status == "failed"
    assert "at *:32323" in stages(report)["rendezvous"].text
    assert judged(gated("clean-mesh-4", sockets={FIRST: listening(32300)})).exit_code == 0
    elsewhere = replace(made, preflight=replace(made.preflight, port=40000))  # type: ignore[type-var]
    assert judged(elsewhere).exit_code == 0


def test_beside_a_job_rdma_is_a_skip_by_name() -> None:
    report = judged(gated("clean-mesh-4", jobs={FIRST: JOB}, require="jaccl", level="standard"))
    assert report.exit_code == 3
    skipped = [f for f in report.findings if f.status is Status.SKIP and f.id == "probes-allowed"]
    assert skipped[0].blocked_by is not None
    assert skipped[0].blocked_by.key == f"jobs-none-running {FIRST}"
    assert "mlx_lm.server" in skipped[0].reason


def test_a_warning_marks_its_stage_and_fails_nothing() -> None:
    report = judged(gated("clean-mesh-4", jobs={FIRST: JOB}, require="ring"))
    jobs = stages(report)["jobs"]
    assert (jobs.status, jobs.counts) == ("failed", False)
    assert "mlx_lm.server" in jobs.text
    assert jobs.text.endswith("3 ok, 1 warned of")
    assert (chosen(report), report.exit_code) == ("ring", 0)
    everywhere = judged(gated("clean-mesh-4", jobs=dict.fromkeys(HOSTS, JOB), require="ring"))
    assert (stages(everywhere)["jobs"].status, everywhere.exit_code) == ("failed", 0)
    strict = replace(everywhere, fail_on=Severity.WARNING)
    assert strict.exit_code == 1


def launched(code: int | None, **asked: object) -> Recording:
    """Give the mesh one launch of jaccl, of which rank 1 may have ended with a code."""
    made = gated("clean-mesh-4", **{"level": "standard", **asked})  # type: ignore[arg-type]
    hosts = made.inventory.hosts
    base = plan(4, "jaccl", mesh(4))
    ranks = tuple(replace(r, host=h) for r, h in zip(base.ranks, hosts, strict=True))
    asked_for = replace(base, ranks=ranks, fragile=True)
    if code is None:
        return replace(made, probes=((asked_for, ran([healthy(n) for n in range(4)])),))
    logs = [log(n, *([ended(signal=code)] if n == 1 else [])) for n in range(4)]
    return replace(made, probes=((asked_for, ran(logs, "failed")),))


def test_a_collective_decides() -> None:
    good = judged(launched(None, require="jaccl"))
    assert (chosen(good), good.exit_code, stages(good)["collective"].status) == ("jaccl", 0, "ok")
    bad = judged(launched(9, require="jaccl"))
    assert (chosen(bad), bad.exit_code, stages(bad)["collective"].status) == (None, 1, "failed")
    assert bad.preflight is not None
    assert "rank 1 (macstudio2)" in bad.preflight.candidates[0].reason


def test_after_a_failed_launch_over_rdma_none_is_tried_again() -> None:
    report = judged(launched(9))
    assert report.preflight is not None
    again = next(c for c in report.preflight.candidates if c.backend == "jaccl-ring")
    assert again.holds is None
    assert again.reason.startswith("not launched after a failed launch of jaccl")


def test_what_the_inventory_expects_counts_whatever_holds() -> None:
    made = gated("clean-mesh-4")
    expect = Expect(macos="26.9")
    made = replace(made, inventory=replace(made.inventory, expect=expect))
    report = judged(made)
    assert (chosen(report), report.exit_code) == ("jaccl", 1)
    assert {f.id for f in report.causes} == {"versions-macos-expected"}


def test_mpi_cannot_be_required_by_the_inventory_alone() -> None:
    made = recorded("clean-mesh-4")
    expecting = replace(made.inventory, expect=Expect(backend="mpi"))
    with pytest.raises(InventoryError, match="say --require"):
        Options().about(expecting)
    assert Options(require="ring").about(expecting).require == "ring"


def test_every_check_of_the_gate_was_seen_to_pass_to_fail_and_not_to_know() -> None:
    found: list[Finding] = []
    for made in (
        gated("clean-mesh-4"),
        gated("clean-mesh-4", sockets={FIRST: listening(32323)}, jobs={FIRST: JOB}),
        gated("clean-ring-4", require="jaccl"),
        gated(unreached(recorded("clean-mesh-4"), FIRST, Outcome.REFUSED), require="jaccl"),
    ):
        found += judged(made).findings
    for check in gate.CHECKS:
        statuses = {f.status for f in found if f.id == check.id}
        assert {Status.PASS, Status.FAIL, Status.UNKNOWN} <= statuses, check.id


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_format_shows_a_preflight(form: str) -> None:
    text = FORMATS[form](judged(gated("incident", require="jaccl")), Style())
    assert text.strip()
    if form in ("table", "markdown", "html", "json"):
        assert "rendezvous" in text


def test_a_saved_preflight_says_the_same_again(tmp_path: object) -> None:
    made = launched(9, baseline=None)
    where = tmp_path / "saved.tar.gz"  # type: ignore[operator]
    recording.save(made, where)
    again = recording.load(where)
    assert document(judged(again)) == document(judged(made))
    jsonschema.validate(document(judged(again)), json.loads(run("schema").stdout))


# Thresholds of the inventory.


def held_to(limit: float, level: str, launches: int) -> Recording:
    """Give the mesh a latency to be held to, and so many launches of 26 us."""
    made = launched(None, require="jaccl", level=level)
    expect = Expect(thresholds={"jaccl_latency_us": limit})
    inventory = replace(made.inventory, expect=expect)
    return replace(made, inventory=inventory, probes=made.probes * launches)


@pytest.mark.parametrize(
    ("limit", "level", "launches", "status", "code"),
    [
        (1000.0, "standard", 2, Status.PASS, 0),
        (0.001, "standard", 2, Status.FAIL, 1),
        (1000.0, "standard", 1, Status.UNKNOWN, 3),  # what one launch says may be an accident
        (0.001, "quick", 0, Status.SKIP, 0),
    ],
)
def test_thresholds_count_where_something_was_measured(
    limit: float, level: str, launches: int, status: Status, code: int
) -> None:
    report = judged(held_to(limit, level, launches))
    assert [f.status for f in report.findings if f.id == "probes-latency"] == [status]
    assert (chosen(report), report.exit_code) == ("jaccl", code)
    said = stages(report)["collective"].text
    assert ("level quick measures nothing" in said) == (level == "quick")
