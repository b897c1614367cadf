"""Texts of the area network: bridges beyond the one a port is in now, MTU, USB adapters."""

from __future__ import annotations

from mlxdiag.explained.access import DOCS
from mlxdiag.explained.entry import Explained

ENTRIES: dict[str, Explained] = {
    "network-bridge-stored": Explained(
        detect="`plutil -extract VirtualNetworkInterfaces.Bridge` of preferences.plist: the bridges"
        " that macOS makes at every start. It can differ from the members that `ifconfig` shows.",
        steps=(
            "System Settings > Network > ... > Manage Virtual Interfaces: take the port out of the"
            " bridge, or delete the bridge.",
            "Then make a service for the port and store its address: `networksetup"
            " -createnetworkservice`, `networksetup -setmanual`.",
            "Restart once and run `mlxdiag check --only network`.",
        ),
        risk="What talks over the bridge's own address loses it. On macOS 27 one report could"
        " not change this from the command line.",
        survives_reboot=True,
        place="person",
        versions="macOS 26.2 and later, all MLX versions",
        sources=(
            DOCS,
            "https://github.com/ml-explore/mlx/issues/3207",
            "https://discussions.apple.com/thread/256279343",
        ),
    ),
    "network-bridge-loop": Explained(
        detect="Cables whose two ends are members of a bridge, and whose bridges other such"
        " cables join as well. Two cables between two Macs are a loop, too.",
        steps=(
            "The network is down already: pull one Thunderbolt cable of the loop.",
            "On each host take the cabled ports out: `sudo ifconfig bridge0 deletem enX`.",
            "For good: see network-bridge-stored. Then plug the cable in again.",
        ),
        risk="What talks over the bridge's own address loses it.",
        survives_reboot=False,
        place="host",
        versions="all macOS: the Thunderbolt Bridge does not run a spanning tree",
        sources=(
            "https://github.com/firstbatchxyz/dnet/issues/69",
            "https://github.com/anthony-chaudhary/fak/issues/12596",
        ),
    ),
    "network-mtu": Explained(
        detect="`mtu` of both ends in `ifconfig -a`. RDMA uses a path MTU of its own (1024).",
        steps=(
            "`sudo networksetup -setMTU enX 1500` on the end that differs, or 9000 on both.",
            "Run `mlxdiag ports`: a changed MTU can take the link down for a moment.",
        ),
        risk="The link goes down for a moment.",
        survives_reboot=True,
        place="host",
        versions="all; no failure that came of it was found",
        sources=(
            "https://github.com/ml-explore/mlx/issues/1903",
            "https://github.com/exo-explore/exo/issues/1066",
        ),
    ),
    "network-usb-uplink": Explained(
        detect="A bridge with members in `ifconfig -a`, and a default route by an interface whose"
        " hardware port has USB in its name.",
        steps=(
            "Do not run `ifconfig bridge0 destroy` on this host.",
            "Take single ports out: `sudo ifconfig bridge0 deletem enX`.",
        ),
        risk="None.",
        survives_reboot=None,
        place="here",
        versions="Mac mini with USB 2.5G adapters; one report",
        sources=(
            "https://github.com/qubitcontracting/tb5-jaccl-toolkit",
            "https://github.com/exo-explore/exo/issues/1066",
        ),
    ),
}
