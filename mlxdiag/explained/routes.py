"""Texts of the area network: subnets and routes."""

from __future__ import annotations

from mlxdiag.explained.access import DOCS
from mlxdiag.explained.entry import Explained

_OTHER = (
    "Choose a /30 that no host routes: `netstat -rn -f inet` on both ends; 10.219.N.0/30 is rarely"
    " taken.",
    "Set it at both ends: `sudo networksetup -setmanual SERVICE IP 255.255.255.252`.",
    "Correct hostfiles that had the old addresses.",
)
_DROP = "Connections over the old address end; look first that ssh does not use it."
_TABLE = "`netstat -rn -f inet`, longest prefix first; routes with flag I serve bound sockets only"
_OMLX = "https://github.com/jundot/omlx"

ENTRIES: dict[str, Explained] = {
    "network-cables-apart": Explained(
        detect="The subnets of the host's cabled ports in `ifconfig -a`; 169.254 is left out.",
        steps=_OTHER,
        risk=_DROP,
        survives_reboot=True,
        place="host",
        versions="all; ring most of all",
        sources=(
            "https://github.com/exo-explore/exo/issues/2295",
            "https://github.com/exo-explore/exo/pull/1203",
        ),
    ),
    "network-lan-overlap": Explained(
        detect="A route in `netstat -rn -f inet` by another interface than a cable's, whose network"
        " overlaps a cable's; default routes, loopback, multicast and neighbours are left out.",
        steps=_OTHER,
        risk=_DROP,
        survives_reboot=True,
        place="host",
        versions="all; mlx.distributed_config numbers its cables from 192.168.0.0/30 on",
        sources=(DOCS, "https://github.com/ml-explore/mlx"),
    ),
    "network-vpn-overlap": Explained(
        detect="A route in `netstat -rn -f inet` by utun, ppp or ipsec, whose network overlaps a"
        " cable's. While the port is up its own, longer route wins; a VPN's filter may not care.",
        steps=(*_OTHER, "Or exclude the cables' range from the VPN (split tunnel)."),
        risk=_DROP,
        survives_reboot=True,
        place="host",
        versions="all",
        sources=(_OMLX, "https://github.com/exo-explore/exo/issues/1723"),
    ),
    "network-autosetup-range": Explained(
        detect="A route by anything but a cable into the part of 192.168.0.0/24 that"
        " `mlx.distributed_config --auto-setup` would take for as many cables as were found.",
        steps=(
            "Do not use `--auto-setup` here: home routers often are 192.168.0.1 themselves.",
            "Address the cables by hand, out of 10.219.0.0/16 for example.",
        ),
        risk="None.",
        survives_reboot=None,
        place="here",
        versions="every mlx.distributed_config so far",
        sources=("https://github.com/ml-explore/mlx",),
    ),
    "network-vpn-default": Explained(
        detect=f"{_TABLE}. A default route, or its halves 0/1 and 128/1, by utun, ppp or ipsec.",
        steps=(
            "Turn the VPN off on the hosts of the cluster, or its exit node (Tailscale).",
            "Or let it take only its own networks (split tunnel).",
        ),
        risk="What only the VPN reaches is out of reach; ssh through it ends.",
        survives_reboot=True,
        place="person",
        versions="all",
        sources=(
            "https://github.com/exo-explore/exo/issues/1932",
            "https://github.com/exo-explore/exo/issues/1723",
            _OMLX,
        ),
    ),
    "network-default-route": Explained(
        detect="A default route by the cabled port whose gateway is an address, scoped or not. One"
        " by `link#N` is only what macOS keeps for an interface without a router.",
        steps=(
            "Turn Internet Sharing off at the far Mac.",
            "Set this port's address by hand: `sudo networksetup -setmanual SERVICE IP MASK`.",
        ),
        risk=f"{_DROP} Where this was the way to the internet, that ends.",
        survives_reboot=True,
        place="host",
        versions="all; one report",
        sources=("read in a public checker of such clusters, whose address is not known",),
    ),
    "network-route": Explained(
        detect=f"{_TABLE}. What is chosen for the far end's address must leave by the cabled port.",
        steps=(
            "Remove what overlaps: see network-lan-overlap and network-vpn-overlap.",
            "Until the next restart: `sudo route -n add -host IP -interface enX`.",
            "Do not use 169.254 addresses for ring or as coordinator: macOS routes 169.254/16 by"
            " Wi-Fi or Ethernet.",
        ),
        risk="None for the route of one address.",
        survives_reboot=False,
        place="host",
        versions="all; ring, and the first connection of jaccl where it goes over a cable",
        sources=(
            "https://github.com/exo-explore/exo/issues/2295",
            "https://github.com/exo-explore/exo/issues/1723",
            "https://github.com/exo-explore/exo/pull/1026",
        ),
    ),
    "network-coordinator-route": Explained(
        detect=f"{_TABLE}. What is chosen for the `ip` of rank 0 must exist and not be a VPN's.",
        steps=(
            "Give rank 0 an `ip` of the Ethernet or Wi-Fi that all hosts are on.",
            "Use the same address in the hostfile: it is the first of rank 0's `ips`.",
        ),
        risk="None.",
        survives_reboot=True,
        place="here",
        versions="all",
        sources=("https://github.com/exo-explore/exo/issues/1723", _OMLX),
    ),
}
