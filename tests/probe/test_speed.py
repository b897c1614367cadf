"""Speed: launches folded into one, and numbers held to thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from mlxdiag.checks.speed import BANDWIDTH, LATENCY, findings
from mlxdiag.finding import Finding, Severity, Status
from mlxdiag.inventory import Expect, Host
from mlxdiag.probe.judge import Probe, judge
from mlxdiag.probe.plan import Wire
from mlxdiag.probe.summary import summaries
from mlxdiag.probe.thresholds import Limit, limits
from mlxdiag.quantity import NAMES
from tests.probe.logs import mesh, plan, ran, soaked, swept

MIB = 1 << 20
GOOD = {4: 30.0, 4096: 40.0, 16 * MIB: 3200.0}
"""Microseconds by size, of four ranks in a mesh: 16 MiB in 3.2 ms are 2.6 GB/s per link."""
FAST = {4: 30.0, 4096: 40.0, 16 * MIB: 1000.0}
"""16 MiB in 1 ms are 8.4 GB/s per link."""


def launch(
    us_of: Mapping[int, float],
    backend: str = "jaccl",
    wires: Sequence[Wire] | None = None,
    count: int = 4,
    **settings: object,
) -> Probe:
    sizes = {"sizes": tuple(us_of), **settings}
    made = plan(count, backend, mesh(count) if wires is None else wires, **sizes)
    return judge(made, ran([swept(rank, us_of) for rank in range(count)]))


def answers(probes: Sequence[Probe], expect: Expect = Expect()) -> tuple[Finding, Finding]:  # noqa: B008
    latency, bandwidth = findings(probes, expect)
    assert (latency.check, bandwidth.check) == (LATENCY, BANDWIDTH)
    return latency, bandwidth


# Several launches are one.


def test_the_median_launch_speaks_and_the_spread_is_said() -> None:
    (found,) = summaries([launch({4: us}) for us in (30.0, 50.0, 40.0)])
    (line,) = found.lines
    assert (line.row.p50_us, line.launches, line.samples) == (40.0, 3, 15)
    assert (line.max_us, line.spread, line.wrong) == (50.0, 0.5, 0)


def test_of_two_launches_the_slower_speaks_and_one_has_no_spread() -> None:
    (found,) = summaries([launch({4: us}) for us in (30.0, 50.0)])
    assert found.lines[0].row.p50_us == 50.0
    (alone,) = summaries([launch({4: 30.0})])
    assert alone.lines[0].spread is None


def test_what_one_launch_did_not_check_is_not_called_right() -> None:
    unchecked = launch({4: 30.0}, check=False)
    for log in unchecked.run.logs:
        log.events = [e for e in log.events if e["ev"] != "checked"]
    (found,) = summaries([launch({4: 30.0}), judge(unchecked.plan, unchecked.run)])
    assert found.lines[0].wrong is None


def test_other_backends_collectives_and_hosts_are_kept_apart() -> None:
    kinds = [
        launch(FAST), launch(FAST, "ring"), launch(FAST, op="all_gather"), launch(FAST, count=3),
        launch(FAST, dtype="float16"),
    ]  # fmt: skip
    assert [len(found.probes) for found in summaries([*kinds, launch(FAST)])] == [2, 1, 1, 1, 1]


# Limits.


def test_the_inventory_goes_before_what_is_provisional() -> None:
    assert [(lim.quantity, lim.value) for lim in limits("jaccl", {}, None, 80)] == [
        ("latency_us", 100), ("link_gb_per_s", 6),
    ]  # fmt: skip
    told = {"busbw_gb_per_s": 12.0}
    found = limits("jaccl", told, None, 80)
    assert {(lim.quantity, lim.provisional) for lim in found} == {
        ("busbw_gb_per_s", False),
        ("latency_us", True),
    }
    assert limits("ring", {}, None, 80) == limits("mpi", {}, None, 80) == ()


def test_provisional_numbers_are_for_thunderbolt_5_only() -> None:
    assert limits("jaccl", {}, None, 40) == limits("jaccl", {}, None, None) == ()
    assert limits("jaccl-ring", {}, None, 120)


def test_a_name_without_a_backend_is_the_expected_backends() -> None:
    told = {"latency_us": 50.0, "ring_latency_us": 500.0, "jaccl_ring_latency_us": 70.0}
    of = {b: [lim.value for lim in limits(b, told, None, None)] for b in ("ring", "jaccl", "mpi")}
    assert of == {"ring": [500.0], "jaccl": [50.0], "mpi": [50.0]}
    assert limits("mpi", told, "jaccl", None) == ()
    assert [lim.value for lim in limits("jaccl-ring", told, "jaccl", None)] == [70.0]


def test_names_that_nothing_is_compared_with_are_found() -> None:
    assert {"latency_us", "ring_algbw_gb_per_s", "jaccl_ring_link_gb_per_s"} <= set(NAMES)
    assert len(NAMES) == len(set(NAMES)) == 20


def test_a_number_that_is_just_met_holds() -> None:
    assert Limit("latency_us", 100).holds(100)
    assert not Limit("latency_us", 100).holds(100.1)
    assert Limit("link_gb_per_s", 6).holds(6)
    assert not Limit("link_gb_per_s", 6).holds(5.9)


# Findings.


def test_fast_enough() -> None:
    for finding in answers([launch(FAST), launch(FAST)]):
        assert finding.status is Status.PASS
        assert finding.evidence is not None
        assert finding.evidence.provisional


def test_slow_by_a_provisional_number_is_a_warning() -> None:
    slow = {**GOOD, 4096: 140.0}
    latency, bandwidth = answers([launch(slow), launch(slow)])
    for finding in (latency, bandwidth):
        assert (finding.status, finding.severity) == (Status.FAIL, Severity.WARNING)
    said = latency.evidence
    assert said is not None
    assert (said.measured, said.limit, said.unit, said.provisional) == (140.0, 100, "us", True)
    assert said.observed == "jaccl: 140 us at 4096 B, median of 2 launches"
    assert said.expected == "at most 100 us p50 (provisional; above 1000 something is broken)"
    said = bandwidth.evidence
    assert said is not None
    assert said.measured == pytest.approx(2.62, abs=0.01)
    assert said.expected == "at least 6 GB/s per link (provisional; below 3 something is broken)"


def test_slow_by_the_inventorys_number_is_an_error() -> None:
    told = Expect(thresholds={"latency_us": 35.0, "busbw_gb_per_s": 30.0})
    latency, bandwidth = answers([launch(FAST)] * 2, told)
    assert (latency.status, latency.severity) == (Status.FAIL, Severity.ERROR)
    assert (bandwidth.status, bandwidth.severity) == (Status.FAIL, Severity.ERROR)
    assert latency.evidence is not None
    assert latency.evidence.expected == "at most 35 us p50"
    assert not latency.evidence.provisional


def test_latency_is_judged_at_small_sizes_and_bandwidth_at_large_ones() -> None:
    between = {8192: 9e9, 1 * MIB: 9e9}
    for finding in answers([launch(FAST | between), launch(FAST | between)]):
        assert finding.status is Status.PASS
    for finding in answers([launch(between), launch(between)]):
        assert finding.status is Status.UNKNOWN
        assert finding.evidence is not None
        assert finding.evidence.measured is None
        assert "no size" in finding.evidence.observed


def test_one_launch_is_not_enough_for_a_verdict() -> None:
    for finding in answers([launch(GOOD)]):
        assert finding.status is Status.UNKNOWN
        assert finding.evidence is not None
        assert "--repeat 2" in finding.evidence.observed


def test_a_link_without_a_rate_is_not_known() -> None:
    told = Expect(thresholds={"link_gb_per_s": 1.0})
    logs = [swept(rank, FAST, "0.99.0") for rank in range(4)]
    probe = judge(plan(4, "jaccl", mesh(4), sizes=tuple(FAST)), ran(logs))
    _, bandwidth = answers([probe, probe], told)
    assert bandwidth.status is Status.UNKNOWN
    assert bandwidth.evidence is not None
    assert "mlx 0.99.0" in bandwidth.evidence.observed


@pytest.mark.parametrize(
    ("probe", "reason"),
    [
        (launch(FAST, "ring"), "ring: no threshold"),
        (launch(FAST, wires=mesh(4, gbps=40.0)), "jaccl: no threshold"),
        (launch(FAST, wires=mesh(4, gbps=None)), "jaccl: no threshold"),
        (judge(plan(2, "jaccl", mesh(2)), ran([], "interrupted")), "jaccl: no launch came"),
    ],
)
def test_where_there_is_nothing_to_hold_to_the_question_does_not_arise(
    probe: Probe, reason: str
) -> None:
    for finding in answers([probe, probe]):
        assert finding.status is Status.SKIP
        assert finding.reason.startswith(reason)


def test_ranks_of_one_machine_get_no_verdict_on_speed() -> None:
    here = Host("mac0", "127.0.0.1")
    slow = launch(GOOD)
    ranks = tuple(replace(rank, host=here) for rank in slow.plan.ranks)
    probe = judge(replace(slow.plan, ranks=ranks), slow.run)
    told = Expect(thresholds={"latency_us": 1.0, "busbw_gb_per_s": 100.0})
    for finding in answers([probe, probe], told):
        assert finding.status is Status.SKIP
        assert finding.reason == "jaccl: all ranks are on one machine: no verdict on speed"


def test_a_soak_is_not_timed() -> None:
    made = plan(2, "jaccl", mesh(2), soak_s=600.0)
    logs = [swept(rank, {}) for rank in range(2)]
    for log in logs:
        log.events.insert(-2, soaked())
    probe = judge(made, ran(logs))
    assert probe.soak is not None
    assert {f.reason for f in answers([probe])} == {"jaccl: a soak is not timed"}
