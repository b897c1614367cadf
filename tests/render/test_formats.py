"""The formats for programs, each read by a parser of those who consume it."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import cmarkgfm
import junitparser
import pydot
import pytest
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

import mlxdiag
from mlxdiag import recording, report
from mlxdiag.capture import ACCESS, Capture, Outcome
from mlxdiag.finding import Severity, Status
from mlxdiag.ladder import LinkState
from mlxdiag.render import EXIT_CODES, FORMATS
from mlxdiag.render.drawing import draw
from mlxdiag.render.fold import groups
from mlxdiag.render.nagios import LENGTH
from mlxdiag.render.raw import behind
from mlxdiag.render.style import Style
from mlxdiag.report import Report
from tests.checks.recorded import printing, recorded, reported, without
from tests.model import CASES
from tests.preflight.gated import gated, judged, listening
from tests.render.awkward import awkward, awkward_recording

COMMANDS = ("ports", "probe")
EVERY = (*COMMANDS, "recommend", "preflight")
FORBIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u206f\ufeff\ud800-\udfff]"
)


def rendered(form: str, made: Report, **style: bool) -> str:
    return FORMATS[form](made, Style(**style))


# All of them, with the awkward report.


def test_the_awkward_report_is_awkward() -> None:
    made = awkward()
    assert {f.status for f in made.findings} == set(Status)
    assert len(made.cluster.facts) == 64
    assert {f.status for f in awkward("probe").findings} >= {Status.PASS, Status.FAIL}
    said = "".join(f.evidence.observed for f in made.findings if f.evidence)
    assert "<b>&" in said


@pytest.mark.parametrize("command", EVERY)
@pytest.mark.parametrize("form", FORMATS)
def test_no_format_lets_a_control_character_through(form: str, command: str) -> None:
    text = rendered(form, awkward(command))
    assert text.endswith("\n")
    assert text.encode()
    if form != "json":  # which has its own escapes for them
        assert not FORBIDDEN.search(text), FORBIDDEN.search(text)
    if form not in ("json", "nagios"):
        assert "evil.example" in text


@pytest.mark.parametrize("command", EVERY)
def test_json_of_the_awkward_report_is_what_the_schema_says(command: str) -> None:
    schema = json.loads((Path(mlxdiag.__file__).parent / "report.schema.json").read_text())
    said = json.loads(rendered("json", awkward(command)))
    Draft202012Validator(schema).validate(said)
    assert said["command"] == command
    assert len(said["hosts"]) == 64


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("form", sorted(FORMATS.keys() - {"json"}))
def test_every_format_can_do_with_ascii(form: str, command: str) -> None:
    rendered(form, awkward(command), unicode=False).encode("ascii")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_replay_gives_the_same_bytes_in_every_format(command: str, tmp_path: Path) -> None:
    made = awkward_recording()
    for place in ("folder", "packed.tar.gz"):
        recording.save(made, tmp_path / place)
    places = (tmp_path / "folder", tmp_path / "packed.tar.gz")
    read = [made, *(recording.load(place) for place in places)]
    reports = [report.build(one, command, "0.1.0") for one in read]
    for form in FORMATS:
        assert len({rendered(form, one) for one in reports}) == 1, form


# JUnit, read by junitparser.


@pytest.mark.parametrize("fail_on", [Severity.ERROR, Severity.WARNING])
@pytest.mark.parametrize("command", COMMANDS)
def test_junit_counts_what_the_report_counts(command: str, fail_on: Severity) -> None:
    made = awkward(command, fail_on)
    suites = list(junitparser.JUnitXml.fromstring(rendered("junit", made).encode()))
    assert [s.name for s in suites] == list(dict.fromkeys(f.check.area for f in made.findings))
    cases = [case for suite in suites for case in suite]
    results = Counter(type(case.result[0]).__name__ for case in cases if case.result)
    statuses = Counter(f.status for f in made.findings)
    warned = [f for f in made.findings if f.status is Status.FAIL and f.severity != Severity.ERROR]
    spared = len(warned) if fail_on is Severity.ERROR else 0
    assert len(cases) == len(made.findings)
    assert results["Skipped"] == statuses[Status.SKIP]
    assert results["Error"] == statuses[Status.UNKNOWN]
    assert results["Failure"] == statuses[Status.FAIL] - spared
    assert sum(bool(case.system_out) for case in cases) == spared
    for suite in suites:
        own = Counter(type(case.result[0]).__name__ for case in suite if case.result)
        assert (suite.failures, suite.errors) == (own["Failure"], own["Error"])
        assert (suite.tests, suite.skipped) == (len(list(suite)), own["Skipped"])
    names = [(case.classname, case.name) for case in cases]
    assert len(set(names)) == len(names)


def test_junit_says_what_was_seen_and_what_to_do() -> None:
    suites = junitparser.JUnitXml.fromstring(rendered("junit", reported("incident")).encode())
    cases = {case.name: case for suite in suites for case in suite}
    (failure,) = cases["rdma-host-ports [macstudio1]"].result
    assert failure.message.startswith("all 3 cabled ports are PORT_DOWN")
    assert "reboot: restart this host" in failure.text
    (follower,) = cases["rdma-port-active [macstudio1 en3]"].result
    assert "follows from: rdma-host-ports macstudio1" in follower.text
    warning = cases["versions-macos-buffers [macstudio1]"]
    assert not warning.result
    assert warning.system_out.startswith("warning: ")
    (skipped,) = cases["versions-mlx-expected [macstudio1]"].result
    assert skipped.message


# Prometheus, read by its own client.


def families(made: Report) -> dict[str, list[Sample]]:
    found = text_string_to_metric_families(rendered("prometheus", made))
    read = {family.name: family.samples for family in found}
    for name, samples in read.items():
        keys = [tuple(sorted(s.labels.items())) for s in samples]
        assert len(set(keys)) == len(keys), name
    return read


def test_prometheus_has_every_check_and_keeps_hostile_labels() -> None:
    made = awkward()
    read = families(made)
    codes = {Status.PASS: 0, Status.FAIL: 1, Status.UNKNOWN: 2, Status.SKIP: 3}
    safe = Style().text
    wanted = {(f.id, safe(f.subject.label)): codes[f.status] for f in made.findings}
    said = {(s.labels["id"], s.labels["subject"]): s.value for s in read["mlxdiag_check_status"]}
    assert said == wanted
    (info,) = read["mlxdiag_info"]
    assert info.labels["cluster"] == safe(made.cluster.inventory.cluster)
    verdicts = {s.labels["verdict"]: s.value for s in read["mlxdiag_verdict"]}
    assert verdicts == {"pass": 0, "fail": 1, "unknown": 0}


def usable(state: LinkState) -> float:
    return math.nan if state.jaccl.usable is None else float(state.jaccl.usable)


def half_known() -> Report:
    """A mesh where one host did not say what its RDMA ports do."""
    made = without(recorded("clean-mesh-4"), "macstudio2", "ibv_devinfo")
    return report.build(made, "ports", "0.1.0")


@pytest.mark.parametrize("made", [reported("incident"), reported("tb4-in-the-mix"), half_known()])
def test_prometheus_says_nan_of_what_is_not_known(made: Report) -> None:
    read = families(made)
    said = [s.value for s in read["mlxdiag_link_usable"] if s.labels["over"] == "rdma"]
    assert said == pytest.approx([usable(state) for state in made.links], nan_ok=True)
    speeds = [s.value for s in read["mlxdiag_link_speed_bits_per_second"]]
    assert speeds == [state.link.speed_gbps * 1e9 for state in made.links if state.link.speed_gbps]


def test_half_of_what_is_known_is_half_nan() -> None:
    read = families(half_known())
    said = [s.value for s in read["mlxdiag_link_usable"] if s.labels["over"] == "rdma"]
    assert sum(map(math.isnan, said)) == 3
    assert sum(math.isnan(s.value) for s in read["mlxdiag_port_active"]) == 3


def test_prometheus_has_probes_in_base_units() -> None:
    made = awkward("probe")
    read = families(made)
    row = made.probes[0].rows[0]
    times = {
        s.labels["stat"]: s.value
        for s in read["mlxdiag_probe_time_seconds"]
        if (s.labels["launch"], s.labels["size_bytes"]) == ("1", "4")
    }
    assert times["p50"] == pytest.approx(row.p50_us / 1e6) == pytest.approx(26e-6)
    assert [s.value for s in read["mlxdiag_probe_success"]] == [1, 1, 0]
    pair = read["mlxdiag_pair_bandwidth_bytes_per_second"][0]
    assert pair.value == pytest.approx((1 << 20) / 400000 * 1e9)
    assert pair.labels["size_bytes"] == str(1 << 20)
    (latency,) = read["mlxdiag_pair_latency_seconds"]
    assert latency.value == pytest.approx(26e-6)


# GitHub: annotations, decoded as the runner decodes them; Markdown, by GitHub's own renderer.

ANNOTATION = re.compile(r"::(error|warning|notice) file=inventory\.yaml,title=([^:,\n]*)::(.*)")


def commands_of(made: Report) -> list[tuple[str, str, str]]:
    found = []
    for line in rendered("github", made).splitlines():
        match = ANNOTATION.fullmatch(line)
        assert match, line
        found.append((match[1], decoded(match[2]), decoded(match[3])))
    return found


def decoded(text: str) -> str:
    assert not re.search(r"%(?!25|0D|0A|3A|2C)", text)
    for code, char in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, char)
    return text


@pytest.mark.parametrize("command", COMMANDS)
def test_annotations_are_few_and_hold_hostile_text(command: str) -> None:
    found = commands_of(awkward(command))
    assert max(Counter(level for level, _, _ in found).values()) <= 10
    assert any("::error::no %0A" in text for _, _, text in found)
    assert found[-1][0] == "notice"
    assert found[-1][2].startswith("FAIL: ")


def test_annotations_are_folded_and_have_levels() -> None:
    found = commands_of(reported("incident"))
    assert [level for level, _, _ in found] == ["error", "error", "warning", "notice"]
    assert found[1][1] == "rdma-host-ports macstudio1"
    assert "reboot: restart this host" in found[1][2]
    unknown = commands_of(reported("unreachable-host"))
    assert unknown[0][0] == "warning"
    assert unknown[0][1].startswith("not known: ")


def test_more_causes_than_github_shows_are_named_in_the_last() -> None:
    made = recorded("ring-64")
    for n in range(1, 13):
        access = Capture(ACCESS, ("ssh",), Outcome.REFUSED, detail=f"reason {n}")
        made = replace(made, hosts={**made.hosts, f"macstudio{n}": {ACCESS: access}})
    found = commands_of(report.build(made, "ports", "0.1.0"))
    warnings = [a for a in found if a[0] == "warning"]
    assert len(warnings) == 10
    assert warnings[-1][1] == "3 more"
    assert len(warnings[-1][2].splitlines()) == 3


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_that_a_host_said_is_markup_on_github(command: str) -> None:
    page = cmarkgfm.github_flavored_markdown_to_html(rendered("markdown", awkward(command)))
    tags = set(re.findall(r"<(/?\w+)", page))
    known = {"h1", "h2", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "strong"}
    assert {tag.lstrip("/") for tag in tags} <= known | {"code"}
    assert not re.search(r"@\w", page)
    for table in re.findall(r"<table>.*?</table>", page, re.DOTALL):
        rows = [len(re.findall(r"<t[hd]\b", row)) for row in table.split("<tr>")[1:]]
        assert len(set(rows)) == 1
    assert "&lt;script&gt;window.hit=1&lt;/script&gt;" in page
    assert "*_~|$x$ [a](http://evil.example)" in page.replace("&quot;", '"')


def test_markdown_shows_the_matrix_the_causes_and_their_repairs() -> None:
    page = cmarkgfm.github_flavored_markdown_to_html(rendered("markdown", reported("incident")))
    assert "<td>✗ en3 DOWN</td>" in page
    assert "<strong>macstudio1</strong>: all 3 cabled ports are PORT_DOWN" in page
    assert "reboot: restart this host, and only this one" in page
    bridge = rendered("markdown", reported("stock-bridge"))
    commands = re.findall(r"on macstudio\d: `(.*)`$", bridge, re.MULTILINE)
    assert len(commands) == 12


def test_markdown_of_many_hosts_fits_into_a_step_summary() -> None:
    for command in COMMANDS:
        assert len(rendered("markdown", awkward(command)).encode()) < 1 << 20


# Nagios.


@pytest.mark.parametrize(
    ("case", "code", "word"),
    [
        ("clean-mesh-4", 0, "OK"),
        ("slow-cable", 1, "WARNING"),
        ("incident", 2, "CRITICAL"),
        ("unreachable-host", 3, "UNKNOWN"),
    ],
)
def test_nagios_has_its_own_codes(case: str, code: int, word: str) -> None:
    made = reported(case)
    assert EXIT_CODES["nagios"](made) == code
    text = rendered("nagios", made)
    assert text.startswith(f"MLXDIAG {word} - {made.verdict.upper()}: ")


@pytest.mark.parametrize("command", COMMANDS)
def test_nagios_is_one_line_with_numbers_behind_one_bar(command: str) -> None:
    text = rendered("nagios", awkward(command))
    assert text.count("\n") == text.count("|") == 1
    said, numbers = text.split("|")
    assert len(said) <= LENGTH + 30
    perfdata = re.compile(r"\w+=\d+(\.\d+)?(s|)(;;;\d+;\d+)?")
    assert all(perfdata.fullmatch(one) for one in numbers.split())
    assert f"fail={awkward(command).summary['fail']}" in numbers.split()


def test_a_run_that_was_cut_short_is_not_ok() -> None:
    short = replace(reported("clean-mesh-4"), ended="timeout")
    assert EXIT_CODES["nagios"](short) == 3


# Pictures.


@pytest.mark.parametrize("case", ["incident", "two-cables", "ring-64", "ethernet-only"])
def test_dot_has_a_node_a_host_and_an_edge_a_cable(case: str) -> None:
    made = reported(case)
    (graph,) = pydot.graph_from_dot_data(rendered("dot", made)) or []
    nodes = [node for node in graph.get_nodes() if node.get_name().startswith("h")]
    assert len(nodes) == len(made.cluster.facts)
    assert len(graph.get_edges()) == len(made.links)
    for edge, state in zip(graph.get_edges(), made.links, strict=True):
        assert edge.get("style") == ("solid" if state.jaccl.usable else "dashed")
        assert edge.get("color")
        assert edge.get("label").strip('"')


def test_dot_of_what_is_not_known_is_dotted() -> None:
    (graph,) = pydot.graph_from_dot_data(rendered("dot", half_known())) or []
    styles = Counter(edge.get("style") for edge in graph.get_edges())
    assert styles == {"solid": 3, "dotted": 3}


@pytest.mark.parametrize("command", COMMANDS)
def test_dot_keeps_hostile_text_in_its_quotes(command: str) -> None:
    made = awkward(command)
    (graph,) = pydot.graph_from_dot_data(rendered("dot", made)) or []
    assert len(graph.get_edges()) == len(made.links)


@pytest.mark.skipif(not shutil.which("dot"), reason="no graphviz: apt-get install graphviz")
def test_graphviz_draws_what_dot_says() -> None:
    for made in (awkward(), reported("incident")):
        text = rendered("dot", made)
        ran = subprocess.run(
            ["dot", "-Tsvg"], input=text.encode(), capture_output=True, check=True, timeout=120
        )
        assert b"rror" not in ran.stderr
        groups = ET.fromstring(ran.stdout).iter("{http://www.w3.org/2000/svg}g")  # noqa: S314
        classes = Counter(group.get("class") for group in groups)
        assert classes["node"] == len(made.cluster.facts)
        assert classes["edge"] == len(made.links)


@pytest.mark.parametrize("case", sorted(CASES))
def test_every_cable_and_every_port_has_its_place(case: str) -> None:
    made = reported(case)
    drawing = draw(made)
    assert len(drawing.boxes) == len(made.cluster.facts)
    assert len(drawing.wires) == len(made.links)
    ports = sum(map(len, made.cluster.topology.ports.values()))
    assert sum(len(box.spots) for box in drawing.boxes) == (ports if drawing.detailed else 0)
    for box in drawing.boxes:
        assert drawing.left < box.x < drawing.left + drawing.width
        assert drawing.top < box.y < drawing.top + drawing.height
    spots = [(spot.x, spot.y) for box in drawing.boxes for spot in box.spots]
    assert all(math.dist(one, other) > 20 for n, one in enumerate(spots) for other in spots[:n])


class Reader(HTMLParser):
    """Collect the elements, their attributes and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def read_page(made: Report) -> Reader:
    reader = Reader()
    reader.feed(rendered("html", made))
    return reader


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_runs_and_loads_nothing(command: str) -> None:
    page = read_page(awkward(command))
    assert not {"script", "img", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert not [a for a in page.attributes if a[1].startswith("on")]
    addresses = {a[2] for a in page.attributes if a[1] in ("src", "href", "xlink:href", "action")}
    assert addresses == {"data:,"}
    assert "<script>window.hit=1</script>" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert page.tags["style"] == 1


def test_the_page_shows_what_hosts_printed_behind_a_finding() -> None:
    made = reported("incident")
    page = read_page(made)
    assert "all 3 cabled ports are PORT_DOWN" in page.text
    for host in ("macstudio1", "macstudio3"):
        printed = made.cluster.of(host).captures["ibv_devinfo"].stdout.decode()
        for line in printed.splitlines():
            assert line.replace("\t", "    ") in page.text
    assert "stderr:\nfirst\n::error::second\n" in read_page(awkward()).text


NOTHING_BEHIND = ("backend-required", "jobs-none-running")
"""A verdict rests on other findings; the arguments of a process are not shown."""

JOB = "812 /opt/mlx/bin/python -m mlx_lm.server --model m\n"


def test_every_cause_has_what_its_hosts_printed_behind_it() -> None:
    for case in sorted(CASES):
        taken, jobs = {"macstudio1": listening(32323)}, {"macstudio1": JOB}
        for made in (reported(case), judged(gated(case, sockets=taken, jobs=jobs))):
            for group in groups(made):
                silent = group.unknown or group.first.id in NOTHING_BEHIND
                assert silent or behind(made, group.causes), (case, group.first)


def test_the_page_is_of_a_bounded_size() -> None:
    made = recorded("ring-64")
    for host in list(made.hosts)[:40]:
        made = printing(made, host, "ibv_devinfo", host.encode() + b" long\n" * 200_000)
    page = rendered("html", report.build(made, "ports", "0.1.0"))
    assert "bytes more" in page
    assert len(page) < 4 << 20


def test_pairs_have_both_numbers_and_sweeps_a_curve_each() -> None:
    page = read_page(awkward("probe"))
    classes = Counter(value for tag, name, value in page.attributes if name == "class")
    cells = re.findall(r"2\.62\n?.*?26\.0", rendered("html", awkward("probe")), re.DOTALL)
    assert len(cells) >= 2
    assert classes["curve"] >= 2
    assert "1 launch of pairs" in page.text
