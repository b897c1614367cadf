"""Texts of the areas hardware and cabling."""

from __future__ import annotations

from mlxdiag.explained.access import DOCS, TN
from mlxdiag.explained.entry import Explained

_CUT = "Pulling a cable ends what runs over it, also a server that uses RDMA: stop it first."

ENTRIES: dict[str, Explained] = {
    "hardware-thunderbolt5": Explained(
        detect="The fastest speed that `system_profiler SPThunderboltDataType` names for a port"
        " (80 or 120 Gb/s against 40), and the chip.",
        steps=("Use `--backend ring` on Macs with Thunderbolt 4.",),
        risk="None.",
        survives_reboot=None,
        place="here",
        versions="M1, M2, M3 but for the Ultra, M4 without Pro and Max",
        sources=(
            TN,
            "https://github.com/jundot/omlx/issues/3037",
            "https://github.com/exo-explore/exo/issues/1636",
        ),
    ),
    "hardware-port-beside-ethernet": Explained(
        detect="A Mac Studio whose receptacle 1 is cabled and is the only one of its ports that"
        " stays down or has no device.",
        steps=(
            "Stop what runs over it.",
            "Move the cable to another port and run `mlxdiag ports`.",
        ),
        risk=_CUT,
        survives_reboot=True,
        place="person",
        versions="Mac Studio with Thunderbolt 5; a hint, Apple does not say so",
        sources=("https://github.com/exo-explore/exo#readme",),
    ),
    "cabling-peers-listed": Explained(
        detect="The domain UUID at the far end of a cable belongs to no host of the inventory, or"
        " to the same host.",
        steps=(
            "Add the Mac to the inventory; or",
            "move the cable to the Mac that it was meant for.",
        ),
        risk=_CUT,
        survives_reboot=True,
        place="here",
        versions="all",
        sources=("follows from the cables that were found",),
    ),
    "cabling-expected": Explained(
        detect="The cables found beside `expect: topology:` of the inventory.",
        steps=(
            "Run a Thunderbolt 5 cable between free ports of the two hosts: `mlxdiag recommend`"
            " names two.",
            "Wait a few seconds, run `mlxdiag ports` again.",
        ),
        risk="With bridges on, a cable that closes a loop can flood the network: take the ports"
        " out of the bridges first.",
        survives_reboot=True,
        place="person",
        versions="all",
        sources=("the inventory", "https://github.com/firstbatchxyz/dnet/issues/69"),
    ),
    "cabling-both-ends": Explained(
        detect="The domain UUID of each end stands in the other end's tree of system_profiler.",
        steps=(
            "Re-seat the cable at the end that does not see the other.",
            "Still blind: connect the two Macs without a hub or display between them.",
        ),
        risk=_CUT,
        survives_reboot=True,
        place="person",
        versions="all",
        sources=("https://github.com/exo-explore/exo/pull/2063",),
    ),
    "cabling-direct": Explained(
        detect="The far Mac hangs below a dock or display in the tree of system_profiler.",
        steps=("Connect the two Macs with one cable, port to port.",),
        risk=_CUT,
        survives_reboot=True,
        place="person",
        versions="all; one report has RDMA working through a Thunderbolt 5 display",
        sources=("https://github.com/exo-explore/exo/pull/2063",),
    ),
    "cabling-speed": Explained(
        detect="`current_speed_key` of both ends in `system_profiler SPThunderboltDataType -json`.",
        steps=(
            "Re-seat both ends.",
            "Still 40 Gb/s: use a certified Thunderbolt 5 cable, at most 1 m if passive.",
            "Still: try the cable on a link that runs at 80 Gb/s, to tell cable from port.",
        ),
        risk=_CUT,
        survives_reboot=True,
        place="person",
        versions="macOS 26.2 and later",
        sources=("https://github.com/exo-explore/exo/issues/1390", DOCS),
    ),
}
