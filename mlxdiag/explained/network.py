"""Texts of the area network."""

from __future__ import annotations

from mlxdiag.explained.access import DOCS, TN
from mlxdiag.explained.entry import Explained

_ADDRESS = (
    "Choose a /30 that no host routes yet, such as 10.219.N.0/30, one for each cable.",
    "Find the service of the interface: `networksetup -listnetworkserviceorder`.",
    "On one end `networksetup -setmanual SERVICE 10.219.N.1 255.255.255.252`, on the other"
    " 10.219.N.2.",
    "Without a service, until the next restart: `sudo ifconfig enX inet 10.219.N.1 netmask"
    " 255.255.255.252`.",
)
_DROP = "Connections over this port's old address end; look first that ssh does not use it."

ENTRIES: dict[str, Explained] = {
    "network-interface-active": Explained(
        detect="`status:` of the port's interface in `ifconfig -a`; the flag RUNNING says nothing.",
        steps=(
            "Re-seat the cable at this end.",
            "Switched off: turn the service on in System Settings > Network.",
        ),
        risk="Pulling the cable ends what runs over it.",
        survives_reboot=True,
        place="person",
        versions="all",
        sources=(TN,),
    ),
    "network-bridge": Explained(
        detect="`member:` lines of every bridge in `ifconfig -a`. Sources conflict: MLX and Apple"
        " want the bridge off, two reports ran RDMA with it on. The GID decides, so this warns.",
        steps=(
            "Take the port out until the next restart: `sudo ifconfig bridge0 deletem enX`.",
            *_ADDRESS,
            "For good: System Settings > Network > ... > Manage Virtual Interfaces, remove it.",
        ),
        risk="`ifconfig bridge0 destroy` made USB network adapters vanish once: take single ports"
        " out instead. What talks over the bridge's own address loses it.",
        survives_reboot=False,
        place="host",
        versions="macOS 26.2 and later, all MLX versions",
        sources=(
            DOCS,
            TN,
            "https://github.com/exo-explore/exo/issues/1390",
            "https://github.com/ml-explore/mlx/issues/3207",
        ),
    ),
    "network-ipv4": Explained(
        detect="`inet` of the port's own interface in `ifconfig -a`.",
        steps=_ADDRESS,
        risk=_DROP,
        survives_reboot=True,
        place="host",
        versions="MLX 0.31.2 and later need it for RDMA; ring always",
        sources=(
            "https://github.com/ml-explore/mlx/issues/3467",
            "https://github.com/ml-explore/mlx/pull/4191",
        ),
    ),
    "network-link-local": Explained(
        detect="The port's only IPv4 address lies in 169.254.0.0/16.",
        steps=_ADDRESS,
        risk=_DROP,
        survives_reboot=True,
        place="host",
        versions="all: enough for the GID, unreliable for TCP",
        sources=(
            "https://github.com/ml-explore/mlx/issues/3467",
            "https://github.com/exo-explore/exo/issues/2295",
        ),
    ),
    "network-subnet": Explained(
        detect="Addresses and netmasks of both ends in `ifconfig -a`.",
        steps=_ADDRESS,
        risk=_DROP,
        survives_reboot=True,
        place="host",
        versions="all",
        sources=("https://github.com/ml-explore/mlx/pull/4530",),
    ),
}
