"""Texts of the area network: which Mac is which, and what sets the network again."""

from __future__ import annotations

from mlxdiag.explained.access import DOCS
from mlxdiag.explained.entry import Explained

_INFERRED = "reasoned from how it works; no report of it is known"

ENTRIES: dict[str, Explained] = {
    "network-distinct-machines": Explained(
        detect="Two hosts whose `en` interfaces have the same MAC addresses in `ifconfig -a`. Where"
        " each host has one address only, redaction may have made them alike: then it is unknown.",
        steps=(
            "Log in to both and compare `hostname` and `ipconfig getifaddr en0`.",
            "Take one of them out of the inventory, or correct its `address:`.",
        ),
        risk="None.",
        survives_reboot=None,
        place="here",
        versions="all",
        sources=("follows from the inventory, which lists each machine once",),
    ),
    "network-own-address": Explained(
        detect="The inventory's `ip:` of the host among the `inet` lines of its `ifconfig -a`.",
        steps=(
            "`ipconfig getifaddr en0` on the host shows the address it has now.",
            "Write it as `ip:` in the inventory and as first of its `ips` in the hostfile.",
            "The address came from DHCP: reserve it in the router, or set it by hand with"
            " `networksetup -setmanual`.",
        ),
        risk="None for the inventory. A new address on the host ends connections over the old one.",
        survives_reboot=True,
        place="here",
        versions="all: jaccl and ring bind exactly the address that they are given",
        sources=(DOCS, "https://github.com/ml-explore/mlx"),
    ),
    "network-address-unique": Explained(
        detect="`inet` lines of all hosts beside each other; loopback, 169.254, VPN tunnels and the"
        " bridges of Internet Sharing are left out.",
        steps=(
            "Decide which of the two hosts keeps the address.",
            "Give the other one a free address: `networksetup -setmanual SERVICE IP MASK`.",
        ),
        risk="Connections over the address that is replaced end; look first that ssh does not use"
        " it.",
        survives_reboot=True,
        place="host",
        versions="all",
        sources=(_INFERRED,),
    ),
    "network-hostname-unique": Explained(
        detect="`sysctl kern.hostname` of all hosts, without the domain.",
        steps=(
            "`sudo scutil --set LocalHostName NAME` on one of them; `HostName` and `ComputerName`"
            " are set the same way.",
            "Correct the inventory where it used the old name.",
        ),
        risk="Whoever reaches the Mac by its old name no longer does.",
        survives_reboot=True,
        place="host",
        versions="all; mpi most of all",
        sources=(_INFERRED,),
    ),
    "network-exo": Explained(
        detect="`/Library/LaunchDaemons/io.exo.networksetup.plist`, or a network service whose name"
        " begins with `EXO Thunderbolt`. The daemon runs every 1786 s: it switches the network"
        " location, puts the ports on DHCP and deletes bridge0.",
        steps=(
            "EXO is still used: leave the addresses to it and expect 169.254 ones.",
            "It is not: `sudo launchctl disable system/io.exo.networksetup`, else it is there again"
            " after a restart.",
            "Move its file away: `sudo mv /Library/LaunchDaemons/io.exo.networksetup.plist"
            " /Library/LaunchDaemons/io.exo.networksetup.plist.off`: EXO.app may put it back.",
            "End it: `sudo launchctl bootout system/io.exo.networksetup`, if it is loaded.",
            "`networksetup -getcurrentlocation` says `exo`: `sudo networksetup -switchtolocation"
            " Automatic`, then set the addresses again.",
        ),
        risk="Another location has other services and addresses: ssh over a port that EXO set up"
        " ends, and one report lost its internet. Do it at the machine or over Ethernet.",
        survives_reboot=True,
        place="host",
        versions="every EXO.app that installs this daemon",
        sources=(
            "https://github.com/exo-explore/exo",
            "https://github.com/exo-explore/exo/issues/1066",
            "https://github.com/ml-explore/mlx/issues/3755",
        ),
    ),
    "network-sharing": Explained(
        detect="`NAT.Enabled` of com.apple.nat.plist, and only that value: the file can hold a"
        " Wi-Fi password. Where only root may read it the check is skipped.",
        steps=(
            "System Settings > General > Sharing > Internet Sharing: off, or not to Thunderbolt.",
            "Look that no bridge100 is left: `ifconfig -a`.",
        ),
        risk="Whoever got the internet from this Mac loses it.",
        survives_reboot=True,
        place="person",
        versions="all; one report",
        sources=("https://discussions.apple.com/thread/256279343",),
    ),
    "network-address-persistent": Explained(
        detect="The port's service in `networksetup -listnetworkserviceorder`, and its `IPv4:"
        " ConfigMethod` in `system_profiler SPNetworkDataType`. Not asked at --level quick, unless"
        " the port has no service at all.",
        steps=(
            "Store the present address: `sudo networksetup -setmanual SERVICE IP MASK`.",
            "The port has no service: `sudo networksetup -createnetworkservice SERVICE"
            " SERVICE` first, with the hardware port's name.",
            "macOS refuses because a stored bridge claims the port: see network-bridge-stored.",
        ),
        risk="The service sets the address anew, which can move its GID: run `mlxdiag ports`.",
        survives_reboot=True,
        place="host",
        versions="all; addresses of mlx.distributed_config --auto-setup are of this kind",
        sources=(
            "https://github.com/ml-explore/mlx/issues/3207",
            "https://github.com/exo-explore/exo/pull/2067",
        ),
    ),
    "network-firewall": Explained(
        detect="`socketfilterfw --getglobalstate`: State 0 is off, 1 on, 2 blocks everything. Which"
        " programs are allowed is not asked: a signed Python may be let through.",
        steps=(
            "Allow the interpreter: `sudo /usr/libexec/ApplicationFirewall/socketfilterfw --add"
            " PYTHON --unblockapp PYTHON`, with the path of the Python that runs MLX.",
            "It blocks everything: `sudo /usr/libexec/ApplicationFirewall/socketfilterfw"
            " --setblockall off`.",
            "Or turn it off, on a network that only the cluster is on.",
        ),
        risk="An open firewall lets others connect to whatever listens on the host.",
        survives_reboot=True,
        place="host",
        versions="all; several reports of errno 60 with working ping",
        sources=(
            "https://github.com/exo-explore/exo/issues/1932",
            "https://github.com/jundot/omlx",
        ),
    ),
}
