"""Every case has an expected report, reasoned from how it was built: tests/expected/CASE.json.

Of a link or backend `yes` means usable, `no` not usable, `unknown` not known; in brackets what
stands against it. `rank_order` null means that several orders are right. A row of `matrix` is one
host's view of the others. `first_fix` is looked at where it is given. In `recommend`, a plan is its
steps, a number of them where several plans are as good, or what blocks it; plans stand in order of
effort. Several hosts in a list are alternatives.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from ipaddress import IPv4Interface
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mlxdiag import recording
from mlxdiag import report as reports
from mlxdiag.capture import ACCESS, Capture, Outcome
from mlxdiag.checks import whole
from mlxdiag.finding import FixKind, Severity, Status
from mlxdiag.inventory import Expect
from mlxdiag.ladder import LinkState, Usable
from mlxdiag.readings import read
from mlxdiag.recording import Recording
from mlxdiag.render import FORMATS
from mlxdiag.render.cells import cell
from mlxdiag.render.json import document
from mlxdiag.render.style import Style
from mlxdiag.report import Report
from tests.checks.recorded import (
    GARBAGE,
    NAMES,
    built,
    causes,
    ended,
    expecting,
    of,
    printing,
    recorded,
    reported,
    unreached,
    without,
)
from tests.model import ACTIVE, CASES, Cable, ModelCluster, Port, write_recording
from tests.model import port as port_of

EXPECTED = Path(__file__).parent / "expected"
SCHEMA = Path(recording.__file__).parent / "report.schema.json"
ALL = sorted(CASES)
SMALL = sorted(CASES.keys() - {"ring-64"})
WORDS = {True: "yes", False: "no", None: "unknown"}


@cache
def expectation(case: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EXPECTED / f"{case}.json").read_text(encoding="utf-8"))
    return found


@cache
def validator() -> Draft202012Validator:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def name(state: LinkState) -> str:
    return " - ".join(f"{end.host} {end.name}" for end in state.link.ends)


def word(usable: Usable) -> str:
    against = " ".join(sorted(usable.blockers))
    return WORDS[usable.usable] + (f" ({against})" if against else "")


def links(case: str, report: Report) -> dict[str, str]:
    """Say what the expected report says of links, where all others are alike under `*`."""
    said = {name(s): f"rdma {word(s.jaccl)}, ring {word(s.ring)}" for s in report.links}
    usual = expectation(case)["links"].get("*")
    exceptions = {key: value for key, value in said.items() if value != usual}
    return {"*": usual, **exceptions} if said else {}


def matrix(report: Report) -> dict[str, str]:
    hosts = report.cluster.topology.hosts
    return {a: " ".join(cell(report, a, b).mark for b in hosts) for a in hosts}


def observed(case: str, report: Report) -> dict[str, object]:
    found = report.recommendation
    first = found.first_fix
    wanted = expectation(case)
    said: dict[str, object] = {
        "why": wanted["why"],
        "verdict": report.verdict,
        "exit_code": report.exit_code,
        "causes": causes(report),
        "link_count": len(report.links),
        "links": links(case, report),
        "backends": {c.backend: WORDS[c.usable] for c in found.choices},
        "backend": found.backend,
        "rank_order": wanted["rank_order"] and list(found.rank_order),
        "matrix": wanted["matrix"] and matrix(report),
        "recommend": recommended(report, wanted["recommend"]),
    }
    if "link_names" in wanted:
        said["link_names"] = [name(state) for state in report.links]
    if "first_fix" in wanted:
        said["first_fix"] = first and first.key
    return said


def recommended(report: Report, wanted: dict[str, Any]) -> dict[str, object]:
    plans: dict[str, object] = {}
    for unlock in report.advice.unlocks:
        steps = [
            f"{step.kind.value} {step.subject}"
            if step.subject
            else f"{step.kind.value}: {step.text}"
            for step in unlock.steps
        ]
        steps += [] if unlock.complete else ["then ask again"]
        counted = isinstance(wanted["unlocks"].get(unlock.backend), int)
        blocked = f"blocked: {'; '.join(unlock.blocked)}"
        plans[unlock.backend] = blocked if unlock.blocked else len(steps) if counted else steps
    runnable: dict[str, object] = {}
    for one in report.advice.runnable:
        assert one.complete
        hosts = " ".join(one.hosts)
        right = wanted["runnable"].get(one.backend)
        runnable[one.backend] = right if isinstance(right, list) and hosts in right else hosts
    assert list(plans) == list(wanted["unlocks"]) or plans != wanted["unlocks"]
    return {"why": wanted["why"], "unlocks": plans, "runnable": runnable}


def test_every_case_has_an_expected_report_and_no_other_has() -> None:
    assert sorted(path.stem for path in EXPECTED.glob("*.json")) == ALL


@pytest.mark.parametrize("case", ALL)
def test_the_report_says_what_was_expected(case: str) -> None:
    wanted = {**expectation(case), "causes": sorted(expectation(case)["causes"])}
    said = observed(case, reported(case))
    assert said.keys() == wanted.keys()
    assert {key: said[key] for key in wanted} == wanted


# The model itself as an oracle: it knows which cables carry RDMA and TCP.


def seen(cluster: ModelCluster) -> Iterator[tuple[Port, Port, Cable]]:
    """List the cables that the recording can know of, by their two ends."""
    for cable in cluster.cables:
        ends = [port_of(cluster, cluster.by_name[host], number) for host, number in cable.ends]
        one, other = ends
        listed = all(end.mac.listed for end in ends) and one.mac.name != other.mac.name
        silent = any(not speaks(cluster, end.mac.name) for end in ends)
        if listed and not silent and not cluster.redacted and any(end.cable for end in ends):
            yield one, other, cable


def speaks(cluster: ModelCluster, host: str) -> bool:
    """Whether a host says what is on its ports."""
    broken = (host, "system_profiler_thunderbolt") in cluster.edits
    return host not in cluster.access and host not in cluster.silent and not broken


def carries_rdma(cluster: ModelCluster, end: Port) -> bool:
    """What TN3205 and MLX ask of one end: a device, an active port, an IPv4 GID at index 1."""
    alive = end.has_device and end.has_interface and end.state == ACTIVE and not end.late_ipv4
    asked = (end.mac.name, "ibv_devinfo") not in cluster.edits
    return alive and end.mac.runs_rdma and bool(end.own_ipv4) and asked


def carries_tcp(one: Port, other: Port) -> bool:
    networks = [[IPv4Interface(a).network for a in end.own_ipv4] for end in (one, other)]
    shared = any(a.overlaps(b) for a in networks[0] for b in networks[1])
    return one.linked and other.linked and shared


@pytest.mark.parametrize("case", ALL)
def test_links_are_those_of_the_model_and_usable_where_the_model_is(case: str) -> None:
    cluster = CASES[case]()
    rank = {mac.name: i for i, mac in enumerate(cluster.listed)}
    wanted = {}
    for one, other, _ in seen(cluster):
        a, b = sorted((one, other), key=lambda end: rank[end.mac.name])
        rdma = carries_rdma(cluster, a) and carries_rdma(cluster, b)
        wanted[a.end, b.end] = (rdma, carries_tcp(a, b))
    said = {
        tuple((end.host, end.receptacle) for end in s.link.ends): (
            s.jaccl.usable is True,
            s.ring.usable is True,
        )
        for s in reported(case).links
    }
    assert said == wanted
    assert list(said) == sorted(
        said, key=lambda ends: [(rank[host], number) for host, number in ends]
    )


@pytest.mark.parametrize("case", ALL)
def test_each_end_has_the_names_that_its_host_gives_it(case: str) -> None:
    cluster = CASES[case]()
    ends = {one.end: one for pair in seen(cluster) for one in pair[:2]}
    for state in reported(case).links:
        for end in state.link.ends:
            truth = ends[end.host, end.receptacle]
            assert end.interface == (truth.interface if truth.has_interface else None)
            asked = (end.host, "ibv_devinfo") not in cluster.edits
            has = truth.has_device and truth.has_interface
            if truth.mac.has_rdma_tools:
                assert end.device == (f"rdma_{truth.interface}" if has else None)
            assert end.state == (truth.state.partition(" ")[0] if has and asked else None)
            assert end.ipv4 == truth.own_ipv4
            assert end.speed_gbps == (truth.speed_gbps if truth.cable else None)


@pytest.mark.parametrize("case", ALL)
def test_a_recommended_order_can_be_cabled_as_recommended(case: str) -> None:
    report = reported(case)
    hosts = report.cluster.topology.hosts
    rdma = {frozenset(s.link.hosts) for s in report.links if s.jaccl.usable}
    tcp = {frozenset(s.link.hosts) for s in report.links if s.ring.usable}
    for choice in report.recommendation.choices:
        assert bool(choice.order) == (choice.usable is True)
        if not choice.usable:
            continue
        assert sorted(choice.order) == sorted(hosts)
        closed = {frozenset(p) for p in pairwise((*choice.order, choice.order[0]))}
        if choice.backend == "jaccl":
            assert choice.order == hosts
            assert {frozenset((a, b)) for a in hosts for b in hosts if a != b} <= rdma
        elif choice.backend == "jaccl-ring":
            assert closed <= rdma
        elif choice.note == "over Thunderbolt IP":
            assert closed <= tcp


@pytest.mark.parametrize("case", ALL)
def test_what_is_not_usable_names_what_stands_against_it(case: str) -> None:
    report = reported(case)
    for choice in report.recommendation.choices:
        if choice.usable is False:
            assert choice.blockers
            assert all(blocker.subjects for blocker in choice.blockers)
        if choice.usable:
            assert not choice.blockers
    for state in report.links:
        for usable in (state.jaccl, state.ring):
            assert (usable.usable is False) <= bool(usable.blockers)
            assert (usable.usable is True) <= (not usable.blockers)


def test_a_link_of_which_nothing_was_proven_is_not_usable() -> None:
    good = reported("clean-pair").links[0]
    assert good.jaccl.usable is True
    for a, b in (((), ()), (good.a, ()), ((), good.b)):
        assert LinkState(good.link, a, b).jaccl.usable is None
    for missing in ("rdma-port-active", "gid-index-1"):
        less = tuple(f for f in good.b if f.id != missing)
        assert LinkState(good.link, good.a, less).jaccl.usable is None


@pytest.mark.parametrize("case", ALL)
def test_causes_and_consequences_partition_what_is_wrong(case: str) -> None:
    report = reported(case)
    bad = {f.key for f in report.findings if f.status in (Status.FAIL, Status.UNKNOWN)}
    listed = [f.key for c in report.causes for f in (c, *report.consequences(c))]
    assert len(listed) == len(set(listed))
    assert set(listed) == bad


@pytest.mark.parametrize("case", ALL)
def test_what_is_wrong_says_on_what_evidence_and_what_to_do(case: str) -> None:
    for finding in reported(case).findings:
        if finding.status in (Status.FAIL, Status.UNKNOWN):
            assert finding.evidence is not None
            assert finding.evidence.source
            assert finding.evidence.observed
            assert finding.evidence.expected
            assert finding.fix is not None
            assert finding.fix.text
        if finding.status is Status.SKIP:
            assert finding.reason
        if finding.status is Status.PASS:
            assert finding.evidence is None


def test_the_incident_puts_the_cause_on_macstudio1_and_not_on_its_cables() -> None:
    report = reported("incident")
    cause = of(report, "rdma-host-ports", "macstudio1")
    followers = {f.key for f in report.consequences(cause)}
    assert {f"rdma-port-active macstudio1 en{n}" for n in (3, 4, 5)} <= followers
    assert cause.evidence is not None
    assert "all 3 cabled ports are PORT_DOWN" in cause.evidence.observed
    assert cause.fix is not None
    assert cause.fix.kind is FixKind.REBOOT


def test_matrix_of_two_cables_lists_both_in_the_same_order_at_both_ends() -> None:
    shown = document(reported("two-cables"))["matrix"]
    assert shown == {
        "hosts": ["macstudio1", "macstudio2"],
        "devices": [[None, ["rdma_en2", "rdma_en4"]], [["rdma_en2", "rdma_en5"], None]],
    }


def test_peers_are_named_as_what_they_are() -> None:
    told = {h["name"]: h["ports"] for h in document(reported("dock-and-display"))["hosts"]}
    shown = {(host, p["receptacle"]): p["peer"] for host, ports in told.items() for p in ports}
    assert shown["macstudio1", 1] == {"host": None, "kind": "dock", "name": "Quayside Dock 4"}
    assert shown["macstudio2", 5] == {"host": None, "kind": "display", "name": "Studio Display"}
    assert shown["macstudio3", 6]["name"] == "Ferrow X5"
    assert shown["macstudio4", 6] is None
    assert shown["macstudio1", 2] == {"host": "macstudio2", "receptacle": 2, "interface": "en3"}
    stranger = document(reported("unlisted-mac"))["hosts"][0]["ports"][0]
    assert stranger["peer"] == {"host": None, "kind": "unlisted-mac", "name": "Mac15,14"}
    loop = document(reported("self-loop"))["hosts"][0]["ports"][4]
    assert loop["peer"] == {"host": None, "kind": "self", "name": "macstudio1"}


# JSON: the schema, and what the contract says beside it.


@pytest.mark.parametrize("case", ALL)
def test_json_holds_to_the_schema(case: str) -> None:
    rendered = FORMATS["json"](reported(case), Style())
    validator().validate(json.loads(rendered))
    told = json.loads(rendered)
    assert list(told) == sorted(told)
    assert all(list(check) == sorted(check) for check in told["checks"])
    elements = sum(len(value) or 1 for value in told.values() if isinstance(value, list))
    assert len(rendered.splitlines()) > len(told) + elements


def test_schema_refuses_what_nobody_declared() -> None:
    told = document(reported("unlisted-mac"))
    for spoilt in spoilings(told):
        assert not validator().is_valid(spoilt)


def spoilings(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Add a key to every object of a document, and take one from it, one at a time."""
    text = json.dumps(told)
    for path in paths(told, ()):
        for key in ("surprise", None):
            spoilt = json.loads(text)
            at = spoilt
            for step in path:
                at = at[step]
            if key:
                at[key] = 1
            elif path == ("explanations",):
                continue  # a map of as many checks as there are causes
            else:
                at.pop("kind" if "kind" in at else min(at))
            yield spoilt


def paths(value: object, at: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        yield at
        for key, inner in value.items():
            yield from paths(inner, (*at, key))
    if isinstance(value, list):
        for i, inner in enumerate(value[:2]):
            yield from paths(inner, (*at, i))


def test_schema_knows_exactly_the_words_of_the_program() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    words = schema["$defs"]
    assert words["outcome"]["enum"] == [o.value for o in Outcome]
    assert words["status"]["enum"] == [s.value for s in Status]
    assert words["severity"]["enum"] == [s.value for s in Severity]
    assert words["fix_kind"]["enum"] == [k.value for k in FixKind]
    assert words["area"]["enum"] == [
        *whole.AREAS,
        "backend",
        "probes",
        "hostfile",
        "jobs",
        "server",
        "hang",
    ]


@pytest.mark.parametrize("case", ALL)
def test_json_counts_what_it_lists(case: str) -> None:
    told = document(reported(case))
    statuses = [(c["status"], c["severity"]) for c in told["checks"]]
    summary = told["summary"]
    assert sum(summary.values()) == len(statuses)
    assert summary["fail"] == statuses.count(("fail", "error"))
    assert summary["warning"] == statuses.count(("fail", "warning"))
    assert summary["unknown"] == sum(s == "unknown" for s, _ in statuses)
    keys = {key_of(c) for c in told["checks"]}
    assert {c["blocked_by"] for c in told["checks"]} - {None} <= keys
    assert len(keys) == len(statuses)


def key_of(check: dict[str, Any]) -> str:
    return f"{check['id']} {label(check['subject'])}"


def label(subject: dict[str, Any]) -> str:
    place = subject.get("interface") or (
        f"receptacle {subject['receptacle']}" if "receptacle" in subject else None
    )
    own = " ".join(filter(None, (subject.get("host"), place))) or "cluster"
    far = subject["kind"] in ("link", "pair") and subject.get("far")
    return f"{own} - {label(far)}" if far else own


# Recordings: what was saved says the same as what was seen.


@pytest.mark.parametrize("case", ALL)
def test_folder_and_tar_give_the_same_bytes_in_every_format(case: str, tmp_path: Path) -> None:
    write_recording(CASES[case](), tmp_path / "written")
    first = recording.load(tmp_path / "written")
    recording.save(first, tmp_path / "folder")
    recording.save(first, tmp_path / "packed.tar.gz")
    places = ("written", "folder", "packed.tar.gz")
    reports = [built(recording.load(tmp_path / place)) for place in places]
    for form, render in FORMATS.items():
        style = Style(width=80, color=True, verbose=True)
        assert len({render(report, style) for report in reports}) == 1, form
    assert causes(reports[0]) == causes(reported(case))


# Honesty: whatever is taken away from a healthy mesh, it is never called healthy.


IRRELEVANT = frozenset({"networksetup_serviceorder"})
"""No check but access-answers reads it."""


def spoilt(host: str, command: str) -> Iterator[Recording]:
    clean = recorded("clean-mesh-4")
    yield without(clean, host, command)
    yield printing(clean, host, command, GARBAGE)
    yield printing(clean, host, command, b"")
    yield ended(clean, host, command, Outcome.TIMEOUT)
    yield ended(clean, host, command, Outcome.SIGNALLED)
    yield ended(clean, host, command, Outcome.TRUNCATED)
    yield ended(clean, host, command, Outcome.MISSING)
    yield ended(clean, host, command, Outcome.NOT_STARTED)


@pytest.mark.parametrize("command", NAMES)
def test_a_clean_mesh_without_one_fact_is_not_called_clean(command: str) -> None:
    for made in spoilt("macstudio2", command):
        report = built(made)
        assert report.verdict != "pass"
        assert report.exit_code != 0
        # An answer that is empty or garbage is never read as "nothing there".
        bad = {f.key for f in report.findings if f.status in (Status.FAIL, Status.UNKNOWN)}
        assert any("macstudio2" in key for key in bad)
        for render in FORMATS.values():
            render(report, Style())
        validator().validate(document(report))


DECISIVE = (
    "ibv_devinfo",
    "ifconfig",
    "networksetup_hardwareports",
    "rdma_ctl",
    "sw_vers",
    "system_profiler_thunderbolt",
)


@pytest.mark.parametrize("command", DECISIVE)
def test_links_of_a_host_that_lost_a_decisive_fact_are_not_usable(command: str) -> None:
    for made in spoilt("macstudio2", command):
        report = built(made)
        assert not any(s.jaccl.usable for s in report.links if "macstudio2" in s.link.hosts)
        assert report.recommendation.backend not in ("jaccl", "jaccl-ring")


COMMAND_ONLY = set(list(Outcome)[: list(Outcome).index(Outcome.LEFT_OUT) + 1])
"""The first group of outcomes: what happens to a command, not to a host."""


@pytest.mark.parametrize("outcome", [o for o in Outcome if o not in COMMAND_ONLY])
def test_a_host_that_was_not_reached_makes_the_verdict_unknown(outcome: Outcome) -> None:
    report = built(unreached(recorded("clean-mesh-4"), "macstudio2", outcome))
    assert (report.verdict, report.exit_code) == ("unknown", 3)
    assert causes(report) == ["access-reachable macstudio2"]
    validator().validate(document(report))


@pytest.mark.parametrize("command", NAMES)
@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, Outcome.EXITED])
def test_nobody_knowing_a_fact_is_not_agreement(command: str, outcome: Outcome) -> None:
    made = recorded("clean-mesh-4")
    for host in made.hosts:
        capture = Capture(command, (command,), outcome, 0, stdout=GARBAGE)
        made = replace(made, hosts={**made.hosts, host: {**made.hosts[host], command: capture}})
    report = built(made)
    assert report.verdict != "pass"


def test_how_the_run_ended_goes_before_the_verdict() -> None:
    clean = recorded("clean-mesh-4")
    ends: Sequence[tuple[recording.Ended, int]] = (
        ("timeout", 124),
        ("interrupted", 130),
        ("terminated", 143),
    )
    for how, code in ends:
        report = built(replace(clean, ended=how))
        assert report.exit_code == code
        validator().validate(document(report))


def test_no_check_at_all_is_no_pass() -> None:
    report = reports.build(recorded("clean-mesh-4"), "ports", "0", wanted=lambda _: False)
    assert (report.verdict, report.exit_code) == ("unknown", 3)
    for render in FORMATS.values():
        render(report, Style())


def test_warnings_fail_only_where_they_are_asked_to() -> None:
    made = recorded("slow-cable")
    assert reports.build(made, "ports", "0").exit_code == 0
    strict = reports.build(made, "ports", "0", fail_on=Severity.WARNING)
    assert (strict.verdict, strict.exit_code) == ("fail", 1)


@pytest.mark.parametrize("command", ["ifconfig", "ibv_devinfo", "system_profiler_thunderbolt"])
def test_answers_of_two_hosts_that_were_changed_over_are_not_called_clean(command: str) -> None:
    clean = recorded("clean-mesh-4")
    one, other = (dict(clean.hosts[name]) for name in ("macstudio1", "macstudio2"))
    one[command], other[command] = other[command], one[command]
    report = built(replace(clean, hosts={**clean.hosts, "macstudio1": one, "macstudio2": other}))
    bad = [f.id for f in report.findings if f.status is Status.FAIL]
    if command != "ibv_devinfo":
        assert bad.count("network-subnet") == 4  # all links of the two, but for their own
    if command == "system_profiler_thunderbolt":
        assert set(bad) == {"network-subnet"}
        return
    assert {"gid-current-address", "backend-expected"} <= set(bad)
    assert report.verdict == "fail"
    touched = [s for s in report.links if {"macstudio1", "macstudio2"} & set(s.link.hosts)]
    assert not any(state.jaccl.usable for state in touched)


# Any mixture of what hosts may say, hostile and healthy.

SOURCES = (
    "clean-mesh-4",
    "incident",
    "stock-bridge",
    "rdma-off-one-host",
    "tb4-in-the-mix",
    "macos-26.1",
    "gid-at-index-2",
    "device-without-interface",
    "peer-behind-dock",
    "self-loop",
    "duplicate-uuids",
)
HOSTS = ("macstudio1", "macstudio2", "macstudio3", "macstudio4")
SPOILT = ("garbage", "empty", "missing", "timeout", "exit 1")
answers = st.sampled_from((*SOURCES, *SPOILT, "cut"))
COMMANDS = st.sampled_from(("ports", "recommend", "preflight"))
mixtures = st.fixed_dictionaries(
    {host: st.fixed_dictionaries(dict.fromkeys((*NAMES, ACCESS), answers)) for host in HOSTS}
)
expectations = st.builds(
    Expect,
    backend=st.sampled_from([None, "jaccl", "jaccl-ring", "ring", "mpi"]),
    macos=st.sampled_from([None, "26.3", "25D125"]),
    mlx=st.sampled_from([None, "0.32.4"]),
    topology=st.sampled_from([None, "mesh", "ring"]),
)


def answer(host: str, command: str, source: str) -> Capture | None:
    if source in SOURCES:
        return recorded(source).hosts[host].get(command)
    if source == "missing":
        return None
    if source == "cut":
        whole = recorded("clean-mesh-4").hosts[host].get(command)
        return whole and replace(whole, stdout=whole.stdout[: len(whole.stdout) * 2 // 3])
    if source == "timeout":
        return Capture(command, (command,), Outcome.TIMEOUT, seconds=15.0)
    status = 1 if source == "exit 1" else 0
    printed = b"" if source == "empty" else GARBAGE
    return Capture(command, (command,), Outcome.EXITED, status, stdout=printed, stderr=printed)


def mixed(mixture: dict[str, dict[str, str]], expect: Expect) -> Recording:
    hosts = {
        host: {
            command: capture
            for command, source in sources.items()
            if (capture := answer(host, command, source)) is not None
        }
        for host, sources in mixture.items()
    }
    return expecting(replace(recorded("clean-mesh-4"), hosts=hosts), expect)


def proven(made: Report, state: LinkState) -> bool:
    """Whether both ends gave the bytes that RDMA needs, read without the program's joins."""
    for end in state.link.ends:
        host = made.cluster.of(end.host)
        capture = host.captures.get("ibv_devinfo")
        if capture is None or capture.outcome is not Outcome.EXITED or not host.reached:
            return False
        blocks = capture.stdout.decode("utf-8", "replace").split("hca_id:\t")
        block = next((b for b in blocks if b.startswith(f"rdma_{end.interface}\n")), "")
        gid = "GID[  1]:\t\t::ffff:"
        if "PORT_ACTIVE (4)" not in block or gid not in block:
            return False
    return True


@settings(max_examples=40, deadline=None)
@given(mixtures, expectations, COMMANDS)
def test_no_mixture_of_answers_breaks_a_report_or_proves_what_nobody_said(
    mixture: dict[str, dict[str, str]], expect: Expect, command: str
) -> None:
    report = reports.build(mixed(mixture, expect), command, "0.1.0")
    validator().validate(document(report))
    for style in (Style(width=80, unicode=False, verbose=True), Style(color=True)):
        for render in FORMATS.values():
            assert render(report, style)
    for state in report.links:
        assert state.jaccl.usable is not True or proven(report, state)
    unsaid = any(source in SPOILT for said in mixture.values() for source in said.values())
    if command == "ports" and unsaid and expect.backend not in ("ring", "mpi"):
        assert report.verdict != "pass"


def test_facts_that_were_read_early_are_taken_and_those_of_other_bytes_are_not() -> None:
    told = recorded("incident")
    early = {host.name: read(host, told.hosts[host.name]) for host in told.inventory.hosts}
    taken = reports.build(told, "ports", "0.1.0", early=early)
    assert all(facts is early[facts.host.name] for facts in taken.cluster.facts)
    assert document(taken) == document(reported("incident"))
    other = printing(told, "macstudio1", "rdma_ctl", b"disabled\n")
    assert document(reports.build(other, "ports", "0.1.0", early=early)) == document(built(other))
