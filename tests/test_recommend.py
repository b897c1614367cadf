"""`mlxdiag recommend`: what numbers change, MPI, plans beyond the cases, the command itself."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from rich.cells import cell_len

from mlxdiag import report as reports
from mlxdiag.capture import Outcome
from mlxdiag.finding import Status
from mlxdiag.inventory import Expect
from mlxdiag.probe.plan import Refusal
from mlxdiag.recording import Recording, load, save
from mlxdiag.render import FORMATS
from mlxdiag.render.json import document
from mlxdiag.render.style import Style
from mlxdiag.report import Report
from tests.checks.recorded import ended, expecting, of, recorded, unreached
from tests.model import CASES, Cable, ModelCluster, inventory, outputs, write_recording
from tests.model.cases import DOCK, cabled, mesh, ring, studios
from tests.model.machine import Mac
from tests.recommended import HOSTS, broken, launched, recommending, with_launches

ROOT = Path(__file__).parents[1]
ALL = sorted(CASES)
FAST, SLOW = (26_000,), (310_000,)


# Numbers


def test_numbers_decide_and_are_said() -> None:
    found = with_launches(launched("ring", SLOW), launched("jaccl", FAST)).recommendation
    assert (found.backend, found.basis, found.confidence) == ("jaccl", "measured", "low")
    assert found.reason == "jaccl 26 us against ring 310 us per 4 B all_sum: 11.9 times"
    assert found.rank_order == HOSTS


@pytest.mark.parametrize("asked", ["clean-pair", "ethernet-only", "no-mlx"])
def test_one_host_can_run_no_backend_with_others(asked: str) -> None:
    recording = recorded(asked)
    alone = replace(recording.inventory, hosts=recording.inventory.hosts[:1])
    name = alone.hosts[0].name
    made = recommending(replace(recording, inventory=alone, hosts={name: recording.hosts[name]}))
    assert {c.backend: c.usable for c in made.recommendation.choices if c.usable} == {}
    assert made.recommendation.backend is None


def test_only_when_all_that_is_usable_was_measured_is_it_sure() -> None:
    runs = {"ring": SLOW, "jaccl-ring": (60_000,), "jaccl": FAST}
    found = with_launches(*(launched(name, ns) for name, ns in runs.items())).recommendation
    assert (found.backend, found.confidence) == ("jaccl", "high")
    assert found.reason.count("jaccl 26 us against") == 2


def test_the_faster_one_is_taken_against_preference() -> None:
    made = with_launches(launched("ring", FAST), launched("jaccl", SLOW))
    assert (made.recommendation.backend, made.recommendation.basis) == ("ring", "measured")
    present = made.advice.present
    assert present is not None
    assert (present.backend, present.source) == ("jaccl", "inventory")
    assert present.costs == ("jaccl: 310 us against 26 us of ring per small all_sum (4 B)",)


def test_without_a_difference_preference_decides() -> None:
    found = with_launches(launched("ring", (26_500,)), launched("jaccl", FAST)).recommendation
    assert (found.backend, found.basis) == ("jaccl", "measured")
    assert found.reason == "no difference between jaccl and ring, so preference decides"


def test_one_backend_alone_decides_nothing() -> None:
    made = with_launches(launched("ring", SLOW))
    assert (made.recommendation.backend, made.recommendation.basis) == ("jaccl", "topology")
    assert made.advice.present is not None
    assert made.advice.present.costs is None


def test_a_launch_that_failed_is_passed_over_and_its_failure_counts() -> None:
    made = with_launches(launched("ring", SLOW), broken("jaccl"))
    found = made.recommendation
    assert (found.backend, found.basis, found.confidence) == ("jaccl-ring", "measured", "low")
    assert (
        "the launch of jaccl failed: rank 1 (macstudio2) was ended by signal 9 in init"
        in found.reason
    )
    assert made.exit_code == 1


def test_when_all_failed_none_is_usable() -> None:
    made = with_launches(broken("ring"), broken("jaccl"), broken("jaccl-ring"))
    found = made.recommendation
    assert (found.backend, found.confidence, found.rank_order) == (None, "low", ())
    assert [choice.usable for choice in found.choices[:3]] == [False, False, False]
    assert all("its launch failed" in choice.note for choice in found.choices[:3])
    assert "the launch of jaccl failed" in found.reason
    (usable,) = [f for f in made.findings if f.id == "backend-usable"]
    assert usable.status is Status.FAIL


def test_a_launch_proves_what_the_facts_leave_open() -> None:
    made = ended(recorded("clean-mesh-4"), "macstudio2", "ifconfig", Outcome.SIGNALLED)
    assert recommending(made).recommendation.backend is None
    found = recommending(replace(made, probes=(launched("ring", SLOW),))).recommendation
    assert (found.backend, found.basis, found.confidence) == ("ring", "measured", "low")
    assert found.rank_order == HOSTS


def test_no_launch_proves_what_the_facts_rule_out() -> None:
    made = with_launches(launched("jaccl", FAST), launched("ring", SLOW), case="broken-cable")
    found = made.recommendation
    assert found.backend == "jaccl-ring"
    assert made.advice.present is not None
    assert made.advice.present.costs == ()
    ring = expecting(recorded("broken-cable"), Expect(backend="ring"))
    costs = recommending(replace(ring, probes=(launched("jaccl", FAST), launched("ring", SLOW))))
    assert costs.advice.present is not None
    assert costs.advice.present.costs == (
        "ring: 310 us against 26 us of jaccl per small all_sum (4 B)",
    )


def test_what_was_refused_could_not_be_measured() -> None:
    made = with_launches(launched("ring", SLOW), refusals=[Refusal("jaccl", "no proof")])
    measured = made.recommendation.measured
    assert measured is not None
    assert dict(measured.missing)["jaccl"] == "could not measure: no proof"


# MPI


def runtimes(*names: str, with_mpi: tuple[str, ...] = HOSTS) -> Recording:
    made = recorded("clean-mesh-4")
    for host in with_mpi:
        capture = made.hosts[host]["mlx_runtime"]
        told = json.loads(capture.stdout)
        told["backends"] = list(names)
        changed = replace(
            capture, stdout=json.dumps(told).encode().replace(b'{"mlxdiag": ', b'{"mlxdiag":')
        )
        made = replace(
            made, hosts={**made.hosts, host: {**made.hosts[host], "mlx_runtime": changed}}
        )
    return made


def choices(made: Recording) -> dict[str, bool | None]:
    return {c.backend: c.usable for c in recommending(made).recommendation.choices}


def test_mpi_is_ranked_last_where_every_interpreter_has_it() -> None:
    assert list(choices(runtimes("ring", "jaccl", "mpi"))) == ["jaccl", "jaccl-ring", "ring", "mpi"]
    some = runtimes("ring", "jaccl", "mpi", with_mpi=HOSTS[:3])
    assert "mpi" not in choices(some)


def test_mpi_is_judged_where_it_is_expected() -> None:
    wanted = Expect(backend="mpi")
    everywhere = expecting(runtimes("ring", "mpi"), wanted)
    assert choices(everywhere)["mpi"] is True
    assert of(recommending(everywhere), "backend-expected").status.value == "pass"
    some = expecting(runtimes("ring", "mpi", with_mpi=HOSTS[:3]), wanted)
    assert choices(some)["mpi"] is False
    blockers = recommending(some).recommendation.choices[-1].blockers
    assert [(b.id, b.subjects) for b in blockers] == [("backend-mpi", ("macstudio4",))]
    lost = expecting(unreached(runtimes("ring", "mpi"), "macstudio2", Outcome.REFUSED), wanted)
    assert choices(lost)["mpi"] is None


def test_what_is_said_of_mpi_is_what_became_of_its_launch() -> None:
    made = runtimes("ring", "jaccl", "mpi")
    refused = replace(made, refusals=(Refusal("mpi", "no address by which a reaches b"),))
    ran = replace(made, probes=(launched("mpi", SLOW),))
    notes = [recommending(each).recommendation.choices[-1].note for each in (made, refused, ran)]
    found = "every host's interpreter finds libmpi"
    assert notes == [
        f"{found}; mpirun was not tried",
        f"{found}; not launched: no address by which a reaches b",
        f"{found}, and it ran on all hosts",
    ]


def test_the_reason_for_mpi_does_not_say_more_than_its_row() -> None:
    made = runtimes("ring", "mpi")
    for host in HOSTS:
        made = ended(made, host, "ifconfig", Outcome.SIGNALLED)
    before = recommending(made).recommendation
    refused = replace(made, refusals=(Refusal("mpi", "no address by which a reaches b"),))
    after = recommending(refused).recommendation
    assert (before.backend, after.backend) == ("mpi", "mpi")
    assert "mpirun was not tried; not determined: " in before.reason
    assert "not launched: no address by which a reaches b; not determined: " in after.reason


# Plans that no case shows


def modelled(cluster: ModelCluster) -> Report:
    from mlxdiag import inventory as inventories  # noqa: PLC0415
    from mlxdiag.capture import Capture  # noqa: PLC0415

    hosts = {
        host: {
            name: Capture(name, (name,), Outcome(p.outcome), p.exit_status, stdout=p.stdout)
            for name, p in printed.items()
        }
        for host, printed in outputs(cluster).items()
    }
    asked = inventories.loads(inventory(cluster), "inventory.yaml")
    return recommending(Recording(asked, hosts, "2026-01-30T21:14:05Z", 3.2, "0.1.0"))


def plans(cluster: ModelCluster) -> dict[str, list[str]]:
    return {
        unlock.backend: [step.text for step in unlock.steps] + list(unlock.blocked)
        for unlock in modelled(cluster).advice.unlocks
    }


def without(cables: tuple[Cable, ...], a: str, b: str) -> tuple[Cable, ...]:
    return tuple(c for c in cables if {host for host, _ in c.ends} != {a, b})


def test_the_second_cable_of_a_pair_is_moved_before_one_is_bought() -> None:
    macs = studios(3)
    cables = (
        Cable(("macstudio1", 2), ("macstudio2", 2)),
        Cable(("macstudio1", 3), ("macstudio2", 3)),
        Cable(("macstudio2", 4), ("macstudio3", 2)),
    )
    assert plans(ModelCluster("spare", macs, cables))["jaccl"] == [
        "move a spare cable: it stays in macstudio1 receptacle 3, its other end goes from"
        " macstudio2 receptacle 3 to macstudio3 receptacle 3, free"
    ]


def test_a_cable_to_a_stranger_is_moved() -> None:
    macs = studios(3)
    stranger = Mac("elsewhere", listed=False)
    cables = (*without(mesh(macs), "macstudio1", "macstudio3"),)
    cables += (Cable(("macstudio1", 5), ("elsewhere", 1)),)
    (step,) = plans(ModelCluster("stranger", (*macs, stranger), cables))["jaccl"]
    assert step.startswith("move a spare cable: it stays in macstudio1 receptacle 5, its other end")
    assert "which is not in the inventory" in step


def test_who_has_no_port_left_is_named_with_what_holds_it() -> None:
    macs = (Mac("mini1", "Mac16,11"), *studios(3))
    names = ("macstudio1", "macstudio2")
    pairs = [("mini1", name) for name in names] + [
        ("macstudio1", "macstudio2"), ("macstudio1", "macstudio3"), ("macstudio2", "macstudio3"),
    ]  # fmt: skip
    cluster = ModelCluster("full", macs, cabled(pairs, macs, 1), {("mini1", 3): DOCK})
    assert plans(cluster)["jaccl"] == [
        "mini1 has no free port left, and needs 1 more; receptacle 3 holds Quayside Dock 4"
    ]


def test_a_broken_ring_of_64_is_planned_within_a_second() -> None:
    macs = studios(64)
    cables = tuple(c for n, c in enumerate(ring(macs)) if n not in (10, 40))
    made = modelled(ModelCluster("torn", macs, cables))
    began = time.process_time()
    (plan,) = [u for u in made.advice.unlocks if u.backend == "jaccl-ring"]
    assert time.process_time() - began < 1.5
    assert (len(plan.steps), plan.new_cables, plan.gave_up) == (2, 2, False)
    assert all(step.text.endswith("both free") for step in plan.steps)


def test_the_largest_ring_is_named_where_it_is_larger_than_the_mesh() -> None:
    macs = studios(6)
    cables = (*ring(macs[:5]), Cable(("macstudio5", 4), ("macstudio6", 2)))
    found = modelled(ModelCluster("five", macs, cables)).advice.runnable
    assert [(r.backend, len(r.hosts)) for r in found] == [("jaccl", 2), ("jaccl-ring", 5)]


def test_one_host_is_no_cluster() -> None:
    made = modelled(ModelCluster("one", studios(1)))
    found = made.recommendation
    usable = {each.backend: each.usable for each in found.choices}
    assert usable == {"jaccl": False, "jaccl-ring": False, "ring": False}
    assert (found.backend, found.reason) == (None, "no backend is usable")
    assert made.advice.present is None


# Every case in every format


@cache
def validator() -> Draft202012Validator:
    path = Path(reports.__file__).parent / "report.schema.json"
    return Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))


MEASURED = {
    "faster": (launched("ring", SLOW), launched("jaccl", FAST)),
    "failed": (launched("ring", SLOW), broken("jaccl")),
}


@cache
def everything() -> dict[str, Report]:
    made = {case: recommending(recorded(case)) for case in ALL}
    return {**made, **{name: with_launches(*launches) for name, launches in MEASURED.items()}}


@pytest.mark.parametrize("case", [*ALL, *MEASURED])
def test_every_report_holds_to_the_schema_and_fits(case: str) -> None:
    made = everything()[case]
    validator().validate(document(made))
    for width in (80, 140):
        for verbose in (False, True):
            text = FORMATS["table"](made, Style(width=width, verbose=verbose))
            wide = [
                line for line in text.splitlines() if cell_len(line) > width and "$ " not in line
            ]
            assert wide == []
            FORMATS["table"](made, Style(width=width, unicode=False)).encode("ascii")
    lines = FORMATS["short"](made, Style()).splitlines()
    assert lines[0].startswith(f"{made.verdict.upper()}: ")


@pytest.mark.parametrize("case", ALL)
def test_the_verdict_is_about_backends(case: str) -> None:
    made = everything()[case]
    assert {f.check.area for f in made.facts} > {"backend"}
    chosen = reports.build(
        recorded(case), "recommend", "0", wanted=lambda f: f.check.area in ("backend", "probes")
    )
    found = made.recommendation
    wanted = made.cluster.inventory.expect.backend
    met = next((c.usable for c in found.choices if c.backend == wanted), True)
    worst = {
        met,
        bool(found.backend) or (None if None in [c.usable for c in found.choices] else False),
    }
    assert chosen.exit_code == (1 if False in worst else 3 if None in worst else 0)


# The command


def start(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlxdiag", "recommend", *argv],
        cwd=ROOT, capture_output=True, text=True, timeout=90, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_replays_are_the_same_bytes_and_other_runs_are_read(tmp_path: Path) -> None:
    write_recording(CASES["clean-mesh-4"](), tmp_path / "case")
    old = replace(load(tmp_path / "case"), probes=(launched("ring", SLOW), launched("jaccl", FAST)))
    save(old, tmp_path / "old")
    packed = tmp_path / "old.tar.gz"
    save(old, packed)
    text = FORMATS["json"](reports.build(old, "probe", "0"), Style())
    (tmp_path / "old.json").write_text(text, encoding="utf-8")
    shown = []
    for other in (tmp_path / "old", packed, tmp_path / "old.json"):
        argv = ("--replay", str(tmp_path / "case"), "--with", str(other), "-f", "json")
        first, again = start(*argv), start(*argv)
        assert (first.returncode, first.stderr) == (0, "")
        assert first.stdout == again.stdout
        told = json.loads(first.stdout)["recommendation"]
        assert told["basis"] == "measured"
        shown.append(told["measured"]["margins"][0]["text"])
    assert shown == ["jaccl 26 us against ring 310 us per 4 B all_sum: 11.9 times"] * 3


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--replay", "x", "--measure"), "--measure needs hosts"),
        (("--hosts", "a.invalid", "--with", "nowhere.json"), "nowhere.json: cannot be read"),
        (("--hosts", "a.invalid", "--with", "pyproject.toml"), "pyproject.toml: cannot be read"),
        (("--only", "backend-usabel"), "did you mean 'backend-usable'"),
    ],
)
def test_what_cannot_be_asked_is_refused(argv: tuple[str, ...], said: str) -> None:
    ran = start(*argv)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr
