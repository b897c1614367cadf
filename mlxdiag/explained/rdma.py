"""Texts of the areas rdma and gid."""

from __future__ import annotations

from mlxdiag.explained.access import DOCS, TN
from mlxdiag.explained.entry import Explained

_STOP = "Stop the server first, and stop it in order: RDMA that is cut off keeps kernel resources."
_RESTART = (
    "Stop the server on every host.",
    "Restart the host: `sudo shutdown -r now`.",
    "Run `mlxdiag ports` again before anything is launched.",
)
_ENDS = "https://github.com/ml-explore/mlx/pull/4530"

ENTRIES: dict[str, Explained] = {
    "rdma-stack-wedged": Explained(
        detect="`ibv_devices` and `ibv_devinfo` are run once and must return; one that is running"
        " already is not given company.",
        steps=(
            "Do not run `ibv_devinfo` again, and end nothing with SIGKILL.",
            "Unplug and replug the host's Thunderbolt cables once.",
            "Not free after a minute: restart the host, then the ones at its cables.",
        ),
        risk=_STOP,
        survives_reboot=True,
        place="person",
        versions="macOS 26.2 and later",
        sources=(
            "https://github.com/exo-explore/exo/issues/1712",
            "https://github.com/exo-explore/exo/pull/1467",
        ),
    ),
    "rdma-enabled": Explained(
        detect="`rdma_ctl status` says the word enabled.",
        steps=(
            "Shut the Mac down.",
            "Hold the power button until options appear: Options > Utilities > Terminal.",
            "`rdma_ctl enable`.",
            "Restart, and run `mlxdiag ports` again.",
        ),
        risk="The host is down meanwhile, and a person must be there: it cannot be done over ssh.",
        survives_reboot=True,
        place="recovery",
        versions="macOS 26.2 and later; from 27 on there is a switch in System Settings",
        sources=(TN, DOCS),
    ),
    "rdma-devices-listed": Explained(
        detect="`ibv_devices` lists at least one rdma_ device.",
        steps=_RESTART,
        risk=_STOP,
        survives_reboot=True,
        place="host",
        versions="macOS 26.2 and later",
        sources=(DOCS, "https://github.com/ml-explore/mlx/issues/3777"),
    ),
    "rdma-device-interface": Explained(
        detect="Each rdma_enX of `ibv_devices` has its enX in `networksetup -listallhardwareports`,"
        " with the GUID of that receptacle.",
        steps=_RESTART,
        risk=_STOP,
        survives_reboot=True,
        place="host",
        versions="macOS 26.2 and later",
        sources=("https://github.com/ml-explore/mlx/issues/3777",),
    ),
    "rdma-device": Explained(
        detect="The interface of each cabled port has a device of its name in `ibv_devices`.",
        steps=_RESTART,
        risk=_STOP,
        survives_reboot=True,
        place="host",
        versions="macOS 26.2 and later",
        sources=(
            "https://github.com/ml-explore/mlx/pull/4180",
            "https://github.com/exo-explore/exo/issues/2186",
        ),
    ),
    "rdma-host-ports": Explained(
        detect="All cabled ports of a host are PORT_DOWN while far ends are PORT_ACTIVE.",
        steps=_RESTART,
        risk=_STOP,
        survives_reboot=True,
        place="host",
        versions="macOS 26.2 and later",
        sources=(TN, "the incident of the packaged recording"),
    ),
    "rdma-port-active": Explained(
        detect="`state:` of the port in `ibv_devinfo -v`, at both ends.",
        steps=(
            "Look that the far Mac is up and has RDMA on: its own lines of the report say so.",
            "Re-seat the cable at this end, then at the other.",
            "Still down: restart both hosts.",
        ),
        risk=_STOP,
        survives_reboot=True,
        place="person",
        versions="macOS 26.2 and later",
        sources=(TN, _ENDS),
    ),
    "rdma-far-service": Explained(
        detect="Protocol 64087 among the services of the far Mac in the tree of system_profiler.",
        steps=(
            "Re-seat the cable.",
            "Still missing: restart the far host.",
        ),
        risk=_STOP,
        survives_reboot=True,
        place="person",
        versions="macOS 26.2 and later",
        sources=("https://github.com/exo-explore/exo/issues/1390",),
    ),
    "gid-ipv4-mapped": Explained(
        detect="An entry ::ffff:ADDRESS of the port's own address in the GID table of"
        " `ibv_devinfo -v`.",
        steps=(
            "Wait 20 s after the address was set, and run `mlxdiag ports` again.",
            "Still missing: switch the port's service off and on once:"
            " `networksetup -setnetworkserviceenabled SERVICE off`, then `on`.",
            "Still missing: restart the host.",
        ),
        risk="Connections over this port end.",
        survives_reboot=True,
        place="host",
        versions="MLX 0.32.1 says so in words; 0.31.2 and 0.32.0 fail with errno 22",
        sources=(
            "https://github.com/ml-explore/mlx/issues/3467",
            "https://github.com/ml-explore/mlx/pull/4191",
        ),
    ),
    "gid-index-1": Explained(
        detect="The index of ::ffff:ADDRESS in the GID table of `ibv_devinfo -v`. It moves to 2"
        " when an address is taken away and given again.",
        steps=(
            "`networksetup -setnetworkserviceenabled SERVICE off`, then `on`, once.",
            "`networksetup -setmanual SERVICE ADDRESS MASK`.",
            "Still not at 1: restart the host. Do not cycle `ifconfig enX down` and `up`.",
        ),
        risk="Connections over this port end; cycling the interface can spoil the table until a"
        " restart.",
        survives_reboot=True,
        place="host",
        versions="all MLX versions so far: index 1 is written into the source",
        sources=("https://github.com/ml-explore/mlx/pull/3389",),
    ),
}
