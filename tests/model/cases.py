"""The cases: clusters that are healthy, and clusters that deviate in one stated way."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from tests.model.cluster import ACTIVE, DOWN, Cable, Device, End, ModelCluster
from tests.model.machine import Mac, Runtime, digest
from tests.model.printed import Printed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

DOCK = Device("Quayside Dock 4", "Lantern Peripherals", "0x3E17", "0x41", "usb_four", 40, 3)
DISPLAY = Device("Studio Display", "Apple Inc.", "0x0001", "0x9D20", "thunderbolt_three", 20)
DISK = Device("Ferrow X5", "Ferrow Storage", "0x3E52", "0x7", "usb_four_v2", 80, 1)


def studios(count: int, model: str = "Mac15,14", macos: str = "26.3") -> tuple[Mac, ...]:
    """Return macstudio1 and so on, all alike."""
    return tuple(Mac(f"macstudio{number}", model, macos) for number in range(1, count + 1))


def mesh(macs: Sequence[Mac], first: int = 2) -> tuple[Cable, ...]:
    """Cable every pair; each Mac takes the next free of its receptacles from `first` on."""
    return cabled(((a.name, b.name) for a, b in combinations(macs, 2)), macs, first)


def ring(macs: Sequence[Mac]) -> tuple[Cable, ...]:
    """Cable each Mac's third receptacle to the second of the next one."""
    following = zip(macs, (*macs[1:], macs[0]), strict=True)
    return tuple(Cable((a.name, 3), (b.name, 2)) for a, b in following)


def cabled(pairs: Iterable[tuple[str, str]], macs: Sequence[Mac], first: int) -> tuple[Cable, ...]:
    free = {mac.name: iter(r for r in sorted(mac.interfaces) if r >= first) for mac in macs}
    return tuple(Cable((a, next(free[a])), (b, next(free[b]))) for a, b in pairs)


def changed(cluster: ModelCluster, host: str, **changes: object) -> ModelCluster:
    """Return the cluster with other facts about one Mac."""
    macs = [_with(mac, changes) if mac.name == host else mac for mac in cluster.macs]
    return replace(cluster, macs=tuple(macs))


def _with(mac: Mac, changes: dict[str, object]) -> Mac:
    return Mac(**{**vars(mac), **changes})


def recabled(cluster: ModelCluster, number: int, cable: Callable[[Cable], Cable]) -> ModelCluster:
    """Return the cluster with its cable of that number (from 1) made another."""
    cables = list(cluster.cables)
    cables[number - 1] = cable(cables[number - 1])
    return replace(cluster, cables=tuple(cables))


def cable_number(cluster: ModelCluster, a: str, b: str) -> int:
    """Return the number of the first cable between two Macs."""
    between = [{host for host, _ in cable.ends} for cable in cluster.cables]
    return between.index({a, b}) + 1


def _mesh_4(name: str, macs: Sequence[Mac] | None = None) -> ModelCluster:
    chosen = tuple(macs or studios(4))
    return ModelCluster(name, chosen, mesh(chosen), backend="jaccl", topology="mesh")


def incident() -> ModelCluster:
    """Build the four Macs of which no pair has both ends up."""
    runtime = Runtime(mlx="0.30.4", mlx_lm="0.30.4")
    macs = tuple(replace(mac, runtime=runtime) for mac in studios(4, macos="26.2"))
    cables = (
        Cable(("macstudio1", 2), ("macstudio2", 2)),
        Cable(("macstudio1", 3), ("macstudio3", 3)),
        Cable(("macstudio1", 4), ("macstudio4", 4)),
        Cable(("macstudio2", 3), ("macstudio3", 2)),
        Cable(("macstudio2", 4), ("macstudio4", 3)),
        Cable(("macstudio3", 4), ("macstudio4", 2)),
    )
    up = {("macstudio2", 2), ("macstudio2", 3), ("macstudio2", 4)}
    up |= {("macstudio3", 3), ("macstudio4", 2), ("macstudio4", 4)}
    ends = (end for cable in cables for end in cable.ends)
    states = {end: ACTIVE if end in up else DOWN for end in ends}
    return ModelCluster(
        "incident", macs, cables, port_states=states, backend="jaccl", topology="mesh"
    )


def clean_mesh_4() -> ModelCluster:
    return _mesh_4("clean-mesh-4")


def _ring(name: str, macs: tuple[Mac, ...], backend: str) -> ModelCluster:
    return ModelCluster(name, macs, ring(macs), backend=backend, topology="ring")


def clean_ring_4() -> ModelCluster:
    return _ring("clean-ring-4", studios(4), "jaccl-ring")


def clean_pair() -> ModelCluster:
    return ModelCluster("clean-pair", studios(2), mesh(studios(2)), backend="jaccl")


def broken_cable() -> ModelCluster:
    """Break the cable macstudio2 receptacle 3 to macstudio3 receptacle 3."""
    return recabled(_mesh_4("broken-cable"), 4, lambda cable: replace(cable, seen_by=()))


def one_sided_cable() -> ModelCluster:
    """Let only macstudio2 notice its cable to macstudio3."""
    cluster = _mesh_4("one-sided-cable")
    return recabled(cluster, 4, lambda cable: replace(cable, seen_by=(cable.a,)))


def bridge0_port() -> ModelCluster:
    return changed(_mesh_4("bridge0-port"), "macstudio3", bridged=(2,))


def stock_bridge() -> ModelCluster:
    """Leave every port in bridge0, as macOS is delivered: one self-assigned address per Mac."""
    macs = tuple(replace(mac, bridged=tuple(sorted(mac.interfaces))) for mac in studios(4))
    cluster = _mesh_4("stock-bridge", macs)
    first = {mac.name: min(r for host, r in _ends(cluster) if host == mac.name) for mac in macs}
    cables = [replace(cable, addresses=_on_first(cable, first)) for cable in cluster.cables]
    return replace(cluster, cables=tuple(cables))


def _ends(cluster: ModelCluster) -> list[End]:
    return [end for cable in cluster.cables for end in cable.ends]


def _on_first(cable: Cable, first: Mapping[str, int]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    a, b = (((_link_local(end),) if first[end[0]] == end[1] else ()) for end in cable.ends)
    return a, b


def no_ipv4_gid() -> ModelCluster:
    return replace(_mesh_4("no-ipv4-gid"), no_ipv4=frozenset({("macstudio2", 3)}))


def gid_at_index_2() -> ModelCluster:
    return replace(_mesh_4("gid-at-index-2"), late_ipv4=frozenset({("macstudio2", 3)}))


def interface_down() -> ModelCluster:
    return replace(_mesh_4("interface-down"), downed=frozenset({("macstudio2", 3)}))


def rdma_off_one_host() -> ModelCluster:
    return changed(_mesh_4("rdma-off-one-host"), "macstudio4", rdma="disabled")


def header_only_ibv_devices() -> ModelCluster:
    return changed(_mesh_4("header-only-ibv-devices"), "macstudio4", restart_pending=True)


def tb4_in_the_mix() -> ModelCluster:
    """Put a Thunderbolt 4 Studio, with its RDMA switch on, in the place of macstudio4."""
    return _mesh_4("tb4-in-the-mix", (*studios(3), Mac("macstudio4", "Mac14,13")))


def tb4_ring() -> ModelCluster:
    """Build a ring of Thunderbolt 4 Macs: three Studios and a mini."""
    macs = [Mac(f"oldstudio{number}", "Mac14,13", rdma="disabled") for number in (1, 2, 3)]
    mini = Mac("mini4", "Mac16,10", rdma="disabled")
    names = ("oldstudio1", "oldstudio2", "oldstudio3", "mini4")
    pairs = tuple(zip(names, (*names[1:], names[0]), strict=True))
    hosts = (*macs, mini)
    return ModelCluster("tb4-ring", hosts, cabled(pairs, hosts, 2), backend="ring", topology="ring")


def ethernet_only() -> ModelCluster:
    """Build four stock Macs without a cable: every port is still in bridge0."""
    stock = tuple(replace(mac, bridged=(1, 2, 3, 4, 5, 6)) for mac in studios(4))
    return ModelCluster("ethernet-only", stock, backend="ring")


def macos_26_1() -> ModelCluster:
    return changed(_mesh_4("macos-26.1"), "macstudio2", macos="26.1")


def mixed_macos() -> ModelCluster:
    """Mix 26.3 and 26.4, where the newer two also print more of everything."""
    more = (
        ("Cable (to 3)", "Thunderbolt 1", "en2"),
        ("Tailscale", "io.tailscale.ipn.macsys", ""),
    )
    newer = [
        replace(mac, macos="26.4", extended_devinfo=True, extra_services=more)
        for mac in studios(4)[2:]
    ]
    return _mesh_4("mixed-macos", (*studios(2), *newer))


def enx_numbering() -> ModelCluster:
    """Mesh four kinds of Mac, two of them with numberings that no rule gives."""
    macs = (
        Mac("macbook1", "Mac17,6"),
        Mac("macbook2", "Mac17,7", numbering={1: "en2", 2: "en1", 3: "en5"}),
        Mac("mini1", "Mac16,11"),
        Mac("macstudio1", "Mac16,9", numbering={1: "en5", 2: "en7", 3: "en4", 4: "en10"}),
    )
    cables = mesh(macs, first=1)
    return ModelCluster("enx-numbering", macs, cables, backend="jaccl", topology="mesh")


def two_cables() -> ModelCluster:
    cables = (
        Cable(("macstudio1", 1), ("macstudio2", 1)),
        Cable(("macstudio1", 3), ("macstudio2", 4)),
    )
    return ModelCluster("two-cables", studios(2), cables, backend="jaccl")


def unlisted_mac() -> ModelCluster:
    cluster = _mesh_4("unlisted-mac")
    stranger = Mac("macstudio5", listed=False)
    cable = Cable(("macstudio1", 1), ("macstudio5", 6))
    return replace(cluster, macs=(*cluster.macs, stranger), cables=(*cluster.cables, cable))


def dock_and_display() -> ModelCluster:
    attached = {("macstudio1", 1): DOCK, ("macstudio2", 5): DISPLAY, ("macstudio3", 6): DISK}
    return replace(_mesh_4("dock-and-display"), attached=attached)


def peer_behind_dock() -> ModelCluster:
    """Put a dock at macstudio1 into its cable to macstudio2."""
    cluster = _mesh_4("peer-behind-dock")
    return recabled(cluster, 1, lambda cable: replace(cable, dock=DOCK))


def device_without_interface() -> ModelCluster:
    cluster = _mesh_4("device-without-interface")
    return changed(cluster, "macstudio4", lost_interfaces=frozenset({2}))


def interface_without_device() -> ModelCluster:
    cluster = _mesh_4("interface-without-device")
    return changed(cluster, "macstudio4", lost_devices=frozenset({2}))


def truncated_json() -> ModelCluster:
    edits = {("macstudio2", "system_profiler_thunderbolt"): _first_half}
    return replace(_mesh_4("truncated-json"), edits=edits)


def _first_half(printed: Printed) -> Printed:
    return replace(printed, stdout=printed.stdout[: len(printed.stdout) // 2])


def hung_ibv_devinfo() -> ModelCluster:
    edits = {("macstudio3", "ibv_devinfo"): _never_returned}
    return replace(_mesh_4("hung-ibv-devinfo"), edits=edits)


def _never_returned(_: Printed) -> Printed:
    return Printed(exit_status=None, outcome="timeout", seconds=15.0)


def unreachable_host() -> ModelCluster:
    access = _refused("connect_timeout", "macstudio3.local:22 did not answer in 10 s", 10.0)
    return replace(_mesh_4("unreachable-host"), access={"macstudio3": access})


def host_key_changed() -> ModelCluster:
    access = _refused("host_key_changed", "not the key in known_hosts for macstudio3.local", 0.2)
    return replace(_mesh_4("host-key-changed"), access={"macstudio3": access})


def _refused(outcome: str, detail: str, seconds: float) -> Printed:
    return Printed(exit_status=None, outcome=outcome, detail=detail, seconds=seconds)


def empty_recording() -> ModelCluster:
    return replace(_mesh_4("empty-recording"), silent=frozenset({"macstudio4"}))


def mesh_7() -> ModelCluster:
    """Mesh seven Macs with six ports each: the largest mesh there is."""
    macs = studios(7)
    return ModelCluster("mesh-7", macs, mesh(macs, first=1), backend="jaccl", topology="mesh")


def mesh_8() -> ModelCluster:
    """Cable eight Macs as far as six ports reach: Macs that are four apart are not connected."""
    macs = studios(8)
    near = ((a.name, b.name) for a, b in combinations(macs, 2) if not _opposite(macs, a, b))
    cables = cabled(near, macs, 1)
    return ModelCluster("mesh-8", macs, cables, backend="jaccl", topology="mesh")


def _opposite(macs: Sequence[Mac], a: Mac, b: Mac) -> bool:
    return macs.index(b) - macs.index(a) == len(macs) // 2


def mesh_9_hosts_ring() -> ModelCluster:
    return _ring("mesh-9-hosts-ring", studios(9), "jaccl-ring")


def ring_64() -> ModelCluster:
    return _ring("ring-64", studios(64), "jaccl-ring")


def slow_cable() -> ModelCluster:
    """Give macstudio1 and macstudio2 a 40 Gb/s cable."""
    return recabled(_mesh_4("slow-cable"), 1, lambda cable: replace(cable, speed_gbps=40))


def link_local_ipv4() -> ModelCluster:
    cluster = _mesh_4("link-local-ipv4")
    cables = [replace(cable, addresses=_self_assigned(cable)) for cable in cluster.cables]
    return replace(cluster, cables=tuple(cables))


def _self_assigned(cable: Cable) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return (_link_local(cable.a),), (_link_local(cable.b),)


def _link_local(end: End) -> str:
    """Return an address of 169.254.1.0 to 169.254.254.255 (RFC 3927, section 2.1)."""
    seed = digest(*end, "link-local")
    return f"169.254.{1 + seed[0] % 254}.{seed[1]}/16"


def subnet_mismatch() -> ModelCluster:
    """Address the two ends of macstudio1 to macstudio4 in different networks."""
    apart = (("10.219.3.1/30",), ("10.219.77.2/30",))
    return recabled(_mesh_4("subnet-mismatch"), 3, lambda cable: replace(cable, addresses=apart))


def self_loop() -> ModelCluster:
    cluster = _mesh_4("self-loop")
    loop = Cable(("macstudio1", 5), ("macstudio1", 6))
    return replace(cluster, cables=(*cluster.cables, loop))


def no_mlx() -> ModelCluster:
    return changed(_mesh_4("no-mlx"), "macstudio2", runtime=None)


def mixed_mlx() -> ModelCluster:
    return changed(_mesh_4("mixed-mlx"), "macstudio3", runtime=Runtime(mlx="0.31.2"))


def old_wheel() -> ModelCluster:
    runtime = Runtime(wheel="macosx_15_0_arm64")
    return changed(_mesh_4("old-wheel"), "macstudio2", runtime=runtime)


def duplicate_uuids() -> ModelCluster:
    return replace(_mesh_4("duplicate-uuids"), redacted=True)


CASES: dict[str, Callable[[], ModelCluster]] = {
    "incident": incident,
    "clean-mesh-4": clean_mesh_4,
    "clean-ring-4": clean_ring_4,
    "clean-pair": clean_pair,
    "broken-cable": broken_cable,
    "one-sided-cable": one_sided_cable,
    "bridge0-port": bridge0_port,
    "stock-bridge": stock_bridge,
    "no-ipv4-gid": no_ipv4_gid,
    "gid-at-index-2": gid_at_index_2,
    "interface-down": interface_down,
    "rdma-off-one-host": rdma_off_one_host,
    "header-only-ibv-devices": header_only_ibv_devices,
    "tb4-in-the-mix": tb4_in_the_mix,
    "tb4-ring": tb4_ring,
    "ethernet-only": ethernet_only,
    "macos-26.1": macos_26_1,
    "mixed-macos": mixed_macos,
    "enx-numbering": enx_numbering,
    "two-cables": two_cables,
    "unlisted-mac": unlisted_mac,
    "dock-and-display": dock_and_display,
    "peer-behind-dock": peer_behind_dock,
    "device-without-interface": device_without_interface,
    "interface-without-device": interface_without_device,
    "truncated-json": truncated_json,
    "hung-ibv-devinfo": hung_ibv_devinfo,
    "unreachable-host": unreachable_host,
    "host-key-changed": host_key_changed,
    "empty-recording": empty_recording,
    "mesh-7": mesh_7,
    "mesh-8": mesh_8,
    "mesh-9-hosts-ring": mesh_9_hosts_ring,
    "ring-64": ring_64,
    "slow-cable": slow_cable,
    "link-local-ipv4": link_local_ipv4,
    "subnet-mismatch": subnet_mismatch,
    "self-loop": self_loop,
    "no-mlx": no_mlx,
    "mixed-mlx": mixed_mlx,
    "old-wheel": old_wheel,
    "duplicate-uuids": duplicate_uuids,
}
"""Every case by name; the names are those of the recordings."""
