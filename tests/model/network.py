"""Print networksetup and ifconfig -a."""

from __future__ import annotations

from ipaddress import IPv4Interface
from typing import TYPE_CHECKING

from tests.model.machine import Mac, own_mac, port_mac, secured_address
from tests.model.printed import Printed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.model.cluster import Port

_UP = "flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500\n"
_MEMBER = "flags=8963<UP,BROADCAST,SMART,RUNNING,PROMISC,SIMPLEX,MULTICAST> mtu 1500\n"
_SET_DOWN = "flags=8822<BROADCAST,SMART,SIMPLEX,MULTICAST> mtu 1500\n"
_ND6 = "\tnd6 options=201<PERFORMNUD,DAD>\n"

_LOOPBACK = (
    "lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> mtu 16384\n"
    "\toptions=1203<RXCSUM,TXCSUM,TXSTATUS,SW_TIMESTAMP>\n"
    "\tinet 127.0.0.1 netmask 0xff000000 \n"
    "\tinet6 ::1 prefixlen 128 \n"
    "\tinet6 fe80::1%lo0 prefixlen 64 scopeid 0x1 \n" + _ND6
)
_TUNNELS = "gif0: flags=8010<POINTOPOINT,MULTICAST> mtu 1280\nstf0: flags=0<> mtu 1280\n"


def hardwareports(mac: Mac, ports: Sequence[Port]) -> Printed:
    blocks = "".join(
        f"Hardware Port: {name}\nDevice: {device}\nEthernet Address: {ether}\n\n"
        for name, device, ether in _hardware_ports(mac, ports)
    )
    return Printed(f"\n{blocks}VLAN Configurations\n===================\n".encode())


def _hardware_ports(mac: Mac, ports: Sequence[Port]) -> Iterator[tuple[str, str, str]]:
    if ethernet := mac.hardware.ethernet:
        yield "Ethernet", ethernet, own_mac(mac, ethernet)
    for phantom in _phantoms(mac):
        yield f"Ethernet Adapter ({phantom})", phantom, own_mac(mac, phantom)
    if mac.bridged is not None:
        yield "Thunderbolt Bridge", "bridge0", _bridge_mac(mac)
    yield "Wi-Fi", mac.hardware.wifi, own_mac(mac, mac.hardware.wifi)
    for port in ports:
        if port.has_interface:
            yield f"Thunderbolt {port.receptacle}", port.interface, port.ether


def serviceorder(mac: Mac, ports: Sequence[Port]) -> Printed:
    pairs = "".join(
        f"({number}) {name}\n(Hardware Port: {hardware_port}, Device: {device})\n\n"
        for number, (name, hardware_port, device) in enumerate(_services(mac, ports), 1)
    )
    head = "An asterisk (*) denotes that a network service is disabled.\n"
    return Printed(f"{head}{pairs}".encode())


def _services(mac: Mac, ports: Sequence[Port]) -> Iterator[tuple[str, str, str]]:
    if ethernet := mac.hardware.ethernet:
        yield "Ethernet", "Ethernet", ethernet
    if mac.bridged is not None:
        yield "Thunderbolt Bridge", "Thunderbolt Bridge", "bridge0"
    for port in ports:
        if port.has_interface and not port.bridged:
            name = f"Thunderbolt {port.receptacle}"
            yield name, name, port.interface
    yield "Wi-Fi", "Wi-Fi", mac.hardware.wifi
    yield from mac.extra_services


def ifconfig(mac: Mac, ports: Sequence[Port], address: str) -> Printed:
    index = interface_index(mac, ports)
    blocks = [
        _LOOPBACK,
        _TUNNELS,
        *(_phantom(mac, name) for name in _phantoms(mac)),
        *_built_in(mac, index, address),
        *(_thunderbolt(port, index) for port in ports if port.has_interface),
        _bridge(mac, ports, index),
    ]
    return Printed("".join(blocks).encode())


def interface_index(mac: Mac, ports: Sequence[Port]) -> Mapping[str, int]:
    """Number the interfaces as the kernel does: scopeid and bridge port numbers are this."""
    built_in = [name for name in (mac.hardware.ethernet, mac.hardware.wifi) if name]
    thunderbolt = [port.interface for port in ports if port.has_interface]
    names = ["lo0", "gif0", "stf0", *_phantoms(mac), *built_in, *thunderbolt, "bridge0"]
    return {name: number for number, name in enumerate(names, 1)}


def _phantoms(mac: Mac) -> list[str]:
    taken = set(mac.interfaces.values())
    return [name for name in mac.hardware.phantoms if name not in taken]


def _phantom(mac: Mac, name: str) -> str:
    head = f"{name}: {_UP}\toptions=400<CHANNEL_IO>\n\tether {own_mac(mac, name)}\n"
    return f"{head}{_ND6}\tmedia: none\n\tstatus: inactive\n"


def _built_in(mac: Mac, index: Mapping[str, int], address: str) -> Iterator[str]:
    """Print Ethernet and Wi-Fi: the first of them that exists is up and has the address."""
    wifi_options = "6460<TSO4,TSO6,CHANNEL_IO,PARTIAL_CSUM,ZEROINVERT_CSUM>"
    wifi_head = _head(mac.hardware.wifi, _UP, wifi_options, own_mac(mac, mac.hardware.wifi))
    ethernet = mac.hardware.ethernet
    if ethernet is None:
        lines = _addresses(mac, mac.hardware.wifi, index, (address,))
        yield f"{wifi_head}{lines}{_ND6}\tmedia: autoselect\n\tstatus: active\n"
        return
    options = "567<RXCSUM,TXCSUM,VLAN_MTU,TSO4,TSO6,AV,CHANNEL_IO>"
    head = _head(ethernet, _UP, options, own_mac(mac, ethernet))
    media = "\tmedia: autoselect (10Gbase-T <full-duplex,flow-control>)\n\tstatus: active\n"
    yield f"{head}{_addresses(mac, ethernet, index, (address,))}{_ND6}{media}"
    yield f"{wifi_head}{_ND6}\tmedia: autoselect (<unknown type>)\n\tstatus: inactive\n"


def _thunderbolt(port: Port, index: Mapping[str, int]) -> str:
    flags = _SET_DOWN if port.downed else _MEMBER if port.bridged else _UP
    head = _head(port.interface, flags, "460<TSO4,TSO6,CHANNEL_IO>", port.ether)
    if port.downed:
        return f"{head}{_ND6}\tmedia: autoselect <full-duplex>\n"
    addressed = port.linked and not port.bridged
    lines = _addresses(port.mac, port.interface, index, port.own_ipv4) if addressed else ""
    status = "active" if port.linked else "inactive"
    return f"{head}{lines}{_ND6}\tmedia: autoselect <full-duplex>\n\tstatus: {status}\n"


def _bridge(mac: Mac, ports: Sequence[Port], index: Mapping[str, int]) -> str:
    if mac.bridged is None:
        return ""
    members = [port for port in ports if port.bridged and port.has_interface]
    linked = [port for port in members if port.linked]
    ipv4 = tuple(address for port in linked for address in port.ipv4)
    return "".join(
        (
            _head("bridge0", _UP, "63<RXCSUM,TXCSUM,TSO4,TSO6>", _bridge_mac(mac)),
            _addresses(mac, "bridge0", index, ipv4) if linked else "",
            "\tConfiguration:\n"
            "\t\tid 0:0:0:0:0:0 priority 0 hellotime 0 fwddelay 0\n"
            "\t\tmaxage 0 holdcnt 0 proto stp maxaddr 100 timeout 1200\n"
            "\t\troot id 0:0:0:0:0:0 priority 0 ifcost 0 port 0\n"
            "\t\tipfilter disabled flags 0x0\n",
            *(_member(port, index) for port in members),
            f"{_ND6}\tmedia: <unknown type>\n\tstatus: {'active' if linked else 'inactive'}\n",
        )
    )


def _bridge_mac(mac: Mac) -> str:
    return port_mac(mac, 1)


def _member(port: Port, index: Mapping[str, int]) -> str:
    number = index[port.interface]
    return (
        f"\tmember: {port.interface} flags=3<LEARNING,DISCOVER>\n"
        f"\t        ifmaxaddr 0 port {number} priority 0 path cost 0\n"
    )


def _head(name: str, flags: str, options: str, ether: str) -> str:
    return f"{name}: {flags}\toptions={options}\n\tether {ether}\n"


def _addresses(mac: Mac, name: str, index: Mapping[str, int], ipv4: Sequence[str]) -> str:
    fe80 = secured_address(mac, name)
    first = f"\tinet6 {fe80}%{name} prefixlen 64 secured scopeid {index[name]:#x} \n"
    return "".join((first, *map(_inet, ipv4)))


def _inet(address: str) -> str:
    own = IPv4Interface(address)
    broadcast = own.network.broadcast_address
    return f"\tinet {own.ip} netmask {int(own.netmask):#010x} broadcast {broadcast}\n"
