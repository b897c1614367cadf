"""Checks one by one: what they say on what evidence, whom they blame, and what they would do."""

from __future__ import annotations

import pytest

from mlxdiag.capture import Capture, Outcome
from mlxdiag.checks.access import FIXES
from mlxdiag.finding import Finding, FixKind, Severity, Status
from mlxdiag.inventory import Expect
from mlxdiag.report import Report
from tests.checks.recorded import (
    NAMES,
    altered,
    built,
    causes,
    ended,
    expecting,
    of,
    printing,
    recorded,
    reported,
    saying,
    unreached,
    without,
)

MESH = "clean-mesh-4"


def statuses(report: Report, check: str) -> dict[str, Status]:
    return {f.subject.label: f.status for f in report.findings if f.id == check}


def seen(finding: Finding) -> tuple[str, str]:
    assert finding.evidence is not None
    return finding.evidence.source, finding.evidence.observed


def kind(finding: Finding) -> FixKind:
    assert finding.fix is not None
    return finding.fix.kind


# access


@pytest.mark.parametrize("outcome", sorted(FIXES))
def test_a_host_that_is_not_reached_has_the_fix_of_its_outcome(outcome: Outcome) -> None:
    found = of(built(unreached(recorded(MESH), "macstudio3", outcome)), "access-reachable", A3)
    assert found.status is Status.UNKNOWN
    assert found.fix is not None
    assert found.fix.text == FIXES[outcome].text


A3 = "macstudio3"


def test_unknown_and_changed_keys_have_different_fixes() -> None:
    unknown, changed = (
        of(built(unreached(recorded(MESH), A3, outcome)), "access-reachable", A3).fix
        for outcome in (Outcome.HOST_KEY_UNKNOWN, Outcome.HOST_KEY_CHANGED)
    )
    assert unknown is not None
    assert changed is not None
    assert unknown.command == "ssh macstudio3.local true"
    assert changed.command == "ssh-keygen -R macstudio3.local"


def test_everything_about_an_unreached_host_follows_from_that() -> None:
    report = built(unreached(recorded(MESH), A3, Outcome.REFUSED))
    bad = [f for f in report.findings if f.status is Status.UNKNOWN]
    assert {f.root.key for f in bad} == {"access-reachable macstudio3"}
    assert not any(f.status is Status.FAIL for f in report.findings)


@pytest.mark.parametrize("command", NAMES)
def test_a_command_that_was_not_recorded_is_named(command: str) -> None:
    found = of(built(without(recorded(MESH), A3, command)), "access-answers", A3)
    assert found.status is Status.UNKNOWN
    assert seen(found) == (command, f"{command}: not recorded")


def test_a_host_that_says_nothing_is_one_finding_of_many_commands() -> None:
    found = of(reported("empty-recording"), "access-answers", "macstudio4")
    assert all(name in seen(found)[1] for name in NAMES)


# versions


def test_macos_before_26_2_is_told_from_26_2_and_26_3() -> None:
    for text, rdma, buffers in (
        ("26.1", Status.FAIL, Status.FAIL),
        ("26.2", Status.PASS, Status.FAIL),
        ("26.2.1", Status.PASS, Status.FAIL),
        ("26.3", Status.PASS, Status.PASS),
        ("26.10", Status.PASS, Status.PASS),
        ("27.0", Status.PASS, Status.PASS),
    ):
        made = altered(recorded(MESH), A3, "sw_vers", b"26.3", text.encode())
        report = built(made)
        assert of(report, "versions-macos-rdma", A3).status is rdma, text
        assert of(report, "versions-macos-buffers", A3).status is buffers, text


def test_hosts_on_both_sides_of_26_3_must_not_run_jaccl_together() -> None:
    report = built(altered(recorded(MESH), A3, "sw_vers", b"26.3", b"26.2"))
    assert of(report, "versions-macos-frames").status is Status.FAIL
    assert report.recommendation.backend == "ring"
    assert of(reported("mixed-macos"), "versions-macos-frames").status is Status.PASS
    assert of(reported("incident"), "versions-macos-frames").status is Status.PASS


def test_a_mix_of_builds_names_every_host() -> None:
    source, said = seen(of(reported("mixed-macos"), "versions-macos-match"))
    assert source == "sw_vers"
    assert said == (
        "26.3 (25D125) on macstudio1, macstudio2; 26.4 (25E246) on macstudio3, macstudio4"
    )


@pytest.mark.parametrize(
    ("expect", "check", "status"),
    [
        (Expect(), "versions-macos-expected", Status.SKIP),
        (Expect(macos="26.3"), "versions-macos-expected", Status.PASS),
        (Expect(macos="25D125"), "versions-macos-expected", Status.PASS),
        (Expect(macos="26.4"), "versions-macos-expected", Status.FAIL),
        (Expect(mlx="0.32.4"), "versions-mlx-expected", Status.PASS),
        (Expect(mlx="0.32"), "versions-mlx-expected", Status.FAIL),
        (Expect(), "versions-mlx-expected", Status.SKIP),
        (Expect(topology="mesh"), "cabling-expected", Status.PASS),
        (Expect(), "backend-expected", Status.SKIP),
        (Expect(backend="jaccl"), "backend-expected", Status.PASS),
        (Expect(backend="jaccl-ring"), "backend-expected", Status.PASS),
        (Expect(backend="ring"), "backend-expected", Status.PASS),
        (Expect(backend="mpi"), "backend-expected", Status.FAIL),
    ],
)
def test_what_the_inventory_expects_is_what_is_asked(
    expect: Expect, check: str, status: Status
) -> None:
    report = built(expecting(recorded(MESH), expect))
    assert {f.status for f in report.findings if f.id == check} == {status}


def test_expected_links_are_asked_and_no_other_pair() -> None:
    made = expecting(
        recorded("clean-ring-4"), Expect(links=(("macstudio1", "macstudio2"), ("macstudio1", A3)))
    )
    found = statuses(built(made), "cabling-expected")
    assert found.pop("macstudio1 - macstudio2") is Status.PASS
    assert found.pop("macstudio1 - macstudio3") is Status.FAIL
    assert found == {}


def test_an_expected_ring_closes() -> None:
    found = statuses(reported("clean-ring-4"), "cabling-expected")
    assert [label for label, status in found.items() if status is Status.PASS] == [
        "macstudio1 - macstudio2",
        "macstudio1 - macstudio4",
        "macstudio2 - macstudio3",
        "macstudio3 - macstudio4",
    ]


def test_an_old_wheel_is_replaced_by_the_python_that_has_it() -> None:
    found = of(reported("old-wheel"), "versions-mlx-jaccl", "macstudio2")
    assert found.fix is not None
    assert found.fix.command is not None
    assert found.fix.command.startswith("/opt/mlx/bin/python -m pip install")


def test_where_mlx_is_not_the_wheel_is_not_blamed() -> None:
    report = reported("no-mlx")
    assert of(report, "versions-mlx-jaccl", "macstudio2").status is Status.SKIP
    assert of(report, "versions-mlx-match").status is Status.PASS


# hardware


def test_thunderbolt_4_is_information_and_asks_for_no_repair() -> None:
    found = of(reported("tb4-ring"), "hardware-thunderbolt5", "mini4")
    assert (found.severity, kind(found)) == (Severity.INFO, FixKind.NONE)


def test_nobody_is_asked_to_repair_rdma_on_thunderbolt_4() -> None:
    for finding in reported("tb4-ring").findings:
        if finding.check.area in ("rdma", "gid"):
            assert finding.status is Status.SKIP, finding.key


def test_the_hint_about_the_port_beside_ethernet_is_worded_as_one() -> None:
    made = recorded("two-cables")
    text = made.hosts["macstudio1"]["ibv_devinfo"].stdout
    head, mark, tail = text.partition(b"hca_id:\trdma_en2\n")
    down = head + mark + tail.replace(b"PORT_ACTIVE (4)", b"PORT_DOWN (1)", 1)
    report = built(printing(made, "macstudio1", "ibv_devinfo", down))
    found = of(report, "hardware-port-beside-ethernet", "macstudio1 en2")
    assert (found.status, found.severity) == (Status.FAIL, Severity.INFO)
    assert found.fix is not None
    assert found.fix.text.startswith("unconfirmed hint")
    healthy = reported("two-cables")
    assert of(healthy, "hardware-port-beside-ethernet", "macstudio1 en2").status is Status.PASS


# cabling


def test_the_blind_end_is_the_one_to_look_at() -> None:
    (found,) = [f for f in reported("one-sided-cable").causes if f.id == "cabling-both-ends"]
    assert seen(found)[1] == "macstudio3 en4 does not list macstudio2; macstudio2 lists it"
    assert kind(found) is FixKind.REPLUG


def test_a_dock_between_two_macs_is_named() -> None:
    (found,) = [f for f in reported("peer-behind-dock").causes if f.id == "cabling-direct"]
    assert seen(found)[1] == "behind Quayside Dock 4"


def test_a_slow_cable_behind_a_dock_is_the_dock_s_doing() -> None:
    (found,) = [
        f
        for f in reported("peer-behind-dock").findings
        if f.id == "cabling-speed" and f.status is Status.FAIL
    ]
    assert found.root.id == "cabling-direct"


def test_a_missing_cable_names_free_ports() -> None:
    (found,) = reported("broken-cable").causes
    assert found.fix is not None
    assert "macstudio2 receptacle" in found.fix.text
    assert "macstudio3 receptacle" in found.fix.text


# network


def test_an_interface_that_was_set_down_is_brought_up() -> None:
    found = of(reported("interface-down"), "network-interface-active", "macstudio2 en4")
    assert found.fix is not None
    assert found.fix.command == "sudo ifconfig en4 up"


def test_a_missing_interface_is_not_brought_up() -> None:
    report = reported("device-without-interface")
    found = of(report, "network-interface-active", "macstudio4 receptacle 2")
    assert kind(found) is FixKind.REBOOT


def test_bridge_membership_alone_is_a_warning() -> None:
    made = altered(
        recorded("clean-pair"),
        "macstudio1",
        "ifconfig",
        b"en3: flags=",
        b"bridge0: flags=8863<UP> mtu 1500\n\tmember: en3 flags=3<LEARNING,DISCOVER>\nen3: flags=",
    )
    report = built(made)
    found = of(report, "network-bridge", "macstudio1 en3")
    assert (found.status, found.severity) == (Status.FAIL, Severity.WARNING)
    assert report.links[0].jaccl.usable is True
    assert report.verdict == "pass"


def test_a_member_of_a_bridge_lacks_its_gid_because_of_that() -> None:
    found = of(reported("bridge0-port"), "gid-ipv4-mapped", "macstudio3 en3")
    assert found.root.key == "network-bridge macstudio3 en3"


def test_addresses_of_two_networks_are_both_named() -> None:
    (found,) = [f for f in reported("subnet-mismatch").causes if f.id == "network-subnet"]
    assert seen(found)[1] == "10.219.3.1/30 and 10.219.77.2/30"


# rdma and gid


@pytest.mark.parametrize(("macos", "fix"), [("26.3", FixKind.RECOVERY), ("27.0", FixKind.SETTINGS)])
def test_rdma_is_switched_on_where_that_macos_has_the_switch(macos: str, fix: FixKind) -> None:
    made = altered(recorded("rdma-off-one-host"), "macstudio4", "sw_vers", b"26.3", macos.encode())
    assert kind(of(built(made), "rdma-enabled", "macstudio4")) is fix


def test_the_far_ends_of_a_host_without_rdma_are_not_at_fault() -> None:
    report = reported("rdma-off-one-host")
    for label in ("macstudio1 en5", "macstudio2 en5", "macstudio3 en5"):
        assert of(report, "rdma-port-active", label).root.key == "rdma-enabled macstudio4"
        assert of(report, "rdma-far-service", label).root.key == "rdma-enabled macstudio4"


@pytest.mark.parametrize("command", ["ibv_devices", "ibv_devinfo"])
@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, Outcome.NOT_STARTED])
def test_a_verbs_command_that_hangs_is_the_finding(command: str, outcome: Outcome) -> None:
    report = built(ended(recorded(MESH), A3, command, outcome))
    found = of(report, "rdma-stack-wedged", A3)
    assert found.status is Status.FAIL
    assert causes(report)[-1] == "rdma-stack-wedged macstudio3"
    assert found.fix is not None
    assert "kill -9" in found.fix.text


def test_a_library_that_does_not_load_is_not_rdma_that_is_off() -> None:
    said = b"dyld[812]: Library not loaded: /usr/lib/librdma.dylib\n"
    for command in ("ibv_devices", "ibv_devinfo", "rdma_ctl"):
        bad = Capture(command, (command,), Outcome.EXITED, 134, stderr=said)
        report = built(saying(recorded(MESH), A3, command, bad))
        failed = {f.key for f in report.findings if f.status is Status.FAIL}
        assert failed == set(), command
        assert report.verdict == "unknown"


def test_one_port_down_of_three_is_no_fault_of_the_host() -> None:
    made = recorded(MESH)
    text = made.hosts[A3]["ibv_devinfo"].stdout
    head, mark, tail = text.partition(b"hca_id:\trdma_en4\n")
    down = head + mark + tail.replace(b"PORT_ACTIVE (4)", b"PORT_DOWN (1)", 1)
    report = built(printing(made, A3, "ibv_devinfo", down))
    assert of(report, "rdma-host-ports", A3).status is Status.PASS
    found = of(report, "rdma-port-active", "macstudio3 en4")
    assert found.blocked_by is None
    assert seen(found)[1] == "PORT_DOWN while its far end is PORT_ACTIVE"


def test_a_host_with_one_cable_is_not_judged_by_all_its_ports() -> None:
    made = altered(
        recorded("clean-pair"), "macstudio1", "ibv_devinfo", b"PORT_ACTIVE (4)", b"PORT_DOWN (1)"
    )
    assert of(built(made), "rdma-host-ports", "macstudio1").status is Status.SKIP


def test_all_ports_down_at_both_ends_blames_no_host() -> None:
    made = recorded(MESH)
    for host in made.hosts:
        made = altered(made, host, "ibv_devinfo", b"PORT_ACTIVE (4)", b"PORT_DOWN (1)")
    report = built(made)
    assert set(statuses(report, "rdma-host-ports").values()) == {Status.PASS}
    assert {f.id for f in report.causes} == {"rdma-port-active"}


def test_a_device_with_the_guid_of_another_port_is_told() -> None:
    made = recorded("clean-pair")
    text = made.hosts["macstudio1"]["ibv_devinfo"].stdout
    guids = [line for line in text.splitlines() if line.startswith(b"\tnode_guid:")]
    report = built(altered(made, "macstudio1", "ibv_devinfo", guids[1], guids[2]))
    found = of(report, "rdma-device-interface", "macstudio1")
    assert seen(found) == ("ibv_devinfo", "rdma_en3 has the GUID of receptacle 3")


def test_a_gid_at_another_index_is_shown_where_it_is() -> None:
    found = of(reported("gid-at-index-2"), "gid-index-1", "macstudio2 en4")
    assert seen(found) == ("ibv_devinfo", "GID[2] ::ffff:10.219.4.1")


def test_two_mapped_gids_are_right_when_one_is_at_index_1() -> None:
    made = recorded("clean-pair")
    text = made.hosts["macstudio1"]["ibv_devinfo"].stdout
    line = next(row for row in text.splitlines(keepends=True) if b"::ffff:" in row)
    more = line.replace(b"GID[  1]", b"GID[  3]").replace(b"10.219.1.1", b"10.9.9.9")
    report = built(altered(made, "macstudio1", "ibv_devinfo", line, line + more))
    assert of(report, "gid-index-1", "macstudio1 en3").status is Status.PASS
    assert report.links[0].jaccl.usable is True


# what follows from what, and what backends can do


def test_a_failure_does_not_follow_from_what_is_not_known() -> None:
    made = ended(recorded("rdma-off-one-host"), "macstudio4", "rdma_ctl", Outcome.SIGNALLED)
    report = built(made)
    assert of(report, "rdma-enabled", "macstudio4").status is Status.UNKNOWN
    found = of(report, "rdma-devices-listed", "macstudio4")
    assert (found.status, found.blocked_by) == (Status.FAIL, None)


def test_eight_hosts_are_not_too_many_for_jaccl_and_nine_are() -> None:
    blockers = {
        case: [b.id for b in reported(case).recommendation.choices[0].blockers]
        for case in ("mesh-8", "mesh-9-hosts-ring")
    }
    assert blockers["mesh-8"] == ["cabling-mesh"]
    assert blockers["mesh-9-hosts-ring"] == ["backend-rank-limit"]


@pytest.mark.parametrize(("known", "status"), [(True, Status.FAIL), (False, Status.UNKNOWN)])
def test_a_command_that_is_missing_says_something_of_macos_alone(
    known: bool, status: Status
) -> None:
    made = ended(recorded("clean-pair"), "macstudio1", "rdma_ctl", Outcome.MISSING)
    made = ended(made, "macstudio1", "ibv_devices", Outcome.MISSING)
    if not known:
        made = ended(made, "macstudio1", "sw_vers", Outcome.MISSING)
    report = built(made)
    assert of(report, "rdma-enabled", "macstudio1").status is status
    listed = of(report, "rdma-devices-listed", "macstudio1")
    assert listed.status is status or listed.blocked_by is not None
