"""Rendezvous: whether ranks can meet: their ports are free, and they start close together."""

from __future__ import annotations

from mlxdiag.capture import Outcome
from mlxdiag.cluster import Cluster
from mlxdiag.errors import MissingFact
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, Severity, SkipCheck, check
from mlxdiag.preflight.asked import ports
from mlxdiag.readings import HostFacts, known, need

APART_S = 10.0
"""jaccl tries for 15 s in all, ring for 31 s (mlx utils.cpp, rdma.cpp)."""


@check(
    "rendezvous-port-free",
    title="nobody listens where the server's ranks will meet",
    per="host",
    fix=Fix(FixKind.RUN, "end what listens there, or give another --port here and to mlx.launch"),
    needs=("access-reachable",),
)
def port_free(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """MLX's sockets share a port, so that a rank left behind takes the new ranks' connections."""
    survey = cluster.survey(host.host.name)
    held = need(survey.listeners)
    wanted = ports(cluster.inventory)
    taken = [held.by_port[port] for port in wanted if port in held.by_port]
    if not taken:
        return None
    ps = known(survey.ps)
    severity = Severity.WARNING if ps is not None and ps.jobs else None
    expected = f"nobody at {wanted[0]} to {wanted[-1]}"
    return Evidence(held.source, "; ".join(taken), expected, severity=severity)


@check(
    "rendezvous-start",
    title="ranks are ready to meet within ten seconds of each other",
    per="cluster",
    severity=Severity.WARNING,
    confidence=Confidence.INFERRED,
    fix=Fix(
        FixKind.RUN,
        "call mx.distributed.init first in the script, before the model and slow imports",
    ),
)
def start(cluster: Cluster, everything: Cluster) -> Evidence | None:
    """A rank of jaccl gives up 15 s after its start where rank 0 does not listen yet."""
    del everything
    took: dict[str, float] = {}
    missing: MissingFact | None = None
    for host in cluster.facts:
        if host.host.python is None:
            continue
        capture = host.captures.get("mlx_runtime")
        try:
            need(host.mlx_runtime)
        except MissingFact as gap:
            missing = missing or gap
            continue
        if capture is not None and capture.outcome is Outcome.EXITED:
            took[host.host.name] = capture.seconds
    slowest = max(took, key=lambda name: took[name], default="")
    spread = took[slowest] - min(took.values()) if took else 0.0
    if spread > APART_S:
        return Evidence(
            "mlx_runtime",
            f"{slowest} takes {took[slowest]:.0f} s to import mlx, {spread:.0f} s more"
            " than the fastest",
            f"{APART_S:.0f} s apart at most",
            measured=round(spread, 1),
            limit=APART_S,
            unit="s",
            provisional=True,
        )
    if missing:
        raise missing
    if not took:
        raise SkipCheck("the inventory names no interpreter: what is measured is the search")
    return None


CHECKS = (port_free, start)
