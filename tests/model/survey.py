"""Print what healthy Macs say to the further commands of `mlxdiag check`."""

from __future__ import annotations

import json
from ipaddress import IPv4Interface, IPv4Network
from typing import TYPE_CHECKING

from tests.model import cluster as clusters
from tests.model.machine import GIB
from tests.model.network import interface_index
from tests.model.printed import Printed
from tests.model.system import sysctl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.model.cluster import ModelCluster, Port
    from tests.model.machine import Mac

SECONDS = {
    "clock": 0.01,
    "login_environment": 0.01,
    "pmset": 0.02,
    "sysctl_state": 0.02,
    "vm_stat": 0.02,
    "df": 0.01,
    "processes": 0.06,
    "ioclasscount": 0.03,
    "ioreg_accelerator": 0.07,
    "diagnostic_reports": 0.02,
    "netstat": 0.03,
    "lsof": 0.21,
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

BEGAN = 1_769_807_645
"""2026-01-30T21:14:05Z, when the recordings of the model began."""

PAGE = 16384


def survey(cluster: ModelCluster, mac: Mac) -> dict[str, Printed]:
    """Return what the Mac prints by command."""
    own = clusters.ports(cluster, mac)
    return {
        "clock": clock(),
        "login_environment": environment(),
        "pmset": pmset(),
        "sysctl_state": sysctl_state(mac),
        "vm_stat": vm_stat(),
        "df": df(),
        "processes": ps(),
        "ioclasscount": ioclasscount(0, 0) if mac.runs_rdma else Printed(),
        "ioreg_accelerator": ioreg_accelerator(0),
        "diagnostic_reports": Printed(),
        "netstat": netstat(),
        "lsof": Printed(exit_status=1),
        "netstat_inet": netstat_inet(mac, own),
        "plutil_bridges": plutil_bridges(mac),
        "plutil_sharing": plutil_sharing(),
        "exo_daemon": exo_daemon(),
        "socketfilterfw": Printed(b"Firewall is disabled. (State = 0)\n"),
        "nvram_rdma": nvram_rdma(mac),
        "hostname": Printed(f"kern.hostname: {mac.address}\n".encode()),
        "system_profiler_network": system_profiler_network(mac, own),
    }


def clock(behind_s: int = 0) -> Printed:
    """Print the time some seconds into the run."""
    return Printed(f"{BEGAN + 3 - behind_s}\n".encode())


def environment(**variables: str) -> Printed:
    said = {"SHELL": "/bin/zsh", **variables}
    lines = "".join(f"{name}={value}\n" for name, value in said.items())
    return Printed(f"mlxdiag-environment\n{lines}".encode())


def sysctl_state(mac: Mac, limit_mb: int = 0, swap_mb: float = 0) -> Printed:
    """Print the boot as `sysctl` of the model does."""
    boot = sysctl(mac).stdout.partition(b"kern.boottime: ")[2]
    swap = f"total = {swap_mb:.2f}M  used = {swap_mb:.2f}M  free = 0.00M"
    crypt = "  (encrypted)" if swap_mb else ""
    lines = f"iogpu.wired_limit_mb: {limit_mb}\nvm.swapusage: {swap}{crypt}\n"
    return Printed(lines.encode() + b"kern.boottime: " + boot)


def vm_stat(wired_gib: float = 5) -> Printed:
    pages = {
        "Pages free": 20_000_000,
        "Pages active": 3_000_000,
        "Pages inactive": 2_900_000,
        "Pages speculative": 200_000,
        "Pages throttled": 0,
        "Pages wired down": int(wired_gib * GIB / PAGE),
        "Pages purgeable": 9322,
        '"Translation faults"': 4_063_523_096,
        "File-backed pages": 3_197_112,
        "Swapins": 0,
        "Swapouts": 0,
    }
    lines = "".join(f"{f'{name}:':<30} {count:>16}.\n" for name, count in pages.items())
    return Printed(f"Mach Virtual Memory Statistics: (page size of {PAGE} bytes)\n{lines}".encode())


def df(free_gib: int = 1200) -> Printed:
    size, free = 1_948_404_800, free_gib << 20
    return Printed(
        "Filesystem     1024-blocks      Used Available Capacity  Mounted on\n"
        f"/dev/disk3s1s1  {size}  11534336 {free}     1%    /\n".encode()
    )


def ps(*lines: str) -> Printed:
    """Print init, a kernel's task and these lines `PID PPID STAT ELAPSED COMMAND`."""
    plain = (
        "    1     0 Ss   02-03:04:05 /sbin/launchd",
        "  412     1 Ss      03:04:05 /usr/libexec/logd",
    )
    head = "  PID  PPID STAT     ELAPSED COMMAND"
    return Printed("".join(f"{line}\n" for line in (head, *plain, *lines)).encode())


def ioclasscount(domains: int, pairs: int) -> Printed:
    return Printed(
        f"AppleThunderboltRDMAProtectionDomain = {domains},"
        f" AppleThunderboltRDMAQueuePair = {pairs}, \n".encode()
    )


def ioreg_accelerator(busy: int) -> Printed:
    """Print the few lines that matter of the many that there are."""
    return Printed(
        b"+-o AGXAcceleratorG15X  <class AGXAcceleratorG15X, id 0x100000a1b, registered, matched,"
        b" active, busy 0 (12 ms), retain 91>\n    {\n"
        b'      "IOClass" = "AGXAcceleratorG15X"\n'
        b'      "PerformanceStatistics" = {"In use system memory (driver)"=0,'
        b'"Alloc system memory"=3571138560,"Tiler Utilization %"=0,'
        + f'"Device Utilization %"={busy},"SplitSceneCount"=0}}\n'.encode()
        + b'      "gpu-core-count" = 80\n    }\n    \n'
    )


def netstat(*listening: str) -> Printed:
    """Print these lines of sockets `tcp4  0  0  *.32323  *.*  LISTEN` below the heads."""
    head = (
        "Active Internet connections (including servers)",
        "Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)    ",
        "tcp4       0      0  *.22                   *.*                    LISTEN     ",
    )
    return Printed("".join(f"{line}\n" for line in (*head, *listening)).encode())


def pmset(sleep: str = "0", powermode: str = "0") -> Printed:
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
        "powermode": powermode,
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
