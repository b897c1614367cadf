"""Jaccl-ring: RDMA between neighbours, several wires a neighbour. MLX calls it jaccl in a ring."""

from __future__ import annotations

from collections.abc import Sequence

from mlxdiag.backends import jaccl
from mlxdiag.backends.backend import Backend, Layout, Site
from mlxdiag.backends.jaccl_words import WORDS
from mlxdiag.inventory import Host
from mlxdiag.probe.plan import Refusal

NAME = "jaccl-ring"
MAX_WIRES = 4
"""RING_MAX_CONNS of mlx ring_impl.h, per direction."""


def local(count: int, host: Host, port: int, connections: int) -> Refusal:
    """Refuse: a machine has no RDMA to itself."""
    return Refusal(NAME, jaccl.local(count, host, port, connections).reason)


def lay(site: Site, order: Sequence[str], port: int, connections: int) -> Layout | Refusal:
    """Plan a ring along `order`; cells of ranks that are no neighbours stay empty."""
    del connections
    following = zip(order, (*order[1:], order[0]), strict=True)
    pairs = tuple(following) if len(order) > 2 else ((order[0], order[-1]),)
    cables = jaccl.wiring(NAME, site, pairs, MAX_WIRES)
    if isinstance(cables, Refusal):
        return cables
    return jaccl.layout(NAME, site, order, port, cables, {"MLX_JACCL_RING": "1"})


BACKEND = Backend(
    name=NAME,
    mlx_name="jaccl",
    lay=lay,
    local=local,
    ops=("all_sum", "all_gather", "send"),
    words=WORDS,
    deadlines_s=jaccl.DEADLINES_S,
    fragile=True,
)
