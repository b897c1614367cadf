"""Print what healthy Macs say to the further commands of `mlxdiag check`."""

from __future__ import annotations

import json
from ipaddress import IPv4Interface, IPv4Network
from typing import TYPE_CHECKING

from tests.model import cluster as clusters
from tests.model.network import interface_index
from tests.model.printed import Printed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.model.cluster import ModelCluster, Port
    from tests.model.machine import Mac

SECONDS = {
    "pmset": 0.02,
    "netstat_inet": 0.02,
    "plutil_bridges": 0.03,
    "plutil_sharing": 0.03,
    "exo_daemon": 0.01,
    "socketfilterfw": 0.04,
    "nvram_rdma": 0.02,
    "hostname": 0.01,
    "system_profiler_network": 1.2,
}
"""Further commands in the order they are asked, with how long each takes."""


def survey(cluster: ModelCluster, mac: Mac) -> dict[str, Printed]:
    """Return what the Mac prints by command."""
    own = clusters.ports(cluster, mac)
    return {
        "pmset": pmset(),
        "netstat_inet": netstat_inet(mac, own),
        "plutil_bridges": plutil_bridges(mac),
        "plutil_sharing": plutil_sharing(),
        "exo_daemon": exo_daemon(),
        "socketfilterfw": Printed(b"Firewall is disabled. (State = 0)\n"),
        "nvram_rdma": nvram_rdma(mac),
        "hostname": Printed(f"kern.hostname: {mac.address}\n".encode()),
        "system_profiler_network": system_profiler_network(mac, own),
    }


def pmset(sleep: str = "0") -> Printed:
    settings = {
        "Sleep On Power Button": "1",
        "autorestart": "1",
        "powernap": "0",
        "standby": "0",
        "networkoversleep": "0",
        "disksleep": "0",
        "sleep": sleep,
        "ttyskeepawake": "1",
        "displaysleep": "10",
        "tcpkeepalive": "1",
        "powermode": "0",
        "womp": "1",
    }
    lines = "".join(f" {key:<20} {value}\n" for key, value in settings.items())
    return Printed(f"System-wide power settings:\nCurrently in use:\n{lines}".encode())


def netstat_inet(mac: Mac, ports: Sequence[Port]) -> Printed:
    rows = "".join(
        f"{network:<18} {gateway:<18} {flags:<18} {netif:>6} {expire:>6}\n"
        for network, gateway, flags, netif, expire in _routes(mac, ports)
    )
    head = f"{'Destination':<18} {'Gateway':<18} {'Flags':<18} {'Netif':>6} Expire\n"
    return Printed(f"Routing tables\n\nInternet:\n{head}{rows}".encode())


def _routes(mac: Mac, ports: Sequence[Port]) -> Iterator[tuple[str, str, str, str, str]]:
    index = interface_index(mac, ports)
    main = mac.hardware.ethernet or mac.hardware.wifi
    linked = [(port.interface, port.own_ipv4) for port in ports if port.linked and port.own_ipv4]
    yield "default", "192.168.86.1", "UGScg", main, ""
    yield "127", "127.0.0.1", "UCS", "lo0", ""
    yield "127.0.0.1", "127.0.0.1", "UH", "lo0", ""
    yield "169.254", f"link#{index[main]}", "UCS", main, "!"
    yield "192.168.86", f"link#{index[main]}", "UCS", main, "!"
    yield "192.168.86.1", "5e:e9:1e:f:c3:64", "UHLWIir", main, "1177"
    for interface, addresses in linked:
        link = f"link#{index[interface]}"
        for own in map(IPv4Interface, addresses):
            flags = "UCSI" if own.is_link_local else "UCS"
            yield short(own.network), link, flags, interface, "!"
            yield f"{own.ip}/32", link, "UCS", interface, "!"
    yield "224.0.0/4", f"link#{index[main]}", "UmCS", main, "!"
    yield "255.255.255.255/32", f"link#{index[main]}", "UCS", main, "!"


def short(network: IPv4Network) -> str:
    """Write a network as netstat does: without trailing zeros, and /N where N is no whole octet."""
    octets = str(network.network_address).split(".")
    while len(octets) > 1 and octets[-1] == "0" and 8 * (len(octets) - 1) >= network.prefixlen:
        octets.pop()
    text = ".".join(octets)
    return text if 8 * len(octets) == network.prefixlen else f"{text}/{network.prefixlen}"


def plutil_bridges(mac: Mac) -> Printed:
    if mac.bridged is None:
        said = "No value at that key path or invalid key path: VirtualNetworkInterfaces.Bridge"
        file = "/Library/Preferences/SystemConfiguration/preferences.plist"
        return Printed(
            stderr=f"{file}: Could not extract value, error: {said}\n".encode(), exit_status=1
        )
    members = [mac.interfaces[receptacle] for receptacle in mac.bridged]
    auto = {"__AUTO__": "thunderbolt-bridge"}
    said = json.dumps({"bridge0": {"Options": auto, "Interfaces": members}})
    return Printed(said.encode())


def plutil_sharing() -> Printed:
    """Print what a Mac says on which Internet Sharing was never set up."""
    file = "/Library/Preferences/SystemConfiguration/com.apple.nat.plist"
    what = "file does not exist or is not readable or is not a regular file"
    why = "(Error Domain=NSCocoaErrorDomain Code=260)"
    return Printed(stderr=f"{file}: {what} {why}\n".encode(), exit_status=1)


def exo_daemon() -> Printed:
    file = "/Library/LaunchDaemons/io.exo.networksetup.plist"
    return Printed(stderr=f"ls: {file}: No such file or directory\n".encode(), exit_status=1)


def nvram_rdma(mac: Mac) -> Printed:
    if mac.rdma == "enabled":
        return Printed(b"rdma-enable\t1\n")
    said = "nvram: Error getting variable - 'rdma-enable': (iokit/common) data was not found\n"
    return Printed(stderr=said.encode(), exit_status=1)


def system_profiler_network(mac: Mac, ports: Sequence[Port]) -> Printed:
    """Print every service: the LAN's by DHCP, those of Thunderbolt ports with fixed addresses."""
    services = [_service("Ethernet", mac.hardware.ethernet or mac.hardware.wifi, "DHCP")]
    for port in ports:
        if port.has_interface and not port.bridged:
            link_local = any(IPv4Interface(text).is_link_local for text in port.own_ipv4)
            method = "Manual" if port.own_ipv4 and not link_local else "DHCP"
            services.append(_service(f"Thunderbolt {port.receptacle}", port.interface, method))
    return Printed(json.dumps({"SPNetworkDataType": services}, indent=2).encode())


def _service(name: str, interface: str, method: str) -> dict[str, object]:
    return {
        "_name": name,
        "hardware": "Ethernet",
        "interface": interface,
        "IPv4": {"ConfigMethod": method},
        "IPv6": {"ConfigMethod": "Automatic"},
        "type": "Ethernet",
    }
