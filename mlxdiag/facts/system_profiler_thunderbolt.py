"""`system_profiler SPThunderboltDataType -json`: receptacles, their speed and peers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command(
    "system_profiler_thunderbolt",
    ("system_profiler", "SPThunderboltDataType", "-json"),
    40,
    lane="profiler",
)

RDMA_PROTOCOL = 64087
"""0xFA57: the Thunderbolt service a Mac announces while its RDMA is on. Its name is mangled."""

Kind = Literal["mac", "display", "dock", "storage", "unknown"]

_DEPTH = 16
"""Deepest nesting believed; a Thunderbolt chain has at most six devices."""

_BUS = re.compile(r"thunderbolt\w*bus_?(\d{1,3})?", re.ASCII)
_RECEPTACLE = re.compile(r"receptacle_(\d{1,2})_tag", re.ASCII)
_SPEED = re.compile(r"(Up to )?(\d{1,4}(?:\.\d{1,2})?) Gb/s(?: .*)?", re.ASCII)
_MODEL = re.compile(r"i?Mac[A-Za-z]*\d{1,3},\d{1,3}", re.ASCII)
_UID = re.compile(r"0x([0-9a-fA-F]{16})")
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_CONNECTED = {"receptacle_connected": True, "receptacle_no_devices_connected": False}

_DISPLAYS = frozenset({"display", "monitor", "ultrafine"})
_DOCKS = frozenset({"dock", "docking", "hub", "ts3", "ts4", "ts5"})
_STORES = frozenset(
    {"ssd", "disk", "drive", "nvme", "raid", "envoy", "pegasus32", "thunderblade", "thunderbay"}
)


@dataclass(frozen=True)
class Receptacle:
    """One socket: `number` as networksetup counts it in "Thunderbolt N", one more than the bus.

    `speed_gbps` is the link's, or what the socket is capable of where `up_to` is set: 120 there
    means Thunderbolt 5, 40 means 4. `link_status` is hexadecimal text that decides nothing.
    """

    number: int | None
    connected: bool | None
    speed_gbps: float | None
    up_to: bool
    link_status: str | None


@dataclass(frozen=True)
class Item:
    """Something plugged in, directly or behind other `items`.

    `model` is `hw.model` for a Mac and the product's name for everything else. `domain_uuid` is
    the far port's and lives until either Mac restarts; a Mac never shows a `switch_uid`.
    `services` are protocol numbers. `downstream` counts the item's own Thunderbolt sockets,
    without the one towards this Mac.
    """

    name: str
    model: str | None
    vendor: str | None
    domain_uuid: str | None
    mode: str | None
    switch_uid: str | None
    services: tuple[int, ...]
    items: tuple[Item, ...]
    downstream: int = 0

    @property
    def is_mac(self) -> bool:
        """Recognise a peer by its domain or its model; the vendor of a display is Apple too."""
        return self.domain_uuid is not None or bool(_MODEL.fullmatch(self.model or ""))

    @property
    def offers_rdma(self) -> bool:
        """Tell whether this peer announces RDMA: it is off, or impossible, where it does not."""
        return RDMA_PROTOCOL in self.services

    @property
    def kind(self) -> Kind:
        """Guess from words in name and model; a device that others can hang behind is a dock."""
        words = set(re.findall(r"[a-z0-9]+", f"{self.name} {self.model or ''}".lower()))
        if self.is_mac:
            return "mac"
        if words & _DISPLAYS:
            return "display"
        if words & _DOCKS or self.items or self.downstream > 1:
            return "dock"
        if (words | set((self.vendor or "").lower().split())) & _STORES:
            return "storage"
        return "dock" if (self.vendor or "").lower().startswith("caldigit") else "unknown"


@dataclass(frozen=True)
class Bus:
    """One Thunderbolt controller of this Mac, with one receptacle (two on an Intel Mac Pro).

    `domain_uuid` changes with every restart, `switch_uid` never does.
    """

    number: int | None
    domain_uuid: str | None
    switch_uid: str | None
    device_name: str | None
    receptacles: tuple[Receptacle, ...]
    items: tuple[Item, ...]

    @property
    def node_guid(self) -> str | None:
        """Reverse the bytes of `switch_uid`: the GUID that ibv_devices prints for this port."""
        uid = _UID.fullmatch(self.switch_uid or "")
        return bytes.fromhex(uid[1])[::-1].hex() if uid else None


@dataclass(frozen=True)
class Thunderbolt:
    """Buses by number; numbers may be missing, and all of them are on a Mac without hardware."""

    buses: tuple[Bus, ...]


Keys = Mapping[str, object]
"""One JSON object as decoded, its values not yet looked at."""


def parse(out: bytes) -> Thunderbolt:
    """Read the JSON; keys that are not used here may have any shape."""
    try:
        document = json.loads(out.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise ParseError(f"not JSON: {error}") from error
    if not isinstance(document, dict) or "SPThunderboltDataType" not in document:
        raise ParseError("JSON without SPThunderboltDataType")
    listed = _objects(document, "SPThunderboltDataType")
    buses = [_bus(each) for each in listed if "no_hardware" not in each.values()]
    return Thunderbolt(tuple(sorted(buses, key=_order)))


def _order(bus: Bus) -> tuple[bool, int]:
    return bus.number is None, bus.number or 0


def _bus(keys: Keys) -> Bus:
    name = _BUS.fullmatch(_text(keys, "_name") or "")
    if name is None:
        raise ParseError(f"not a Thunderbolt bus: {str(keys.get('_name'))[:80]!r}")
    return Bus(
        number=int(name[1]) if name[1] else None,
        domain_uuid=_uuid(keys),
        switch_uid=_text(keys, "switch_uid_key"),
        device_name=_text(keys, "device_name_key"),
        receptacles=tuple(_receptacle(tag) for tag in _tags(keys)),
        items=_items(keys, 1),
    )


def _tags(keys: Keys) -> list[Keys]:
    """Collect `receptacle_N_tag` by N; `receptacle_upstream_ambiguous_tag` is not among them."""
    numbered = {int(match[1]): key for key in keys if (match := _RECEPTACLE.fullmatch(key))}
    return [_object(keys[numbered[number]], numbered[number]) for number in sorted(numbered)]


def _receptacle(tag: Keys) -> Receptacle:
    speed = _SPEED.fullmatch(_text(tag, "current_speed_key") or "")
    return Receptacle(
        number=_number(tag.get("receptacle_id_key")),
        connected=_CONNECTED.get(_text(tag, "receptacle_status_key") or ""),
        speed_gbps=float(speed[2]) if speed else None,
        up_to=bool(speed and speed[1]),
        link_status=_text(tag, "link_status_key"),
    )


def _items(keys: Keys, depth: int) -> tuple[Item, ...]:
    if depth > _DEPTH:
        raise ParseError(f"devices nested more than {_DEPTH} deep")
    return tuple(_item(each, depth) for each in _objects(keys, "_items"))


def _item(keys: Keys, depth: int) -> Item:
    name = _text(keys, "_name")
    if name is None:
        raise ParseError("a Thunderbolt device without a name")
    services = [_number(each.get("protocol_id_key")) for each in _objects(keys, "services_title")]
    return Item(
        name=name,
        model=_text(keys, "device_name_key"),
        vendor=_text(keys, "vendor_name_key"),
        domain_uuid=_uuid(keys),
        mode=_text(keys, "mode_key"),
        switch_uid=_text(keys, "switch_uid_key"),
        services=tuple(number for number in services if number is not None),
        items=_items(keys, depth + 1),
        downstream=len(_tags(keys)),
    )


def _objects(keys: Keys, key: str) -> list[Keys]:
    """Give the list of objects under a key; a missing key is an empty list."""
    value = keys.get(key, [])
    if not isinstance(value, list):
        raise ParseError(f"{key} is not a list")
    return [_object(each, key) for each in value]


def _object(value: object, where: str) -> Keys:
    if not isinstance(value, dict):
        raise ParseError(f"{where} is not an object")
    return value


def _text(keys: Keys, key: str) -> str | None:
    """Give a text, None where missing or empty; lone surrogates would break every output."""
    value = keys.get(key)
    if value is not None and not isinstance(value, str):
        raise ParseError(f"{key} is not a text")
    return value.encode("utf-8", "replace").decode() if value else None


def _uuid(keys: Keys) -> str | None:
    """Give both sides of a link the same spelling."""
    text = _text(keys, "domain_uuid_key")
    return text.upper() if text else None


def _number(value: object) -> int | None:
    """Read a number that is printed bare or as a text."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
