"""Plans of jaccl and jaccl-ring for modelled clusters, and every reason for which there is none.

Nothing here runs RDMA.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mlxdiag.backends import BACKENDS, jaccl
from mlxdiag.backends.backend import Backend, Site
from mlxdiag.capture import Outcome
from mlxdiag.checks.probes import findings
from mlxdiag.finding import Status
from mlxdiag.inventory import Host
from mlxdiag.probe import choose
from mlxdiag.probe.judge import Probe, judge
from mlxdiag.probe.plan import Plan, Refusal, Wire
from mlxdiag.recording import Recording
from tests.checks.recorded import altered, ended, recorded, recording_of
from tests.model import CASES, DOWN, Cable, ModelCluster
from tests.model.cases import studios
from tests.probe.jaccl import JACCL, JACCL_RING, QUICK, chosen, planned, refused, site_of
from tests.probe.logs import healthy, plan, ran


@cache
def site(case: str, *, force: bool = False) -> Site:
    return site_of(recorded(case), force=force)


def matrix(plan: Plan) -> list[list[Any]]:
    texts = {rank.files["MLX_IBV_DEVICES"] for rank in plan.ranks}
    assert len(texts) == 1
    found: list[list[Any]] = json.loads(texts.pop())
    return found


def two_hosts(count: int) -> ModelCluster:
    """Join two Macs by so many cables, the last receptacle of one to the first of the other."""
    cables = [Cable(("macstudio1", 1 + k), ("macstudio2", 6 - k)) for k in range(count)]
    return ModelCluster("pair", studios(2), tuple(cables))


# What is planned.


def test_a_mesh_names_a_device_per_pair_and_is_the_same_for_all_ranks() -> None:
    plan = planned(site("clean-mesh-4"))
    assert (plan.backend, plan.mlx_backend, plan.fragile) == ("jaccl", "jaccl", True)
    assert matrix(plan) == [
        [None, "rdma_en3", "rdma_en4", "rdma_en5"],
        ["rdma_en3", None, "rdma_en4", "rdma_en5"],
        ["rdma_en3", "rdma_en4", None, "rdma_en5"],
        ["rdma_en3", "rdma_en4", "rdma_en5", None],
    ]
    assert [dict(rank.env) for rank in plan.ranks] == [
        {"MLX_RANK": str(n), "MLX_JACCL_COORDINATOR": "192.168.86.11:20000"} for n in range(4)
    ]
    assert [rank.host.name for rank in plan.ranks] == [f"macstudio{n}" for n in range(1, 5)]
    assert plan.notes == (jaccl.UNTRIED,)


def test_wires_name_both_ends_of_every_cable() -> None:
    plan = planned(site("clean-mesh-4"))
    assert [wire.ranks for wire in plan.wires] == list(combinations(range(4), 2))
    assert plan.wires[1] == Wire(
        (0, 2),
        ("receptacle 3 (en4, rdma_en4)", "receptacle 2 (en3, rdma_en3)"),
        ("rdma_en4", "rdma_en3"),
        80.0,
        (3, 2),
    )


def test_another_numbering_on_every_host() -> None:
    assert matrix(planned(site("enx-numbering"))) == [
        [None, "rdma_en1", "rdma_en6", "rdma_en2"],
        ["rdma_en2", None, "rdma_en1", "rdma_en5"],
        ["rdma_en2", "rdma_en3", None, "rdma_en4"],
        ["rdma_en5", "rdma_en7", "rdma_en4", None],
    ]


@pytest.mark.parametrize("backend", ["jaccl", "jaccl-ring"])
def test_several_cables_stand_in_the_same_order_at_both_ends(backend: str) -> None:
    plan = planned(site("two-cables"), backend)
    assert matrix(plan) == [[None, ["rdma_en2", "rdma_en4"]], [["rdma_en2", "rdma_en5"], None]]
    assert [wire.devices for wire in plan.wires] == [
        ("rdma_en2", "rdma_en2"),
        ("rdma_en4", "rdma_en5"),
    ]


def test_a_ring_names_neighbours_only_and_says_that_it_is_one() -> None:
    plan = planned(site("clean-ring-4"), "jaccl-ring")
    assert (plan.backend, plan.mlx_backend) == ("jaccl-ring", "jaccl")
    assert matrix(plan) == [
        [None, "rdma_en4", None, "rdma_en3"],
        ["rdma_en3", None, "rdma_en4", None],
        [None, "rdma_en3", None, "rdma_en4"],
        ["rdma_en4", None, "rdma_en3", None],
    ]
    assert {rank.env["MLX_JACCL_RING"] for rank in plan.ranks} == {"1"}
    assert [wire.ranks for wire in plan.wires] == [(0, 1), (1, 2), (2, 3), (0, 3)]


def test_a_ring_goes_along_the_cables_that_can_be_used() -> None:
    """Macstudio2 and 3 are not joined: they are no neighbours in the order of the ranks."""
    plan = planned(site("broken-cable"), "jaccl-ring")
    order = [rank.host.name for rank in plan.ranks]
    assert order == ["macstudio1", "macstudio2", "macstudio4", "macstudio3"]
    assert matrix(plan)[1] == ["rdma_en3", None, "rdma_en5", None]


@pytest.mark.parametrize("case", ["mesh-9-hosts-ring", "ring-64"])
def test_a_ring_has_no_limit_of_ranks(case: str) -> None:
    plan = planned(site(case), "jaccl-ring")
    rows = matrix(plan)
    assert [sum(cell is not None for cell in row) for row in rows] == [2] * len(plan.ranks)


def test_as_many_wires_for_every_pair_as_the_poorest_has() -> None:
    macs = studios(3)
    cables = (
        Cable(("macstudio1", 1), ("macstudio2", 1)),
        Cable(("macstudio1", 2), ("macstudio2", 2)),
        Cable(("macstudio2", 3), ("macstudio3", 3)),
        Cable(("macstudio1", 4), ("macstudio3", 4)),
    )
    made = site_of(recording_of(ModelCluster("uneven", macs, cables)))
    for backend in ("jaccl", "jaccl-ring"):
        plan = planned(made, backend)
        assert matrix(plan) == [
            [None, "rdma_en2", "rdma_en5"],
            ["rdma_en2", None, "rdma_en4"],
            ["rdma_en5", "rdma_en4", None],
        ]
        assert plan.notes[1:] == (
            "macstudio1 - macstudio2: not used: en3 to en3"
            " (MLX wants the same number of wires everywhere)",
        )


def test_only_cables_that_can_be_used_are_in_the_matrix() -> None:
    made = replace(two_hosts(2), port_states={("macstudio1", 1): DOWN})
    plan = planned(site_of(recording_of(made)))
    assert matrix(plan) == [[None, "rdma_en3"], ["rdma_en6", None]]
    assert plan.notes[1:] == ("macstudio1 - macstudio2: not used: en2 to en7 (rdma-port-active)",)


def test_deadlines_are_later_than_the_ends_that_jaccl_makes_itself() -> None:
    plan = planned(site("clean-mesh-4"))
    assert plan.deadlines_s["init"] > 15.0 + 7.0
    assert plan.deadlines_s["spawn"] == 20.0


def test_without_proof_a_backend_itself_takes_no_cable() -> None:
    made = site("incident")
    said = JACCL.lay(made, made.cluster.topology.hosts, 20000, 1)
    assert isinstance(said, Refusal)
    assert said.reason.startswith("no cable with RDMA known at both ends: macstudio1 - macstudio2")


# The coordinator.


def without_ip(made: Recording) -> Recording:
    hosts = tuple(replace(host, ip=None) for host in made.inventory.hosts)
    return replace(made, inventory=replace(made.inventory, hosts=hosts))


def coordinator(plan: Plan) -> str:
    return plan.ranks[0].env["MLX_JACCL_COORDINATOR"]


def test_without_an_ip_it_is_an_address_in_a_network_that_all_share() -> None:
    plan = planned(site_of(without_ip(recorded("clean-mesh-4"))))
    assert coordinator(plan) == "192.168.86.11:20000"
    assert plan.notes == (jaccl.UNTRIED,)


def test_it_is_rank_0s_and_not_the_first_hosts() -> None:
    made = site("clean-mesh-4")
    plan = choose.over_site(JACCL, made, made.cluster.topology.hosts[::-1], 20000, "abc", QUICK)
    assert isinstance(plan, Plan)
    assert coordinator(plan) == "192.168.86.14:20000"
    assert matrix(plan)[0] == [None, "rdma_en5", "rdma_en4", "rdma_en3"]


def test_an_ip_that_rank_0_does_not_hold_is_refused() -> None:
    made = recorded("clean-mesh-4")
    first, *others = made.inventory.hosts
    hosts = (replace(first, ip="10.9.9.9"), *others)
    made = replace(made, inventory=replace(made.inventory, hosts=hosts))
    for force in (False, True):
        said = refused(site_of(made, force=force))
        assert said.reason == "macstudio1 does not hold 10.9.9.9, its `ip` of the inventory"
        assert said.usable is False


def test_the_cable_is_taken_where_there_is_nothing_else() -> None:
    """The LAN of the second host is another network: what both share is their cable."""
    made = without_ip(recorded("clean-pair"))
    made = altered(made, "macstudio2", "ifconfig", b"192.168.86.12", b"172.16.0.12")
    assert coordinator(planned(site_of(made))) == "10.219.1.1:20000"


def test_it_is_said_where_no_network_is_shared() -> None:
    made = altered(
        recorded("clean-mesh-4"), "macstudio3", "ifconfig", b"192.168.86.13", b"172.16.0.13"
    )
    plan = planned(site_of(made))
    assert coordinator(plan) == "192.168.86.11:20000"
    assert plan.notes[1:] == (jaccl.UNREACHED.format("192.168.86.11"),)


def test_no_address_at_all_is_refused() -> None:
    made = altered(
        without_ip(recorded("link-local-ipv4")), "macstudio1", "ifconfig", b"en0:", b"lo7:"
    )
    made = altered(made, "macstudio1", "ifconfig", b"inet 192.168.86.11", b"inet 169.254.8.11")
    said = refused(site_of(made))
    assert said.reason == "no IPv4 address of macstudio1 for the coordinator"


# What is refused, by name.


OLD_WHEEL = (
    "macstudio2: mlx 0.32.4 has no jaccl (/opt/mlx/bin/python, wheel py3-none-macosx_15_0_arm64);"
    " `/opt/mlx/bin/python -m pip install --force-reinstall --no-cache-dir mlx mlx-metal` with a"
    " Python and pip recent enough to choose the macosx_26_0 wheel"
)
NO_MLX = (
    "macstudio2: no mlx in /opt/mlx/bin/python (ModuleNotFoundError: No module named 'mlx');"
    " `/opt/mlx/bin/python -m pip install mlx`, or name the one that has mlx as `python:` in the"
    " inventory"
)


@pytest.mark.parametrize(
    ("case", "backend", "reason", "usable"),
    [
        ("old-wheel", "jaccl", OLD_WHEEL, False),
        ("old-wheel", "jaccl-ring", OLD_WHEEL, False),
        ("no-mlx", "jaccl", NO_MLX, False),
        (
            "mixed-mlx",
            "jaccl",
            "different mlx versions: macstudio[1,2,4]: 0.32.4; macstudio3: 0.31.2; install one:"
            " `pip install mlx==0.32.4`",
            False,
        ),
        (
            "incident",
            "jaccl",
            "all ports down: macstudio1; not PORT_ACTIVE: macstudio3 en3, macstudio4 en4,"
            " macstudio3 en5",
            False,
        ),
        ("gid-at-index-2", "jaccl", "IPv4 GID not at index 1: macstudio2 en4", False),
        ("no-ipv4-gid", "jaccl", "no IPv4 on the port: macstudio2 en4", False),
        ("bridge0-port", "jaccl", "port in a bridge: macstudio3 en3", False),
        ("interface-down", "jaccl", "interface not active: macstudio2 en4", False),
        ("rdma-off-one-host", "jaccl", "RDMA is off: macstudio4", False),
        ("header-only-ibv-devices", "jaccl", "no RDMA devices: macstudio4", False),
        ("interface-without-device", "jaccl", "no RDMA device: macstudio4 en3", False),
        ("tb4-in-the-mix", "jaccl", "no Thunderbolt 5: macstudio4", False),
        (
            "macos-26.1",
            "jaccl",
            "macstudio2: mlx 0.32.4 has no jaccl: macOS is 26.1, it needs 26.2",
            False,
        ),
        ("broken-cable", "jaccl", "no mesh: no cable macstudio2 - macstudio3", False),
        (
            "one-sided-cable",
            "jaccl",
            "cable seen from one end: macstudio2 en4 - macstudio3 en4",
            False,
        ),
        ("mesh-9-hosts-ring", "jaccl", "too many ranks: 9 hosts, at most 8", False),
        ("hung-ibv-devinfo", "jaccl", "RDMA commands do not return: macstudio3", False),
        (
            "unreachable-host",
            "jaccl",
            "macstudio3: not known whether it has mlx: connect timeout: macstudio3.local:22 did not"
            " answer in 10 s",
            None,
        ),
        (
            "empty-recording",
            "jaccl-ring",
            "macstudio4: not known whether it has mlx: not recorded",
            None,
        ),
        ("truncated-json", "jaccl", "no answer: macstudio2", None),
        ("truncated-json", "jaccl-ring", "no answer: macstudio2", None),
    ],
)
def test_refusals(case: str, backend: str, reason: str, usable: bool | None) -> None:
    said = refused(site(case), backend)
    assert (said.backend, said.reason, said.usable) == (backend, reason, usable)


@pytest.mark.parametrize("backend", ["jaccl", "jaccl-ring"])
def test_two_sides_of_macos_26_3(backend: str) -> None:
    made = altered(recorded("clean-mesh-4"), "macstudio2", "sw_vers", b"26.3", b"26.2")
    assert refused(site_of(made), backend).reason == "hosts on two sides of macOS 26.3: cluster"


def test_a_port_that_is_not_known_to_be_active() -> None:
    made = ended(recorded("clean-mesh-4"), "macstudio2", "ibv_devinfo", Outcome.TRUNCATED)
    said = refused(site_of(made))
    assert (said.usable, "macstudio2" in said.reason) == (None, True)


def test_five_wires_are_one_too_many_for_a_ring() -> None:
    made = recording_of(two_hosts(5))
    said = refused(site_of(made), "jaccl-ring")
    assert said.reason == "5 wires between all neighbours, MLX takes at most 4"
    forced = planned(site_of(made, force=True), "jaccl-ring")
    assert [len(matrix(forced)[a][1 - a]) for a in (0, 1)] == [4, 4]
    assert len(matrix(planned(site_of(made), "jaccl"))[0][1]) == 5


@pytest.mark.parametrize("name", ["jaccl", "jaccl-ring"])
def test_local_is_refused(name: str) -> None:
    said = choose.on_machine(BACKENDS[name], 2, Host("localhost", "127.0.0.1"), 1, "abc", QUICK)
    assert said == Refusal(name, "needs RDMA hardware between hosts: not with --local")


def test_a_refusal_fails_alone_is_passed_over_beside_others_and_may_be_unknown() -> None:
    def statuses(case: str, *, others: bool) -> list[Status]:
        made = [refused(site(case))]
        ran = [judged()] if others else []
        return [f.status for f in findings(ran, made)][:1]

    assert statuses("incident", others=False) == [Status.FAIL]
    assert statuses("incident", others=True) == [Status.SKIP]
    assert statuses("truncated-json", others=False) == [Status.UNKNOWN]
    assert statuses("truncated-json", others=True) == [Status.UNKNOWN]


def judged() -> Probe:
    return judge(plan(2), ran([healthy(0), healthy(1)]))


# What else runs there.


def beside(case: str, host: str, jobs: tuple[str, ...] | None, *, force: bool = False) -> Site:
    made = site(case, force=force)
    return replace(made, beside={**made.beside, host: jobs})


JOB = "pid 812: python -m mlx_lm.server"


def test_a_running_job_is_named() -> None:
    said = refused(beside("clean-mesh-4", "macstudio2", (JOB,)))
    assert said.reason == f"beside a running MLX job: macstudio2 ({JOB})"
    assert said.usable is False


def test_a_host_that_could_not_say_or_was_not_asked_is_unknown() -> None:
    made = site("clean-mesh-4")
    asked = {host: () for host in made.beside if host != "macstudio4"}
    for unknown in (beside("clean-mesh-4", "macstudio4", None), replace(made, beside=asked)):
        said = refused(unknown)
        assert said.reason == "not known whether an MLX job runs on macstudio4"
        assert said.usable is None


def test_facts_come_before_company_so_that_hosts_are_asked_only_where_it_matters() -> None:
    assert choose.asks_company(JACCL, replace(site("clean-mesh-4"), beside={}))
    assert not choose.asks_company(JACCL, replace(site("incident"), beside={}))
    assert choose.asks_company(JACCL, replace(site("incident", force=True), beside={}))
    assert not choose.asks_company(BACKENDS["ring"], replace(site("clean-mesh-4"), beside={}))


def test_ring_does_not_mind_company() -> None:
    assert isinstance(chosen(beside("clean-mesh-4", "macstudio2", (JOB,)), "ring"), Plan)


# Forced.


def test_forced_it_is_launched_with_a_note_of_what_that_may_leak() -> None:
    plan = planned(site("incident", force=True))
    assert matrix(plan)[0] == [None, "rdma_en3", "rdma_en4", "rdma_en5"]
    assert plan.notes == (
        choose.FORCED.format(refused(site("incident")).reason),
        jaccl.UNTRIED,
    )
    assert "leaks protection domains until the host is restarted" in plan.notes[0]


def test_forced_beside_a_job() -> None:
    plan = planned(beside("clean-mesh-4", "macstudio2", (JOB,), force=True))
    assert plan.notes[0].startswith(f"forced, although beside a running MLX job: macstudio2 ({JOB}")


def test_forced_ring_finds_a_cycle_along_what_there_is() -> None:
    plan = planned(site("incident", force=True), "jaccl-ring")
    assert all(sum(cell is not None for cell in row) == 2 for row in matrix(plan))


def test_forced_changes_nothing_where_nothing_is_against_it() -> None:
    assert planned(site("clean-mesh-4", force=True)) == planned(site("clean-mesh-4"))


@pytest.mark.parametrize(
    ("case", "usable"),
    [
        ("rdma-off-one-host", False),
        ("interface-without-device", False),
        ("broken-cable", False),
        ("truncated-json", None),
        ("duplicate-uuids", None),
    ],
)
def test_forced_is_refused_where_there_is_no_matrix(case: str, usable: bool | None) -> None:
    said = refused(site(case, force=True))
    assert said.reason.startswith("no cable with RDMA known at both ends: ")
    assert said.usable is usable


def test_forced_does_not_make_nine_ranks_a_mesh_nor_a_host_have_mlx() -> None:
    assert refused(site("mesh-9-hosts-ring", force=True)).reason == "9 ranks, a mesh has at most 8"
    assert refused(site("no-mlx", force=True)).reason == NO_MLX


# Whatever the cluster.


def cells(row: Any) -> list[list[str]]:  # noqa: ANN401
    return [[] if c is None else [c] if isinstance(c, str) else c for c in row]


def hold(model: ModelCluster, plan: Plan, *, force: bool) -> None:
    """Hold a matrix to the model: each place in a cell is one cable, named by both its ends."""
    names = [rank.host.name for rank in plan.ranks]
    rows = [cells(row) for row in matrix(plan)]
    device = {
        (mac.name, f"rdma_{interface}"): (mac.name, receptacle)
        for mac in model.macs
        for receptacle, interface in mac.interfaces.items()
    }
    cables = [frozenset(cable.ends) for cable in model.cables]
    used: Counter[frozenset[tuple[str, int]]] = Counter()
    for a, row in enumerate(rows):
        assert row[a] == []
        for b, mine in enumerate(row):
            theirs = rows[b][a]
            assert len(mine) == len(theirs)
            for near, far in zip(mine, theirs, strict=True):
                ends = frozenset({device[names[a], near], device[names[b], far]})
                assert ends in cables
                used[ends] += 1
                if not force:
                    assert {model.port_state(end) for end in ends} == {"PORT_ACTIVE (4)"}
    assert set(used.values()) <= {2}
    assert len(plan.wires) == len(used)
    counts = {len(cell) for row in rows for cell in row if cell}
    assert len(counts) == 1
    if plan.backend == "jaccl-ring":
        size = len(names)
        for a, row in enumerate(rows):
            filled = {b for b, cell in enumerate(row) if cell}
            assert filled == {(a - 1) % size, (a + 1) % size}
        assert counts <= {1, 2, 3, 4}
    else:
        assert all(row[b] for a, row in enumerate(rows) for b in range(len(names)) if a != b)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("backend", ["jaccl", "jaccl-ring"])
def test_every_matrix_of_the_model_is_that_of_its_cables(backend: str, force: bool) -> None:
    held = 0
    for case in CASES:
        made = chosen(site(case, force=force), backend)
        if isinstance(made, Plan):
            hold(CASES[case](), made, force=force)
            held += 1
    assert held >= 12


@st.composite
def clusters(draw: st.DrawFn) -> ModelCluster:
    """Join 2 to 4 Macs at random, as often as their ports allow; let a port or two be down."""
    macs = studios(draw(st.integers(2, 4)))
    free = {mac.name: draw(st.permutations(sorted(mac.interfaces))) for mac in macs}
    pairs = list(combinations([mac.name for mac in macs], 2))
    wanted = [*pairs, *draw(st.lists(st.sampled_from(pairs), max_size=6))]
    cables = []
    for pair in wanted:
        if all(free[name] for name in pair):
            a, b = draw(st.permutations(pair))
            cables.append(Cable((a, free[a].pop()), (b, free[b].pop())))
    ends = [end for cable in cables for end in cable.ends]
    down = draw(st.lists(st.sampled_from(ends), max_size=2))
    return ModelCluster("drawn", macs, tuple(cables), port_states=dict.fromkeys(down, DOWN))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(clusters(), st.sampled_from([JACCL, JACCL_RING]), st.booleans())
def test_every_matrix_is_that_of_the_cables(
    model: ModelCluster,
    backend: Backend,
    force: bool,
) -> None:
    made = chosen(site_of(recording_of(model), force=force), backend.name)
    assume(isinstance(made, Plan))
    assert isinstance(made, Plan)
    hold(model, made, force=force)
