"""The model against what formats are known to be: byte layouts, and facts that must agree."""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from mlxdiag.capture import Outcome
from mlxdiag.facts import COMMANDS
from tests.model import (
    ACTIVE,
    CASES,
    Cable,
    Mac,
    ModelCluster,
    Printed,
    inventory,
    outputs,
    ports,
    write_recording,
    write_simhost,
)
from tests.model.machine import eui64_address
from tests.model.recording import argv
from tests.model.system import PYTHON

CAPTURES = Path(__file__).parents[2] / "shared" / "captures"
"""Outputs of real Macs, which lie beside the checkout where it was written, if at all."""

SMALL = sorted(CASES.keys() - {"ring-64"})
PARTIAL = {
    "duplicate-uuids",
    "empty-recording",
    "host-key-changed",
    "hung-ibv-devinfo",
    "truncated-json",
    "unreachable-host",
}
"""Cases in which not every host says all it knows."""

REDACTED = "00000000-0000-4000-8000-000000000000"

Said = dict[str, dict[str, Printed]]
Bus = dict[str, Any]


def text(said: Said, host: str, command: str) -> str:
    return said[host][command].stdout.decode()


def buses(said: Said, host: str) -> list[Bus]:
    document = json.loads(said[host]["system_profiler_thunderbolt"].stdout)
    found: list[Bus] = document["SPThunderboltDataType"]
    return found


def bus(said: Said, host: str, receptacle: int) -> Bus:
    (found,) = [b for b in buses(said, host) if b["_name"].endswith(f"_bus_{receptacle - 1}")]
    return found


def peers(items: list[Bus]) -> list[Bus]:
    nested = [peer for item in items for peer in peers(item.get("_items", []))]
    return [item for item in items if "domain_uuid_key" in item] + nested


def services(said: Said, host: str, receptacle: int) -> list[int]:
    (peer,) = peers(bus(said, host, receptacle)["_items"])
    return [service["protocol_id_key"] for service in peer["services_title"]]


def devinfo(said: Said, host: str) -> dict[str, str]:
    blocks = text(said, host, "ibv_devinfo").split("hca_id:\t")[1:]
    return {block.partition("\n")[0]: block for block in blocks}


def state(said: Said, host: str, interface: str) -> str:
    found = re.search(
        r"^\t\t\tstate:\t\t\t(.+)$", devinfo(said, host)[f"rdma_{interface}"], re.MULTILINE
    )
    assert found
    return found[1]


def gids(said: Said, host: str, interface: str) -> list[str]:
    return re.findall(
        r"^\t\t\tGID\[ {2}\d\]:\t\t(.+)$", devinfo(said, host)[f"rdma_{interface}"], re.MULTILINE
    )


def interface(said: Said, host: str, name: str) -> str:
    blocks = re.split(r"^(?=\S)", text(said, host, "ifconfig"), flags=re.MULTILINE)
    (found,) = [block for block in blocks if block.startswith(f"{name}: ")]
    return found


@cache
def make(case: str) -> Said:
    return outputs(CASES[case]())


@pytest.mark.parametrize("case", CASES)
def test_same_case_same_bytes(case: str) -> None:
    assert CASES[case]().name == case
    assert outputs(CASES[case]()) == make(case)


@pytest.mark.parametrize("case", SMALL)
def test_outcomes_are_those_of_a_capture(case: str) -> None:
    for said in make(case).values():
        assert next(iter(said)) == "access"
        for printed in said.values():
            assert Outcome(printed.outcome)
            assert printed.seconds > 0


def test_no_case_shares_ids_with_the_captures() -> None:
    if not CAPTURES.is_dir():
        pytest.skip("no captures beside this checkout")
    real = "\n".join(path.read_text("utf-8", "replace") for path in CAPTURES.iterdir())
    known = _found_ids(real.upper())
    assert known
    for case in CASES:
        assert not _ids(make(case)) & known, case


def _ids(said: Said) -> set[str]:
    streams = (one.stdout.decode().upper() for host in said.values() for one in host.values())
    return _found_ids("\n".join(streams)) - {REDACTED}


def _found_ids(said: str) -> set[str]:
    kinds = (
        r"\b[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}\b",
        r"\b0X[0-9A-F]{16}\b",
        r"\b[0-9A-F]{16}\b",
        r"\b(?:[0-9A-F]{4}:){3}[0-9A-F]{4}\b",
        r"\b(?:[0-9A-F]{2}:){5}[0-9A-F]{2}\b",
        r"\bFE80::[0-9A-F:]{12,}",
    )
    return {found for kind in kinds for found in re.findall(kind, said)} - {"FF:FF:FF:FF:FF:FF"}


def test_ids_are_unique_in_a_cluster() -> None:
    said = make("ring-64")
    domains = [b["domain_uuid_key"] for host in said for b in buses(said, host)]
    switches = [b["switch_uid_key"] for host in said for b in buses(said, host)]
    ethers = [
        e for host in said for e in re.findall(r"ether (36:.*)", text(said, host, "ifconfig"))
    ]
    for ids in (domains, switches, ethers):
        assert len(ids) == len(set(ids)) == 64 * 6


@pytest.mark.parametrize("case", ["incident", "enx-numbering"])
def test_node_guid_is_the_switch_uid_reversed(case: str) -> None:
    cluster = CASES[case]()
    said = outputs(cluster)
    for mac in cluster.macs:
        listed = dict(
            re.findall(
                r"^ {4}(rdma_en\d+) +\t(\w{16})$", text(said, mac.name, "ibv_devices"), re.MULTILINE
            )
        )
        assert len(listed) == len(mac.interfaces)
        for receptacle, name in mac.interfaces.items():
            uid = bus(said, mac.name, receptacle)["switch_uid_key"]
            guid = bytes.fromhex(listed[f"rdma_{name}"])
            assert uid == f"0x{guid[::-1].hex().upper()}"
            assert (
                f"\tnode_guid:\t\t\t{guid.hex(':', 2)}\n" in devinfo(said, mac.name)[f"rdma_{name}"]
            )


def test_first_guid_byte_counts_the_buses() -> None:
    rows = re.findall(r"rdma_en(\d) +\t(\w\w)", text(make("incident"), "macstudio1", "ibv_devices"))
    first = {int(name): int(byte, 16) for name, byte in rows}
    assert [first[name] - first[2] for name in range(2, 8)] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("case", sorted(set(SMALL) - PARTIAL))
def test_both_ends_name_each_others_domain(case: str) -> None:
    cluster = CASES[case]()
    said = outputs(cluster)
    for cable in cluster.cables:
        for near in cable.ends:
            far = cable.far(near)
            if cluster.by_name[near[0]].listed and cluster.by_name[far[0]].listed:
                theirs = bus(said, *far)["domain_uuid_key"]
                seen = [p["domain_uuid_key"] for p in peers(bus(said, *near).get("_items", []))]
                assert seen == ([theirs] if cable.is_seen_by(near) else [])


def test_peer_is_named_by_model_not_by_host() -> None:
    said = make("enx-numbering")
    (peer,) = bus(said, "macbook1", 3)["_items"]
    assert (peer["_name"], peer["device_name_key"]) == ("Mac Studio", "Mac16,9")


def test_native_json_spelling() -> None:
    printed = text(make("incident"), "macstudio1", "system_profiler_thunderbolt")
    assert printed.startswith('{\n  "SPThunderboltDataType" : [\n    {\n      "_name" : ')
    assert printed.endswith("\n  ]\n}\n")
    assert '\n        "receptacle_id_key" : "6",\n' in printed
    names = re.findall(r'"thunderboltusb4_bus_(\d)"', printed)
    assert names == ["5", "4", "3", "2", "1", "0"]


def test_service_key_is_mangled_from_26_4_on() -> None:
    said = make("mixed-macos")
    assert '"service_key_key" : "rdma"' in text(said, "macstudio1", "system_profiler_thunderbolt")
    newer = text(said, "macstudio4", "system_profiler_thunderbolt")
    assert '"service_key_key" : "\u02c7\u02c7\u02c7\u02c7\u02c7\u02c7AD"' in newer


def test_speeds() -> None:
    said = make("dock-and-display")
    speed = {
        n: bus(said, "macstudio1", n)["receptacle_1_tag"]["current_speed_key"] for n in (1, 2, 5)
    }
    assert speed == {1: "40 Gb/s", 2: "80 Gb/s", 5: "Up to 120 Gb/s"}
    old = bus(make("tb4-ring"), "mini4", 1)["receptacle_1_tag"]
    assert old["current_speed_key"] == "Up to 40 Gb/s"


def test_base_mini_has_no_bus_2_and_says_ios() -> None:
    found = buses(make("tb4-ring"), "mini4")
    assert [b["receptacle_1_tag"]["receptacle_id_key"] for b in found] == ["4", "2", "1"]
    assert {b["device_name_key"] for b in found} == {"iOS"}


def test_ibv_devices_layout() -> None:
    lines = text(make("incident"), "macstudio1", "ibv_devices").split("\n")
    assert lines[0] == "    device          \t   node GUID"
    assert lines[1] == "    ------          \t----------------"
    assert [line[4:12] for line in lines[2:-1]] == [f"rdma_en{n}" for n in (2, 3, 5, 4, 6, 7)]
    assert lines[-1] == ""


def test_ibv_devinfo_layout() -> None:
    printed = text(make("clean-mesh-4"), "macstudio2", "ibv_devinfo")
    assert printed.startswith(
        "hca_id:\trdma_en2\n\ttransport:\t\t\tThunderbolt (100)\n\tnode_guid:\t\t\t"
    )
    for line in (
        "\thw_ver:\t\t\t\t0x0",
        "\tmax_qp:\t\t\t\t11",
        "\t\tport:\t1",
        "\t\t\tstate:\t\t\tPORT_ACTIVE (4)",
        "\t\t\tmax_mtu:\t\t4096 (5)",
        "\t\t\tlink_layer:\t\tThunderbolt",
        "\t\t\tactive_width:\t\t8X (4)",
        "\t\t\tGID[  1]:\t\t::ffff:10.219.1.2",
    ):
        assert f"\n{line}\n" in printed
    assert printed.count("hca_id:") == 6
    assert printed.endswith("\n\n")
    assert re.findall(r"sm_lid:\t+(\d)", printed) == ["1", "2", "3", "4", "5", "6"]


def test_extended_devinfo_has_blank_lines_inside_a_block() -> None:
    blocks = devinfo(make("mixed-macos"), "macstudio3")
    assert all("\n\n\ttag matching not supported\n" in block for block in blocks.values())


@pytest.mark.parametrize("case", ["incident", "bridge0-port", "link-local-ipv4", "enx-numbering"])
def test_gid_table_agrees_with_ifconfig(case: str) -> None:
    cluster = CASES[case]()
    said = outputs(cluster)
    for mac in cluster.macs:
        for port in ports(cluster, mac):
            block = interface(said, mac.name, port.interface)
            ipv4 = [f"::ffff:{found}" for found in re.findall(r"\tinet (\S+)", block)]
            ipv6 = re.findall(r"\tinet6 (fe80::\S+)%en\d+ prefixlen 64 secured", block)
            found = gids(said, mac.name, port.interface)
            assert found == [eui64_address(port.ether), *ipv4, *ipv6]
            assert f"\tether {port.ether}\n" in block


def test_eui64() -> None:
    assert eui64_address("36:00:5e:0a:00:04") == "fe80::3400:5eff:fe0a:4"


def test_port_macs_step_by_four() -> None:
    for mac in CASES["enx-numbering"]().macs:
        cluster = ModelCluster("one", (mac,))
        last = [int(port.ether[-2:], 16) for port in ports(cluster, mac)]
        assert [byte - last[0] for byte in last] == [4 * n for n in range(len(last))]


def test_ifconfig_layout() -> None:
    said = make("clean-mesh-4")
    block = interface(said, "macstudio1", "en3")
    assert re.fullmatch(
        r"en3: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500\n"
        r"\toptions=460<TSO4,TSO6,CHANNEL_IO>\n"
        r"\tether 36(:[0-9a-f]{2}){5}\n"
        r"\tinet6 fe80::\S+%en3 prefixlen 64 secured scopeid 0x9 \n"
        r"\tinet 10\.219\.1\.1 netmask 0xfffffffc broadcast 10\.219\.1\.3\n"
        r"\tnd6 options=201<PERFORMNUD,DAD>\n"
        r"\tmedia: autoselect <full-duplex>\n"
        r"\tstatus: active\n",
        block,
    )
    idle = interface(said, "macstudio1", "en2")
    assert "inet" not in idle
    assert idle.endswith("\tstatus: inactive\n")


def test_bridge_holds_the_address_of_its_member() -> None:
    said = make("bridge0-port")
    member = interface(said, "macstudio3", "en3")
    assert member.startswith("en3: flags=8963<UP,BROADCAST,SMART,RUNNING,PROMISC,")
    assert "inet" not in member
    bridge = interface(said, "macstudio3", "bridge0")
    assert "\tinet 10.219.2.2 netmask 0xfffffffc " in bridge
    assert "\tmember: en3 flags=3<LEARNING,DISCOVER>\n\t        ifmaxaddr 0 port 9 " in bridge
    assert len(gids(said, "macstudio3", "en3")) == 1
    assert state(said, "macstudio3", "en3") == ACTIVE
    assert "Device: bridge0" in text(said, "macstudio3", "networksetup_hardwareports")
    assert "(Hardware Port: Thunderbolt 2," not in text(
        said, "macstudio3", "networksetup_serviceorder"
    )


def test_stock_bridge_has_one_address_per_mac_and_no_mapped_gid() -> None:
    said = make("stock-bridge")
    for host in said:
        bridge = interface(said, host, "bridge0")
        assert len(re.findall(r"\tinet 169\.254\.\S+ netmask 0xffff0000 ", bridge)) == 1
        assert bridge.count("\tmember: en") == 6
        assert "::ffff:" not in text(said, host, "ibv_devinfo")


def test_interface_that_is_down_says_no_status() -> None:
    block = interface(make("interface-down"), "macstudio2", "en4")
    assert "flags=8822<" in block
    assert "status:" not in block


@pytest.mark.parametrize("case", SMALL)
def test_hardware_ports_and_interfaces_agree(case: str) -> None:
    said = make(case)
    for host, commands in said.items():
        if "networksetup_hardwareports" in commands:
            printed = text(said, host, "networksetup_hardwareports")
            assert printed.startswith("\nHardware Port: ")
            assert printed.endswith("\n\nVLAN Configurations\n===================\n")
            rows = re.findall(r"Device: (\S+)\nEthernet Address: (\S+)\n", printed)
            assert rows
            for name, ether in rows:
                assert f"\tether {ether}\n" in interface(said, host, name)


def test_service_order_layout() -> None:
    printed = text(make("mixed-macos"), "macstudio4", "networksetup_serviceorder")
    assert printed.startswith(
        "An asterisk (*) denotes that a network service is disabled.\n"
        "(1) Ethernet\n(Hardware Port: Ethernet, Device: en0)\n\n(2) "
    )
    assert printed.endswith("Tailscale\n(Hardware Port: io.tailscale.ipn.macsys, Device: )\n\n")


def test_system_facts() -> None:
    said = make("incident")
    assert text(said, "macstudio1", "sw_vers") == (
        "ProductName:\t\tmacOS\nProductVersion:\t\t26.2\nBuildVersion:\t\t25C56\n"
    )
    assert text(said, "macstudio1", "rdma_ctl") == "enabled\n"
    assert re.fullmatch(
        r"hw\.model: Mac15,14\nmachdep\.cpu\.brand_string: Apple M3 Ultra\n"
        r"hw\.memsize: 549755813888\n"
        r"kern\.boottime: \{ sec = \d+, usec = \d+ \} \w{3} Jan [ \d]\d \d\d:\d\d:\d\d 2026\n",
        text(said, "macstudio1", "sysctl"),
    )
    answer = json.loads(text(said, "macstudio1", "mlx_runtime"))
    assert (answer["mlx"], answer["backends"]) == ("0.30.4", ["ring", "jaccl"])


def test_incident_has_the_port_states_of_its_notes() -> None:
    said = make("incident")
    up = {
        (host, name)
        for host in said
        for name in ("en3", "en4", "en5")
        if state(said, host, name) == ACTIVE
    }
    assert up == {
        *(("macstudio2", name) for name in ("en3", "en4", "en5")),
        ("macstudio3", "en4"),
        ("macstudio4", "en3"),
        ("macstudio4", "en5"),
    }


def test_incident_links_have_one_active_end_each_and_are_otherwise_healthy() -> None:
    cluster = CASES["incident"]()
    said = outputs(cluster)
    assert {frozenset(host for host, _ in cable.ends) for cable in cluster.cables} == {
        frozenset(pair) for pair in combinations(said, 2)
    }
    for cable in cluster.cables:
        names = [(host, cluster.by_name[host].interfaces[number]) for host, number in cable.ends]
        assert [state(said, *name) for name in names].count(ACTIVE) == 1
        for end, name in zip(cable.ends, names, strict=True):
            assert services(said, *end) == [1, 64087]
            assert interface(said, *name).endswith("status: active\n")
            assert any(gid.startswith("::ffff:10.219.") for gid in gids(said, *name))


@pytest.mark.parametrize(
    "case", ["clean-mesh-4", "clean-ring-4", "clean-pair", "mixed-macos", "mesh-7"]
)
def test_clean_cases_have_every_cabled_port_active(case: str) -> None:
    cluster = CASES[case]()
    said = outputs(cluster)
    for cable in cluster.cables:
        for host, receptacle in cable.ends:
            assert state(said, host, cluster.by_name[host].interfaces[receptacle]) == ACTIVE


@pytest.mark.parametrize(
    ("case", "host"),
    [
        ("rdma-off-one-host", "macstudio4"),
        ("header-only-ibv-devices", "macstudio4"),
        ("tb4-in-the-mix", "macstudio4"),
    ],
)
def test_host_without_rdma_takes_its_peers_ports_down(case: str, host: str) -> None:
    said = make(case)
    assert text(said, host, "ibv_devices").count("\n") == 2
    assert said[host]["ibv_devinfo"] == Printed(b"", b"No IB devices found\n", 255, seconds=0.08)
    for peer in ("macstudio1", "macstudio2", "macstudio3"):
        assert services(said, peer, 4) == [1]
        assert state(said, peer, "en5") != ACTIVE
    assert text(said, host, "rdma_ctl") == ("disabled\n" if "off" in case else "enabled\n")


def test_macos_26_1_has_no_rdma_tools() -> None:
    said = make("macos-26.1")
    for command in ("rdma_ctl", "ibv_devices", "ibv_devinfo"):
        assert said["macstudio2"][command].outcome == "missing"
    assert json.loads(text(said, "macstudio2", "mlx_runtime"))["backends"] == ["ring"]


def test_slow_cable_is_four_lanes_wide() -> None:
    said = make("slow-cable")
    assert "active_width:\t\t4X (2)" in devinfo(said, "macstudio1")["rdma_en3"]
    assert "active_width:\t\t8X (4)" in devinfo(said, "macstudio1")["rdma_en4"]
    assert bus(said, "macstudio2", 2)["receptacle_1_tag"]["current_speed_key"] == "40 Gb/s"


def test_gid_positions() -> None:
    late = gids(make("gid-at-index-2"), "macstudio2", "en4")
    assert [gid.startswith("::ffff:") for gid in late] == [False, False, True]
    none = gids(make("no-ipv4-gid"), "macstudio2", "en4")
    assert [gid.startswith("fe80::") for gid in none] == [True, True]


def test_halves_of_a_port() -> None:
    said = make("device-without-interface")
    assert "rdma_en3" in devinfo(said, "macstudio4")
    assert "en3" not in text(said, "macstudio4", "ifconfig")
    assert "en3" not in text(said, "macstudio4", "networksetup_hardwareports")
    said = make("interface-without-device")
    assert "rdma_en3" not in devinfo(said, "macstudio4")
    assert interface(said, "macstudio4", "en3").endswith("status: active\n")


def test_attached_devices() -> None:
    said = make("dock-and-display")
    (dock,) = bus(said, "macstudio1", 1)["_items"]
    (display,) = bus(said, "macstudio2", 5)["_items"]
    assert "domain_uuid_key" not in dock | display
    assert {"receptacle_2_tag", "receptacle_3_tag", "receptacle_4_tag"} <= dock.keys()
    assert "receptacle_id_key" not in dock["receptacle_2_tag"]
    assert display["mode_key"] == "thunderbolt_three"
    assert "lc_version_key" in display["receptacle_upstream_ambiguous_tag"]


def test_peer_behind_dock_is_nested_on_the_docks_side_only() -> None:
    said = make("peer-behind-dock")
    (dock,) = bus(said, "macstudio1", 2)["_items"]
    assert dock["mode_key"] == "usb_four"
    assert dock["_items"][0]["device_name_key"] == "Mac15,14"
    assert bus(said, "macstudio2", 2)["_items"][0]["device_name_key"] == "Mac15,14"
    assert ACTIVE not in (state(said, "macstudio1", "en3"), state(said, "macstudio2", "en3"))


def test_what_a_host_does_not_say() -> None:
    assert list(make("unreachable-host")["macstudio3"]) == ["access"]
    assert list(make("empty-recording")["macstudio4"]) == ["access"]
    assert make("empty-recording")["macstudio4"]["access"].outcome == "exited"
    hung = make("hung-ibv-devinfo")["macstudio3"]["ibv_devinfo"]
    assert (hung.outcome, hung.exit_status, hung.seconds) == ("timeout", None, 15.0)
    with pytest.raises(json.JSONDecodeError):
        buses(make("truncated-json"), "macstudio2")


def test_redacted_uuids_are_all_equal() -> None:
    said = make("duplicate-uuids")
    assert {b["domain_uuid_key"] for host in said for b in buses(said, host)} == {REDACTED}


def test_inventory_names_the_listed_hosts_only() -> None:
    asked = inventory(CASES["unlisted-mac"]())
    assert "macstudio4" in asked
    assert "macstudio5" not in asked
    assert "macstudio5" not in make("unlisted-mac")
    assert asked.endswith("expect:\n  backend: jaccl\n  topology: mesh\n")


def test_recording_layout(tmp_path: Path) -> None:
    write_recording(CASES["rdma-off-one-host"](), tmp_path)
    head = json.loads((tmp_path / "recording.json").read_text())
    assert (head["format"], head["format_version"]) == ("mlxdiag/recording", 1)
    host = tmp_path / "macstudio4"
    manifest = (host / "manifest.json").read_text()
    entry = json.loads(manifest)["ibv_devinfo"]
    assert manifest == json.dumps(json.loads(manifest), indent=2, sort_keys=True) + "\n"
    assert (entry["argv"], entry["exit_status"]) == (["ibv_devinfo", "-v"], 255)
    assert (host / "ibv_devinfo.err").read_bytes() == b"No IB devices found\n"
    assert not (host / "ibv_devices.err").exists()


def test_argv_is_what_the_package_runs() -> None:
    mac = Mac("a")
    for command in COMMANDS:
        mine = argv(mac, command.name)
        assert mine == tuple(PYTHON if part == "{python}" else part for part in command.argv)


def test_recording_lasts_as_long_as_its_slowest_command(tmp_path: Path) -> None:
    write_recording(CASES["hung-ibv-devinfo"](), tmp_path)
    assert json.loads((tmp_path / "recording.json").read_text())["duration_s"] > 15


def test_simhost_layout(tmp_path: Path) -> None:
    write_simhost(CASES["hung-ibv-devinfo"](), tmp_path)
    assert (tmp_path / "macstudio3" / "ibv_devinfo.hang").read_bytes() == b""
    assert [path.name for path in tmp_path.rglob("*.hang")] == ["ibv_devinfo.hang"]
    assert (tmp_path / "macstudio1" / "rdma_ctl.out").read_bytes() == b"enabled\n"
    assert (tmp_path / "macstudio1" / "rdma_ctl.status").read_text() == "0\n"


def test_a_model_refuses_what_cannot_be_plugged() -> None:
    macs = (Mac("a"), Mac("b"))
    with pytest.raises(ValueError, match="no such ports"):
        ModelCluster("far", macs, (Cable(("a", 1), ("b", 7)),))
    with pytest.raises(ValueError, match="two plugs"):
        ModelCluster("full", macs, (Cable(("a", 1), ("b", 1)), Cable(("a", 1), ("b", 2))))
