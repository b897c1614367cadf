"""From the message to the port: errors on modelled clusters whose faults are known."""

from __future__ import annotations

import json
from functools import cache

import pytest

from mlxdiag import hostfile
from mlxdiag.diagnose import command
from mlxdiag.diagnose.join import Case
from mlxdiag.render import FORMATS
from mlxdiag.render.diagnosed import told
from mlxdiag.render.json import document
from mlxdiag.render.style import Style
from mlxdiag.report import Report
from tests.checks.further import environment, login, resources, versions
from tests.checks.recorded import printing, recorded
from tests.checks.surveyed import clean
from tests.diagnose.logs import ended, killed, raised, read
from tests.test_reports import validator

DOMAIN = "[jaccl] Couldn't allocate protection domain"
RTR = "[jaccl] Changing queue pair to RTR failed with errno 22"
HOSTS = tuple(f"macstudio{n}" for n in range(1, 5))


def made(text: str, case: str | None = None, order: str = "", name: str = "launch.log") -> Report:
    log = read(text, name, HOSTS)
    recording = recorded(case) if case else None
    told_file = hostfile.loads(order, "hosts.json") if order else None
    return command.build([log], "0.1.0", recording, told_file, "hosts.json" if order else None)


def case_of(report: Report) -> Case:
    assert report.diagnosed is not None
    (case,) = report.diagnosed.cases
    return case


def answers(case: Case) -> list[str]:
    return [each.answer for each in case.tested]


def test_the_incident_rank_2_is_macstudio3_and_its_ports_are_down() -> None:
    case = case_of(made(raised(DOMAIN, "[rank 2] "), "incident"))
    assert case.host == "macstudio3"
    assert [told(cell) for cell in case.cells] == [
        "its cell for macstudio1 is rdma_en4; that port, en4, is PORT_ACTIVE; its far end"
        " macstudio1 en4: PORT_DOWN",
        "its cell for macstudio2 is rdma_en3; that port, en3, is PORT_DOWN",
        "its cell for macstudio4 is rdma_en5; that port, en5, is PORT_DOWN",
    ]
    assert answers(case)[:2] == ["found", "ruled out"]
    assert {f.key for f in case.findings} >= {"rdma-port-active macstudio3 en3"}


FOUND = {
    DOMAIN: ("resources-domains", resources),
    "[jaccl] Creating the queue pair failed with 'Resource busy (16)'.": (
        "resources-rdma-users",
        resources,
    ),
    "[ring] Couldn't bind socket (error: 48)": ("resources-ranks", resources),
    "[jaccl] Couldn't bind socket (error: 48)": ("resources-ranks", resources),
    "[ring] Rank cannot be larger than the size of the group": (
        "environment-leftovers",
        environment,
    ),
    "Cannot send to a singleton group": ("environment-leftovers", environment),
    "[METAL] Command buffer execution failed: Insufficient Memory"
    " (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)": (
        "resources-wired-memory",
        resources,
    ),
    "OSError: [Errno 28] No space left on device": ("resources-disk", resources),
    "fish: Unsupported use of '='. In fish, please use 'set cmd '.": ("access-shell", login),
    "panic(cpu 4 caller 0xfff): completeMemory() prepare count underflow": (
        "resources-wired-limit",
        resources,
    ),
    "_pickle.UnpicklingError: invalid load key, '\\x00'.": ("versions-mlx-lm-match", versions),
}


@pytest.mark.parametrize("text", FOUND)
def test_what_check_finds_explains_what_a_log_says(text: str) -> None:
    id_, area = FOUND[text]
    log = read(raised(text, "[rank 1] "), "launch.log", HOSTS)
    case = case_of(command.build([log], "0.1.0", area.FAILING[id_]()))
    assert case.host == "macstudio2"
    assert id_ in {finding.id for finding in case.findings}
    assert "found" in answers(case)


def test_the_rank_before_it_is_another_host() -> None:
    case = case_of(made(raised(DOMAIN, "[rank 0] "), "incident"))
    assert case.host == "macstudio1"
    assert all("PORT_DOWN" in cell.said for cell in case.cells)


def matrix(*ranks: tuple[str, list[str | None]]) -> str:
    hosts = [{"ssh": f"{name}.local", "ips": ["10.0.0.1"], "rdma": row} for name, row in ranks]
    return json.dumps({"backend": "jaccl", "envs": [], "hosts": hosts})


ORDER = matrix(
    ("macstudio4", [None, "rdma_en3", "rdma_en9"]),
    ("macstudio2", ["rdma_en5", None, "rdma_en3"]),
    ("macstudio1", ["rdma_en5", "rdma_en3", None]),
)


def test_the_hostfile_says_which_host_a_rank_is_and_what_it_opens() -> None:
    case = case_of(made(raised(DOMAIN, "[rank 1] "), "incident", ORDER))
    assert case.host == "macstudio2"
    assert [(c.peer, c.device) for c in case.cells] == [
        ("macstudio4", "rdma_en5"),
        ("macstudio1", "rdma_en3"),
    ]


def test_a_device_of_the_hostfile_that_is_not_there() -> None:
    log = raised("[jaccl] Could not find device rdma_en9 (6 available)", "[rank 0] ")
    case = case_of(made(log, "clean-mesh-4", ORDER))
    assert case.host == "macstudio4"
    (cell,) = case.cells
    assert told(cell) == "its cell for macstudio1 is rdma_en9: the host has no such device"
    assert answers(case) == ["found"]
    assert "hostfile-device" in {f.id for f in case.findings}


def test_a_rank_that_the_hostfile_has_not_is_no_host() -> None:
    report = made(raised(DOMAIN, "[rank 3] "), "incident", ORDER)
    assert case_of(report).host is None
    said = " ".join(FORMATS["table"](report, Style()).split())
    assert "no host is known for rank 3: hosts.json has 3 ranks" in said


def test_only_rank_0_of_jaccl_listens() -> None:
    case = case_of(made(raised("[jaccl] Couldn't bind socket (error: 49)"), "incident", ORDER))
    assert (case.suspect.rank, case.host) == (0, "macstudio4")
    assert answers(case)[0] == "found"
    assert "hostfile-ips macstudio4" in {f.key for f in case.findings}


def test_errno_22_leads_to_the_port_without_an_ipv4_gid() -> None:
    case = case_of(made(raised(RTR, "[rank 1] "), "no-ipv4-gid"))
    assert case.host == "macstudio2"
    assert [cell.peer for cell in case.cells if not cell.sound] == ["macstudio3"]
    assert answers(case)[0] == "found"
    assert "gid-ipv4-mapped macstudio2 en4" in {f.key for f in case.findings} | {
        f.root.key for f in case.findings
    } or "network-ipv4 macstudio2 en4" in {f.key for f in case.findings}


def test_errno_22_leads_to_the_gid_at_another_index() -> None:
    case = case_of(made(raised(RTR, "[rank 1] "), "gid-at-index-2"))
    assert answers(case)[:2] == ["ruled out", "found"]
    assert {f.id for f in case.findings} == {"gid-index-1"}


def test_no_device_leads_to_the_switch() -> None:
    log = raised("[jaccl] Could not find device rdma_en3 (0 available)", "[rank 3] ")
    case = case_of(made(log, "rdma-off-one-host"))
    assert case.host == "macstudio4"
    assert answers(case)[0] == "found"
    assert "rdma-enabled macstudio4" in {f.key for f in case.findings}


def test_on_a_clean_cluster_every_cause_that_is_tested_is_ruled_out() -> None:
    log = read(raised(DOMAIN, "[rank 2] "), "launch.log", HOSTS)
    case = case_of(command.build([log], "0.1.0", clean()))
    assert answers(case) == ["ruled out"] * 4
    assert case.findings == ()
    assert all(cell.sound for cell in case.cells)


def test_what_only_check_asks_is_not_known_from_a_recording_of_ports() -> None:
    case = case_of(made(raised(DOMAIN, "[rank 2] "), "clean-mesh-4"))
    assert answers(case) == ["ruled out", "ruled out", "not known", "ruled out"]


def test_a_silent_host_leaves_its_causes_unknown() -> None:
    case = case_of(made(raised(DOMAIN, "[rank 2] "), "unreachable-host"))
    assert case.host == "macstudio3"
    assert "found" not in answers(case)
    assert "not known" in answers(case)


def test_mixed_versions_are_found_for_every_rank() -> None:
    case = case_of(made(raised("_pickle.UnpicklingError: invalid load key, 'x'."), "mixed-mlx"))
    assert case.host is None
    assert answers(case)[0] == "found"
    assert {f.id for f in case.findings} == {"versions-mlx-match"}


def test_where_the_rank_is_not_known_all_hosts_are_looked_at() -> None:
    case = case_of(made(raised(DOMAIN), "incident"))
    assert (case.host, case.cells) == (None, ())
    assert {f.subject.host for f in case.findings} >= {"macstudio1", "macstudio3", "macstudio4"}


def test_a_file_named_as_a_host_is_of_that_host() -> None:
    case = case_of(made(raised(DOMAIN), "incident", name="logs/macstudio3.err"))
    assert case.host == "macstudio3"
    assert len(case.cells) == 3


def test_an_ssh_error_is_about_the_host_it_names() -> None:
    log = "ssh: connect to host macstudio3.local port 22: Operation timed out\n"
    case = case_of(made(log, "unreachable-host"))
    assert case.host == "macstudio3"
    assert set(answers(case)) == {"not known"}


@pytest.mark.parametrize(
    "text",
    [
        "ssh: connect to host studio2 port 22: Operation timed out\n",
        "Permission denied (publickey).\n",
        "zsh: killed     python generate.py\n",
    ],
)
def test_what_any_shell_prints_is_not_said_to_be_a_ranks(text: str) -> None:
    alone = FORMATS["table"](made(text), Style(width=200))
    assert "of a rank's own" not in alone
    assert "it may be of something else" in alone
    beside = FORMATS["table"](made(text + ended(2) + killed(0)), Style(width=200))
    assert "it may be of something else" not in beside


def test_a_log_of_several_runs_says_that_the_last_counts() -> None:
    text = FORMATS["table"](made(raised(RTR) + killed(0) + raised(DOMAIN)), Style(width=200))
    assert "the log is of 2 runs, and this is the last" in text


def test_without_a_recording_nothing_is_tested_and_nothing_passes() -> None:
    report = made(raised(DOMAIN, "[rank 2] "))
    case = case_of(report)
    assert case.host is None
    assert set(answers(case)) == {"not tested"}
    assert (report.findings, report.facts, report.verdict) == ((), (), "fail")
    assert not any(report.summary.values())


FIREWALL = b"Firewall is blocking all non-essential incoming connections. (State = 2)\n"


@pytest.mark.parametrize(("host", "found"), [("macstudio1", True), ("macstudio2", False)])
def test_no_answer_from_rank_0_leads_to_a_firewall_there(host: str, found: bool) -> None:
    recording = printing(clean(), host, "socketfilterfw", FIREWALL)
    log = read(raised("[jaccl] Couldn't connect (error: 60)", "[rank 2] "))
    case = case_of(command.build([log], "0.1.0", recording))
    assert ({f.key for f in case.findings} == {f"network-firewall {host}"}) is found
    assert ("found" in answers(case)) is found


# Verdicts and formats.


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (raised(DOMAIN), 1, "FAIL: the port is down"),
        (raised(DOMAIN, "[rank 2] "), 1, "FAIL: rank 2: the port is down"),
        ("KeyError: 7\n", 3, "UNKNOWN: an error that is not known"),
        (raised("[jaccl] Recv failed with errno=2"), 3, "UNKNOWN: only echoes"),
        ("all is well\n", 3, "UNKNOWN: nothing in it is known"),
        ("[INFO] Node with rank 0 completed\n", 3, "UNKNOWN: no cause in it; last said: [INFO]"),
        ("[ring] Rank 1 accepting\n", 3, "UNKNOWN: no cause in it; last said: [ring] Rank 1 acc"),
        ("", 3, "UNKNOWN: the log is empty"),
    ],
)
def test_the_verdict_is_never_a_pass(text: str, code: int, says: str) -> None:
    report = made(text)
    assert report.exit_code == code
    assert FORMATS["short"](report, Style()).startswith(says)


@cache
def _reports() -> tuple[Report, ...]:
    hostile = "\x1b[31mKeyError: '<b>|`\u202e@alex'\x1b[0m\n[ERROR] \x07![x](http://x)\n"
    log = raised(RTR, "[rank 1] ") + raised(DOMAIN) + ended(2) + killed(0, 1) + hostile
    texts = (log, "", "unable to allocate protection domain", hostile, raised(DOMAIN, "[rank 2] "))
    plain = tuple(made(text) for text in texts)
    joined = tuple(made(text, case) for text in texts for case in ("incident", "unreachable-host"))
    return (*plain, *joined, made(log, "incident", ORDER))


@pytest.mark.parametrize("form", ["table", "short", "markdown", "json"])
@pytest.mark.parametrize("style", [Style(), Style(width=40, unicode=False)])
def test_every_format_shows_every_diagnosis_as_plain_text(form: str, style: Style) -> None:
    for report in _reports():
        text = FORMATS[form](report, style)
        assert not {c for c in text if ord(c) < 32 and c != "\n"}
        assert "\u202e" not in text or form == "json"
        assert style.unicode or form == "json" or text.isascii()


def test_the_json_is_of_the_schema() -> None:
    for report in _reports():
        found = document(report)
        validator().validate(found)
        assert found["diagnosis"]["order"]


def test_what_a_log_says_becomes_no_markup() -> None:
    text = FORMATS["markdown"](made("[ERROR] ![x](http://x) <b> @alex | y\n"), Style())
    assert "![x]" not in text
    assert "<b>" not in text


def test_the_repair_is_that_of_the_cause_behind_the_finding() -> None:
    text = FORMATS["table"](made(raised(DOMAIN, "[rank 2] "), "incident"), Style())
    said = " ".join(text.split())
    assert "cables and the far ends are not the cause macstudio1 - replug" in said
    assert "macstudio3 en3, macstudio3 en5" in said
    assert "macstudio1 en4, macstudio3" not in said
    assert "DO NOT TRY AGAIN" in text
