from __future__ import annotations

import json
from typing import Any

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.facts.system_profiler_thunderbolt import (
    COMMAND,
    Bus,
    Item,
    Kind,
    Receptacle,
    Thunderbolt,
    parse,
)

Json = dict[str, Any]

IDLE = {
    "current_speed_key": "Up to 120 Gb/s",
    "link_status_key": "0x100",
    "receptacle_id_key": "1",
    "receptacle_status_key": "receptacle_no_devices_connected",
}
IN_USE = {
    "current_speed_key": "80 Gb/s",
    "link_status_key": "0x2",
    "micro_version_key": "0.0.0",
    "receptacle_id_key": "2",
    "receptacle_status_key": "receptacle_connected",
}
SERVICE_IP = {"_name": "service_ip", "protocol_id_key": 1, "protocol_version_key": 1}
SERVICE_RDMA = {
    "_name": "unknown_xd_service",
    "protocol_id_key": 64087,
    "service_key_key": "ˇˇˇˇˇˇAD",
}
PEER = {
    "_name": "Mac Studio",
    "device_id_key": "0xA",
    "device_name_key": "Mac15,14",
    "domain_uuid_key": "aaaaaaaa-0000-4000-8000-00000000beef",
    "services_title": [SERVICE_IP, SERVICE_RDMA],
    "vendor_id_key": "0x0A27",
    "vendor_name_key": "Apple Inc.",
}
DISK = {
    "_name": "Fast One",
    "device_name_key": "Fast One",
    "mode_key": "usb_four_v2",
    "receptacle_upstream_ambiguous_tag": {"current_speed_key": "80 Gb/s"},
    "route_string_key": "1",
    "switch_uid_key": "0x8086000000000001",
    "vendor_name_key": "Somebody",
}


def bus(number: int, *items: Json, **keys: object) -> Json:
    made: Json = {
        "_name": f"thunderboltusb4_bus_{number}",
        "device_name_key": "MacBook Pro",
        "domain_uuid_key": f"0000000{number}-0000-4000-8000-00000000000a",
        "receptacle_1_tag": IDLE | {"receptacle_id_key": str(number + 1)},
        "route_string_key": "0",
        "switch_uid_key": f"0x05ACDEADBEEF010{number}",
        "vendor_name_key": "Apple Inc.",
    }
    if items:
        made["_items"] = list(items)
    return made | keys


def printed(*buses: object) -> bytes:
    document = {"SPThunderboltDataType": list(buses)}
    return json.dumps(document, indent=2, separators=(",", " : "), ensure_ascii=False).encode()


LAPTOP = printed(bus(2, DISK), bus(1, PEER, receptacle_1_tag=IN_USE), bus(0))


def only_item(**keys: object) -> Item:
    ((found,),) = (each.items for each in parse(printed(bus(0, {"_name": "X"} | keys))).buses)
    return found


def test_buses_come_in_the_order_of_their_numbers() -> None:
    assert [each.number for each in parse(LAPTOP).buses] == [0, 1, 2]


def test_one_idle_bus() -> None:
    assert parse(LAPTOP).buses[0] == Bus(
        number=0,
        domain_uuid="00000000-0000-4000-8000-00000000000A",
        switch_uid="0x05ACDEADBEEF0100",
        device_name="MacBook Pro",
        receptacles=(Receptacle(1, False, 120.0, True, "0x100"),),
        items=(),
    )


def test_a_peer_mac_with_rdma_on() -> None:
    used = parse(LAPTOP).buses[1]
    assert used.receptacles == (Receptacle(2, True, 80.0, False, "0x2"),)
    (peer,) = used.items
    assert peer == Item(
        name="Mac Studio",
        model="Mac15,14",
        vendor="Apple Inc.",
        domain_uuid="AAAAAAAA-0000-4000-8000-00000000BEEF",
        mode=None,
        switch_uid=None,
        services=(1, 64087),
        items=(),
    )
    assert peer.is_mac
    assert peer.kind == "mac"
    assert peer.offers_rdma


def test_a_peer_mac_with_rdma_off_and_a_service_of_a_misleading_name() -> None:
    named = {"_name": "rdma", "service_key_key": "rdma", "protocol_id_key": 2}
    assert not only_item(**PEER | {"services_title": [SERVICE_IP, named]}).offers_rdma
    assert not only_item(**PEER | {"services_title": []}).offers_rdma
    assert only_item(**PEER | {"services_title": [{"protocol_id_key": "64087"}]}).offers_rdma


def test_the_guid_of_the_verbs_device_is_the_uid_backwards() -> None:
    assert parse(LAPTOP).buses[2].node_guid == "0201efbeaddeac05"
    (odd,) = parse(printed(bus(0, switch_uid_key="redacted"))).buses
    assert odd.node_guid is None


@pytest.mark.parametrize(
    ("text", "speed_gbps", "up_to"),
    [
        ("Up to 120 Gb/s", 120.0, True),
        ("Up to 40 Gb/s", 40.0, True),
        ("Up to 40 Gb/s x1", 40.0, True),
        ("80 Gb/s", 80.0, False),
        ("20 Gb/s", 20.0, False),
        ("Bis zu 40 Gb/s", None, False),
        ("", None, False),
    ],
)
def test_speeds(text: str, speed_gbps: float | None, up_to: bool) -> None:
    (only,) = parse(printed(bus(0, receptacle_1_tag=IDLE | {"current_speed_key": text}))).buses
    assert (only.receptacles[0].speed_gbps, only.receptacles[0].up_to) == (speed_gbps, up_to)


def test_two_receptacles_on_one_bus_of_an_intel_mac_pro() -> None:
    pro = bus(
        3,
        _name="thunderbolt_bus_3",
        receptacle_2_tag=IDLE | {"receptacle_id_key": "7"},
        receptacle_1_tag=IDLE | {"receptacle_id_key": "8"},
    )
    (only,) = parse(printed(dict(reversed(pro.items())))).buses
    assert only.number == 3
    assert [each.number for each in only.receptacles] == [8, 7]


def test_a_bus_without_a_number_comes_last() -> None:
    found = parse(printed(bus(0, _name="thunderbolt_bus"), bus(3)))
    assert [each.number for each in found.buses] == [3, None]


def test_a_missing_bus_leaves_a_gap() -> None:
    assert [each.number for each in parse(printed(bus(3), bus(1), bus(0))).buses] == [0, 1, 3]


def test_a_mac_without_thunderbolt_has_no_buses() -> None:
    assert parse(b'{"SPThunderboltDataType" : []}') == Thunderbolt(())
    assert parse(printed({"Thunderbolt": "no_hardware"})) == Thunderbolt(())
    assert parse(printed({"_name": "thunderbolt", "x": "no_hardware"})) == Thunderbolt(())


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ({"_name": "MacBook Pro", "device_name_key": "Mac17,6"}, "mac"),
        ({"_name": "Mac mini", "device_name_key": "Macmini9,1"}, "mac"),
        ({"_name": "x", "device_name_key": "MacBookPro18,3"}, "mac"),
        ({"_name": "iMac", "device_name_key": "iMac21,1"}, "mac"),
        ({"_name": "Display", "domain_uuid_key": "0-0"}, "mac"),
        ({"_name": "Studio Display", "vendor_name_key": "Apple Inc."}, "display"),
        ({"_name": "Pro Display XDR", "vendor_name_key": "Apple Inc."}, "display"),
        ({"_name": "Thunderbolt Display", "_items": [DISK]}, "display"),
        ({"_name": "TS5 Plus", "vendor_name_key": "CalDigit, Inc."}, "dock"),
        ({"_name": "Element 5", "vendor_name_key": "CalDigit, Inc."}, "dock"),
        ({"_name": "Element Hub"}, "dock"),
        ({"_name": "OWC Thunderbolt Dock"}, "dock"),
        ({"_name": "Anything", "_items": [PEER]}, "dock"),
        ({"_name": "SB", "receptacle_2_tag": IDLE, "receptacle_3_tag": IDLE}, "dock"),
        ({"_name": "Chain", "receptacle_2_tag": IDLE}, "unknown"),
        ({"_name": "Envoy Ultra", "vendor_name_key": "Other World Computing"}, "storage"),
        ({"_name": "X", "device_name_key": "NVMe SSD"}, "storage"),
        ({"_name": "Pegasus32-R", "receptacle_2_tag": IDLE}, "storage"),
        ({"_name": "Docklands"}, "unknown"),
        ({"_name": "MacGuffin", "vendor_name_key": "Apple Inc."}, "unknown"),
        ({"_name": "Macaroni", "device_name_key": "Mac Studio"}, "unknown"),
    ],
)
def test_kinds(keys: Json, kind: Kind) -> None:
    assert only_item(**keys).kind == kind


def test_a_peer_behind_a_dock_stays_there() -> None:
    found = only_item(_name="TS4", _items=[DISK, PEER])
    assert [each.kind for each in found.items] == ["unknown", "mac"]
    assert found.items[1].offers_rdma


def test_the_peer_need_not_be_the_first_item() -> None:
    (only,) = parse(printed(bus(0, DISK, PEER))).buses
    assert [each.is_mac for each in only.items] == [False, True]


def test_escaped_and_plain_characters_are_the_same() -> None:
    assert parse(json.dumps(json.loads(LAPTOP)).encode()) == parse(LAPTOP)


def test_a_lone_surrogate_can_still_be_printed() -> None:
    out = LAPTOP.replace(b'"Fast One"', b'"Fast \\ud800"')
    assert parse(out).buses[2].items[0].name.encode() == b"Fast ?"


def nested(depth: int) -> bytes:
    inner: Json = {"_name": "leaf"}
    for _ in range(depth):
        inner = {"_name": "dock", "_items": [inner]}
    return printed(bus(0, inner))


def test_nesting_has_an_end() -> None:
    assert parse(nested(6)).buses[0].items[0].kind == "dock"
    for depth in (16, 40):
        with pytest.raises(ParseError, match="nested"):
            parse(nested(depth))


@pytest.mark.parametrize(
    "out",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"SPThunderboltDataType" : null}',
        b'{"SPThunderboltDataType" : {}}',
        b'{"SPThunderboltDataType" : [1]}',
        b'{"SPThunderboltDataType" : [{}]}',
        b'{"SPHardwareDataType" : []}',
        b'{"SPThunderboltDataType" : [{"_name": "usb_bus_1"}]}',
        LAPTOP[:-1],
        LAPTOP[: len(LAPTOP) // 2],
        LAPTOP + b"}",
        b"[" * 200_000,
        b'{"SPThunderboltDataType" : ' + b"[" * 100_000,
        b'{"SPThunderboltDataType" : [], "x": ' + b"9" * 5000 + b"}",
        printed(bus(0, _items={})),
        printed(bus(0, _items=["x"])),
        printed(bus(0, {"device_name_key": "no name"})),
        printed(bus(0, domain_uuid_key=7)),
        printed(bus(0, receptacle_1_tag="x")),
        printed(bus(0, receptacle_1_tag={"current_speed_key": 80})),
        printed(bus(0, PEER | {"services_title": "service_ip"})),
        b"Thunderbolt/USB4:\n\n    Thunderbolt/USB4 Bus 0:\n",
        b"dyld[1]: Library not loaded: x\n",
        b"<html>\n",
    ],
)
def test_anything_else_is_refused(out: bytes) -> None:
    with pytest.raises(ParseError):
        parse(out)


def test_the_slow_command_has_its_own_lane() -> None:
    assert (COMMAND.lane, COMMAND.deadline_s) == ("profiler", 40)
