"""The Macs of the model: hardware by hw.model, and every id a Mac has, derived from its name."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

GIB = 2**30


@dataclass(frozen=True)
class Hardware:
    """What all Macs of one hw.model share; `interfaces` maps receptacle to BSD name."""

    family: str
    chip: str
    memory_gib: int
    thunderbolt: int
    interfaces: Mapping[int, str]
    ethernet: str | None = "en0"
    wifi: str = "en1"
    phantoms: tuple[str, ...] = ()
    bus_name: str = ""

    @property
    def idle_speed(self) -> str:
        return "Up to 120 Gb/s" if self.thunderbolt == 5 else "Up to 40 Gb/s"


def _numbered(receptacles: tuple[int, ...], first: int) -> dict[int, str]:
    return {receptacle: f"en{first + at}" for at, receptacle in enumerate(receptacles)}


_MACBOOK = {1: "en1", 2: "en6", 3: "en2"}

HARDWARE: dict[str, Hardware] = {
    "Mac15,14": Hardware(
        "Mac Studio",
        "Apple M3 Ultra",
        512,
        5,
        _numbered((1, 2, 3, 4, 5, 6), 2),
        phantoms=("en8", "en9"),
    ),
    "Mac16,9": Hardware(
        "Mac Studio",
        "Apple M4 Max",
        128,
        5,
        _numbered((1, 2, 3, 4), 2),
        phantoms=("en6", "en7", "en8", "en9"),
    ),
    "Mac16,11": Hardware(
        "Mac mini", "Apple M4 Pro", 64, 5, _numbered((1, 2, 3), 2), phantoms=("en5", "en6", "en7")
    ),
    "Mac17,6": Hardware(
        "MacBook Pro", "Apple M5 Max", 128, 5, _MACBOOK, None, "en0", phantoms=("en3",)
    ),
    "Mac17,7": Hardware(
        "MacBook Pro", "Apple M5 Max", 128, 5, _MACBOOK, None, "en0", phantoms=("en3",)
    ),
    "Mac14,13": Hardware(
        "Mac Studio",
        "Apple M2 Max",
        96,
        4,
        _numbered((1, 2, 3, 4), 2),
        phantoms=("en6", "en7"),
    ),
    "Mac16,10": Hardware(
        "Mac mini",
        "Apple M4",
        32,
        4,
        _numbered((1, 2, 4), 2),
        phantoms=("en5", "en6"),
        bus_name="iOS",
    ),
}

BUILDS = {
    "26.1": "25B78",
    "26.2": "25C56",
    "26.3": "25D125",
    "26.4": "25E246",
    "27.0": "26A428",
}


@dataclass(frozen=True)
class Runtime:
    """The MLX of one interpreter; `wheel` is the platform part of the mlx-metal wheel."""

    mlx: str = "0.32.4"
    python: str = "3.12.8"
    wheel: str = "macosx_26_0_arm64"
    mlx_lm: str | None = "0.31.0"


@dataclass(frozen=True)
class Mac:
    """One Mac. `rdma` is the switch; `restart_pending` means that it was set after the boot.

    `bridged` names the receptacles whose interfaces are members of bridge0; None is a Mac whose
    bridge was deleted. `lost_interfaces` and `lost_devices` name receptacles that lack one half
    of the pair enX and rdma_enX. An unlisted Mac is cabled but not in the inventory.
    """

    name: str
    model: str = "Mac15,14"
    macos: str = "26.3"
    rdma: str = "enabled"
    restart_pending: bool = False
    runtime: Runtime | None = field(default_factory=Runtime)
    numbering: Mapping[int, str] | None = None
    bridged: tuple[int, ...] | None = None
    lost_interfaces: frozenset[int] = frozenset()
    lost_devices: frozenset[int] = frozenset()
    extended_devinfo: bool = False
    extra_services: tuple[tuple[str, str, str], ...] = ()
    listed: bool = True

    @property
    def hardware(self) -> Hardware:
        return HARDWARE[self.model]

    @property
    def interfaces(self) -> Mapping[int, str]:
        """Map each receptacle to its BSD name."""
        return self.numbering or self.hardware.interfaces

    @property
    def address(self) -> str:
        return f"{self.name}.local"

    @property
    def version(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.macos.split("."))

    @property
    def has_rdma_tools(self) -> bool:
        return self.version >= (26, 2)

    @property
    def runs_rdma(self) -> bool:
        """Say whether the RDMA driver runs, which is what a peer sees as service 64087."""
        switched_on = self.rdma == "enabled" and not self.restart_pending
        return switched_on and self.has_rdma_tools and self.hardware.thunderbolt == 5


def digest(*parts: object) -> bytes:
    """Return the 32 bytes from which one id is made: the same parts, the same id."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).digest()


def mac_text(octets: bytes) -> str:
    return ":".join(f"{octet:02x}" for octet in octets)


def own_mac(mac: Mac, interface: str) -> str:
    """Return the address of an interface that is no Thunderbolt port."""
    return mac_text(b"\x1e" + digest(mac.name, "ether", interface)[:5])


def port_mac(mac: Mac, receptacle: int) -> str:
    """Return the address of a Thunderbolt port: they step by four from receptacle to receptacle."""
    seed = digest(mac.name, "thunderbolt ether")
    last = (seed[4] & 0xC0) + 4 * (receptacle - 1)
    return mac_text(b"\x36" + seed[:4] + bytes([last]))


def switch_uid(mac: Mac, receptacle: int) -> int:
    """Return the UID of a bus: Apple's vendor id, five bytes of this Mac, a byte counting buses."""
    seed = digest(mac.name, "switch")
    last = 0x80 + (seed[5] & 0x70) + (receptacle - 1)
    return int.from_bytes(b"\x05\xac" + seed[:5] + bytes([last]), "big")


def node_guid(mac: Mac, receptacle: int) -> bytes:
    """Return the RDMA node GUID, which is the bus's switch UID with its bytes reversed."""
    return switch_uid(mac, receptacle).to_bytes(8, "little")


def uuid_text(*parts: object) -> str:
    return str(uuid.UUID(bytes=digest(*parts)[:16], version=4)).upper()


def domain_uuid(mac: Mac, receptacle: int) -> str:
    return uuid_text(mac.name, "domain", receptacle)


def link_local(interface_id: bytes) -> str:
    return str(IPv6Address(b"\xfe\x80" + bytes(6) + interface_id))


def secured_address(mac: Mac, interface: str) -> str:
    """Return the stable-privacy fe80 address that ifconfig marks `secured`."""
    seed = digest(mac.name, "secured", interface)
    return link_local(bytes([0x10 | seed[0] & 0x0F]) + seed[1:8])


def eui64_address(ether: str) -> str:
    """Return the fe80 address that follows from a MAC (RFC 4291, appendix A)."""
    octets = bytes.fromhex(ether.replace(":", ""))
    return link_local(bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:])
