"""Plan: what it proposes repairs what was found, the cheapest comes first, and nothing collides."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from mlxdiag import report as reports
from mlxdiag.capture import ACCESS, Capture, Outcome
from mlxdiag.facts.exo_daemon import FILE as EXO
from mlxdiag.finding import FixKind, Severity, Status
from mlxdiag.recording import Recording
from mlxdiag.render import FORMATS
from mlxdiag.render.style import Style
from mlxdiag.repair import plan as plans
from mlxdiag.repair.reach import touches
from mlxdiag.repair.script import scripts
from mlxdiag.repair.step import Path as Way
from mlxdiag.repair.step import Plan
from mlxdiag.report import Report
from tests.checks.further import network, power, resources
from tests.checks.recorded import altered, printing, recording_of, saying, unreached
from tests.checks.surveyed import HOST
from tests.model import CASES, Cable, ModelCluster, write_recording
from tests.repair.applied import applied
from tests.test_cli import run
from tests.test_reports import validator

TUNNEL = (
    b"utun4: flags=8051<UP,RUNNING> mtu 1380\n\tinet 10.8.0.2 --> 10.8.0.1 netmask 0xffffffff\n"
)
REPAIRED_BY_COMMANDS = ("bridge0-port", "no-ipv4-gid", "subnet-mismatch", "gid-at-index-2")


def surveyed(case: str) -> ModelCluster:
    return replace(CASES[case](), surveyed=True)


def told(made: Recording) -> Report:
    found = reports.build(made, "fix", "0.1.0")
    return replace(found, plan=plans.build(found))


def plan_of(made: Recording) -> Plan:
    plan = told(made).plan
    assert plan is not None
    return plan


@pytest.mark.parametrize("case", [*REPAIRED_BY_COMMANDS, "rdma-off-one-host", "stock-bridge"])
def test_done_as_it_says_the_fault_is_gone_and_nothing_new_came(case: str) -> None:
    cluster = surveyed(case)
    before = told(recording_of(cluster))
    assert before.plan is not None
    assert before.plan.steps
    stage = before.plan.stages[0]
    for step in stage.steps:
        cluster = applied(cluster, step)
    after = told(recording_of(cluster))
    failed = {f.key for f in after.findings if f.status is Status.FAIL}
    confirms = {id_ for step in stage.steps for id_ in step.confirms}
    assert not {key for key in failed if key.split()[0] in confirms}
    assert failed <= {f.key for f in before.findings if f.status is Status.FAIL}


def test_a_clean_cluster_has_nothing_to_do() -> None:
    report = told(recording_of(surveyed("clean-mesh-4")))
    assert report.plan == Plan((), ())
    assert report.exit_code == 0
    assert "nothing to do" in FORMATS["table"](report, Style())


def test_the_least_effort_comes_first_and_each_stage_is_looked_at_again() -> None:
    report = told(recording_of(CASES["incident"]()))
    assert report.plan is not None
    names = [stage.name for stage in report.plan.stages]
    assert names == ["at the cables", "restarts", "updates"]
    costs = [step.kind.cost for step in report.plan.steps]
    assert costs == sorted(costs)
    restarts = report.plan.stages[1].steps
    assert [(s.host, s.command) for s in restarts] == [("macstudio1", "sudo shutdown -r now")]
    assert FORMATS["table"](report, Style()).count("look again before you go on") == len(names)


def test_what_a_cause_explains_has_no_step_of_its_own() -> None:
    report = told(recording_of(surveyed("rdma-off-one-host")))
    assert report.plan is not None
    assert [(s.host, s.kind) for s in report.plan.steps] == [("macstudio4", FixKind.RECOVERY)]
    assert sum(f.status is Status.FAIL for f in report.findings) > 5


def test_it_names_the_socket() -> None:
    (one, *_) = plan_of(recording_of(CASES["incident"]())).steps
    assert one.subjects == ("macstudio3 en3 (receptacle 2, back-right-middle)",)


def test_bridge0_is_never_destroyed_and_the_port_can_go_back() -> None:
    steps = plan_of(recording_of(surveyed("stock-bridge"))).steps
    assert steps
    for step in steps:
        assert "destroy" not in (step.command or "")
        assert step.undo is not None
        assert re.fullmatch(
            r"sudo ifconfig (en\d) inet [\d.]+ -alias && sudo ifconfig bridge0 addm \1", step.undo
        )
        assert step.survives_reboot is False


def test_an_address_is_given_back() -> None:
    (step,) = plan_of(recording_of(surveyed("no-ipv4-gid"))).steps
    assert step.undo == "sudo networksetup -setdhcp 'Thunderbolt 3'"
    (step,) = plan_of(recording_of(surveyed("subnet-mismatch"))).steps
    assert step.undo is not None
    assert step.undo.startswith("sudo networksetup -setmanual 'Thunderbolt 4' 10.")
    assert step.undo != step.command


QUOTED = "'Thunderbolt 2'"


@pytest.mark.parametrize(
    ("made", "id_", "back"),
    [
        (
            network.FAILING["network-address-persistent"],
            "network-address-persistent",
            f"sudo networksetup -setdhcp {QUOTED}",
        ),
        (
            power.FAILING["power-sleep"],
            "power-sleep",
            "sudo pmset -a sleep 10 disksleep 0 standby 0 powernap 0",
        ),
        (
            resources.limited_everywhere,
            "resources-wired-limit",
            "sudo sysctl iogpu.wired_limit_mb=520000",
        ),
    ],
)
def test_what_was_before_comes_back(made: Callable[[], Recording], id_: str, back: str) -> None:
    steps = [step for step in plan_of(made()).steps if id_ in step.confirms and step.host == HOST]
    assert [step.undo for step in steps] == [back]


@pytest.mark.parametrize(
    ("service", "enabled"), [("T'b 3", True), ("T'b 3", False), ("Thunderbolt 3", False)]
)
def test_the_service_is_named_as_the_shell_reads_it(service: str, enabled: bool) -> None:
    made = recording_of(surveyed("no-ipv4-gid"))
    (host,) = {step.host for step in plan_of(made).steps}
    row = b"(4) Thunderbolt 3"
    number = "(4)" if enabled else "(*)"
    new = f"{number} {service}".encode()
    made = altered(made, host or "", "networksetup_serviceorder", row, new)
    named = altered(made, host or "", "system_profiler_network", b"Thunderbolt 3", service.encode())
    (step,) = plan_of(named).steps
    assert step.command is not None
    assert step.undo is not None
    words, back = shlex.split(step.command), shlex.split(step.undo)
    switch = ["sudo", "networksetup", "-setnetworkserviceenabled", service]
    if enabled:
        assert words[:4] == ["sudo", "networksetup", "-setmanual", service]
        assert back == ["sudo", "networksetup", "-setdhcp", service]
    else:
        assert words[:6] == [*switch, "on", "&&"]
        assert back == [*switch, "off"]


def test_exos_daemon_can_be_confirmed_as_gone() -> None:
    (step,) = [
        step
        for step in plan_of(network.FAILING["network-exo"]()).steps
        if "network-exo" in step.confirms
    ]
    assert step.survives_reboot is True
    assert f"sudo mv {EXO} {EXO}.off" in (step.command or "")


def test_a_subnet_is_chosen_that_no_host_has() -> None:
    cluster = surveyed("clean-pair")
    bare = replace(cluster, no_ipv4=frozenset(end for c in cluster.cables for end in c.ends))
    made = recording_of(bare)
    lan = b"inet 192.168.86.11 netmask 0xffffff00"
    taken = altered(made, "macstudio1", "ifconfig", lan, b"inet 10.219.0.9 netmask 0xffff0000")
    nets = [_net(plan_of(each)) for each in (made, taken)]
    assert nets[0].subnet_of(IPv4Network("10.219.0.0/16"))
    assert not nets[1].overlaps(IPv4Network("10.219.0.0/16"))


def wide(*far: str) -> ModelCluster:
    """Take macstudio2's addresses from its cables, and put their far ends into a subnet each."""
    cluster = surveyed("clean-mesh-4")
    mine = [cable for cable in cluster.cables if "macstudio2" in {end[0] for end in cable.ends}]
    wider = dict(zip((cable.ends for cable in mine), far, strict=False))

    def one(cable: Cable) -> Cable:
        if cable.ends not in wider:
            return cable
        given = (wider[cable.ends],)
        return replace(cable, addresses=((), given) if cable.a[0] == "macstudio2" else (given, ()))

    return replace(cluster, cables=tuple(map(one, cluster.cables)))


@pytest.mark.parametrize(
    "far",
    [
        ("192.168.86.201/24",),
        ("10.219.9.1/29", "10.219.9.2/29"),
        ("10.219.9.1/30", "10.219.9.1/30"),
        ("192.168.86.5/30",),
    ],
)
def test_no_address_comes_from_a_subnet_that_is_not_the_cables_own(far: tuple[str, ...]) -> None:
    cluster = wide(*far)
    before = told(recording_of(cluster))
    assert before.plan is not None
    steps = [step for step in before.plan.stages[0].steps if "network-ipv4" in step.confirms]
    assert len(steps) == 2 * len(far)
    texts = [step.text for step in steps if step.host != "macstudio2"]
    assert all(text.startswith("give this end an address in one new subnet") for text in texts)
    for step in steps:
        assert "192.168.86." not in (step.command or "")
        cluster = applied(cluster, step)
    after = told(recording_of(cluster))
    held = [ip for link in after.cluster.topology.links for end in link.ends for ip in end.ipv4]
    assert len(set(held)) == len(held)
    assert [f.key for f in after.findings if f.status is Status.FAIL] == []


def test_a_subnet_of_the_cables_own_is_kept() -> None:
    (step,) = plan_of(recording_of(wide("10.219.9.1/30"))).stages[0].steps
    assert step.host == "macstudio2"
    assert " 10.219.9.2 255.255.255.252" in (step.command or "")


def _net(plan: Plan) -> IPv4Network:
    """Give the one network that both ends are put into."""
    commands = [step.command or "" for step in plan.steps if "-setmanual" in (step.command or "")]
    given = [command.split("-setmanual ")[1].split("' ")[1].split() for command in commands]
    nets = {IPv4Interface(f"{ip}/{mask}").network for ip, mask in given}
    assert len({ip for ip, _ in given}) == len(given) == 2
    (net,) = nets
    return net


def reached_at(made: Recording, host: str, address: str) -> Recording:
    access = Capture(ACCESS, ("ssh", host), Outcome.EXITED, 0, stdout=f"{address}\n".encode())
    return saying(made, host, ACCESS, access)


@pytest.mark.parametrize(
    ("address", "way"),
    [("192.168.86.12", Way.NO), ("10.219.4.1", Way.YES), ("203.0.113.9", Way.UNKNOWN)],
)
def test_it_says_whether_ssh_goes_over_what_it_touches(address: str, way: Way) -> None:
    made = reached_at(recording_of(surveyed("gid-at-index-2")), "macstudio2", address)
    (step,) = plan_of(made).steps
    assert step.ssh is way
    said = FORMATS["table"](told(made), Style(width=200))
    assert ("ssh to this host" in said) == (way is not Way.NO)


@pytest.mark.parametrize(
    ("made", "id_", "address", "way"),
    [
        (network.FAILING["network-sharing"], "network-sharing", "10.219.1.2", Way.YES),
        (network.FAILING["network-sharing"], "network-sharing", "192.168.86.12", Way.NO),
        (network.FAILING["network-vpn-default"], "network-vpn-default", "10.8.0.2", Way.YES),
        (network.FAILING["network-vpn-default"], "network-vpn-default", "192.168.86.12", Way.NO),
        (resources.FAILING["resources-stuck"], "resources-stuck", "10.219.1.2", Way.YES),
        (resources.FAILING["resources-stuck"], "resources-stuck", "203.0.113.9", Way.UNKNOWN),
    ],
)
def test_a_step_about_a_whole_host_touches_what_it_is_about(
    made: Callable[[], Recording], id_: str, address: str, way: Way
) -> None:
    vpn = made()
    out = vpn.hosts[HOST]["ifconfig"].stdout + TUNNEL
    steps = plan_of(reached_at(printing(vpn, HOST, "ifconfig", out), HOST, address)).steps
    (step,) = [step for step in steps if id_ in step.confirms]
    assert step.ssh is way


def test_where_nobody_knows_what_is_touched_it_is_not_said_to_be_safe() -> None:
    vpn = network.FAILING["network-vpn-default"]()
    out = re.sub(rb"(?m)^(utun|gif)", b"x", vpn.hosts[HOST]["ifconfig"].stdout)
    made = reached_at(printing(vpn, HOST, "ifconfig", out), HOST, "192.168.86.12")
    (step,) = [s for s in plan_of(made).steps if "network-vpn-default" in s.confirms]
    assert step.ssh is Way.UNKNOWN


def test_ssh_over_a_bridge_goes_over_its_ports() -> None:
    made = resources.FAILING["resources-stuck"]()
    bridge = (
        b"bridge7: flags=8863<UP,BROADCAST,RUNNING> mtu 1500\n"
        b"\tinet 10.77.0.1 netmask 0xffffff00\n\tmember: en3 flags=3<LEARNING,DISCOVER>\n"
    )
    out = made.hosts[HOST]["ifconfig"].stdout + bridge
    reached = reached_at(printing(made, HOST, "ifconfig", out), HOST, "10.77.0.1")
    assert touches(told(reached).cluster, HOST, frozenset({"en3"})) is Way.YES
    assert touches(told(reached).cluster, HOST, frozenset({"en4"})) is Way.NO


def test_a_restart_and_recovery_are_in_no_script() -> None:
    for made in (
        recording_of(surveyed("rdma-off-one-host")),
        resources.FAILING["resources-domains"](),
    ):
        report = told(made)
        assert report.plan is not None
        assert report.plan.stages[0].name != "on the hosts"
        assert [step.command for step in report.plan.stages[0].steps if step.command]
        assert scripts(report, report.plan) == {}


def test_one_visit_repairs_what_several_causes_ask_for() -> None:
    steps = plan_of(recording_of(surveyed("stock-bridge"))).steps
    assert len({(s.host, s.command) for s in steps}) == len(steps)


def test_what_is_not_known_has_no_step_and_is_named() -> None:
    made = unreached(recording_of(surveyed("clean-mesh-4")), "macstudio3", Outcome.REFUSED)
    report = told(made)
    assert report.plan is not None
    assert "access-reachable macstudio3" in report.plan.unknown
    assert not report.plan.steps
    assert report.exit_code == 3
    assert "not known, so no step for it" in FORMATS["table"](report, Style())


def test_hints_are_not_steps() -> None:
    for case in ("tb4-in-the-mix", "incident"):
        report = told(recording_of(surveyed(case)))
        assert report.plan is not None
        infos = {c.id for c in report.causes if report.severity(c) is Severity.INFO}
        assert not infos & {id_ for s in report.plan.steps for id_ in s.confirms}


@pytest.mark.parametrize("case", sorted(CASES.keys() - {"ring-64"}))
def test_every_case_has_a_plan_in_every_form(case: str) -> None:
    report = told(recording_of(surveyed(case)))
    assert report.plan is not None
    document = json.loads(FORMATS["json"](report, Style()))
    assert list(validator().iter_errors(document)) == []
    assert len(document["plan"]["stages"]) == len(report.plan.stages)
    markdown = FORMATS["markdown"](report, Style())
    table = FORMATS["table"](report, Style(width=200))
    for step in report.plan.steps:
        assert step.text in table
        if step.command:
            assert step.command in table
            assert step.command in markdown
    assert markdown.count("- [ ] ") >= len(report.plan.stages)


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_the_scripts_have_nothing_that_shellcheck_would_say(tmp_path: Path) -> None:
    made = 0
    for case in ("bridge0-port", "gid-at-index-2", "stock-bridge", "subnet-mismatch"):
        report = told(recording_of(surveyed(case)))
        assert report.plan is not None
        for host, text in scripts(report, report.plan).items():
            path = tmp_path / f"{case}-{host}.sh"
            path.write_text(text, encoding="utf-8")
            made += 1
    files = sorted(map(str, tmp_path.glob("*.sh")))
    ran = subprocess.run(["shellcheck", *files], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert made >= 4


def test_a_script_types_what_the_plan_says_and_no_host_text_becomes_shell(tmp_path: Path) -> None:
    recording = tmp_path / "recording"
    write_recording(surveyed("bridge0-port"), recording)
    order = recording / "macstudio3" / "networksetup_serviceorder.out"
    evil = order.read_bytes().replace(b"Thunderbolt 2", b"T'$(touch owned)`x`\\2")
    order.write_bytes(evil)
    ran = run("fix", "--replay", str(recording), "--script", str(tmp_path / "out"))
    assert ran.returncode == 1
    assert {each.name for each in (tmp_path / "out").iterdir()} == {
        "macstudio1.sh",
        "macstudio3.sh",
    }
    script = tmp_path / "out" / "macstudio3.sh"
    assert script.stat().st_mode & 0o777 == 0o755
    log = tmp_path / "log"
    sudo = tmp_path / "bin" / "sudo"
    sudo.parent.mkdir()
    sudo.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{log}\n', encoding="utf-8")
    sudo.chmod(0o755)
    done = subprocess.run(
        [str(script)],
        env={"PATH": f"{sudo.parent}:/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert log.read_text(encoding="utf-8").splitlines()[0] == "ifconfig bridge0 deletem en3"
    assert "look again" in done.stdout
    assert not (tmp_path / "owned").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    recording = tmp_path / "recording"
    write_recording(surveyed("bridge0-port"), recording)
    target = tmp_path / "out"
    words = ("fix", "--replay", str(recording), "--script", str(target))
    assert run(*words).returncode == 1
    assert run(*words).returncode == 1
    (target / "macstudio3.sh").write_text("mine\n", encoding="utf-8")
    ran = run(*words)
    assert ran.returncode == 2
    assert "exists already" in ran.stderr
    assert (target / "macstudio3.sh").read_text(encoding="utf-8") == "mine\n"
