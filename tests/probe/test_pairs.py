"""Pairs: rounds, which launches there are, the matrix, and two real ranks at a time."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mlxdiag import checks, cluster
from mlxdiag.backends import ring
from mlxdiag.backends.backend import Site
from mlxdiag.checks.probes import findings
from mlxdiag.errors import InventoryError
from mlxdiag.finding import Finding, Status
from mlxdiag.inventory import Host, Inventory
from mlxdiag.ladder import climb
from mlxdiag.probe import gang, launch, matrix, pairwise
from mlxdiag.probe.command import Wish
from mlxdiag.probe.judge import Probe, judge
from mlxdiag.probe.matrix import Matrix, Way
from mlxdiag.probe.pairs import Pair, everybody, rounds
from mlxdiag.probe.plan import Plan, Refusal, Settings
from mlxdiag.recommend import recommend
from mlxdiag.recording import Recording
from mlxdiag.render import pairs as rendered
from mlxdiag.render.style import Style
from tests.checks.recorded import recorded
from tests.probe.logs import (
    behind_and_not_measured,
    cable,
    checked,
    done,
    healthy,
    log,
    pair,
    plan,
    ran,
    samples,
)
from tests.probe.world import NO_RANKS, World, launched, patched, plan_of

ROOT = Path(__file__).parents[2]

# Rounds.


def ring_of(count: int) -> list[Pair]:
    return sorted({(min(n, (n + 1) % count), max(n, (n + 1) % count)) for n in range(count)})


@pytest.mark.parametrize("count", range(2, 12))
def test_everybody_meets_everybody_in_as_few_rounds_as_can_be(count: int) -> None:
    found = rounds(everybody(count))
    assert len(found) == count - 1 + count % 2
    assert len(everybody(count)) == math.comb(count, 2)


@pytest.mark.parametrize(("count", "wanted"), [(3, 3), (4, 2), (5, 3), (8, 2), (64, 2)])
def test_a_ring_takes_two_rounds_or_three(count: int, wanted: int) -> None:
    assert len(rounds(ring_of(count))) == wanted


def test_no_pairs_have_no_rounds() -> None:
    assert rounds([]) == ()


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda p: p[0] < p[1])))
def test_every_pair_once_nobody_twice_in_a_round(pairs: list[Pair]) -> None:
    """A pair that is there twice has two cables: each has its turn."""
    found = rounds(pairs)
    assert sorted(at for some in found for at in some) == list(range(len(pairs)))
    for some in found:
        met = [place for at in some for place in pairs[at]]
        assert len(met) == len(set(met))
    busiest = max(Counter(place for two in pairs for place in two).values(), default=0)
    assert busiest <= len(found) <= max(0, 2 * busiest - 1)


# Which launches there are.

SETTINGS = Settings(sizes=(4, 4 << 20))


def site_of(made: Recording) -> Site:
    seen = cluster.build(made.inventory, made.hosts)
    found = checks.run(seen)
    states = climb(seen.topology, found)
    return Site(seen, states, recommend(seen, states, found))


def site(case: str) -> Site:
    return site_of(recorded(case))


def made(launches: pairwise.Launches) -> list[list[Plan]]:
    """Make the plans of every round with ports and a nonce."""
    found = [[attempt(20000, "abc") for attempt in some] for some in launches.rounds]
    return [[plan for plan in some if isinstance(plan, Plan)] for some in found]


def hosts(plan: Plan) -> tuple[str, ...]:
    return tuple(rank.host.name for rank in plan.ranks)


def test_a_launch_per_cable_in_rounds_of_hosts_that_are_free() -> None:
    found = made(pairwise.over_site(ring.BACKEND, site("clean-mesh-4"), SETTINGS))
    assert [len(some) for some in found] == [2, 2, 2]
    plans = [plan for some in found for plan in some]
    assert {hosts(plan) for plan in plans} == {
        (f"macstudio{a + 1}", f"macstudio{b + 1}") for a, b in everybody(4)
    }
    assert {(plan.part, len(plan.wires)) for plan in plans} == {("pair", 1)}
    addresses = {
        place
        for plan in plans
        for place in re.findall(r"[\d.]+:", plan.ranks[0].files["MLX_HOSTFILE"])
    }
    assert len(addresses) == 12
    assert all(address.startswith("10.219.") for address in addresses)


def test_each_of_two_cables_is_measured_alone() -> None:
    found = made(pairwise.over_site(ring.BACKEND, site("two-cables"), SETTINGS))
    assert [len(some) for some in found] == [1, 1]
    (first,), (second,) = found
    assert hosts(first) == hosts(second)
    assert first.wires != second.wires
    assert first.wires[0].receptacles != second.wires[0].receptacles
    assert first.ranks[0].files != second.ranks[0].files


def test_a_cable_without_an_address_is_not_launched_and_said() -> None:
    over = site("no-ipv4-gid")
    launches = pairwise.over_site(ring.BACKEND, over, SETTINGS)
    assert sum(len(some) for some in launches.rounds) == 5
    (refusal,) = launches.refusals
    assert refusal == Refusal("ring", "macstudio2 en4 - macstudio3 en4: network-ipv4", usable=False)


def test_all_pairs_go_over_the_network_where_there_is_no_cable() -> None:
    launches = pairwise.over_site(ring.BACKEND, site("clean-ring-4"), SETTINGS, everyone=True)
    plans = [plan for some in made(launches) for plan in some]
    assert len(plans) == 6
    assert launches.refusals == ()
    over_lan = [plan for plan in plans if not plan.wires]
    assert [hosts(plan) for plan in over_lan] == [
        ("macstudio1", "macstudio3"),
        ("macstudio2", "macstudio4"),
    ]
    assert all("192.168.86." in plan.ranks[0].files["MLX_HOSTFILE"] for plan in over_lan)
    assert all(any("LAN" in note for note in plan.notes) for plan in over_lan)


def test_hosts_without_a_cable_have_no_pairs() -> None:
    launches = pairwise.over_site(ring.BACKEND, site("ethernet-only"), SETTINGS)
    assert launches.rounds == ()
    assert launches.refusals == (Refusal("ring", "no two hosts have a cable between them"),)


def test_inside_a_group_neighbours_or_everybody() -> None:
    over = site("clean-ring-4")
    whole = replace(
        plan(4),
        ranks=tuple(
            replace(rank, host=replace(rank.host, name=name))
            for rank, name in zip(plan(4).ranks, over.cluster.topology.hosts, strict=True)
        ),
    )
    anybody = replace(ring.BACKEND, any_peer=True)
    assert pairwise.inside(ring.BACKEND, whole, (4,)).rounds == (((0, 1), (2, 3)), ((0, 3), (1, 2)))
    assert len(pairwise.inside(anybody, whole, (4,)).rounds) == 3
    cabled = pairwise.inside(anybody, whole, (4, 7, 4 << 20), over)
    assert sum(len(some) for some in cabled.rounds) == 4
    assert cabled.pair_sizes == (4, 4 << 20)
    assert not pairwise.within_a_group(ring.BACKEND)
    assert pairwise.within_a_group(anybody)
    assert pairwise.within_a_group(replace(ring.BACKEND, fragile=True))


def wish(**said: Any) -> Wish:  # noqa: ANN401
    asked: dict[str, Any] = {
        "backend": "ring", "op": "all_sum", "begin": None, "end": None, "factor": 4,
        "iterations": None, "warmup": 5, "check": True, "repeat": 1, "pairs": "cabled",
    }  # fmt: skip
    return Wish(**{**asked, **said})


def test_pairs_have_sizes_of_their_own_unless_some_are_typed() -> None:
    assert wish().pair_settings().sizes == (4, 4 << 20)
    assert wish(level="quick").pair_settings().sizes == (4, 1 << 20)
    assert wish(begin="1K", end="1M", factor=1024).pair_settings().sizes == (1024, 1 << 20)
    assert wish(behind=0.1).pair_settings().behind == 0.1


@pytest.mark.parametrize("said", [{"op": "send"}, {"soak_s": 10.0}])
def test_pairs_are_measured_in_one_way(said: dict[str, Any]) -> None:
    with pytest.raises(InventoryError, match="pairs are measured with all_sum"):
        wish(**said).pair_settings()


def test_launches_of_one_round_share_no_port() -> None:
    for _ in range(50):
        first, second, third = launch.ports(2, 3)
        assert second - first == third - second == 2 * launch.PER_RANK
        assert first in launch.PORTS
        assert third + 2 * launch.PER_RANK <= launch.PORTS.stop


# The matrix.


def only(probes: Sequence[Probe], order: Sequence[str] = ()) -> Matrix:
    (found,) = matrix.build(probes, order)
    return found


def standings(found: Matrix) -> dict[str, str]:
    return {"".join(way.hosts): way.standing for way in found.ways}


def four(*speeds: float, **more: Any) -> list[Probe]:  # noqa: ANN401
    names = (("a", "b"), ("b", "c"), ("c", "d"), ("a", "d"))
    return [pair(two, gb_per_s=gb, **more) for two, gb in zip(names, speeds, strict=True)]


def test_a_slow_link_is_behind_and_no_other() -> None:
    found = only(four(2.0, 2.1, 1.0, 1.9))
    assert standings(found) == {"ab": "pass", "ad": "pass", "bc": "pass", "cd": "fail"}
    (slow,) = [way for way in found.ways if way.standing == "fail"]
    assert slow.said == "1 GB/s, 50% below the median 2 GB/s"
    assert found.slow == ()
    assert found.shares(slow) == pytest.approx((0.0, 0.5), abs=1e-3)


def test_the_share_is_as_stated() -> None:
    assert "fail" not in standings(only(four(2.0, 2.0, 1.52, 2.0))).values()
    assert standings(only(four(2.0, 2.0, 1.48, 2.0)))["cd"] == "fail"
    assert standings(only(four(2.0, 2.0, 1.9, 2.0, behind=0.04)))["cd"] == "fail"


def test_a_link_may_be_behind_in_latency() -> None:
    probes = [*four(2.0, 2.0, 2.0, 2.0), pair(("b", "d"), latency_us=70.0)]
    (slow,) = [way for way in only(probes).ways if way.standing == "fail"]
    assert slow.hosts == ("b", "d")
    assert slow.said == "latency 70 us, 40% above the median 50 us"


@pytest.mark.parametrize(
    ("normal", "latency", "standing"),
    [(50.0, 69.0, "pass"), (50.0, 70.0, "fail"), (5.0, 24.0, "pass"), (200.0, 251.0, "fail")],
)
def test_a_latency_counts_from_20_us_on(normal: float, latency: float, standing: str) -> None:
    """Many times the median is still nothing if it is what a scheduler adds."""
    names = [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")]
    probes = [pair(hosts, latency_us=normal) for hosts in names]
    found = only([*probes, pair(("b", "d"), latency_us=latency)])
    assert standings(found)["bd"] == standing


def test_a_latency_that_is_high_at_times_is_the_hosts() -> None:
    """Its fastest sample is as fast as any: what is in the way is not the link."""
    busy = pair(("b", "d"), latency_us=73.0)
    busy.run.logs[0].events[:] = [
        {**event, "ns": [50_000, *event["ns"][1:]]} if event.get("size") == 4 else event
        for event in busy.run.logs[0].events
    ]
    busy.run.logs[1].events[:] = busy.run.logs[0].events
    again = judge(busy.plan, busy.run)
    assert (again.rows[0].min_us, again.rows[0].p50_us) == (50.0, 73.0)
    assert set(standings(only([*four(2.0, 2.0, 2.0, 2.0), again])).values()) == {"pass"}


def test_a_host_all_of_whose_links_are_behind_is_named() -> None:
    found = only(four(2.0, 1.0, 1.0, 2.0))
    assert standings(found) == {"ab": "pass", "ad": "pass", "bc": "fail", "cd": "fail"}
    assert found.slow == ("c",)
    seen = [f.evidence.observed for f in about("probes-pair-behind", found) if f.evidence]
    assert len(seen) == 2
    assert all(text.endswith("; both links of c are behind: the host") for text in seen)


def test_a_link_that_is_slow_in_another_way_makes_no_slow_host() -> None:
    probes = [*four(2.0, 2.0, 1.0, 2.0), pair(("b", "d"))]
    probes[1] = pair(("b", "c"), latency_us=90.0)
    found = only(probes)
    assert {way.hosts: way.behind_in for way in found.ways if way.standing == "fail"} == {
        ("b", "c"): ("latency",),
        ("c", "d"): ("bandwidth",),
    }
    assert found.slow == ()


def test_two_slow_cables_to_one_neighbour_are_not_a_slow_host() -> None:
    slow = [pair(("a", "b"), gb_per_s=1.0, wires=[cable(n, n)]) for n in (1, 2)]
    good = [pair((one, "d"), wires=[cable(n, n)]) for n, one in enumerate("bcefg", 3)]
    found = only([*slow, *good])
    assert [way.standing for way in found.ways].count("fail") == 2
    assert found.slow == ()


@pytest.mark.parametrize("count", [1, 2])
def test_with_too_few_links_there_is_nothing_to_compare_with(count: int) -> None:
    found = only(four(2.0, 0.1, 2.0, 2.0)[:count])
    assert set(standings(found).values()) == {"skip"}
    assert found.ways[0].said.startswith(f"nothing to compare with: {count} network link")
    assert {f.status for f in about("probes-pair-behind", found)} == {Status.SKIP}


def test_of_three_links_two_slow_ones_do_not_make_what_is_normal() -> None:
    found = only([pair(("a", "b")), pair(("b", "c"), gb_per_s=1.0), pair(("a", "c"), gb_per_s=1.0)])
    assert standings(found) == {"ab": "pass", "ac": "unknown", "bc": "unknown"}
    assert (
        found.ways[1].said == "50% below the fastest of three links: which is normal is not known"
    )


def test_cables_are_not_held_against_the_network() -> None:
    names = (("a", "b"), ("b", "c"), ("c", "d"), ("a", "d"))
    cables = [pair(two, gb_per_s=5.0, wires=[cable(2, 3)]) for two in names]
    found = only([*cables, *four(0.1, 0.1, 0.1, 0.1)])
    assert {way.standing for way in found.ways} == {"pass"}
    assert {kind: (m.count, round(m.gb_per_s, 3)) for kind, m in found.medians.items()} == {
        "cable": (4, 5.0),
        "network": (4, 0.1),
    }


def test_behind_once_and_not_again_is_not_known() -> None:
    again = pair(("c", "d"))
    found = only([*four(2.0, 2.0, 1.0, 2.0), again])
    assert standings(found)["cd"] == "unknown"
    assert [way.said for way in found.ways if way.said] == [
        "behind in bandwidth in 1 of 2 launches: measure again with probe --pairwise --repeat 3"
    ]
    assert (
        standings(only([*four(2.0, 2.0, 1.0, 2.0), pair(("c", "d"), gb_per_s=1.1)]))["cd"] == "fail"
    )


def test_behind_once_in_each_way_is_not_behind_twice() -> None:
    late = pair(("c", "d"), latency_us=100.0)
    found = only([*four(2.0, 2.0, 1.0, 2.0), late])
    assert standings(found)["cd"] == "unknown"
    (said,) = [way.said for way in found.ways if way.said]
    assert said.startswith("behind in latency in 1, in bandwidth in 1 of 2 launches: ")


def test_a_link_whose_launch_failed_is_not_known_and_no_other_suffers() -> None:
    found = only(behind_and_not_measured())
    assert standings(found) == {"ab": "pass", "ad": "unknown", "bc": "pass", "cd": "fail"}
    assert found.medians["cable"].count == 3
    failing = [p for p in behind_and_not_measured() if not p.passed]
    (finding,) = [f for f in findings(failing, ()) if f.status is Status.FAIL]
    assert finding.id == "probes-collective"
    assert finding.subject.label == "a - d"
    assert finding.evidence is not None
    assert finding.evidence.observed == (
        "ring a receptacle 4 (en4) - d receptacle 5 (en5):"
        " rank 1 (d) was ended by signal 9 in measure"
    )


def test_a_finding_names_both_ends_and_their_ports() -> None:
    found = only(behind_and_not_measured())
    (slow,) = [f for f in about("probes-pair-behind", found) if f.status is Status.FAIL]
    assert slow.subject.label == "c receptacle 3 - d receptacle 4"
    assert slow.evidence is not None
    assert slow.evidence.observed == (
        "ring c receptacle 3 (en3) - d receptacle 4 (en4): 0.5 GB/s, 75% below the median 2 GB/s"
    )
    assert slow.evidence.expected == "within 25% of the median"
    assert slow.severity.value == "warning"


def test_ranks_of_one_machine_get_no_verdict() -> None:
    probes = four(2.0, 2.0, 0.1, 2.0)
    here = Host("x", "127.0.0.1", connection="local")
    moved = [
        replace(p, plan=replace(p.plan, ranks=tuple(
            replace(r, host=replace(here, name=r.host.name)) for r in p.plan.ranks
        )))
        for p in probes
    ]  # fmt: skip
    found = only(moved)
    assert {(way.standing, way.said) for way in found.ways} == {("skip", matrix.SHARED)}


def test_hosts_stand_in_the_order_of_the_inventory() -> None:
    assert only(four(2, 2, 2, 2), order=("d", "c", "b")).hosts == ("d", "c", "b", "a")
    names = [pair((f"local{n}", f"local{n + 1}")) for n in (9, 1, 10)]
    assert only(names).hosts == ("local1", "local2", "local9", "local10", "local11")


def test_whole_launches_have_no_matrix() -> None:
    assert matrix.build([judge(plan(2), ran([healthy(0), healthy(1)]))], ()) == ()


def about(name: str, found: Matrix) -> list[Finding]:
    return [f for f in findings((), (), pairs=[found]) if f.id == name]


def within(count: int, times: dict[Pair, tuple[int, int]], **more: Any) -> Probe:  # noqa: ANN401
    """Judge a group in which the lower rank of each pair timed round trips of 4 B and 1 MiB."""
    sizes = (4, 1 << 20)
    played = replace(plan(count), rounds=tuple((two,) for two in times), pair_sizes=sizes, **more)
    logs = []
    for rank in range(count):
        said = [
            {"ev": "pair", "peer": b, "size": size, "ns": [ns] * 3}
            for (a, b), both in times.items()
            for size, ns in zip(sizes, both, strict=True)
            if a == rank
        ]
        logs.append(log(rank, checked(), samples(), *said, *done()))
    return judge(played, ran(logs))


def test_inside_a_group_latency_is_half_a_round_trip() -> None:
    times = dict.fromkeys(everybody(3), (20000, 2 << 20)) | {(0, 3): (60_000, 8 << 20)}
    found = only([within(4, times)])
    assert (found.how, found.sizes) == ("send", (4, 1 << 20))
    assert [way.best and (way.best.latency_us, way.best.gb_per_s) for way in found.ways] == [
        (10.0, 1.0), (10.0, 1.0), (30.0, 0.25), (10.0, 1.0),
    ]  # fmt: skip
    assert standings(found) == {
        "mac0mac1": "pass",
        "mac0mac2": "pass",
        "mac0mac3": "fail",
        "mac1mac2": "pass",
    }


def test_a_pair_that_did_not_report_is_not_known() -> None:
    probe = within(3, dict.fromkeys(everybody(3), (20000, 2 << 20)))
    events = probe.run.logs[1].events
    events[:] = [event for event in events if event["ev"] != "pair"]
    found = only([judge(probe.plan, probe.run)])
    assert standings(found) == {"mac0mac1": "skip", "mac0mac2": "skip", "mac1mac2": "unknown"}


# What is shown.


def shown(found: Sequence[Matrix], width: int = 80, *, unicode: bool = True) -> list[str]:
    console = Console(width=width, record=True, color_system=None, markup=False, highlight=False)
    with console.capture() as captured:
        for part in rendered.pairs(found, Style(width=width, unicode=unicode)):
            console.print(part)
    return [line.rstrip() for line in captured.get().splitlines()]


def test_two_matrices_and_the_links_to_look_at() -> None:
    found = only(behind_and_not_measured())
    assert shown([found]) == [
        "",
        "PAIRS ring  all_sum, two ranks alone; each direction while the other is as busy",
        "latency, p50 of 4 B, us",
        "         1       2       3       4",
        "1 a      ·      50       ·       ✗",
        "2 b     50       ·      50       ·",
        "3 c      ·      50       ·      50!",
        "4 d      ✗       ·      50!      ·",
        "bandwidth at 4 MiB, GB/s",
        "         1       2       3       4",
        "1 a      ·       2       ·       ✗",
        "2 b      2       ·       2       ·",
        "3 c      ·       2       ·     0.5!",
        "4 d      ✗       ·     0.5!      ·",
        "? a receptacle 4 (en4) - d receptacle 5 (en5): it was launched and not measured",
        "! c receptacle 3 (en3) - d receptacle 4 (en4): 0.5 GB/s, 75% below the median 2",
        "GB/s",
    ]


def test_a_slow_host_goes_before_its_links() -> None:
    lines = shown([only(four(2.0, 1.0, 1.0, 2.0))], unicode=False)
    at = lines.index("x both links of c are behind: the host")
    assert [line.partition(":")[0] for line in lines[at + 1 :]] == ["! b - c", "! c - d"]


def test_where_none_is_behind_the_slowest_are_listed() -> None:
    lines = shown([only(four(2.0, 1.9, 1.8, 2.2))])
    at = lines.index("the slowest beside the median; none is behind by more than 25%")
    assert lines[at + 1 :] == [
        "  c - d: bandwidth 10% below it, latency at the median",
        "  b - c: bandwidth 5% below it, latency at the median",
        "  a - b: bandwidth at the median, latency at the median",
    ]


@pytest.mark.parametrize("count", [8, 20])
def test_matrices_fit_into_80_columns(count: int) -> None:
    """Eight in one band; more hosts in several bands."""
    names = [f"macstudio{n}" for n in range(1, count + 1)]
    probes = [pair((names[a], names[b]), latency_us=12345.0) for a, b in everybody(count)]
    lines = shown([only(probes)])
    assert max(map(len, lines)) <= 80
    heads = [line for line in lines if re.fullmatch(r" +\d+(?: +\d+)*", line)]
    assert len(heads) == 2 * (1 if count == 8 else 3)
    seen = [n for line in heads[: len(heads) // 2] for n in line.split()]
    assert seen == [str(n) for n in range(1, count + 1)]


# Real ranks.

REAL = pytest.mark.skipif(bool(NO_RANKS), reason=NO_RANKS)
SHORT = (
    "--local",
    "3",
    "--pairwise",
    "-b",
    "4",
    "-e",
    "64K",
    "-f",
    "16384",
    "--iters",
    "5",
    "--warmup",
    "1",
)


def start(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlxdiag", "probe", *argv],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@REAL
def test_pairs_of_this_machine_saved_and_replayed(world: World, tmp_path: Path) -> None:
    path = str(tmp_path / "saved")
    live = start(*SHORT, "--format", "json", "--save", path)
    assert (live.returncode, live.stderr) == (0, "")
    again = start("--replay", path, "--format", "json")
    assert (again.returncode, again.stdout) == (0, live.stdout)
    told = json.loads(live.stdout)
    (found,) = told["pairs"]
    assert (found["how"], found["latency_bytes"], found["bandwidth_bytes"]) == ("all_sum", 4, 65536)
    assert found["hosts"] == ["localhost0", "localhost1", "localhost2"]
    assert [link["hosts"] for link in found["links"]] == [
        ["localhost0", "localhost1"], ["localhost0", "localhost2"], ["localhost1", "localhost2"],
    ]  # fmt: skip
    rows = {tuple(p["ranks"]): p["rows"] for p in told["probes"]}
    for link in found["links"]:
        small, large = rows[tuple(link["hosts"])]
        assert link["latency_us"] == [small["p50_us"]]
        assert link["gb_per_s"] == [large["busbw_gb_per_s"]]
        assert link["standing"] == "skip"
    assert {probe["part"] for probe in told["probes"]} == {"pair"}
    assert {c["status"] for c in told["checks"] if c["id"] == "probes-pair-behind"} == {"skip"}
    assert len(list((tmp_path / "saved" / "probes").iterdir())) == 3
    table = start("--replay", path)
    assert "PASS: ring 3 of 3 launches of pairs ok" in table.stdout
    assert "NOT LAUNCHED" not in table.stdout
    assert world.left() == []


@REAL
def test_pairs_of_a_round_run_at_the_same_time_and_fail_alone(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of two pairs loses a rank while the other one still measures."""
    dies = (
        "    one = mx.ones(1, dtype=mx.int32)\n    for _ in range(job",
        '    if job["mark"]:\n        os.kill(os.getpid(), 9)\n'
        "    one = mx.ones(1, dtype=mx.int32)\n    time.sleep(1.0)\n    for _ in range(job",
    )
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, dies))
    original = Plan.job

    def marked(self: Plan, rank: Any) -> dict[str, Any]:  # noqa: ANN401
        return {**original(self, rank), "mark": rank.rank == 1 and self.nonce.startswith("dies")}

    monkeypatch.setattr(Plan, "job", marked)
    pairs = tuple(
        replace(plan_of(2), nonce=word + "0" * 12, part="pair") for word in ("dies", "well")
    )
    later = replace(plan_of(2), part="pair")
    begun: list[str] = []
    heard: list[str] = []

    def again(runs: Sequence[Any]) -> list[Any]:
        begun.extend(plan.nonce[:4] for plan, _ in runs)
        return [lambda: (later,)]

    found = launch.launch(
        Inventory("local", (Host("localhost", "127.0.0.1"),)),
        [lambda: pairs],
        again=again,
        on_event=lambda _plan, _rank, event: heard.append(event["ev"]),
    )
    assert begun == ["dies", "well"]
    assert heard[: heard.index("exit")].count("spawn") == 4
    bad, good, once_more = (judge(plan, run) for plan, run in found.probes)
    assert bad.blame is not None
    assert (bad.blame.ranks, good.passed, once_more.passed) == ((1,), True, True)
    spawns = {plan.nonce[:4]: run.seconds for plan, run in found.probes}
    assert spawns["well"] > 1.0
    assert world.left() == []


@REAL
@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("count", [2, 3, 4])
def test_ping_pong_inside_a_group(count: int) -> None:
    """Ring reaches its neighbours: all of them with up to three ranks, in rounds with four."""
    made = pairwise.inside(ring.BACKEND, plan_of(count, check=True), (4, 1 << 16))
    slow = dict.fromkeys(("check", "measure", "pairs"), 30.0)
    probe = launched(replace(made, deadlines_s={**made.deadlines_s, **slow}))
    assert probe.passed
    found = only([probe])
    assert len(found.ways) == {2: 1, 3: 3, 4: 4}[count]
    assert all(way.best is not None and way.best.latency_us > 1 for way in found.ways)
    sent = [e for g in probe.run.logs for e in g.events if e["ev"] == "pair"]
    assert {len(event["ns"]) for event in sent} == {5}


@REAL
@pytest.mark.usefixtures("world")
def test_what_comes_back_changed_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flips = (
        "        mx.eval(mx.distributed.send(got, peer, group=group))\n",
        "        mx.eval(mx.distributed.send(got + 1, peer, group=group))\n",
    )
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, flips))
    probe = launched(pairwise.inside(ring.BACKEND, plan_of(2, check=True), (4, 4096)))
    assert probe.blame is not None
    assert (probe.blame.ranks, probe.blame.text) == ((0, 1), "its data arrived wrong")
    assert probe.blame.evidence == "to rank 1 and back: 1 wrong elements (on rank 0)"


@REAL
@pytest.mark.usefixtures("world")
def test_a_pair_that_hangs_is_who_did_not_arrive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = (
        '    """Send back what came."""\n',
        '    """Send back what came."""\n    time.sleep(60 * (rank.job["rank"] == 2))\n',
    )
    monkeypatch.setattr(gang, "KERNEL", patched(tmp_path, hangs))
    made = replace(plan_of(3), rounds=(((1, 2),), ((0, 1),)), pair_sizes=(4,))
    probe = launched(replace(made, deadlines_s={**made.deadlines_s, "pairs": 5.0}))
    assert (probe.run.end, probe.run.phase) == ("deadline", "pairs")
    assert probe.blame is not None
    assert probe.blame.ranks == (1, 2)
    assert probe.blame.text.startswith("did not arrive at collective ")


@pytest.mark.usefixtures("world")
def test_a_dry_run_shows_every_round() -> None:
    ran = start("--local", "4", "--all-pairs", "--dry-run")
    assert (ran.returncode, ran.stderr) == (0, "")
    heads = re.findall(r"round (\d): backend ring, 2 ranks", ran.stdout)
    assert heads == list("112233")
    assert "address: 127.0.0.1 (this machine)" in ran.stdout
    assert re.search(
        r"^sizes \(bytes x how often\): 4 x \d+, 4194304 x \d+$", ran.stdout, re.MULTILINE
    )


def test_what_pairs_do_not_measure_is_refused() -> None:
    ran = start("--local", "3", "--pairwise", "--op", "send")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "pairs are measured with all_sum" in ran.stderr


def test_ways_name_the_ports_of_several_cables() -> None:
    assert Way(("a", "b"), (cable(2, 3), cable(4, 5)), ()).label == (
        "a receptacle 2 (en2) + receptacle 4 (en4) - b receptacle 3 (en3) + receptacle 5 (en5)"
    )
