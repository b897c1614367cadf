"""Network: who is who, what will be set again, bridges, subnets and routes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

from mlxdiag.capture import Outcome
from mlxdiag.facts.exo_daemon import FILE as EXO
from mlxdiag.recording import Recording
from tests.checks.recorded import altered, ended, printing, recording_of
from tests.checks.surveyed import HOST, clean
from tests.model import CASES, ModelCluster
from tests.model.cases import changed

PORT = f"{HOST} en3"
PORTS = (PORT, f"{HOST} en4", f"{HOST} en5")
LINKS = ("macstudio1 en3 - macstudio2 en3", "macstudio2 en4 - macstudio3 en4")


def unanswered(command: str) -> Callable[[], Recording]:
    return lambda: ended(clean(), HOST, command, Outcome.TIMEOUT)


def said(command: str, out: bytes) -> Callable[[], Recording]:
    return lambda: printing(clean(), HOST, command, out)


def otherwise(command: str, old: bytes, new: bytes) -> Callable[[], Recording]:
    return lambda: altered(clean(), HOST, command, old, new)


def routed(*rows: str) -> Callable[[], Recording]:
    """Give the host more routes."""
    more = "".join(f"{row}\n" for row in rows).encode()
    return otherwise("netstat_inet", b"224.0.0/4", more + b"224.0.0/4")


def surveyed(cluster: ModelCluster) -> Recording:
    return recording_of(replace(cluster, surveyed=True))


def one_machine() -> Recording:
    """Give macstudio3 the MAC addresses of macstudio2."""
    ethers = iter(re.findall(rb"ether (\S+)", clean().hosts[HOST]["ifconfig"].stdout))
    old = clean().hosts["macstudio3"]["ifconfig"].stdout
    new = re.sub(rb"ether \S+", lambda _: b"ether " + next(ethers), old)
    return printing(clean(), "macstudio3", "ifconfig", new)


def looped() -> Recording:
    """Leave the ports of three Macs that are cabled in a triangle in their bridges."""
    cluster = CASES["clean-mesh-4"]()
    for name in ("macstudio1", "macstudio2", "macstudio3"):
        cluster = changed(cluster, name, bridged=(2, 3))
    return surveyed(cluster)


def usb_uplink() -> Recording:
    """Put a port without a cable into bridge0, and the LAN on a USB adapter."""
    made = surveyed(changed(CASES["clean-mesh-4"](), HOST, bridged=(6,)))
    old, new = b"Hardware Port: Ethernet\n", b"Hardware Port: USB 10/100/1G/2.5G LAN\n"
    return altered(made, HOST, "networksetup_hardwareports", old, new)


def by_dhcp() -> Recording:
    """Let the service of the first cabled port ask for its address."""
    document = json.loads(clean().hosts[HOST]["system_profiler_network"].stdout)
    (service,) = (s for s in document["SPNetworkDataType"] if s["interface"] == "en3")
    service["IPv4"]["ConfigMethod"] = "DHCP"
    return printing(clean(), HOST, "system_profiler_network", json.dumps(document).encode())


def unrouted() -> Recording:
    """Lose the route down the first cable: its far end is then behind the default route."""
    old = clean().hosts[HOST]["netstat_inet"].stdout
    rows = [row for row in old.splitlines(keepends=True) if b" en3 " not in row]
    return printing(clean(), HOST, "netstat_inet", b"".join(rows))


_EN3 = b"en3: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu "
_LAN = b"inet 192.168.86.12 netmask 0xffffff00 broadcast 192.168.86.255 \n"
_STORED = b'{"bridge0":{"Options":{"__AUTO__":"thunderbolt-bridge"},"Interfaces":["en3"]}}'

FAILING: dict[str, Callable[[], Recording]] = {
    "network-distinct-machines": one_machine,
    "network-own-address": otherwise("ifconfig", b"inet 192.168.86.12 ", b"inet 192.168.86.99 "),
    "network-address-unique": otherwise(
        "ifconfig", _LAN.rstrip(b" \n"), _LAN + b"\t" + _LAN.replace(b".12 ", b".11 ").strip()
    ),
    "network-hostname-unique": otherwise("hostname", b"macstudio2", b"MacStudio1"),
    "network-exo": said("exo_daemon", f"{EXO}\n".encode()),
    "network-sharing": said("plutil_sharing", b"1\n"),
    "network-bridge-stored": said("plutil_bridges", _STORED),
    "network-bridge-loop": looped,
    "network-mtu": otherwise("ifconfig", _EN3 + b"1500", _EN3 + b"9000"),
    "network-cables-apart": otherwise(
        "ifconfig", b"inet 10.219.1.2 netmask 0xfffffffc", b"inet 10.219.1.2 netmask 0xffff0000"
    ),
    "network-lan-overlap": routed("10.219.1 link#6 UCS en0 !"),
    "network-vpn-overlap": routed("10 link#33 UCS utun4"),
    "network-autosetup-range": routed("192.168.0 link#6 UCS en0 !"),
    "network-vpn-default": routed("0/1 10.8.0.1 UGSc utun4", "128.0/1 10.8.0.1 UGSc utun4"),
    "network-default-route": routed("default 10.219.1.1 UGScIg en3"),
    "network-route": unrouted,
    "network-coordinator-route": routed("192.168.86.11/32 link#33 UCS utun4"),
    "network-address-persistent": by_dhcp,
    "network-usb-uplink": usb_uplink,
    "network-firewall": said("socketfilterfw", b"Firewall is enabled. (State = 1)\n"),
}
UNKNOWN = {
    "network-distinct-machines": unanswered("ifconfig"),
    "network-own-address": unanswered("ifconfig"),
    "network-address-unique": unanswered("ifconfig"),
    "network-hostname-unique": unanswered("hostname"),
    "network-exo": unanswered("exo_daemon"),
    "network-sharing": unanswered("plutil_sharing"),
    "network-bridge-stored": unanswered("plutil_bridges"),
    "network-bridge-loop": unanswered("ifconfig"),
    "network-mtu": unanswered("ifconfig"),
    "network-cables-apart": unanswered("ifconfig"),
    "network-lan-overlap": unanswered("netstat_inet"),
    "network-vpn-overlap": unanswered("netstat_inet"),
    "network-autosetup-range": unanswered("netstat_inet"),
    "network-vpn-default": unanswered("netstat_inet"),
    "network-default-route": unanswered("netstat_inet"),
    "network-route": unanswered("netstat_inet"),
    "network-coordinator-route": unanswered("netstat_inet"),
    "network-address-persistent": unanswered("system_profiler_network"),
    "network-usb-uplink": unanswered("netstat_inet"),
    "network-firewall": unanswered("socketfilterfw"),
}
ABOUT: dict[str, str | tuple[str, ...]] = {
    "network-distinct-machines": "cluster",
    "network-address-unique": "cluster",
    "network-hostname-unique": "cluster",
    "network-bridge-loop": (LINKS[0], "macstudio1 en4 - macstudio3 en3", LINKS[1]),
    "network-bridge-stored": PORT,
    "network-mtu": LINKS[0],
    "network-default-route": PORT,
    "network-route": PORT,
    "network-address-persistent": PORT,
}
NOT_KNOWN_OF = {
    "network-bridge-loop": (*LINKS, "macstudio2 en5 - macstudio4 en4"),
    "network-bridge-stored": PORTS,
    "network-mtu": (*LINKS, "macstudio2 en5 - macstudio4 en4"),
    "network-default-route": PORTS,
    "network-route": PORTS,
    "network-address-persistent": PORTS,
}
CAUSES = {"network-bridge-loop": "network-bridge"}
