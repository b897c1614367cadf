"""The catalogue: every check has what people need, and every answer it can give was seen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mlxdiag import finding as findings
from mlxdiag import report as reports
from mlxdiag.capture import Outcome
from mlxdiag.catalogue import ALL, page
from mlxdiag.checks import CHECKS, RDMA_ONLY, RETIRED, gate, hang, hostfile, probes, server, whole
from mlxdiag.finding import Check, Finding, FixKind, Severity, Status
from mlxdiag.inventory import Expect
from mlxdiag.ladder import DECISIVE, PROOF, RUNGS
from mlxdiag.probe import matrix
from mlxdiag.probe.judge import judge
from mlxdiag.probe.plan import Refusal
from mlxdiag.probe.said import GangRun
from mlxdiag.recommend import EXPECTED, SPOILERS
from mlxdiag.recording import Recording
from mlxdiag.render.cells import WORDS
from tests.checks.recorded import (
    altered,
    built,
    ended,
    expecting,
    recorded,
    reported,
    unreached,
)
from tests.model import CASES
from tests.probe.logs import behind_and_not_measured, healthy, log, mesh, plan, ran, swept

IDS = [check.id for check in ALL]


def test_ids_are_unique_slugs_and_none_was_retired() -> None:
    assert len(IDS) == len(set(IDS))
    assert not set(IDS) & RETIRED
    for name in IDS:
        assert name == name.lower()
        assert all(part.isalnum() for part in name.split("-"))


def test_ids_begin_with_the_area_they_are_listed_in() -> None:
    for area, checks in whole.AREAS.items():
        for check in checks:
            assert check.id.startswith(f"{area}-")
            assert check.area == area
            assert not any(word in check.id for word in ("error", "warning", "info"))


@pytest.mark.parametrize("check", ALL, ids=lambda c: c.id)
def test_a_check_says_what_is_healthy_why_it_matters_and_what_to_do(check: Check) -> None:
    assert 10 < len(check.title) < 80
    assert "\n" not in check.title
    assert not check.title.endswith(".")
    assert len(check.why) > 20
    assert check.fix.text
    assert "\n" not in check.fix.text + (check.fix.command or "")
    assert check.docs == f"docs/checks.md#{check.id}"
    assert check.per in ("host", "port", "link", "pair", "cluster")


def test_no_upgrade_leads_to_a_version_that_another_check_warns_of() -> None:
    upgrades = [c.fix.text for c in ALL if re.search(r"install mlx [\d.]+ or later", c.fix.text)]
    assert len(upgrades) > 4
    assert [text for text in upgrades if "not 0.32.2 where" not in text] == []


def test_a_need_is_a_check_that_is_asked_earlier_and_named_once() -> None:
    for at, check in enumerate(ALL):
        earlier = {other.id: other for other in ALL[:at]}
        names = [need.removeprefix("far:") for need in check.needs]
        assert set(names) <= earlier.keys(), check.id
        assert len(check.needs) == len(set(check.needs)), check.id


def test_far_is_said_only_where_there_is_a_far_end() -> None:
    for check in ALL:
        if any(need.startswith("far:") for need in check.needs):
            assert check.per == "port", check.id


def test_ids_in_tables_are_ids_of_checks() -> None:
    rungs = {name for names in RUNGS.values() for name in names}
    for table in (RDMA_ONLY, DECISIVE, PROOF, SPOILERS, rungs, WORDS):
        assert set(table) <= set(IDS)


def test_every_rung_of_the_ladder_has_a_word_for_a_cell() -> None:
    assert {name for names in RUNGS.values() for name in names} <= WORDS.keys()


def test_fixes_are_ordered_by_effort() -> None:
    assert FixKind.NONE.cost == 0
    costs = [FixKind.RUN.cost, FixKind.REPLUG.cost, FixKind.REBOOT.cost, FixKind.RECOVERY.cost]
    assert costs == sorted(set(costs))


# Every answer of every check, in some case or with one fact of one case changed.


def missing(command: str, host: str = "macstudio2") -> Recording:
    return ended(recorded("clean-mesh-4"), host, command, Outcome.SIGNALLED)


def expected(**said: Any) -> Recording:  # noqa: ANN401
    return expecting(recorded("clean-mesh-4"), Expect(**said))


def beside_ethernet() -> Recording:
    """Put macstudio1's port of receptacle 1 down."""
    made = recorded("two-cables")
    old = made.hosts["macstudio1"]["ibv_devinfo"].stdout
    head, mark, tail = old.partition(b"hca_id:\trdma_en2\n")
    tail = tail.replace(b"PORT_ACTIVE (4)", b"PORT_DOWN (1)", 1)
    return altered(made, "macstudio1", "ibv_devinfo", old, head + mark + tail)


def no_far_service() -> Recording:
    """Let macstudio1 see macstudio2, and nobody else, without its RDMA service."""
    made = recorded("clean-pair")
    return altered(made, "macstudio1", "system_profiler_thunderbolt", b"64087", b"64086")


def no_mapped_gid() -> Recording:
    """Keep the address of macstudio1's interface and lose its GID."""
    made = recorded("clean-pair")
    return altered(made, "macstudio1", "ibv_devinfo", b"::ffff:10.219.", b"fe80::10:219:")


def another_gid() -> Recording:
    """Let the GID of macstudio1 be that of an address it no longer has."""
    made = recorded("clean-pair")
    return altered(made, "macstudio1", "ibv_devinfo", b"::ffff:10.219.1.", b"::ffff:10.220.1.")


def no_device() -> Recording:
    """Let both verbs commands of a host fail without a word about devices."""
    return ended(missing("ibv_devices"), "macstudio2", "ibv_devinfo", Outcome.SIGNALLED)


def no_speed() -> Recording:
    made = ended(recorded("clean-pair"), "macstudio1", "sysctl", Outcome.SIGNALLED)
    return ended(made, "macstudio1", "system_profiler_thunderbolt", Outcome.SIGNALLED)


def half_blind() -> Recording:
    """Leave one end of a link without an answer about its cables: the other end still sees it."""
    return ended(recorded("clean-pair"), "macstudio2", "ifconfig", Outcome.TRUNCATED)


def macos_across_26_3() -> Recording:
    made = recorded("clean-mesh-4")
    return altered(made, "macstudio2", "sw_vers", b"26.3", b"26.2")


DERIVED: dict[str, Callable[[], Recording]] = {
    "an expected topology over a blind host": lambda: missing("system_profiler_thunderbolt"),
    "a host without sw_vers": lambda: missing("sw_vers"),
    "a host without sw_vers, a version expected": lambda: expecting(
        missing("sw_vers"), Expect(macos="26.3")
    ),
    "a host without sysctl": lambda: missing("sysctl"),
    "a host without mlx_runtime": lambda: expecting(missing("mlx_runtime"), Expect(mlx="0.32.4")),
    "a host without rdma_ctl": lambda: missing("rdma_ctl"),
    "a host without ports": lambda: missing("networksetup_hardwareports"),
    "a host without ifconfig": lambda: missing("ifconfig"),
    "a host without ibv_devices": lambda: missing("ibv_devices"),
    "a host without ibv_devinfo": lambda: missing("ibv_devinfo"),
    "a host without verbs": no_device,
    "a host that was not reached": lambda: unreached(
        recorded("clean-mesh-4"), "macstudio2", Outcome.REFUSED
    ),
    "the right macOS": lambda: expected(macos="26.3"),
    "another macOS": lambda: expected(macos="26.4"),
    "the right MLX": lambda: expected(mlx="0.32.4"),
    "another MLX": lambda: expected(mlx="0.30.0"),
    "the port beside Ethernet": beside_ethernet,
    "the port beside Ethernet without ibv_devinfo": lambda: ended(
        recorded("two-cables"), "macstudio1", "ibv_devinfo", Outcome.SIGNALLED
    ),
    "a far end that announces nothing": no_far_service,
    "an address without a GID": no_mapped_gid,
    "a GID of an address that is gone": another_gid,
    "a host without speeds": no_speed,
    "an end without addresses": half_blind,
    "hosts on both sides of 26.3": macos_across_26_3,
}


LAUNCHES: tuple[GangRun, ...] = (
    ran([healthy(0), healthy(1)]),
    ran([healthy(0), log(1)], left=["rank 1 on mac1: still there as pid 7"]),
    ran([log(0), log(1)], "interrupted", left=["rank 1 on mac1: not known: no answer"]),
)


SPEEDS: tuple[dict[int, float], ...] = (
    {4: 30.0, 16 << 20: 1000.0},
    {4: 300.0, 16 << 20: 9000.0},
    {8192: 30.0},
)
"""Microseconds by size, of two ranks: fast, slow, and not at a size that decides."""


REFUSALS = (Refusal("jaccl", "no device", usable=False), Refusal("jaccl", "?", usable=None))


@cache
def derived(name: str) -> tuple[Finding, ...]:
    return built(DERIVED[name]()).findings


@cache
def seen() -> frozenset[tuple[str, Status]]:
    return frozenset((f.id, f.status) for f in everything())


def everything() -> Iterator[Finding]:
    for case in CASES:
        yield from reported(case).findings
    for name in DERIVED:
        yield from derived(name)
    for run in LAUNCHES:
        yield from probes.findings([judge(plan(2), run)], ())
    for speed in SPEEDS:
        made = plan(2, "jaccl", mesh(2), sizes=tuple(speed))
        probe = judge(made, ran([swept(rank, speed) for rank in range(2)]))
        yield from probes.findings([probe, probe], ())
    for refusal in REFUSALS:
        yield from probes.findings((), [refusal])
    for seen_so in (*map(recorded, ("clean-pair", "no-mlx")), missing("ifconfig")):
        yield from reports.build(seen_so, "recommend", "0").findings
    yield from probes.findings((), (), pairs=matrix.build(behind_and_not_measured(), ()))


NEVER_FAILS = frozenset({"access-reachable", "access-answers"})
"""What is not known is not a failure: these two are unknown instead."""

NEVER_UNKNOWN = frozenset(
    {"cabling-both-ends", "cabling-direct", "cabling-speed", "rdma-far-service"}
)
"""A host that does not say what is on its ports has no links, so nothing is asked about them."""


FURTHER = tuple(check for area in whole.FURTHER.values() for check in area)
ELSEWHERE = {
    check.id for check in (*hostfile.CHECKS, *gate.CHECKS, *server.CHECKS, *hang.CHECKS, *FURTHER)
}
"""Seen to in tests/checks/test_hostfile.py, tests/preflight/test_judge.py, tests/server,
tests/hang/test_judge.py and tests/checks/test_further.py."""


@pytest.mark.parametrize("check", [c for c in ALL if c.id not in ELSEWHERE], ids=lambda c: c.id)
def test_every_check_was_seen_to_pass_to_fail_and_not_to_know(check: Check) -> None:
    wanted = {Status.PASS}
    wanted |= set() if check.id in NEVER_FAILS else {Status.FAIL}
    wanted |= set() if check.id in NEVER_UNKNOWN else {Status.UNKNOWN}
    assert wanted <= {status for name, status in seen() if name == check.id}


def test_what_never_fails_does_not() -> None:
    assert not {(name, Status.FAIL) for name in NEVER_FAILS} & seen()


def test_every_check_is_asked_of_every_subject_of_its_scope() -> None:
    report = reported("clean-mesh-4")
    counts = {"host": 4, "port": 12, "link": 6, "pair": 6, "cluster": 1}
    for check in (*CHECKS, EXPECTED):
        assert sum(f.id == check.id for f in report.findings) == counts[check.per], check.id


def test_the_page_of_checks_is_the_catalogue() -> None:
    """Write it anew: `python -c "from mlxdiag.catalogue import page; print(page(), end='')"`."""
    held = Path(__file__).parents[1] / "docs" / "checks.md"
    assert held.read_text(encoding="utf-8") == page()


def test_findings_stand_in_the_order_of_the_catalogue() -> None:
    for case in ("incident", "macos-26.1", "ethernet-only"):
        order = [IDS.index(f.id) for f in reported(case).findings]
        assert order == sorted(order)


@pytest.mark.parametrize("case", sorted(CASES))
def test_what_is_blocked_is_blocked_by_what_is_as_bad_and_was_asked_before(case: str) -> None:
    report = reported(case)
    for finding in report.findings:
        cause = finding.blocked_by
        if cause is None:
            continue
        assert finding.status in (Status.FAIL, Status.UNKNOWN)
        assert cause.status in (Status.FAIL, Status.UNKNOWN)
        assert not (finding.status is Status.FAIL and cause.status is Status.UNKNOWN)
        assert IDS.index(cause.id) < IDS.index(finding.id)


def test_where_ring_is_expected_what_only_rdma_needs_is_information() -> None:
    made = expecting(recorded("rdma-off-one-host"), Expect(backend="ring"))
    report = built(made)
    assert (report.verdict, report.exit_code) == ("pass", 0)
    for finding in report.findings:
        if finding.check.area in ("rdma", "gid") or finding.id in RDMA_ONLY:
            assert finding.severity is Severity.INFO


def test_where_ring_is_expected_nobody_is_sent_to_recovery_as_the_first_thing_to_do() -> None:
    made = expecting(recorded("rdma-off-one-host"), Expect(backend="ring"))
    assert all(built(made).severity(cause) is Severity.INFO for cause in built(made).causes)


def test_a_check_without_a_docstring_has_no_why() -> None:
    @findings.check("x-y", title="t", per="host", fix=CHECKS[0].fix)
    def bare(cluster: object, host: object) -> None:
        del cluster, host

    assert not bare.why
    assert replace(bare, id="net-a").area == "net"
