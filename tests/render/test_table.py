"""The table and the short form: widths, plainness, hostile text, many hosts, long names."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

import pytest
from rich.cells import cell_len

from mlxdiag.capture import Capture, Outcome
from mlxdiag.inventory import Host, Inventory
from mlxdiag.recording import Recording
from mlxdiag.render import FORMATS
from mlxdiag.render.cells import LEGEND, cell
from mlxdiag.render.short import verdict_line
from mlxdiag.render.style import MARKS, Style
from mlxdiag.report import Report
from tests.checks.recorded import altered, built, ended, printing, recorded, reported
from tests.model import CASES

TEXTS = ("table", "short")
ALL = sorted(CASES)
SMALL = sorted(CASES.keys() - {"ring-64"})
ESCAPE = "\x1b"
COMMAND = re.compile(r"^ *\S+\$ ")
"""A line to be copied: it is never broken, whatever the width."""


def table(report: Report, **style: object) -> str:
    return FORMATS["table"](report, Style(**style))  # type: ignore[arg-type]


def too_wide(text: str, width: int) -> list[str]:
    return [
        line for line in text.splitlines() if cell_len(line) > width and not COMMAND.match(line)
    ]


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("case", ["incident", "stock-bridge", "peer-behind-dock", "macos-26.1"])
def test_no_line_is_wider_than_the_terminal(case: str, width: int) -> None:
    for verbose in (False, True):
        assert too_wide(table(reported(case), width=width, verbose=verbose), width) == []


@pytest.mark.parametrize("case", ALL)
def test_80_columns_are_enough_for_every_case(case: str) -> None:
    assert too_wide(table(reported(case), width=80), 80) == []


@pytest.mark.parametrize("case", ALL)
def test_plain_text_has_no_escapes_and_ends_in_one_line_end(case: str) -> None:
    for form in TEXTS:
        text = FORMATS[form](reported(case), Style(color=False))
        assert ESCAPE not in text
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        assert all(line == line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize("case", ALL)
def test_ascii_is_ascii(case: str) -> None:
    for form in TEXTS:
        FORMATS[form](reported(case), Style(unicode=False, verbose=True)).encode("ascii")


@pytest.mark.parametrize("case", ALL)
def test_colour_adds_nothing_but_escapes(case: str) -> None:
    plain = table(reported(case), color=False)
    colored = table(reported(case), color=True)
    assert ESCAPE in colored
    bare = re.sub(r"\x1b\[[0-9;]*m", "", colored)
    assert [line.rstrip() for line in bare.splitlines()] == plain.splitlines()


def test_every_mark_has_a_plain_form_of_its_own() -> None:
    marks = [name for name, _ in LEGEND]
    assert set(marks) <= MARKS.keys()
    for form in (0, 1):
        signs = [MARKS[name][form] for name in marks]
        assert len(set(signs)) == len(signs)
    assert all(plain.isascii() for _, plain in MARKS.values())


def test_the_incident_is_told_host_by_host() -> None:
    lines = table(reported("incident"), width=80).splitlines()
    rows = {line.split()[0]: line for line in lines if line.startswith("macstudio")}
    assert set(rows) == {"macstudio1", "macstudio2", "macstudio3", "macstudio4"}
    hosts = [line for line in lines if "M3 Ultra" in line]
    assert [line.split()[-1] for line in hosts] == ["0/3", "3/3", "1/3", "2/3"]
    matrix = [line for line in lines if line.startswith("macstudio1") and "DOWN" in line]
    assert len(matrix) == 1
    assert matrix[0].count("✗") == 3
    assert all(name in matrix[0] for name in ("en3", "en4", "en5"))


def test_the_legend_explains_the_marks_that_are_used_and_no_others() -> None:
    for case in ("incident", "tb4-ring", "truncated-json", "slow-cable", "clean-mesh-4"):
        report = reported(case)
        hosts = report.cluster.topology.hosts
        used = {cell(report, a, b).mark for a in hosts for b in hosts}
        text = table(report, width=200)
        assert {name for name, words in LEGEND if words in text} == used - {"self"}


def test_the_last_line_is_the_verdict_and_the_first_line_of_short() -> None:
    for case in SMALL:
        report = reported(case)
        line = verdict_line(report, Style())
        assert "\n" not in line
        assert line.startswith(f"{report.verdict.upper()}:")
        assert table(report, width=400).splitlines()[-1] == line
        assert FORMATS["short"](report, Style()).splitlines()[0] == line


def test_short_has_one_line_for_each_folded_cause() -> None:
    lines = FORMATS["short"](reported("incident"), Style()).splitlines()
    assert len(lines) == 4
    assert any(line.startswith("error: macstudio1: all 3 cabled ports") for line in lines)
    assert any(line.startswith("warning: macstudio[1-4]: macOS 26.2") for line in lines)


def test_nothing_unknown_is_shown_as_good() -> None:
    for case in ("truncated-json", "unreachable-host", "empty-recording", "duplicate-uuids"):
        report = reported(case)
        assert verdict_line(report, Style()).startswith("UNKNOWN:")
        hosts = report.cluster.topology.hosts
        marks = {cell(report, a, b).mark for a in hosts for b in hosts}
        assert "unknown" in marks


# Hostile text from a host or an inventory.

HOSTILE = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\u202egnp.exe",
    "\u2066\u2069",
    "\r\nALLISWELL",
    "\x00\x08\x7f",
    "[red]markup[/red]",
    "[/]",
    ":boom:",
    "\u2028next",
    "\U0001f4a5",
    "\ufeff\u200b",
)
FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def hostile_reports() -> list[Report]:
    clean = recorded("clean-mesh-4")
    said = "".join(HOSTILE)
    made = [
        altered(clean, "macstudio1", "sw_vers", b"26.3", said.encode()),
        altered(clean, "macstudio1", "sw_vers", b"25D125", said.encode()),
        altered(clean, "macstudio1", "sysctl", b"Apple M3 Ultra", said.encode()),
        altered(clean, "macstudio1", "rdma_ctl", b"enabled", said.encode()),
        altered(clean, "macstudio1", "mlx_runtime", b"0.32.4", said.encode()),
        printing(clean, "macstudio1", "ibv_devinfo", said.encode()),
        printing(clean, "macstudio1", "ifconfig", said.encode()),
        printing(clean, "macstudio1", "networksetup_hardwareports", said.encode()),
        altered(
            recorded("peer-behind-dock"),
            "macstudio1",
            "system_profiler_thunderbolt",
            b"Quayside Dock 4",
            as_json(said),
        ),
        altered(
            recorded("unlisted-mac"),
            "macstudio1",
            "system_profiler_thunderbolt",
            b"Mac15,14",
            as_json(said),
        ),
        spoken(clean, said),
        renamed(clean, said),
    ]
    return [built(one) for one in made]


def as_json(text: str) -> bytes:
    import json  # noqa: PLC0415

    return json.dumps(text, ensure_ascii=False)[1:-1].encode()


def spoken(made: Recording, said: str) -> Recording:
    """Let a command fail with a hostile stderr."""
    bad = Capture("ibv_devinfo", (), Outcome.EXITED, 1, stderr=said.encode(), detail=said)
    host = {**made.hosts["macstudio1"], "ibv_devinfo": bad}
    return replace(made, hosts={**made.hosts, "macstudio1": host})


def renamed(made: Recording, cluster: str) -> Recording:
    return replace(made, inventory=replace(made.inventory, cluster=cluster))


@pytest.mark.parametrize("number", range(12))
def test_hostile_text_cannot_reach_the_terminal(number: int) -> None:
    report = hostile_reports()[number]
    for form in TEXTS:
        for unicode in (True, False):
            for verbose in (False, True):
                style = Style(width=80, unicode=unicode, verbose=verbose)
                text = FORMATS[form](report, style)
                assert not FORBIDDEN.search(text), (form, FORBIDDEN.search(text))
                assert unicode or text.isascii()
                assert not any(line.startswith("ALLISWELL") for line in text.splitlines())
        colored = FORMATS[form](report, Style(width=80, color=True))
        bare = re.sub(r"\x1b\[[0-9;]*m", "", colored)
        assert not FORBIDDEN.search(bare)


def test_hostile_text_was_there_to_be_shown() -> None:
    shown = [table(report, width=400, verbose=True) for report in hostile_reports()]
    assert sum("[red]markup[/red]" in text for text in shown) >= 5
    assert sum("\\x1b[31mred" in text for text in shown) >= 5


def test_json_keeps_hostile_text_as_json_does() -> None:
    import json  # noqa: PLC0415

    for report in hostile_reports():
        rendered = FORMATS["json"](report, Style())
        assert not re.search("[\x00-\x09\x0b-\x1f]", rendered)
        json.loads(rendered)


# Many hosts, and hosts with long names.


def test_from_nine_hosts_on_the_matrix_is_compact() -> None:
    lines = table(reported("mesh-9-hosts-ring"), width=80).splitlines()
    rows = [line for line in lines if re.match(r"macstudio\d +\d [✓· ]", line)]
    assert len(rows) == 9
    assert all(line.count("✓") == 2 for line in rows)
    assert any(line.startswith("LINKS") for line in lines)


def test_eight_hosts_have_the_full_matrix() -> None:
    text = table(reported("mesh-8"), width=140)
    assert "LINKS" not in text
    assert "✓ en7" in text


def test_64_hosts_have_one_sign_for_a_pair_and_a_list_of_the_faulty_links() -> None:
    report = reported("ring-64")
    text = table(report, width=160)
    rows = [line for line in text.splitlines() if re.match(r"macstudio\d+ +\d+ +[✓·]", line)]
    assert len({line.split()[0] for line in rows}) == 64
    assert sum(line.count("✓") for line in rows) == 128
    assert too_wide(text, 160) == []
    broken = ended(recorded("ring-64"), "macstudio7", "ibv_devinfo", Outcome.TIMEOUT)
    listed = table(built(broken), width=160).partition("LINKS")[2].partition("\n\n")[0]
    ends = [line for line in listed.splitlines() if "macstudio7 " in line]
    assert len(ends) == 2


def named(case: str, rename: dict[str, str]) -> Recording:
    made = recorded(case)
    hosts = tuple(
        Host(rename[h.name], h.address, ip=h.ip, python=h.python) for h in made.inventory.hosts
    )
    captures = {rename[name]: found for name, found in made.hosts.items()}
    asked = Inventory(made.inventory.cluster, hosts, made.inventory.expect)
    return replace(made, inventory=asked, hosts=captures)


LONG = {
    f"macstudio{n}": f"rack-{n}-of-the-machine-room-downstairs.{'x' * 11}{n:04d}"[:40]
    for n in range(1, 10)
}


@pytest.mark.parametrize("case", ["incident", "stock-bridge", "macos-26.1", "mesh-9-hosts-ring"])
def test_long_names_fit_80_columns(case: str) -> None:
    report = built(named(case, {h: LONG[h] for h in recorded(case).hosts}))
    for unicode in (True, False):
        assert too_wide(table(report, width=80, unicode=unicode), 80) == []


def test_long_names_are_told_apart() -> None:
    report = built(named("incident", {h: LONG[h] for h in recorded("incident").hosts}))
    joined = "".join(table(report, width=80).split())
    for name in report.cluster.topology.hosts:
        assert name in joined


def test_a_single_host_has_no_matrix() -> None:
    made = recorded("clean-pair")
    alone = replace(
        made,
        inventory=replace(made.inventory, hosts=made.inventory.hosts[:1]),
        hosts={"macstudio1": made.hosts["macstudio1"]},
    )
    text = table(built(alone))
    assert "PORT PAIRS" not in text
    assert "1 host " in text


def test_verbose_lists_every_port() -> None:
    text = table(reported("incident"), width=140, verbose=True)
    ports = text.partition("PORTS\n")[2]
    for host in ("macstudio1", "macstudio2", "macstudio3", "macstudio4"):
        for number in range(2, 8):
            assert f"{host} en{number} " in ports
    assert "back-left-middle" in ports


def test_style_text_leaves_nothing_that_controls_a_terminal() -> None:
    everything = "".join(map(chr, [*range(0x3000), *range(0xD7F0, 0xE010), 0xFEFF, 0xE0001]))
    safe = Style().text(everything)
    bad = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert not [c for c in safe if unicodedata.category(c) in bad]
    assert Style(unicode=False).text(everything).isascii()
    assert Style().text("plain en4 ✓") == "plain en4 ✓"
