"""The further checks of `mlxdiag check`: each was seen to pass, to fail, and not to know."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping

import pytest

from mlxdiag import checks
from mlxdiag.checks import CHECKS, whole
from mlxdiag.finding import Confidence, Severity, Status
from mlxdiag.recording import Recording
from tests.checks.further import AREAS
from tests.checks.recorded import recorded
from tests.checks.surveyed import HOST, checked, clean

Cases = ChainMap[str, Callable[[], Recording]]
FAILING: Cases = ChainMap(*(area.FAILING for area in AREAS))
UNKNOWN: Cases = ChainMap(*(area.UNKNOWN for area in AREAS))
Labels = str | tuple[str, ...]
ABOUT: ChainMap[str, Labels] = ChainMap(*(getattr(area, "ABOUT", {}) for area in AREAS))
NOT_KNOWN_OF: ChainMap[str, Labels] = ChainMap(
    *(getattr(area, "NOT_KNOWN_OF", {}) for area in AREAS), ABOUT
)
CAUSES: ChainMap[str, str] = ChainMap(*(getattr(area, "CAUSES", {}) for area in AREAS))
FURTHER = [check for check in whole.CHECKS if check not in CHECKS]
NEVER_FAILS = {"access-further-answers"}
"""What is not known is not a failure."""

each = pytest.mark.parametrize("id_", [check.id for check in FURTHER])


def labels(table: Mapping[str, Labels], id_: str) -> list[str]:
    said = table.get(id_, HOST)
    return [said] if isinstance(said, str) else list(said)


def test_every_further_check_has_its_cases_and_no_case_is_of_another() -> None:
    ids = {check.id for check in FURTHER}
    assert (set(FAILING) | NEVER_FAILS, set(UNKNOWN)) == (ids, ids)
    assert not set(FAILING) & NEVER_FAILS
    assert set(ABOUT) | set(NOT_KNOWN_OF) | set(CAUSES) <= ids


def test_a_clean_cluster_passes_all_of_them() -> None:
    report = checked(clean())
    assert [f.key for f in report.findings if f.status in (Status.FAIL, Status.UNKNOWN)] == []
    passed = {f.id for f in report.findings if f.status is Status.PASS}
    assert {check.id for check in FURTHER} <= passed
    assert (report.verdict, report.exit_code) == ("pass", 0)


def test_no_area_is_forgotten() -> None:
    assert set(whole.AREAS) == {*checks.AREAS, *whole.FURTHER}


@pytest.mark.parametrize("id_", sorted(FAILING))
def test_it_fails_and_blames_the_one(id_: str) -> None:
    failed = [f for f in checked(FAILING[id_]()).findings if f.status is Status.FAIL]
    blamed = [f.subject.label for f in failed if f.id == id_]
    assert blamed == labels(ABOUT, id_)
    assert all(f.evidence and f.evidence.observed and f.evidence.expected for f in failed)
    assert [f.key for f in failed if f.root.id != CAUSES.get(id_, id_)] == []


@each
def test_it_does_not_know_and_says_so(id_: str) -> None:
    report = checked(UNKNOWN[id_]())
    found = [f for f in report.findings if f.id == id_ and f.status is Status.UNKNOWN]
    assert [f.subject.label for f in found] == labels(NOT_KNOWN_OF, id_)
    assert all(f.evidence and f.evidence.observed for f in found)


OF_PORTS = {
    "access-fast",
    "access-quiet",
    "resources-memory-match",
    "rendezvous-start",
    *(check.id for check in FURTHER if check.area in ("cabling", "gid", "hardware", "versions")),
    "network-address-unique",
    "network-bridge-loop",
    "network-cables-apart",
    "network-distinct-machines",
    "network-mtu",
    "network-own-address",
}
"""Further checks of what `ports` has asked too."""


def test_what_was_never_asked_is_not_known() -> None:
    findings = [f for f in checked(recorded("clean-mesh-4")).findings if f.check in FURTHER]
    never = [f for f in findings if f.id not in OF_PORTS]
    assert {f.status for f in never} <= {Status.UNKNOWN, Status.SKIP}
    assert Status.UNKNOWN in {f.status for f in never}


@pytest.mark.parametrize("check", whole.CHECKS, ids=lambda check: check.id)
def test_what_is_only_inferred_is_at_most_a_warning(check: object) -> None:
    assert isinstance(check, type(whole.CHECKS[0]))
    if check.confidence is Confidence.INFERRED:
        assert check.severity is not Severity.ERROR
