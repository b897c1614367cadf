"""Port: one receptacle joined with its interface and its RDMA device, on what the host says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mlxdiag.facts.ibv_devinfo import VerbsDevice, VerbsPort
from mlxdiag.facts.ifconfig import Interface
from mlxdiag.facts.system_profiler_thunderbolt import Bus, Item, Receptacle
from mlxdiag.readings import Gap, HostFacts

TB5_GBPS = 80.0
"""Thunderbolt 5 links run at 80 Gb/s (120 one way at most), Thunderbolt 4 at 40."""

TB5_MODELS = frozenset(
    {
        "Mac15,14", "Mac16,5", "Mac16,6", "Mac16,7", "Mac16,8", "Mac16,9", "Mac16,11",
        "Mac17,6", "Mac17,7", "Mac17,8", "Mac17,9", "Mac17,14", "Mac17,15", "Mac17,16",
    }
)  # fmt: skip
"""hw.model of Macs with Thunderbolt 5 (Apple's spec pages): asked only where no receptacle is idle
and so none says what it could do."""

POSITIONS: Mapping[str, Mapping[int, str]] = {
    "Mac15,14": {
        1: "back-right",
        2: "back-right-middle",
        3: "back-left-middle",
        4: "back-left",
        5: "front-right",
        6: "front-left",
    },
}
"""hw.model -> receptacle -> where it is: read on a real Mac15,14; others are not recorded."""


@dataclass(frozen=True)
class Attachment:
    """Something on a receptacle: `via` names what lies between, nearest first."""

    item: Item
    via: tuple[str, ...] = ()


@dataclass(frozen=True)
class Port:
    """One Thunderbolt receptacle of one host.

    `interface`, `net`, `bridge`, `device` and `verbs` are None where the host says there is none
    and a Gap where the host could not be asked. `speed_gbps` is the link's speed now (gigabits per
    second, None without a link), `max_speed_gbps` what the receptacle can do.
    """

    host: str
    receptacle: int
    domain_uuid: str | None
    connected: bool | None
    speed_gbps: float | None
    max_speed_gbps: float | None
    attached: tuple[Attachment, ...]
    interface: str | Gap | None
    net: Interface | Gap | None
    bridge: str | Gap | None
    device: str | Gap | None
    verbs: VerbsPort | Gap | None
    position: str | None
    bus_guid: str | None
    device_guid: str | None

    @property
    def name(self) -> str:
        """What people call it: the interface, or the receptacle where there is none."""
        return (
            self.interface if isinstance(self.interface, str) else f"receptacle {self.receptacle}"
        )

    @property
    def state(self) -> str | None:
        """PORT_ACTIVE, PORT_DOWN ... as libibverbs spells it; None if not known or no device."""
        return self.verbs.state if isinstance(self.verbs, VerbsPort) else None

    @property
    def ipv4(self) -> tuple[str, ...]:
        """Addresses of the interface itself as `a.b.c.d/prefix`; empty if none or not known."""
        if not isinstance(self.net, Interface):
            return ()
        return tuple(f"{a.address}/{a.prefix}" for a in self.net.ipv4)

    @property
    def gid_ipv4_index(self) -> int | None:
        """Index of the first IPv4-mapped GID, or None."""
        mapped = self.verbs.mapped if isinstance(self.verbs, VerbsPort) else ()
        return mapped[0].index if mapped else None

    @property
    def macs(self) -> tuple[Attachment, ...]:
        """The Macs on this receptacle, also those behind a dock or display."""
        return tuple(a for a in self.attached if a.item.is_mac)


def ports(facts: HostFacts) -> tuple[Port, ...]:
    """Join what one host said into its ports, by receptacle."""
    buses = _by_receptacle(facts)
    named = {} if isinstance(facts.hardware_ports, Gap) else facts.hardware_ports.thunderbolt
    return tuple(
        _port(facts, number, *buses.get(number, (None, None)))
        for number in sorted({*buses, *named})
    )


def thunderbolt5(facts: HostFacts, found: Iterable[Port]) -> bool | None:
    """Whether any of a host's ports does Thunderbolt 5; None if that is not known."""
    speeds = [p.max_speed_gbps for p in found if p.max_speed_gbps]
    model = None if isinstance(facts.sysctl, Gap) else facts.sysctl.model
    if any(speed >= TB5_GBPS for speed in speeds) or model in TB5_MODELS:
        return True
    return None if isinstance(facts.thunderbolt, Gap) else False


def stray_devices(facts: HostFacts) -> tuple[str, ...]:
    """Thunderbolt RDMA devices that no receptacle of the host accounts for."""
    if isinstance(facts.ibv_devices, Gap) or isinstance(facts.hardware_ports, Gap):
        return ()
    owned = {f"rdma_{name}" for name in facts.hardware_ports.thunderbolt.values()}
    listed = (d.name for d in facts.ibv_devices.devices if d.thunderbolt)
    return tuple(name for name in listed if name not in owned)


def _by_receptacle(facts: HostFacts) -> dict[int, tuple[Bus, Receptacle]]:
    if isinstance(facts.thunderbolt, Gap):
        return {}
    return {
        tag.number: (bus, tag)
        for bus in facts.thunderbolt.buses
        for tag in bus.receptacles
        if tag.number is not None
    }


def _port(facts: HostFacts, number: int, bus: Bus | None, tag: Receptacle | None) -> Port:
    interface = _interface(facts, number)
    device = _device(facts, interface)
    verbs = _verbs(facts, device)
    attached = tuple(_walk(bus.items)) if bus else ()
    speed = tag.speed_gbps if tag else None
    up_to = tag.up_to if tag else False
    model = None if isinstance(facts.sysctl, Gap) else facts.sysctl.model
    return Port(
        host=facts.host.name,
        receptacle=number,
        domain_uuid=bus.domain_uuid if bus else None,
        connected=tag.connected if tag else None,
        speed_gbps=None if up_to else speed,
        max_speed_gbps=_max_speed(facts, speed, up_to=up_to),
        attached=attached,
        interface=interface,
        net=_net(facts, interface),
        bridge=_bridge(facts, interface),
        device=device,
        verbs=verbs.ports[0] if isinstance(verbs, VerbsDevice) and verbs.ports else _gap(verbs),
        position=POSITIONS.get(model or "", {}).get(number),
        bus_guid=bus.node_guid if bus else None,
        device_guid=verbs.node_guid if isinstance(verbs, VerbsDevice) else None,
    )


def _gap(verbs: VerbsDevice | Gap | None) -> Gap | None:
    return verbs if isinstance(verbs, Gap) else None


def _walk(items: tuple[Item, ...], via: tuple[str, ...] = ()) -> Iterator[Attachment]:
    for item in items:
        yield Attachment(item, via)
        yield from _walk(item.items, (*via, item.name))


def _max_speed(facts: HostFacts, speed: float | None, *, up_to: bool) -> float | None:
    """What the receptacle can do; in use it says only what it does, so its idle twins are asked."""
    if speed is None or isinstance(facts.thunderbolt, Gap):
        return None
    if up_to:
        return speed
    idle = [
        tag.speed_gbps
        for bus in facts.thunderbolt.buses
        for tag in bus.receptacles
        if tag.up_to and tag.speed_gbps
    ]
    return max([speed, *idle])


def _interface(facts: HostFacts, number: int) -> str | Gap | None:
    if isinstance(facts.hardware_ports, Gap):
        return facts.hardware_ports
    return facts.hardware_ports.thunderbolt.get(number)


def _net(facts: HostFacts, interface: str | Gap | None) -> Interface | Gap | None:
    if not isinstance(interface, str):
        return interface
    return facts.ifconfig if isinstance(facts.ifconfig, Gap) else facts.ifconfig.find(interface)


def _bridge(facts: HostFacts, interface: str | Gap | None) -> str | Gap | None:
    if not isinstance(interface, str):
        return interface
    if isinstance(facts.ifconfig, Gap):
        return facts.ifconfig
    return facts.ifconfig.bridge_of(interface)


def _device(facts: HostFacts, interface: str | Gap | None) -> str | Gap | None:
    """Name the device of an interface: `rdma_` + its name, if the host lists such a device."""
    if not isinstance(interface, str):
        return interface
    name = f"rdma_{interface}"
    lists = [f for f in (facts.ibv_devices, facts.ibv_devinfo) if not isinstance(f, Gap)]
    if any(device.name == name for fact in lists for device in fact.devices):
        return name
    gaps = [f for f in (facts.ibv_devices, facts.ibv_devinfo) if isinstance(f, Gap)]
    return None if lists else gaps[0]


def _verbs(facts: HostFacts, device: str | Gap | None) -> VerbsDevice | Gap | None:
    if not isinstance(device, str):
        return device
    if isinstance(facts.ibv_devinfo, Gap):
        return facts.ibv_devinfo
    return next((d for d in facts.ibv_devinfo.devices if d.name == device), None)
