"""Every published transcript of these commands, kept beside the project and not in it.

A few are excerpts: those are refused as they are, for the reason given beside each, and read once
what their authors left out or ran together is mended.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.facts import (
    exo_daemon,
    hostname,
    ibv_devices,
    ibv_devinfo,
    ifconfig,
    netstat_inet,
    networksetup_hardwareports,
    networksetup_serviceorder,
    nvram_rdma,
    plutil_bridges,
    plutil_sharing,
    pmset,
    processes,
    rdma_ctl,
    socketfilterfw,
    sw_vers,
    sysctl,
    sysctl_state,
    system_profiler_network,
    system_profiler_thunderbolt,
    vm_stat,
)

if TYPE_CHECKING:
    from collections.abc import Callable

CAPTURES = Path(__file__).parents[2].parent / "shared" / "captures"

pytestmark = pytest.mark.skipif(
    not CAPTURES.is_dir(), reason="the transcripts are not stored beside this checkout"
)

PARSERS: dict[str, Callable[[bytes], object]] = {
    "ibv_devices__": ibv_devices.parse,
    "ibv_devinfo_": ibv_devinfo.parse,
    "ifconfig__": ifconfig.parse,
    "netstat_rn_f_inet__": netstat_inet.parse,
    "networksetup_listallhardwareports__": networksetup_hardwareports.parse,
    "networksetup_listnetworkserviceorder__": networksetup_serviceorder.parse,
    "nvram_p__": nvram_rdma.parse,
    "plutil_VirtualNetworkInterfaces_Bridge__": plutil_bridges.parse,
    "pmset_g__": pmset.parse,
    "rdma_ctl_": rdma_ctl.parse,
    "sp_thunderbolt_": system_profiler_thunderbolt.parse,
    "sw_vers__": sw_vers.parse,
    "sysctl_": sysctl.parse,
    "vm_stat__": vm_stat.parse,
}

UNSEEN: tuple[Callable[[bytes], object], ...] = (
    exo_daemon.parse,
    hostname.parse,
    plutil_sharing.parse,
    socketfilterfw.parse,
    system_profiler_network.parse,
)
"""Parsers whose command nobody published a transcript of: they must refuse all others."""

TEXT = "the text form of system_profiler, which is not what is asked for"
OTHER_NAMES = "none of the names that are asked for"
REFUSED = {
    "ibv_devinfo__linux_no_devices_warning.txt": "stderr of a failure",
    "ibv_devinfo__mini_m4pro_tn3205_3active_elided.txt": "... at the margin",
    "ibv_devinfo_grep__m3ultra_26.4_2active__tb5toolkit.txt": "state without its port line",
    "ibv_devinfo_v__26.x_gid_lines_only_healthy__goose.txt": "no hca_id",
    "ibv_devinfo_v__caps_excerpt_mini_or_mbp__nixai.txt": "two lines run together",
    "ibv_devinfo_v__rdma_en3_26.x_no_ipv4_gid__mlx3467.txt": "GIDs without their port",
    "ibv_devinfo_v__tn3205_rdma_en2_gidtable_elided.txt": "lines run together",
    "ibv_devinfo_v_grep__tb4_mac_patched_kext_27.2_link40g_spaces.txt": "state without its port",
    "ifconfig__thunderbolt_10gbe_adapter_en6_active_tabs.txt": "addresses masked with xx",
    "ifconfig__tn3205_bridge0_3members_elided.txt": "... at the margin",
    "nvram_p__rdma_enable_line__test_constructed.txt": "nvram -p, with other variables",
    "rdma_ctl_enable__outside_recovery_error.txt": "another subcommand's error",
    "sp_thunderbolt_text__m4_T8132_tb4_devicename_iOS_bus2_missing.txt": TEXT,
    "sp_thunderbolt_text__macpro_intel_2receptacles_per_bus_excerpt.txt": TEXT,
    "sp_thunderbolt_text__mini_m4pro_26.x_peer_studio_m4max__exo1390_excerpt.txt": TEXT,
    "sp_thunderbolt_text__mini_m4pro_27.0_peer_mbp_and_studio_display.txt": TEXT,
    "sp_thunderbolt_text__mini_m4pro_idle_3bus.txt": TEXT,
    "sp_thunderbolt_text__studio_m4max_Mac16,9_26.6.2_disks_dock.txt": TEXT,
    "sysctl_iogpu__set_118000.txt": OTHER_NAMES,
    "sysctl_iogpu_wired_limit_mb__default_26.5.1.txt": OTHER_NAMES,
    "sysctl_n_vm_swapusage__no_swap.txt": "printed without names",
    "sysctl_vm_swapusage.txt": OTHER_NAMES,
    "sysctl_w_iogpu_wired_limit_mb__change.txt": OTHER_NAMES,
}
"""Why each of these is no whole output of a command of ours."""


def parser_of(name: str) -> Callable[[bytes], object] | None:
    return next((parse for prefix, parse in PARSERS.items() if name.startswith(prefix)), None)


NAMES = sorted(path.name for path in CAPTURES.glob("*") if parser_of(path.name) is not None)


def read(start: str) -> bytes:
    """Read the one transcript whose name starts so."""
    (name,) = (name for name in NAMES if name.startswith(start))
    return (CAPTURES / name).read_bytes()


def devinfo(start: str) -> dict[str, ibv_devinfo.VerbsDevice]:
    return {each.name: each for each in ibv_devinfo.parse(read(start)).devices}


def port(device: ibv_devinfo.VerbsDevice) -> ibv_devinfo.VerbsPort:
    (only,) = device.ports
    return only


@pytest.mark.parametrize("name", NAMES)
def test_whole_outputs_are_read_and_excerpts_refused(name: str) -> None:
    parse = parser_of(name)
    assert parse is not None
    out = (CAPTURES / name).read_bytes()
    if name in REFUSED:
        with pytest.raises(ParseError):
            parse(out)
    else:
        hash(parse(out))


def test_no_reason_is_given_for_a_transcript_that_is_gone() -> None:
    assert set(REFUSED) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_no_parser_reads_the_output_of_another_command(name: str) -> None:
    for parse in {*PARSERS.values(), *UNSEEN} - {parser_of(name)}:
        with pytest.raises(ParseError):
            parse((CAPTURES / name).read_bytes())


@pytest.mark.parametrize(
    ("start", "names"),
    [
        ("ibv_devices__m3ultra_26.2", ["en2", "en3", "en5", "en4", "en6", "en7"]),
        ("ibv_devices__m3ultra_26.x", ["en2", "en3", "en4", "en5", "en6", "en7"]),
        ("ibv_devices__mbp_m5max", ["en1", "en6", "en2"]),
        ("ibv_devices__mini_m4pro", ["en2", "en3", "en4"]),
        ("ibv_devices__tb4_mac", []),
    ],
)
def test_listed_devices(start: str, names: list[str]) -> None:
    devices = ibv_devices.parse(read(start)).devices
    assert [each.name for each in devices] == [f"rdma_{name}" for name in names]
    assert all(each.thunderbolt for each in devices)


def test_listed_guids_and_devices_of_linux() -> None:
    assert ibv_devices.parse(read("ibv_devices__m3ultra_26.2")).devices[2] == (
        ibv_devices.ListedDevice("rdma_en5", "8396a9d9edbaac05")
    )
    bond, *_ = ibv_devices.parse(read("ibv_devices__linux_mlx5")).devices
    rxe = ibv_devices.parse(read("ibv_devices__linux_rxe")).devices
    assert (bond.name, bond.thunderbolt) == ("mlx5_bond_0", False)
    assert [each.guid for each in rxe] == ["74ab3ffffe42e7cf", "7cc8b7fffee4486b"]


def test_three_ports_down() -> None:
    found = devinfo("ibv_devinfo__mbp_m5max_27.0")
    assert list(found) == ["rdma_en1", "rdma_en6", "rdma_en2"]
    for each in found.values():
        assert (each.transport, port(each).link_layer) == ("Thunderbolt", "Thunderbolt")
        assert (port(each).state, port(each).active_mtu) == ("PORT_DOWN", 4096)
        assert (port(each).speed_gbps, each.max_qp) == (None, None)
    assert found["rdma_en6"].node_guid == "0000000000000003"


def test_one_of_six_ports_active() -> None:
    found = devinfo("ibv_devinfo__m3ultra_6dev")
    assert [name for name, each in found.items() if port(each).active] == ["rdma_en7"]


def test_an_indented_elision_is_a_line_without_colon() -> None:
    (only,) = devinfo("ibv_devinfo__m3ultra_26.x_elided").values()
    assert (only.name, port(only).state) == ("rdma_en3", "PORT_ACTIVE")


def test_a_bridged_port_has_no_mapped_gid() -> None:
    (only,) = devinfo("ibv_devinfo_v__m5max_rdma_en6").values()
    assert (only.max_qp, port(only).speed_gbps) == (3, 80.0)
    assert [each.address for each in port(only).gids] == ["fe80::200:5eff:fe00:5307"] * 2
    assert port(only).mapped == ()


def test_a_first_gid_that_is_a_domain_uuid() -> None:
    found = devinfo("ibv_devinfo_v__macos27")
    assert port(found["rdma_en3"]).gids[0].address == "a00::4000:8000:0:0:1"
    assert [port(each).state for each in found.values()] == ["PORT_DOWN", "PORT_ACTIVE"]
    assert found["rdma_en2"].max_mr == 100


def test_four_devices_of_linux() -> None:
    found = devinfo("ibv_devinfo__linux_dgxspark")
    assert {each.transport for each in found.values()} == {"InfiniBand"}
    assert [port(each).active_mtu for each in found.values()] == [4096, 1024, 4096, 1024]
    assert found["roceP2p1s0f1"].node_guid == "48210b03009604d0"


def test_devices_that_do_not_open_around_one_that_does() -> None:
    (only,) = devinfo("ibv_devinfo__linux_failed").values()
    assert (only.name, port(only).link_layer) == ("mlx4_2", "InfiniBand")


def test_no_devices_on_linux() -> None:
    err = read("ibv_devinfo__linux_no_devices")
    assert ibv_devinfo.parse_failure(b"", err).devices == ()


def test_verbose_blocks_of_linux() -> None:
    found = devinfo("ibv_devinfo_v__linux_rxe")
    assert list(found) == ["rxe_0", "rxe_1"]
    first = found["rxe_0"]
    assert (first.max_qp, first.max_cq) == (1048560, 1048576)
    assert (first.max_mr, first.max_pd) == (524287, 1048576)
    assert port(first).speed_gbps == 10.0
    assert [(each.index, each.ipv4) for each in port(first).mapped] == [(1, "192.168.96.110")]


def test_excerpts_of_devinfo_once_they_are_mended() -> None:
    three = read("ibv_devinfo__mini_m4pro").replace(b"\n...", b"")
    assert [port(each).state for each in ibv_devinfo.parse(three).devices] == ["PORT_ACTIVE"] * 3
    for start, expected in (
        ("ibv_devinfo_grep__m3ultra_26.4", {"rdma_en3": None, "rdma_en4": None}),
        (
            "ibv_devinfo_v_grep__tb4_mac",
            {"rdma_en2": None, "rdma_en3": None, "rdma_en4": 40.0},
        ),
    ):
        ports = read(start).replace(b"    state:", b"  port: 1\n  state:")
        speeds = {each.name: port(each).speed_gbps for each in ibv_devinfo.parse(ports).devices}
        assert speeds == expected


def test_gid_lines_once_they_have_a_device() -> None:
    start = b"hca_id: x\n\tport: 1\n\tstate: PORT_ACTIVE (4)\n"
    healthy = start + read("ibv_devinfo_v__26.x_gid_lines_only")
    (gid,) = port(ibv_devinfo.parse(healthy).devices[0]).mapped
    assert (gid.index, gid.ipv4) == (1, "192.168.0.1")
    table = read("ibv_devinfo_v__tn3205").partition(b"...\n            ")[2]
    found = port(ibv_devinfo.parse(start + b"            " + table).devices[0])
    assert found.speed_gbps == 80.0
    assert [each.address for each in found.gids] == [
        "fe80::344d:4ff:feea:4e40",
        "::ffff:169.254.205.255",
        "fe80::1021:1bac:fe1:b5e3",
    ]


def test_gids_once_they_have_a_port() -> None:
    state = b"  port: 1\n  state: PORT_ACTIVE (4)"
    (only,) = ibv_devinfo.parse(read("ibv_devinfo_v__rdma_en3").replace(b"  ...", state)).devices
    assert len(port(only).gids) == 2
    assert port(only).mapped == ()


def test_limits_once_their_lines_are_apart() -> None:
    out = read("ibv_devinfo_v__caps").replace(b"      transport", b"\n  transport")
    (only,) = ibv_devinfo.parse(out + b"\n port: 1\n state: PORT_DOWN (1)\n").devices
    assert (only.max_pd, only.max_qp, only.max_cq, only.max_mr) == (11, 11, 11, 100)


def test_the_switch_is_on() -> None:
    assert rdma_ctl.parse(read("rdma_ctl_status")).enabled


def test_version() -> None:
    assert sw_vers.parse(read("sw_vers")).number == (26, 6, 2)


def test_names_of_the_kernel() -> None:
    assert sysctl.parse(read("sysctl_multi")) == (
        sysctl.Sysctl(None, "Apple M3 Ultra", 549755813888, None)
    )


@pytest.mark.parametrize(
    ("start", "limit", "swap"),
    [
        ("sysctl_iogpu__set_118000", 118000, None),
        ("sysctl_iogpu_wired_limit_mb__default", 0, None),
        ("sysctl_multi__m3ultra", 0, None),
        ("sysctl_vm_swapusage", None, 5120.0),
    ],
)
def test_names_of_the_kernel_that_change(start: str, limit: int | None, swap: float | None) -> None:
    found = sysctl_state.parse(read(start))
    assert (found.wired_limit_mb, found.swap_used_mb) == (limit, swap)


@pytest.mark.parametrize("start", ["sysctl_w_iogpu", "sysctl_n_vm_swapusage"])
def test_other_forms_of_sysctl_are_refused(start: str) -> None:
    with pytest.raises(ParseError):
        sysctl_state.parse(read(start))


def test_wired_memory_of_an_idle_laptop() -> None:
    assert vm_stat.parse(read("vm_stat__mbp")).wired_bytes == 315751 * 16384


@pytest.mark.parametrize("name", ["ps_aux__mlx", "ps_o__python", "ps_o_pid_stat"])
def test_other_columns_of_ps_are_refused(name: str) -> None:
    (path,) = CAPTURES.glob(f"{name}*")
    with pytest.raises(ParseError):
        processes.parse(path.read_bytes())


@pytest.mark.parametrize(
    ("start", "interfaces"),
    [
        ("mbp_m4max_Mac16,5", ["en1", "en2", "en3"]),
        ("mbp_m5max_27.0", ["en1", "en6", "en2"]),
        ("mbp_m5max_tb1", ["en1", "en6", "en2"]),
        ("studio_m3ultra_6tb5__macs", ["en2", "en3", "en4", "en5", "en6", "en7"]),
        ("studio_m3ultra_6tb5__no_macs", ["en2", "en3", "en4", "en5", "en6", "en7"]),
        ("studio_m4max", ["en2", "en3", "en4", "en5"]),
        ("two_mac_rig", ["en2", "en3", "en4"]),
    ],
)
def test_interface_of_each_receptacle(start: str, interfaces: list[str]) -> None:
    found = networksetup_hardwareports.parse(read(f"networksetup_listallhardwareports__{start}"))
    assert found.thunderbolt == dict(enumerate(interfaces, 1))
    bridged = "Thunderbolt Bridge" in {each.name for each in found.ports}
    assert bridged == (start in {"mbp_m5max_27.0", "mbp_m5max_tb1", "studio_m4max"})


def test_the_bridge_has_the_address_of_the_first_port() -> None:
    found = networksetup_hardwareports.parse(
        read("networksetup_listallhardwareports__studio_m4max")
    )
    macs = {each.device: each.mac for each in found.ports}
    assert macs["bridge0"] == macs["en2"] == "36:d9:a8:3e:97:00"


def test_services() -> None:
    start = "networksetup_listnetworkserviceorder__"
    laptop, studio, lan = (
        networksetup_serviceorder.parse(read(start + each)).services
        for each in ("mbp_m5max", "studio_m3ultra", "15.7.1")
    )
    assert [each.device for each in laptop] == ["en8", "en10", "bridge0", "en0", "en9", None, None]
    assert [each.name for each in studio if each.device == "en4"] == [
        "Earlier Cluster Bridge",
        "Thunderbolt 3",
    ]
    assert (lan[3].name, lan[3].hardware_port) == ("USB 10/100/1000 LAN 2", "USB 10/100/1000 LAN")
    assert all(each.enabled for each in (*laptop, *studio, *lan))


@pytest.mark.parametrize("start", ["4members", "address_cache", "service_inactive"])
def test_members_of_a_bridge(start: str) -> None:
    found = ifconfig.parse(read(f"ifconfig__bridge0_{start}"))
    (bridge,) = found.interfaces
    assert bridge.members == ("en1", "en2", "en3", "en4")
    assert (bridge.status, bridge.up) == ("inactive", start != "service_inactive")
    assert found.bridge_of("en4") == "bridge0"


def test_an_elided_bridge_once_it_is_mended() -> None:
    out = read("ifconfig__tn3205_bridge0").replace(b"\n...", b"")
    (bridge,) = ifconfig.parse(out).interfaces
    assert (bridge.members, bridge.status) == (("en2", "en3", "en4"), "active")


def test_a_thunderbolt_interface_with_an_address() -> None:
    (en2,) = ifconfig.parse(read("ifconfig__tn3205_en2")).interfaces
    assert en2.ipv4 == (ifconfig.Ipv4("169.254.205.255", 16, "169.254.255.255"),)
    assert en2.ipv6 == (ifconfig.Ipv6("fe80::1021:1bac:fe1:b5e3", 64, ("secured",)),)
    assert (en2.status, en2.mtu, en2.ether) == ("active", 1500, "36:4d:04:ea:4e:40")


def test_masked_addresses_once_they_are_mended() -> None:
    out = read("ifconfig__thunderbolt_10gbe").replace(b"xx", b"0")
    (en6,) = ifconfig.parse(out).interfaces
    assert [each.flags for each in en6.ipv6] == [
        ("secured",),
        ("autoconf", "secured"),
        ("autoconf", "temporary"),
    ]


def buses(start: str) -> tuple[system_profiler_thunderbolt.Bus, ...]:
    return system_profiler_thunderbolt.parse(read(f"sp_thunderbolt_json__{start}")).buses


@pytest.mark.parametrize(
    ("start", "kinds", "speeds", "offered"),
    [
        (
            "studio_m3ultra",
            ["", "mac", "", "storage", "", ""],
            [120, 80, 120, 80, 120, 120],
            [True],
        ),
        ("mbp_m5max_Mac17,7", ["mac", "", ""], [80, 120, 120], [False]),
        ("mbp_m5max_Mac17,6_27.0_tb5hub", ["", "mac", "dock"], [120, 80, 80], [True]),
        ("mbp_m5max_Mac17,6_27.0_tb3ssd", ["", "mac", "unknown"], [120, 80, 40], [False]),
        ("mbp_tb4", [""], [40], []),
    ],
)
def test_what_is_plugged_in(
    start: str, kinds: list[str], speeds: list[int], offered: list[bool]
) -> None:
    found = buses(start)
    assert ["".join(item.kind for item in each.items) for each in found] == kinds
    receptacles = [each.receptacles[0] for each in found]
    assert [each.speed_gbps for each in receptacles] == speeds
    assert [each.up_to for each in receptacles] == [not kind for kind in kinds]
    assert [each.connected for each in receptacles] == [bool(kind) for kind in kinds]
    macs = [item for each in found for item in each.items if item.is_mac]
    assert [each.offers_rdma for each in macs] == offered


def test_receptacles_count_from_one_and_buses_from_none() -> None:
    found = buses("studio_m3ultra")
    assert [(each.number, each.receptacles[0].number) for each in found] == [
        (bus, bus + 1) for bus in range(6)
    ]
    assert buses("mbp_tb4")[0].receptacles[0].number == 3


def test_both_ends_of_one_cable_name_each_other() -> None:
    near, far = buses("studio_m3ultra")[1], buses("mbp_m5max_Mac17,7")[0]
    assert near.items[0].domain_uuid == far.domain_uuid
    assert far.items[0].domain_uuid == near.domain_uuid
    assert (near.items[0].model, far.items[0].model) == ("Mac17,7", "Mac15,14")


def test_a_uid_backwards_has_the_shape_of_a_guid() -> None:
    assert buses("studio_m3ultra")[0].node_guid == "1098be4a4e71ac05"
