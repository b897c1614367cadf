"""Print system_profiler SPThunderboltDataType -json in its native spelling."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.model.cluster import REDACTED_UUID, Cable, Device, End, ModelCluster, Port
from tests.model.machine import Mac, digest, domain_uuid, switch_uid, uuid_text
from tests.model.printed import Printed

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, object]

_RDMA_PROTOCOL = 64087


def system_profiler(cluster: ModelCluster, ports: Sequence[Port]) -> Printed:
    buses = [_bus(cluster, port) for port in reversed(ports)]
    return Printed(_native({"SPThunderboltDataType": buses}).encode())


def _native(document: Json) -> str:
    spelled = json.dumps(
        document, indent=2, sort_keys=True, ensure_ascii=False, separators=(",", " : ")
    )
    return f"{spelled}\n"


def _bus(cluster: ModelCluster, port: Port) -> Json:
    bus: Json = {
        "_name": f"thunderboltusb4_bus_{port.receptacle - 1}",
        "device_name_key": port.mac.hardware.bus_name or port.mac.hardware.family,
        "domain_uuid_key": _domain(cluster, port.mac, port.receptacle),
        "receptacle_1_tag": _receptacle(cluster, port),
        "route_string_key": "0",
        "switch_uid_key": f"0x{switch_uid(port.mac, port.receptacle):016X}",
        "vendor_name_key": "Apple Inc.",
    }
    items = _items(cluster, port)
    return bus | {"_items": items} if items else bus


def _domain(cluster: ModelCluster, mac: Mac, receptacle: int) -> str:
    return REDACTED_UUID if cluster.redacted else domain_uuid(mac, receptacle)


def _receptacle(cluster: ModelCluster, port: Port) -> Json:
    own: Json = {"receptacle_id_key": str(port.receptacle)}
    device = cluster.attached.get(port.end)
    speed = device.speed_gbps if device else port.speed_gbps
    if speed:
        return own | _connected(speed) | {"micro_version_key": "0.0.0"}
    link_status = "0x7" if cluster.was_used(port.end) else "0x100"
    return own | _idle(port.mac.hardware.idle_speed, link_status)


def _connected(speed_gbps: int) -> Json:
    return {
        "current_speed_key": f"{speed_gbps} Gb/s",
        "link_status_key": "0x2",
        "receptacle_status_key": "receptacle_connected",
    }


def _idle(speed: str, link_status: str) -> Json:
    return {
        "current_speed_key": speed,
        "link_status_key": link_status,
        "receptacle_status_key": "receptacle_no_devices_connected",
    }


def _items(cluster: ModelCluster, port: Port) -> list[Json]:
    if device := cluster.attached.get(port.end):
        return [_device(device, port.end, ())]
    if port.cable is None:
        return []
    peer = _peer(cluster, port, port.cable)
    if port.cable.dock and port.end == port.cable.a:
        return [_device(port.cable.dock, port.end, (peer,))]
    return [peer]


def _peer(cluster: ModelCluster, port: Port, cable: Cable) -> Json:
    host, receptacle = cable.far(port.end)
    far = cluster.by_name[host]
    return {
        "_name": far.hardware.family,
        "device_id_key": "0xA",
        "device_name_key": far.model,
        "domain_uuid_key": _domain(cluster, far, receptacle),
        "services_title": _services(cluster, port.mac, (host, receptacle)),
        "vendor_id_key": "0x0A27",
        "vendor_name_key": "Apple Inc.",
    }


def _services(cluster: ModelCluster, near: Mac, far: End) -> list[Json]:
    """List the far Mac's services; the near macOS spells the key of the RDMA service."""
    ip: Json = {
        "_name": "service_ip",
        "protocol_id_key": 1,
        "protocol_revision_key": 1,
        "protocol_version_key": 1,
        "service_uuid_key": _service_uuid(cluster, far, 1),
    }
    rdma: Json = {
        "_name": "unknown_xd_service",
        "protocol_id_key": _RDMA_PROTOCOL,
        "protocol_revision_key": 0,
        "protocol_version_key": 1,
        "service_key_key": "\u02c7" * 6 + "AD" if near.version >= (26, 4) else "rdma",
        "service_uuid_key": _service_uuid(cluster, far, _RDMA_PROTOCOL),
    }
    return [ip, rdma] if cluster.by_name[far[0]].runs_rdma else [ip]


def _service_uuid(cluster: ModelCluster, far: End, protocol: int) -> str:
    return REDACTED_UUID if cluster.redacted else uuid_text(*far, "service", protocol)


def _device(device: Device, end: End, nested: Sequence[Json]) -> Json:
    """Describe a dock, display or disk; Thunderbolt 3 devices name another firmware key."""
    firmware = "lc_version_key" if device.mode == "thunderbolt_three" else "micro_version_key"
    upstream = _connected(device.speed_gbps) | {firmware: "1.21.0"}
    seed = digest(*end, device.name)
    described: Json = {
        "_name": device.name,
        "device_id_key": device.device_id,
        "device_name_key": device.name,
        "device_revision_key": "0x1",
        "mode_key": device.mode,
        "receptacle_upstream_ambiguous_tag": upstream,
        "route_string_key": "1",
        "switch_uid_key": f"0x{device.vendor_id[2:]}{seed[:5].hex().upper()}00",
        "switch_version_key": "58.2",
        "vendor_id_key": device.vendor_id,
        "vendor_name_key": device.vendor,
    }
    sockets = _sockets(device, len(nested))
    return described | sockets | ({"_items": list(nested)} if nested else {})


def _sockets(device: Device, occupied: int) -> Json:
    idle = "Up to 120 Gb/s" if device.mode == "usb_four_v2" else "Up to 40 Gb/s"
    tags = [_connected(40)] * occupied + [_idle(idle, "0x7")] * (device.sockets - occupied)
    named = enumerate(tags, 2)
    return {
        f"receptacle_{number}_tag": tag | {"micro_version_key": "1.21.0"} for number, tag in named
    }
