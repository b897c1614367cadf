"""Facts: one file per command, each with its COMMAND, a frozen dataclass and parse()."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxdiag.facts import (
    ibv_devices,
    ibv_devinfo,
    ifconfig,
    mlx_runtime,
    networksetup_hardwareports,
    networksetup_serviceorder,
    rdma_ctl,
    sw_vers,
    sysctl,
    system_profiler_thunderbolt,
)

if TYPE_CHECKING:
    from mlxdiag.capture import Command

COMMANDS: tuple[Command, ...] = (
    sw_vers.COMMAND,
    sysctl.COMMAND,
    rdma_ctl.COMMAND,
    networksetup_hardwareports.COMMAND,
    networksetup_serviceorder.COMMAND,
    ifconfig.COMMAND,
    mlx_runtime.COMMAND,
    ibv_devices.COMMAND,
    ibv_devinfo.COMMAND,
    system_profiler_thunderbolt.COMMAND,
)
"""Everything that is asked of a host. system_profiler, which takes seconds, runs beside the others;
they take turns, because a lane of its own would cost a host more than most of them take. The verbs
are the last in line: one that hangs holds up nobody."""
