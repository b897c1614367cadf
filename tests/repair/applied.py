"""What a plan's commands would do to the modelled cluster: enough of macOS to look again."""

from __future__ import annotations

import re
from dataclasses import replace

from mlxdiag.repair.step import Step
from tests.model import Cable, ModelCluster
from tests.model.cases import changed

_MANUAL = re.compile(r"networksetup -setmanual '?Thunderbolt (\d)'? ([\d.]+) 255\.255\.255\.252")
_LEAVE = re.compile(r"ifconfig bridge0 deletem (en\d+) && sudo ifconfig \1 inet ([\d.]+) netmask")


def applied(cluster: ModelCluster, step: Step) -> ModelCluster:
    """Return the cluster after the step; raise for a step that the model cannot take."""
    host, command = step.host or "", step.command or ""
    mac = cluster.by_name[host]
    if leave := _LEAVE.search(command):
        receptacle = next(r for r, name in mac.interfaces.items() if name == leave[1])
        rest = tuple(r for r in mac.bridged or () if r != receptacle)
        return _addressed(changed(cluster, host, bridged=rest), host, receptacle, leave[2])
    if manual := _MANUAL.search(command):
        return _addressed(cluster, host, int(manual[1]), manual[2])
    if command == "rdma_ctl enable":
        return changed(cluster, host, rdma="enabled", restart_pending=False)
    raise ValueError(command)


def _addressed(cluster: ModelCluster, host: str, receptacle: int, ip: str) -> ModelCluster:
    end = (host, receptacle)

    def one(cable: Cable) -> Cable:
        if end not in cable.ends:
            return cable
        own, other = (f"{ip}/30",), cluster.addresses(cable.far(end))
        return replace(cable, addresses=(own, other) if end == cable.a else (other, own))

    return replace(
        cluster,
        cables=tuple(map(one, cluster.cables)),
        no_ipv4=cluster.no_ipv4 - {end},
        late_ipv4=cluster.late_ipv4 - {end},
    )
