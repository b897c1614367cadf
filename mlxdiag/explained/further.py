"""Texts of the areas hardware, cabling, rdma and gid: what only `mlxdiag check` asks."""

from __future__ import annotations

from mlxdiag.explained.access import DOCS, TN
from mlxdiag.explained.entry import Explained

ENTRIES: dict[str, Explained] = {
    "hardware-ports-enough": Explained(
        detect="The receptacles that the host lists, beside the other hosts of an expected mesh.",
        steps=(
            "Write `topology: ring` and `backend: jaccl-ring` into the inventory; or",
            "make a mesh of fewer hosts: three ports allow four, six allow seven.",
        ),
        risk="None.",
        survives_reboot=None,
        place="here",
        versions="all; a mesh of N hosts takes N(N-1)/2 cables",
        sources=(DOCS,),
    ),
    "cabling-spare-cable": Explained(
        detect="A pair of hosts that is joined by several cables, where ring and jaccl-ring are not"
        " expected.",
        steps=(
            "Expect `jaccl-ring`, which stripes over up to 4 cables; or",
            "stop what runs, and unplug all cables of the pair but the first.",
        ),
        risk="Pulling a cable ends what runs over it.",
        survives_reboot=True,
        place="person",
        versions="all MLX with jaccl; one report of a load that stopped with two cables",
        sources=(
            "https://github.com/exo-explore/exo/pull/2160",
            "https://github.com/exo-explore/exo/pull/2195",
        ),
    ),
    "rdma-stored-switch": Explained(
        detect="`nvram rdma-enable` is absent or 0 while `rdma_ctl status` says enabled."
        " Where only root may read it the check is skipped.",
        steps=(
            "Before the next restart is due, switch RDMA on again.",
            "macOS 26: shut down, hold the power button, Options > Utilities > Terminal,"
            " `rdma_ctl enable`.",
            "macOS 27: System Settings > Privacy & Security > Developer Tools > RDMA over"
            " Thunderbolt.",
        ),
        risk="Takes a restart, and before macOS 27 a person at the machine.",
        survives_reboot=True,
        place="recovery",
        versions="macOS 26.2 and later; that the two can differ is inferred",
        sources=(TN,),
    ),
    "gid-link-local": Explained(
        detect="An `inet6 fe80::` line of the port in `ifconfig -a` without the words tentative,"
        " duplicated or detached.",
        steps=(
            "`networksetup -setv6LinkLocal SERVICE` or `networksetup -setv6automatic SERVICE`.",
            "Wait 20 s, run `mlxdiag ports`; restart the host if the GIDs stay away.",
        ),
        risk="The service sets its addresses anew.",
        survives_reboot=True,
        place="host",
        versions="macOS 26.2 and later",
        sources=("https://github.com/exo-explore/exo/issues/1973",),
    ),
    "gid-current-address": Explained(
        detect="GID[1] of `ibv_devinfo -v` beside the `inet` lines of the port in `ifconfig -a`.",
        steps=(
            "Switch the port's service off and on once: `networksetup -setnetworkserviceenabled"
            " SERVICE off`, then `on`.",
            "Set its address again: `networksetup -setmanual SERVICE IP MASK`.",
            "Still another address: restart the host. Do not cycle the interface with ifconfig.",
        ),
        risk="Connections over the port end while its service is off.",
        survives_reboot=True,
        place="host",
        versions="every MLX with jaccl: the local index is always 1",
        sources=(
            "https://github.com/ml-explore/mlx/pull/3389",
            "https://github.com/ml-explore/mlx/pull/4191",
        ),
    ),
}
