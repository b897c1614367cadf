"""Every failure that is known is seen by a check, or it is said why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlxdiag.catalogue import ALL, page
from mlxdiag.finding import Confidence
from mlxdiag.unchecked import COVERS, UNCHECKED, failures, section

KNOWN = Path(__file__).parents[1].parent / "shared" / "knowledge" / "failures.md"


@pytest.mark.skipif(not KNOWN.is_file(), reason="the list is not stored beside this checkout")
def test_every_known_failure_is_here_and_no_other() -> None:
    text = KNOWN.read_text(encoding="utf-8")
    entries = text.partition("\n## 2. ")[2].partition("\n## 3. ")[0]
    listed = re.findall(r"^\*\*([a-z0-9.-]+)\*\*", entries, re.MULTILINE)
    assert len(listed) > 80
    assert sorted(failures()) == sorted(listed)


SURE = re.compile(r"\b(?:MAINT|SRC|Apple|TN3205|docs)\b")


@pytest.mark.skipif(not KNOWN.is_file(), reason="the list is not stored beside this checkout")
def test_a_check_of_what_only_reports_tell_of_is_not_called_confirmed() -> None:
    text = KNOWN.read_text(encoding="utf-8")
    entries = text.partition("\n## 2. ")[2].partition("\n## 3. ")[0]
    told = dict(
        re.findall(r"^\*\*([a-z0-9.-]+)\*\*(.*?)(?=^\*\*|\Z)", entries, re.MULTILINE | re.DOTALL)
    )
    sure = {id_ for failure, ids in COVERS.items() if SURE.search(told[failure]) for id_ in ids}
    reported = {id_ for ids in COVERS.values() for id_ in ids} - sure
    assert len(reported) > 15
    confirmed = {check.id for check in ALL if check.confidence is Confidence.CONFIRMED}
    assert reported & confirmed == set()


def test_no_failure_is_here_twice() -> None:
    assert len(list(failures())) == len(set(failures()))


def test_what_covers_a_failure_is_a_check() -> None:
    ids = {check.id for check in ALL}
    for failure, checks in COVERS.items():
        assert checks, failure
        assert set(checks) <= ids, failure


def test_what_is_not_checked_says_what_it_is_and_why() -> None:
    for entry in UNCHECKED:
        for text in (entry.what, entry.because):
            assert len(text) > 15, entry.id
            assert not set(text) & set("|\n"), entry.id
        assert not set(entry.by_hand) & set("`|\n"), entry.id


def test_the_page_ends_with_it() -> None:
    assert page().endswith(section())
    assert all(entry.what in section() for entry in UNCHECKED)
