"""Cables between Macs, and the state every port has because of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from tests.model.machine import Mac, port_mac

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.model.printed import Printed

End = tuple[str, int]
"""A host's name and the number of a receptacle."""

ACTIVE = "PORT_ACTIVE (4)"
DOWN = "PORT_DOWN (1)"

REDACTED_UUID = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Device:
    """A dock, display or disk; `sockets` counts its downstream receptacles."""

    name: str
    vendor: str
    vendor_id: str
    device_id: str
    mode: str
    speed_gbps: int
    sockets: int = 0


@dataclass(frozen=True)
class Cable:
    """A cable from port `a` to port `b`, perhaps through a dock that stands at `a`.

    `speed_gbps` None is what the two Macs agree on. `addresses` are in CIDR form, those of `a`
    first; None stands for a /30 of the cable's own. `seen_by` are the ends that notice the cable;
    None is both.
    """

    a: End
    b: End
    speed_gbps: int | None = None
    addresses: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    seen_by: tuple[End, ...] | None = None
    dock: Device | None = None

    @property
    def ends(self) -> tuple[End, End]:
        return self.a, self.b

    def far(self, end: End) -> End:
        return self.b if end == self.a else self.a

    def is_seen_by(self, end: End) -> bool:
        return self.seen_by is None or end in self.seen_by


@dataclass(frozen=True)
class ModelCluster:
    """Macs and cables, and where they differ from what would follow from them.

    `port_states` overrides what ibv_devinfo says of a port. `no_ipv4`, `late_ipv4` and `downed`
    are ports whose interface has no IPv4 address, whose IPv4 GID stands behind the IPv6 ones, and
    whose interface was set down. `access` replaces the access of a host by a failure, `silent`
    hosts answer and say nothing more, and `edits` change what one command of one host prints.
    `backend` and `topology` are what the inventory expects. Of a `surveyed` cluster the further
    commands of `mlxdiag check` were asked, too.
    """

    name: str
    macs: tuple[Mac, ...]
    cables: tuple[Cable, ...] = ()
    attached: Mapping[End, Device] = field(default_factory=dict)
    port_states: Mapping[End, str] = field(default_factory=dict)
    no_ipv4: frozenset[End] = frozenset()
    late_ipv4: frozenset[End] = frozenset()
    downed: frozenset[End] = frozenset()
    redacted: bool = False
    access: Mapping[str, Printed] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()
    edits: Mapping[tuple[str, str], Callable[[Printed], Printed]] = field(default_factory=dict)
    backend: str | None = None
    topology: str | None = None
    surveyed: bool = False

    def __post_init__(self) -> None:
        known = {(mac.name, receptacle) for mac in self.macs for receptacle in mac.interfaces}
        used = [*(end for cable in self.cables for end in cable.ends), *self.attached]
        named = {*used, *self.port_states, *self.no_ipv4, *self.late_ipv4, *self.downed}
        if strangers := named - known:
            raise ValueError(f"{self.name}: no such ports: {sorted(strangers)}")
        if len(used) != len(set(used)):
            raise ValueError(f"{self.name}: a port holds two plugs")

    @property
    def listed(self) -> tuple[Mac, ...]:
        return tuple(mac for mac in self.macs if mac.listed)

    @cached_property
    def by_name(self) -> Mapping[str, Mac]:
        return {mac.name: mac for mac in self.macs}

    @cached_property
    def _plugged(self) -> Mapping[End, tuple[int, Cable]]:
        numbered = enumerate(self.cables, 1)
        return {end: (number, cable) for number, cable in numbered for end in cable.ends}

    def cable_at(self, end: End) -> Cable | None:
        """Return the cable that this port notices."""
        _, cable = self._plugged.get(end, (0, None))
        return cable if cable and cable.is_seen_by(end) else None

    def was_used(self, end: End) -> bool:
        return end in self._plugged

    def speed_gbps(self, cable: Cable) -> int:
        slowest = min(self.by_name[host].hardware.thunderbolt for host, _ in cable.ends)
        agreed = 80 if slowest == 5 and not cable.dock else 40
        return cable.speed_gbps or agreed

    def addresses(self, end: End) -> tuple[str, ...]:
        """Return the IPv4 addresses of a port in CIDR form, wherever they are configured."""
        number, cable = self._plugged.get(end, (0, None))
        if cable is None or end in self.no_ipv4 | self.downed or not cable.is_seen_by(end):
            return ()
        side = 0 if end == cable.a else 1
        return cable.addresses[side] if cable.addresses else (f"10.219.{number}.{side + 1}/30",)

    def _can_rdma(self, end: End) -> bool:
        host, receptacle = end
        mac = self.by_name[host]
        broken = end in self.downed or receptacle in mac.lost_interfaces | mac.lost_devices
        return mac.runs_rdma and not broken and self.cable_at(end) is not None

    def port_state(self, end: End) -> str:
        """Return the state: active when both ends run RDMA over one cable without a dock."""
        cable = self.cable_at(end)
        healthy = cable and not cable.dock and all(map(self._can_rdma, cable.ends))
        return self.port_states.get(end, ACTIVE if healthy else DOWN)


@dataclass(frozen=True)
class Port:
    """One receptacle of one Mac as its own commands see it."""

    mac: Mac
    receptacle: int
    interface: str
    ether: str
    cable: Cable | None
    state: str
    speed_gbps: int | None
    ipv4: tuple[str, ...]
    late_ipv4: bool
    downed: bool

    @property
    def end(self) -> End:
        return self.mac.name, self.receptacle

    @property
    def bridged(self) -> bool:
        return self.receptacle in (self.mac.bridged or ())

    @property
    def linked(self) -> bool:
        return self.cable is not None and not self.downed

    @property
    def has_interface(self) -> bool:
        return self.receptacle not in self.mac.lost_interfaces

    @property
    def has_device(self) -> bool:
        return self.mac.runs_rdma and self.receptacle not in self.mac.lost_devices

    @property
    def own_ipv4(self) -> tuple[str, ...]:
        """Return the addresses of the interface itself: those of a member belong to the bridge."""
        return () if self.bridged or not self.has_interface else self.ipv4


def port(cluster: ModelCluster, mac: Mac, receptacle: int) -> Port:
    end = (mac.name, receptacle)
    cable = cluster.cable_at(end)
    return Port(
        mac=mac,
        receptacle=receptacle,
        interface=mac.interfaces[receptacle],
        ether=port_mac(mac, receptacle),
        cable=cable,
        state=cluster.port_state(end),
        speed_gbps=cluster.speed_gbps(cable) if cable else None,
        ipv4=cluster.addresses(end),
        late_ipv4=end in cluster.late_ipv4,
        downed=end in cluster.downed,
    )


def ports(cluster: ModelCluster, mac: Mac) -> tuple[Port, ...]:
    """Return the ports of a Mac in receptacle order."""
    return tuple(port(cluster, mac, receptacle) for receptacle in sorted(mac.interfaces))
