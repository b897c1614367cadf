"""Cables from domain UUIDs: from both ends, several per pair, nested, one-sided, to oneself."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxdiag import cluster as clusters
from mlxdiag.capture import Capture, Outcome
from mlxdiag.cluster import Cluster
from mlxdiag.inventory import loads
from mlxdiag.topology import Topology
from tests.model import Cable, Mac, ModelCluster, inventory, outputs
from tests.model.cases import DOCK, cabled, clean_mesh_4, mesh, studios
from tests.model.cluster import Device

End = tuple[str, int]
DISPLAY = Device("Studio Display", "Apple Inc.", "0x0001", "0x9D20", "thunderbolt_three", 20)


def cluster(model: ModelCluster) -> Cluster:
    said = {
        host: {
            name: Capture(name, (), Outcome(p.outcome), p.exit_status, None, p.stdout, p.stderr)
            for name, p in printed.items()
        }
        for host, printed in outputs(model).items()
    }
    return clusters.build(loads(inventory(model), "inventory.yaml"), said)


def topology(model: ModelCluster) -> Topology:
    return cluster(model).topology


def made(*cables: Cable, count: int = 4) -> ModelCluster:
    return ModelCluster("made", studios(count), cables)


def ends(found: Topology) -> list[tuple[End, End]]:
    return [
        ((link.a.host, link.a.receptacle), (link.b.host, link.b.receptacle)) for link in found.links
    ]


A, B, C, D = (f"macstudio{number}" for number in (1, 2, 3, 4))


def test_a_cable_is_one_link_from_whichever_end_it_was_put_in() -> None:
    one = topology(made(Cable((A, 2), (B, 5))))
    other = topology(made(Cable((B, 5), (A, 2))))
    assert ends(one) == ends(other) == [((A, 2), (B, 5))]
    link = one.links[0]
    assert (link.seen_by_a, link.seen_by_b, link.direct) == (True, True, True)
    assert link.other(link.a) is link.b
    assert link.other(link.b) is link.a
    assert link.sees(link.a)


def test_a_stands_before_b_in_the_order_of_the_inventory_not_of_the_alphabet() -> None:
    macs = (Mac("zeta"), Mac("alpha"), Mac("mu"))
    found = topology(ModelCluster("made", macs, mesh(macs)))
    assert found.hosts == ("zeta", "alpha", "mu")
    assert [link.hosts for link in found.links] == [
        ("zeta", "alpha"),
        ("zeta", "mu"),
        ("alpha", "mu"),
    ]


def test_several_cables_of_a_pair_have_one_order_seen_from_both_ends() -> None:
    # Crossed: by macstudio2's receptacles the order would be the other way round.
    crossed = made(Cable((A, 2), (B, 6)), Cable((A, 4), (B, 1)), Cable((A, 5), (B, 3)), count=2)
    found = topology(crossed)
    assert ends(found) == [((A, 2), (B, 6)), ((A, 4), (B, 1)), ((A, 5), (B, 3))]
    assert found.between(A, B) == found.between(B, A) == found.links
    assert found.matrix(found.links) == (
        (None, ("rdma_en3", "rdma_en5", "rdma_en6")),
        (("rdma_en7", "rdma_en2", "rdma_en4"), None),
    )


def test_the_matrix_holds_only_the_links_it_is_given() -> None:
    found = topology(made(Cable((A, 2), (B, 6)), Cable((A, 4), (B, 1)), count=2))
    assert found.matrix(()) == ((None, None), (None, None))
    assert found.matrix(found.links[1:]) == ((None, "rdma_en5"), ("rdma_en2", None))


def test_a_link_with_an_end_without_a_device_is_not_in_the_matrix() -> None:
    macs = (replace(Mac(A), lost_devices=frozenset({2})), Mac(B))
    cables = (Cable((A, 2), (B, 2)), Cable((A, 3), (B, 3)))
    found = topology(ModelCluster("made", macs, cables))
    assert len(found.links) == 2
    assert found.matrix(found.links) == ((None, "rdma_en4"), ("rdma_en4", None))


def test_a_mesh_is_what_joins_every_pair() -> None:
    found = topology(clean_mesh_4())
    assert found.is_mesh(found.links)
    for missing in found.links:
        assert not found.is_mesh([link for link in found.links if link is not missing])
    assert not topology(made(count=1)).is_mesh([])
    assert not topology(made(count=2)).is_mesh([])


def test_two_cables_for_one_pair_do_not_stand_for_another_pair() -> None:
    twice = made(Cable((A, 1), (B, 1)), Cable((A, 2), (B, 2)), Cable((B, 3), (C, 3)), count=3)
    found = topology(twice)
    assert not found.is_mesh(found.links)
    assert found.ring(found.links).order is None


def test_a_ring_is_counted_in_inventory_order() -> None:
    found = topology(made(*(Cable((x, 3), (y, 2)) for x, y in ((A, C), (C, B), (B, D), (D, A)))))
    assert found.ring(found.links).order == (0, 2, 1, 3)
    assert found.ring(found.links[1:]).order is None


def test_a_mac_behind_a_dock_is_a_link_that_is_not_direct() -> None:
    found = topology(made(Cable((A, 2), (B, 3), dock=DOCK), count=2))
    (link,) = found.links
    assert (link.via, link.direct) == (("Quayside Dock 4",), False)
    assert (link.seen_by_a, link.seen_by_b) == (True, True)


@pytest.mark.parametrize("side", [0, 1])
def test_a_cable_that_one_end_notices_is_a_link_that_says_so(side: int) -> None:
    cable = Cable((A, 2), (B, 3))
    found = topology(made(replace(cable, seen_by=(cable.ends[side],)), count=2))
    (link,) = found.links
    assert (link.seen_by_a, link.seen_by_b) == (side == 0, side == 1)
    assert link.sees(link.ends[side])
    assert not link.sees(link.ends[1 - side])
    assert link.speed_gbps == 80
    assert [p.receptacle for host in (A, B) for p in found.cabled(host)] == [2, 3]


def test_a_cable_that_no_end_notices_is_none() -> None:
    found = topology(made(Cable((A, 2), (B, 3), seen_by=()), count=2))
    assert found.links == ()
    assert found.peers == {}


def test_a_cable_to_oneself_is_no_link_but_a_peer() -> None:
    found = topology(made(Cable((A, 5), (A, 6)), count=2))
    assert found.links == ()
    assert {key: peer.kind for key, peer in found.peers.items()} == {(A, 5): "self", (A, 6): "self"}
    assert found.unclear(A) == ()


def test_a_mac_nobody_listed_is_a_peer_and_no_link() -> None:
    macs = (Mac(A), Mac(B, listed=False))
    found = topology(ModelCluster("made", macs, (Cable((A, 1), (B, 2)),)))
    assert found.links == ()
    assert found.peers[A, 1].kind == "unlisted-mac"


def silent(model: ModelCluster, host: str) -> ModelCluster:
    return replace(model, silent=frozenset({host}))


def test_a_mac_that_could_be_a_silent_host_is_not_called_unlisted() -> None:
    found = topology(silent(made(Cable((A, 1), (B, 2)), count=2), B))
    assert found.links == ()
    assert found.peers[A, 1].kind == "unknown"
    assert [port.receptacle for port in found.unclear(A)] == [1]


def test_one_dummy_uuid_for_all_ports_joins_nothing() -> None:
    found = topology(replace(clean_mesh_4(), redacted=True))
    assert found.links == ()
    assert {peer.kind for peer in found.peers.values()} == {"unknown"}


def swapped(model: ModelCluster, change: Callable[[bytes], bytes]) -> Topology:
    asked = loads(inventory(model), "inventory.yaml")
    said = {
        host: {
            name: Capture(
                name,
                (),
                Outcome(p.outcome),
                p.exit_status,
                stdout=change(p.stdout) if name == "system_profiler_thunderbolt" else p.stdout,
            )
            for name, p in printed.items()
        }
        for host, printed in outputs(model).items()
    }
    return clusters.build(asked, said).topology


def test_a_cloned_uuid_never_joins_what_no_cable_joins() -> None:
    """Two ports of one UUID: a port that names the other in return tells which of them it is."""
    from tests.model.machine import domain_uuid  # noqa: PLC0415

    one = domain_uuid(Mac(A), 2).encode()
    other = domain_uuid(Mac(C), 4).encode()
    found = swapped(clean_mesh_4(), lambda text: text.replace(other, one))
    truth = ends(topology(clean_mesh_4()))
    assert set(ends(found)) <= set(truth)
    assert set(truth) - set(ends(found)) <= {((A, 2), (B, 2)), ((C, 4), (D, 4))}


def test_what_is_plugged_in_beside_macs_is_named() -> None:
    attached = {(A, 1): DOCK, (B, 1): DISPLAY}
    found = topology(replace(clean_mesh_4(), attached=attached))
    assert (found.peers[A, 1].kind, found.peers[A, 1].name) == ("dock", "Quayside Dock 4")
    assert (found.peers[B, 1].kind, found.peers[B, 1].name) == ("display", "Studio Display")
    assert len(found.links) == 6


def test_ports_join_receptacle_interface_and_device_by_what_the_host_says() -> None:
    mac = Mac("laptop", "Mac17,7", numbering={1: "en2", 2: "en1", 3: "en5"})
    found = topology(ModelCluster("made", (mac, Mac(B)), (Cable(("laptop", 2), (B, 1)),)))
    assert [(p.receptacle, p.interface, p.device) for p in found.ports["laptop"]] == [
        (1, "en2", "rdma_en2"),
        (2, "en1", "rdma_en1"),
        (3, "en5", "rdma_en5"),
    ]
    (link,) = found.links
    assert (link.a.name, link.b.name) == ("en1", "en2")


def test_speeds_are_of_now_and_at_most() -> None:
    found = topology(made(Cable((A, 2), (B, 2), speed_gbps=40), count=2))
    busy, idle = found.ports[A][1], found.ports[A][0]
    assert (busy.connected, busy.speed_gbps, busy.max_speed_gbps) == (True, 40, 120)
    assert (idle.connected, idle.speed_gbps, idle.max_speed_gbps) == (False, None, 120)
    assert [p.position for p in found.ports[A]][:2] == ["back-right", "back-right-middle"]


def test_thunderbolt_4_is_told_from_5() -> None:
    macs = (Mac(A), Mac("old", "Mac14,13"), Mac("mini", "Mac16,10"), Mac("pro", "Mac16,11"))
    known = cluster(ModelCluster("made", macs))
    assert [known.thunderbolt5(mac.name) for mac in macs] == [True, False, False, True]


def test_a_full_thunderbolt_5_mac_is_still_one() -> None:
    """With a cable in every port no receptacle says what it could do: the model does."""
    macs = (Mac("mini", "Mac16,11"), Mac(B))
    cables = tuple(Cable(("mini", n), (B, n), speed_gbps=40) for n in (1, 2, 3))
    assert cluster(ModelCluster("made", macs, cables)).thunderbolt5("mini") is True


@st.composite
def wirings(draw: st.DrawFn) -> ModelCluster:
    """Draw up to six Macs of several kinds, with cables as free ports allow."""
    kinds = st.sampled_from(["Mac15,14", "Mac16,11", "Mac17,6", "Mac14,13"])
    models = draw(st.lists(kinds, min_size=2, max_size=6))
    macs = tuple(
        Mac(f"m{i}", model, listed=i < 2 or draw(st.booleans())) for i, model in enumerate(models)
    )
    sockets = [(mac.name, number) for mac in macs for number in mac.interfaces]
    sockets = draw(st.permutations(sockets))
    pairs = list(zip(sockets[::2], sockets[1::2], strict=False))
    taken = pairs[: draw(st.integers(0, len(pairs)))]
    cables = tuple(
        Cable(a, b, dock=DOCK if draw(st.integers(0, 5)) == 0 else None) for a, b in taken
    )
    return ModelCluster("drawn", macs, cables)


@settings(max_examples=60, deadline=None)
@given(wirings())
def test_the_links_are_the_cables(model: ModelCluster) -> None:
    listed = {mac.name for mac in model.listed}
    rank = {mac.name: i for i, mac in enumerate(model.listed)}
    wanted = {}
    for cable in model.cables:
        hosts = {host for host, _ in cable.ends}
        if len(hosts) == 2 and hosts <= listed:
            a, b = sorted(cable.ends, key=lambda end: rank[end[0]])
            wanted[a, b] = cable.dock is None
    found = topology(model)
    said = dict(zip(ends(found), (link.direct for link in found.links), strict=True))
    assert said == wanted
    assert ends(found) == sorted(wanted, key=lambda p: [(rank[h], n) for h, n in p])
    devices = found.matrix(found.links)
    for i, j in combinations(range(len(found.hosts)), 2):
        one, other = devices[i][j], devices[j][i]
        assert (one is None) == (other is None)
        assert isinstance(one, tuple) == isinstance(other, tuple)
        if isinstance(one, tuple) and isinstance(other, tuple):
            assert len(one) == len(other)
    assert all(devices[i][i] is None for i in range(len(devices)))


def test_64_hosts_are_joined_whatever_the_order_of_the_inventory() -> None:
    macs = list(studios(64))
    random.Random(4).shuffle(macs)  # noqa: S311
    order = sorted(macs, key=lambda mac: int(mac.name.removeprefix("macstudio")))
    pairs = [(a.name, b.name) for a, b in zip(order, [*order[1:], order[0]], strict=True)]
    found = topology(ModelCluster("wide", tuple(macs), cabled(pairs, macs, 1)))
    assert len(found.links) == 64
    assert found.ring(found.links).order is not None
    assert not found.is_mesh(found.links)
