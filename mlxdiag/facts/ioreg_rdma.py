"""`ioreg -c AppleThunderboltRDMAInterface` (macOS): RDMA ports and what hangs on them.

It asks the registry and no driver: unlike the verbs it cannot hang where a queue pair is wedged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command(
    "ioreg_rdma", ("ioreg", "-r", "-l", "-w", "0", "-c", "AppleThunderboltRDMAInterface")
)

_NODE = re.compile(r"[ |]*\+-o (\S+)\s+<class (\w+), (.*)>", re.ASCII)
_POWER = re.compile(r'"CurrentPowerState"=(\d{1,2})\b', re.ASCII)
_OWNER = re.compile(r'"IOUserClientCreator" = "pid (\d{1,10}), (.{0,100}?)"')


@dataclass(frozen=True)
class RdmaPort:
    """One device. `up` is None where its power state is not said.

    `domains` and `pairs` count what is registered below it, `stuck` those of them that are inactive
    and busy: what a process left behind. `owners` are the processes that have it open.
    """

    device: str
    up: bool | None
    domains: int
    pairs: int
    stuck: int
    owners: tuple[str, ...]


def parse(out: bytes) -> tuple[RdmaPort, ...]:
    """Read the ports in the order of the registry; nothing at all: there is no such port."""
    ports: list[RdmaPort] = []
    for line in out.decode("utf-8", "replace").split("\n"):
        node = _NODE.match(line)
        if node and node[2] == "AppleThunderboltRDMAInterface":
            ports.append(RdmaPort(node[1], None, 0, 0, 0, ()))
        elif ports:
            ports[-1] = _told(ports[-1], line, node)
        elif line.strip():
            raise ParseError(f"not a port in what ioreg said: {line[:80]!r}")
    return tuple(ports)


def _told(port: RdmaPort, line: str, node: re.Match[str] | None) -> RdmaPort:
    up, owners = port.up, port.owners
    if up is None and (power := _POWER.search(line)):
        up = int(power[1]) > 0
    if owner := _OWNER.search(line):
        owners = tuple(dict.fromkeys((*owners, f"pid {owner[1]} ({owner[2]})")))
    kind = node[2] if node else ""
    below = kind in ("AppleThunderboltRDMAProtectionDomain", "AppleThunderboltRDMAQueuePair")
    stuck = below and node is not None and bool(re.search(r"\binactive, busy [1-9]", node[3]))
    return RdmaPort(
        port.device,
        up,
        port.domains + kind.endswith("ProtectionDomain"),
        port.pairs + kind.endswith("QueuePair"),
        port.stuck + stuck,
        owners,
    )
