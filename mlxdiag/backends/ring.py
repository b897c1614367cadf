"""Ring: TCP between neighbours. Rank r listens at its addresses, and connects to those of r + 1."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mlxdiag.inventory import Host
from mlxdiag.probe.plan import RankPlan

MLX_BACKEND = "ring"


def local(count: int, host: Host, port: int) -> tuple[RankPlan, ...]:
    """Plan ranks of one machine on its loopback, a port each."""
    return ranks([host] * count, [["127.0.0.1"]] * count, port)


def ranks(
    hosts: Sequence[Host], addresses: Sequence[Sequence[str]], port: int
) -> tuple[RankPlan, ...]:
    """Plan ranks that listen at these IPv4 addresses; each entry is one connection, one port."""
    listing, at = [], port
    for own in addresses:
        listing.append([f"{address}:{at + i}" for i, address in enumerate(own)])
        at += len(own)
    text = json.dumps(listing)
    return tuple(
        RankPlan(
            rank, host, {"MLX_RANK": str(rank), "MLX_RING_VERBOSE": "1"}, {"MLX_HOSTFILE": text}
        )
        for rank, host in enumerate(hosts)
    )
