"""Jaccl with real supervisors and ranks of this machine, and a stand-in of mlx: no RDMA."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from mlxdiag import live
from mlxdiag.capture import Capture, Outcome
from mlxdiag.inventory import Inventory
from mlxdiag.probe import attempts, command, launch, neighbours
from mlxdiag.probe.judge import Blame, Probe, judge
from mlxdiag.probe.plan import Plan
from mlxdiag.recording import Recording, load, save
from tests.checks.recorded import built, recorded
from tests.probe.jaccl import Rig, inventory_of, rig, three
from tests.probe.test_jaccl_blame import PLACES
from tests.probe.world import NO_RANKS, launched

pytestmark = [
    pytest.mark.skipif(bool(NO_RANKS), reason=NO_RANKS),
    pytest.mark.usefixtures("world", "state"),
]

RTR = "[jaccl] Changing queue pair to RTR failed with errno 22"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the counts of attempts in the test's own folder."""
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder / "mlxdiag" / "attempts.json"


def probed(here: Rig) -> tuple[Probe, Blame]:
    """Launch once; nothing may be left, and no rank's init may have been called twice."""
    probe = launched(here.here(three()))
    assert probe.blame is not None
    assert probe.run.left == ()
    assert len(set(here.inits)) == len(here.inits)
    return probe, probe.blame


@pytest.mark.parametrize("culprit", [0, 1, 2])
def test_the_rank_with_a_message_is_named_and_the_others_only_heard_of_it(
    tmp_path: Path, culprit: int
) -> None:
    here = rig(tmp_path, {culprit: f"raise {RTR}"})
    probe, blame = probed(here)
    assert probe.run.end == "failed"
    assert blame.ranks == (culprit,)
    assert blame.text == (
        f"failed in init: RuntimeError: {RTR} EINVAL (no IPv4 GID at index 1 of this port: no"
        " address, a bridge, or an address given twice)"
    )
    if culprit in PLACES:
        assert blame.evidence.startswith("\n".join(["at one of these:", *PLACES[culprit]]))
    said = [(log.last("fail") or {}).get("text", "") for log in probe.run.logs]
    assert [n for n, text in enumerate(said) if RTR in text] == [culprit]
    assert all("failed with errno" in text for text in said if text)
    assert here.inits == [0, 1, 2]


def test_a_device_that_is_named_has_a_place(tmp_path: Path) -> None:
    _, blame = probed(rig(tmp_path, {1: "raise [jaccl] Could not open device rdma_en4"}))
    assert blame.ranks == (1,)
    assert blame.text.endswith(f"ibv_devinfo of this device says more): {PLACES[1][1]}")


@pytest.mark.parametrize("culprit", [0, 1])
def test_a_segmentation_fault_in_init(tmp_path: Path, culprit: int) -> None:
    probe, blame = probed(rig(tmp_path, {culprit: "segfault"}))
    assert probe.run.end == "failed"
    assert blame.ranks == (culprit,)
    assert blame.text.startswith("was ended by signal 11 in init (without librdma")


def test_an_mlx_without_jaccl_is_never_asked_to_init(tmp_path: Path) -> None:
    here = rig(tmp_path, {1: "absent"})
    _, blame = probed(here)
    assert blame.ranks == (1,)
    assert blame.text.startswith("failed in import: this mlx has no jaccl (")
    assert here.inits == []


def test_a_rank_that_hangs_inside_the_driver_holds_all(tmp_path: Path) -> None:
    here = rig(tmp_path, {1: "hang"})
    probe, blame = probed(here)
    assert (probe.run.end, probe.run.phase) == ("deadline", "init")
    assert blame.ranks == ()
    assert blame.text.startswith("all ranks wait inside init (one is held by the RDMA driver")
    assert blame.evidence.startswith("ps: rank 0 ")
    assert "rank 1 S" in blame.evidence  # the others may have heard of its end by then
    assert here.inits == [0, 1, 2]


def test_a_rank_0_that_spins(tmp_path: Path) -> None:
    probe, blame = probed(rig(tmp_path, {0: "spin", 1: "hang", 2: "hang"}))
    assert probe.run.end == "failed"  # nobody listens, so the others give up
    assert blame.ranks == (0,)
    assert blame.text == "listens, and no other rank reaches it"


def test_a_rank_that_spins_while_the_others_wait(tmp_path: Path) -> None:
    """As rank 0 does with two ranks of one number: here another one does it."""
    plan = rig(tmp_path, {1: "spin"}).here(three())
    probe = launched(replace(plan, deadlines_s={**plan.deadlines_s, "init": 12.0}))
    assert probe.run.end == "deadline"
    assert probe.blame is not None
    assert probe.blame.ranks == (1,)
    assert probe.blame.text.startswith("computes inside init, for ever (")


@pytest.mark.parametrize("late", [0, 2])
def test_where_a_rank_never_gets_ready_nobody_begins_init(tmp_path: Path, late: int) -> None:
    """So nothing leaks, and the backend is not spent."""
    here = rig(tmp_path, {late: "import"})
    plan = here.here(three())
    plan = replace(plan, deadlines_s={**plan.deadlines_s, "import": 3.0})
    found = launch.launch(inventory_of(plan), [lambda: (plan,), lambda: (plan,)])
    probe = judge(*found.probes[0])
    assert (probe.run.end, probe.run.phase, probe.run.left) == ("deadline", "import", ())
    assert probe.blame is not None
    assert probe.blame.ranks == (late,)
    assert probe.blame.text == "still in import when the others had passed it"
    assert here.inits == []
    assert (len(found.probes), found.refusals) == (2, ())


# One attempt, counted.


def ran(here: Rig, launches: int, count: Callable[[Plan], Plan] = lambda plan: plan) -> Recording:
    makers = [lambda: (here.here(three()),)] * launches
    return launch.launch(inventory_of(here.here(three())), makers, counted=count)


def test_a_failed_launch_is_not_repeated(tmp_path: Path) -> None:
    here = rig(tmp_path, {1: f"raise {RTR}"})
    found = ran(here, 3)
    assert here.inits == [0, 1, 2]
    assert len(found.probes) == 1
    assert [(r.backend, r.reason, r.usable) for r in found.refusals] == [
        ("jaccl", launch.SPENT.format("jaccl"), False)
    ]


def test_launches_of_ring_are_repeated_after_a_failure(tmp_path: Path) -> None:
    here = rig(tmp_path, {1: f"raise {RTR}"})

    def sturdy() -> tuple[Plan]:
        return (replace(here.here(three()), fragile=False),)

    found = launch.launch(inventory_of(*sturdy()), [sturdy, sturdy])
    assert len(found.probes) == 2
    assert here.inits == [0, 0, 1, 1, 2, 2]
    assert found.refusals == ()


BOOTS: dict[str, int | None] = {f"macstudio{n}": 1_769_000_000 for n in (1, 2, 3)}


def test_attempts_are_counted_and_said_and_recorded(tmp_path: Path, state: Path) -> None:
    here = rig(tmp_path, {1: f"raise {RTR}"})
    for number in (1, 2, 3):
        found = ran(here, 2, partial(attempts.counted, BOOTS))
        ((plan, _),) = found.probes
        assert plan.notes[-1] == (
            f"attempt {number} since boot of macstudio1, macstudio2, macstudio3:"
            " each failed one leaks a protection domain"
        )
        assert plan.attempts == dict.fromkeys(BOOTS, number)
        path = tmp_path / f"saved{number}"
        save(found, path)
        again = load(path)
        assert again.probes[0][0] == plan
        assert again.refusals == found.refusals
    assert [entry["attempts"] for entry in json.loads(state.read_text()).values()] == [3, 3, 3]


# From the facts to the launch.


def wished(**other: object) -> command.Wish:
    told = {
        "backend": "jaccl", "op": "all_sum", "begin": "4", "end": None, "factor": 4,
        "iterations": 2, "warmup": 1, "check": False, "repeat": 2, **other,
    }  # fmt: skip
    return command.Wish(**told)  # type: ignore[arg-type]


JOB = b"  812 /opt/mlx/bin/python -m mlx_lm.server --model x\n"


def hosts_say(monkeypatch: pytest.MonkeyPatch, case: str, ps: dict[str, Capture]) -> list[str]:
    """Let the hosts be those of a case; the list is what they were asked, in order."""
    asked: list[str] = []

    def record(inventory: Inventory, **how: object) -> Recording:
        commands = how.get("commands")
        made = recorded(case)
        if commands is None:
            asked.append("facts")
            return made
        assert commands == (neighbours.COMMAND,)
        asked.append("neighbours")
        quiet = Capture(
            "neighbours", neighbours.COMMAND.argv, Outcome.EXITED, 0, stdout=b" 1 init\n"
        )
        hosts = {
            host.name: {
                "access": made.hosts[host.name]["access"],
                "neighbours": ps.get(host.name, quiet),
            }
            for host in inventory.hosts
        }
        return replace(made, hosts=hosts, duration_s=0.5)

    monkeypatch.setattr(live, "record", record)
    return asked


def printing(text: bytes) -> Capture:
    return Capture("neighbours", neighbours.COMMAND.argv, Outcome.EXITED, 0, stdout=text)


def test_hosts_are_asked_for_jobs_once_and_only_where_the_facts_allow_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = hosts_say(monkeypatch, "clean-mesh-4", {})
    plans = command.over_cluster(recorded("clean-mesh-4").inventory, wished(backend="all"), None)
    assert asked == ["facts", "neighbours"]
    assert not [r for r in plans.refusals if r.backend.startswith("jaccl")]
    asked = hosts_say(monkeypatch, "incident", {})
    plans = command.over_cluster(recorded("incident").inventory, wished(), None)
    assert asked == ["facts"]
    assert [r.reason.partition(":")[0] for r in plans.refusals] == ["all ports down"]


def test_a_job_is_refused_and_stands_in_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = b"    1 /sbin/launchd\n  700 /usr/bin/vim secret.txt\n"
    hosts_say(monkeypatch, "clean-mesh-4", {"macstudio2": printing(other + JOB)})
    plans = command.over_cluster(recorded("clean-mesh-4").inventory, wished(), None)
    reason = "beside a running MLX job: macstudio2 (pid 812: /opt/mlx/bin/python -m mlx_lm.server"
    assert [r.reason for r in plans.refusals] == [f"{reason} --model x)"]
    found = command.launch(plans, None)
    assert found.probes == ()
    save(found, tmp_path / "saved")
    again = load(tmp_path / "saved")
    assert again.refusals == plans.refusals
    assert neighbours.found(again.hosts)["macstudio2"] is not None
    report = built(again)
    assert report.cluster.inventory.hosts[1].name == "macstudio2"


def test_a_host_that_does_not_say_what_runs_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    hung = Capture("neighbours", neighbours.COMMAND.argv, Outcome.TIMEOUT, seconds=10.0)
    hosts_say(monkeypatch, "clean-mesh-4", {"macstudio3": hung})
    (refusal,) = command.over_cluster(recorded("clean-mesh-4").inventory, wished(), None).refusals
    assert refusal.usable is None
    assert refusal.reason == "not known whether an MLX job runs on macstudio3"


def test_forced_beside_a_job_it_is_planned_with_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts_say(monkeypatch, "clean-mesh-4", {"macstudio2": printing(JOB)})
    plans = command.over_cluster(recorded("clean-mesh-4").inventory, wished(force=True), None)
    assert len(plans.makers) == 2
    assert plans.makers[0]()[0].notes[0].startswith("forced, although beside a running MLX job:")


def test_a_dry_run_is_no_attempt(monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
    hosts_say(monkeypatch, "clean-mesh-4", {})
    plans = command.over_cluster(recorded("clean-mesh-4").inventory, wished(), None)
    text = command.described(plans)
    assert "MLX_JACCL_COORDINATOR=192.168.86.11:" in text
    assert "MLX_IBV_DEVICES (a file): [[null, " in text
    assert not state.exists()


def test_ctrl_c_while_the_hosts_are_asked_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts_say(monkeypatch, "clean-mesh-4", {})
    usual = live.record

    def cut(inventory: Inventory, **how: object) -> Recording:
        said = usual(inventory, **how)  # type: ignore[arg-type]
        return replace(said, ended="interrupted") if how.get("commands") else said

    monkeypatch.setattr(live, "record", cut)
    plans = command.over_cluster(recorded("clean-mesh-4").inventory, wished(), None)
    assert plans.makers == ()
    assert command.launch(plans, None).ended == "interrupted"


def test_the_whole_way_from_facts_to_blame_and_back_from_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: Path
) -> None:
    here = rig(tmp_path, {2: "raise [jaccl] Couldn't allocate protection domain"})
    hosts_say(monkeypatch, "clean-mesh-4", {})
    plans = command.over_cluster(recorded("clean-mesh-4").inventory, wished(), None)

    def stood_in(make: command.Maker) -> tuple[Plan, ...]:
        return tuple(map(here.here, make()))

    makers = tuple(partial(stood_in, make) for make in plans.makers)
    found = command.launch(replace(plans, makers=makers), None)
    assert here.inits == [0, 1, 2, 3]
    ((plan, _),) = found.probes
    assert plan.attempts == {f"macstudio{n}": 1 for n in range(1, 5)}
    assert [r.backend for r in found.refusals] == ["jaccl"]
    assert len(json.loads(state.read_text())) == 4
    save(found, tmp_path / "saved.tar.gz")
    assert load(tmp_path / "saved.tar.gz").probes == found.probes
