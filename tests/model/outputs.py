"""Everything every command of every host prints."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.model.cluster import ModelCluster, ports
from tests.model.ibv import ibv_devices, ibv_devinfo, rdma_ctl
from tests.model.network import hardwareports, ifconfig, serviceorder
from tests.model.printed import Printed
from tests.model.survey import SECONDS as FURTHER
from tests.model.survey import survey
from tests.model.system import mlx_runtime, sw_vers, sysctl
from tests.model.thunderbolt import system_profiler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.model.machine import Mac

ACCESS = "access"

SECONDS: Mapping[str, float] = {
    ACCESS: 0.21,
    "sw_vers": 0.03,
    "sysctl": 0.02,
    "rdma_ctl": 0.04,
    "networksetup_hardwareports": 0.11,
    "networksetup_serviceorder": 0.09,
    "ifconfig": 0.02,
    "mlx_runtime": 0.42,
    "system_profiler_thunderbolt": 1.87,
    "ibv_devices": 0.05,
    "ibv_devinfo": 0.08,
}
"""All commands in the order of the manifest's clock, with how long each takes."""


def outputs(cluster: ModelCluster) -> dict[str, dict[str, Printed]]:
    """Return what each listed host says by command, its access first."""
    return {mac.name: _host(cluster, mac) for mac in cluster.listed}


def _host(cluster: ModelCluster, mac: Mac) -> dict[str, Printed]:
    access = cluster.access.get(mac.name, Printed())
    said = {ACCESS: access}
    if access.outcome == "exited" and mac.name not in cluster.silent:
        said |= _commands(cluster, mac)
    return {name: _timed(name, _edited(cluster, mac, name, one)) for name, one in said.items()}


def _commands(cluster: ModelCluster, mac: Mac) -> dict[str, Printed]:
    own = ports(cluster, mac)
    further = survey(cluster, mac) if cluster.surveyed else {}
    return {
        "sw_vers": sw_vers(mac),
        "sysctl": sysctl(mac),
        "rdma_ctl": rdma_ctl(mac),
        "networksetup_hardwareports": hardwareports(mac, own),
        "networksetup_serviceorder": serviceorder(mac, own),
        "ifconfig": ifconfig(mac, own, f"{lan_address(cluster, mac)}/24"),
        "mlx_runtime": mlx_runtime(mac),
        "system_profiler_thunderbolt": system_profiler(cluster, own),
        "ibv_devices": ibv_devices(mac, own),
        "ibv_devinfo": ibv_devinfo(mac, own),
        **further,
    }


def lan_address(cluster: ModelCluster, mac: Mac) -> str:
    """Return the address on the Ethernet that all hosts share."""
    return f"192.168.86.{11 + cluster.macs.index(mac)}"


def _edited(cluster: ModelCluster, mac: Mac, name: str, printed: Printed) -> Printed:
    edit = cluster.edits.get((mac.name, name))
    return edit(printed) if edit else printed


def _timed(name: str, printed: Printed) -> Printed:
    return printed if printed.seconds else replace(printed, seconds={**SECONDS, **FURTHER}[name])
