"""Backend: what every backend says of itself, and what it is planned from. One file each beside."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mlxdiag.cluster import Cluster
from mlxdiag.inventory import Host
from mlxdiag.ladder import LinkState
from mlxdiag.ports import Port
from mlxdiag.probe.plan import Plan, RankPlan, Refusal, Wire
from mlxdiag.probe.said import GangRun
from mlxdiag.readings import Gap
from mlxdiag.recommend import Choice, Recommendation
from mlxdiag.topology import Link


@dataclass(frozen=True)
class Site:
    """What is known of the cluster before anything is launched.

    `force` takes for RDMA what is not proven as well. `beside` has per host the MLX processes that
    run there, None where it could not say; a host that was not asked is not in it.
    """

    cluster: Cluster
    states: tuple[LinkState, ...]
    recommendation: Recommendation
    force: bool = False
    beside: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)

    def choice(self, backend: str) -> Choice | None:
        """Return what the facts say of a backend; None where no facts speak about it."""
        choices = self.recommendation.choices
        return next((c for c in choices if c.backend == backend), None)

    def between(self, a: str, b: str) -> tuple[LinkState, ...]:
        """List the cables between two hosts, in the order of the topology."""
        return tuple(s for s in self.states if set(s.link.hosts) == {a, b})

    def rdma(self, a: str, b: str) -> tuple[Link, ...]:
        """List the cables between two hosts that RDMA may use: the proven ones, if there are any.

        With `force`, where none is proven, all that have a device at both ends.
        """
        states = self.between(a, b)
        proven = tuple(s.link for s in states if s.jaccl.usable)
        if proven or not self.force:
            return proven
        known = (s.link for s in states)
        return tuple(link for link in known if all(isinstance(e.device, str) for e in link.ends))


@dataclass(frozen=True)
class Layout:
    """The ranks of one launch, the cables they use, and what a reader has to know about it.

    `launcher` are the words of an mpirun that starts them, by its major version.
    """

    ranks: tuple[RankPlan, ...]
    wires: tuple[Wire, ...] = ()
    notes: tuple[str, ...] = ()
    launcher: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Word:
    """A message of MLX, or a text of the judge, and what it means.

    `echo`: it tells of another rank's end. `device`: it is about RDMA devices of the rank that says
    it. `first`: it says that rank 0 was not there to be connected to.
    """

    pattern: re.Pattern[str]
    means: str
    echo: bool = False
    device: bool = False
    first: bool = False


Lay = Callable[[Site, Sequence[str], int, int], Layout | Refusal]
"""Site, hosts in rank order, first port, connections per link -> ranks, or what is against it."""

Local = Callable[[int, Host, int, int], Layout | Refusal]
"""The same for ranks of one machine: how many, which, first port, connections."""

Accuse = Callable[[Plan, GangRun], tuple[tuple[int, ...], str, str] | None]
"""A launch that ended -> ranks, what they did, evidence; where a launcher knows more than they."""


@dataclass(frozen=True)
class Backend:
    """One backend. `name` is the hostfile's, `mlx_name` is what `init` calls it.

    `fragile`: a failed init leaks kernel resources until reboot, so it needs proof and is never
    tried twice. `deadlines_s` are those that differ from the common ones. `any_peer`: send and
    recv reach every rank of a group, not the neighbours alone, so pairs need no launch of theirs.
    """

    name: str
    mlx_name: str
    lay: Lay
    local: Local
    ops: tuple[str, ...]
    words: tuple[Word, ...]
    deadlines_s: Mapping[str, float]
    fragile: bool = False
    any_peer: bool = False
    accuse: Accuse | None = None

    def word(self, text: str) -> Word | None:
        """Find the first known message in what a rank said."""
        return next((word for word in self.words if word.pattern.search(text)), None)


def wire(link: Link, order: Sequence[str]) -> Wire:
    """Name a cable by the ranks at its ends, the lower rank first."""
    ends = sorted(link.ends, key=lambda port: order.index(port.host))
    return Wire(
        ranks=(order.index(ends[0].host), order.index(ends[1].host)),
        ports=(_place(ends[0]), _place(ends[1])),
        devices=(_said(ends[0].device), _said(ends[1].device)),
        speed_gbps=link.speed_gbps,
        receptacles=(ends[0].receptacle, ends[1].receptacle),
    )


def _place(port: Port) -> str:
    names = ", ".join(filter(None, (_said(port.interface), _said(port.device))))
    return f"receptacle {port.receptacle}" + (f" ({names})" if names else "")


def _said(name: str | Gap | None) -> str:
    return name if isinstance(name, str) else ""
