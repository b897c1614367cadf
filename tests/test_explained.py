"""Explained: every check is explained, whole, and the same words reach everybody."""

from __future__ import annotations

import json
import re

import pytest

from mlxdiag.catalogue import ALL, listing, page
from mlxdiag.checks import RETIRED, whole
from mlxdiag.explained import PARTS, entries
from mlxdiag.explained.words import said, terminal
from mlxdiag.finding import Check
from mlxdiag.render.html import render as html
from mlxdiag.render.json import document
from mlxdiag.render.style import Style
from tests.checks.recorded import reported
from tests.test_cli import run


def test_every_check_has_one_text_and_no_text_is_of_none() -> None:
    assert set(entries()) == {check.id for check in ALL}
    assert sum(map(len, PARTS)) == len(ALL)
    assert not set(entries()) & RETIRED


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_a_text_lacks_nothing(check: Check) -> None:
    entry = entries()[check.id]
    for text in (entry.detect, entry.risk, entry.versions, *entry.steps, *entry.sources):
        assert len(text) > 2
        assert text == " ".join(text.split())
        assert text.count("`") % 2 == 0
    assert entry.steps
    assert entry.sources
    assert all(re.fullmatch(r"https://[\w.-]+/\S+", s) for s in entry.sources if "://" in s)
    assert (entry.survives_reboot is None) or entry.place in ("here", "host", "person", "recovery")


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_the_page_and_the_terminal_say_all_of_it(check: Check) -> None:
    told = " ".join(terminal(check, 70).split())
    section = page().partition(f"### {check.id}\n")[2].partition("\n### ")[0]
    entry = entries()[check.id]
    for text in (check.title, entry.detect, entry.risk, entry.versions, *entry.steps):
        assert text in told
        assert text in section
    for source in entry.sources:
        assert source in told
        assert source in section


def test_explain_takes_ids_and_areas() -> None:
    ran = run("explain", "rdma-enabled", "gid")
    assert (ran.returncode, ran.stderr) == (0, "")
    heads = [line for line in ran.stdout.splitlines() if re.match(r"[a-z0-9]+-\S+  per ", line)]
    assert [head.split()[0] for head in heads] == [
        "rdma-enabled",
        *(check.id for check in whole.AREAS["gid"]),
    ]


def test_explain_refuses_what_is_no_check() -> None:
    ran = run("explain", "rdma-enabledd")
    assert ran.returncode == 2
    assert "did you mean 'rdma-enabled'?" in ran.stderr
    assert run("explain").returncode == 2


def test_reports_bring_the_texts_of_their_causes() -> None:
    report = reported("incident")
    ids = {cause.id for cause in report.causes}
    assert ids
    assert document(report)["explanations"] == {id_: said(id_) for id_ in ids}
    text = html(report, Style())
    assert entries()["rdma-host-ports"].steps[1].replace("`", "`") in text
    assert document(reported("clean-mesh-4"))["explanations"] == {}


def test_the_list_has_every_check_for_people_and_for_programs() -> None:
    listed = json.loads(listing())["checks"]
    assert [each["id"] for each in listed] == [check.id for check in ALL]
    one = document(reported("incident"))["checks"][0]
    shared = set(one) - {"status", "subject", "evidence", "reason", "blocked_by"}
    assert shared <= set(listed[0])
    assert {key: listed[0][key] for key in shared - {"fix"}} == {
        key: one[key] for key in shared - {"fix"}
    }
    ran = run("check", "--list")
    assert (ran.returncode, len(ran.stdout.splitlines())) == (0, len(ALL))
    assert json.loads(run("check", "--list", "-f", "json").stdout)["checks"] == listed
