"""Processes: jobs that were left behind, and what they hold: RDMA, the GPU."""

from __future__ import annotations

from mlxdiag.checks.subject import rdma_host
from mlxdiag.cluster import Cluster
from mlxdiag.errors import MissingFact
from mlxdiag.facts.processes import MONITORS, VERBS, Process, Ps
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, Severity, SkipCheck, check
from mlxdiag.readings import Gap, HostFacts, known, need

LAUNCHD = 1
STUCK_S = 60
"""A younger process may be at its start."""

BUSY_PERCENT = 95
TWO_JOBS_MLX = "0.32.1"

_END = Fix(FixKind.RUN, "end it by its number and wait; never with -9: its memory stays wired")


@check(
    "resources-ranks",
    title="no MLX job was left behind",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=_END,
    needs=("access-reachable",),
)
def ranks(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """A rank whose launcher has gone keeps its port, its memory and its protection domains.

    A launcher that was detached, and what started other jobs, is none. One that launchd started on
    purpose looks the same: then silence this check.
    """
    ps = need(cluster.survey(host.host.name).ps)
    parents = {process.parent for process in ps.processes if process.job}
    orphans = [
        job
        for job in ps.jobs
        if job.parent == LAUNCHD and not job.launcher and job.pid not in parents
    ]
    if not orphans:
        return None
    return Evidence(
        "processes", f"{_listed(orphans)}, of no launcher", "none, or one with its launcher"
    )


@check(
    "resources-stuck",
    title="no rank and no verbs program hangs in the kernel",
    per="host",
    confidence=Confidence.SEVERAL,
    fix=Fix(
        FixKind.REPLUG,
        "unplug and replug the host's Thunderbolt cables once; if that does not free it, restart",
    ),
    needs=("access-reachable", "rdma-stack-wedged"),
)
def stuck(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """What waits in the kernel (ps: U) cannot be ended, and RDMA stays blocked by it (exo#1712).

    A job may wait for a disk at the moment that it is seen, so that it alone is a warning.
    """
    found = need(cluster.survey(host.host.name).ps).processes
    held = [p for p in found if p.stuck and p.age_s >= STUCK_S and (p.job or _verbs(p))]
    if not held:
        return None
    severity = None if any(map(_verbs, held)) else Severity.WARNING
    return Evidence("processes", f"{_listed(held)}, in state U", "none", severity=severity)


@check(
    "resources-domains",
    title="RDMA holds no protection domains and queue pairs without a job",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.SINGLE,
    fix=Fix(FixKind.REBOOT, "restart the host: nothing else gives them back"),
    needs=("access-reachable", "resources-stuck"),
)
def domains(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Killed ranks and failed starts leak them; at the limit no rank can start (mlx#3207)."""
    rdma_host(cluster, host.host.name)
    survey = cluster.survey(host.host.name)
    counts = need(survey.ioclasscount)
    if counts.domains is None and counts.pairs is None:
        raise SkipCheck("the kernel has no RDMA driver loaded")
    held = counts.domains or 0
    if not held and not counts.pairs:
        return None
    idle(survey.ps)
    most = _max_pd(host)
    full = most is not None and held >= most
    limit = f"; a device has {most}" if most is not None else ""
    return Evidence(
        "ioclasscount",
        f"{held} protection domains, {counts.pairs or 0} queue pairs, and no job runs{limit}",
        "0 of each",
        severity=Severity.ERROR if full else None,
    )


@check(
    "resources-rdma-users",
    title="at most one job uses RDMA",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.INFERRED,
    fix=Fix(FixKind.RUN, "end one of them: they are named"),
    needs=("access-reachable", "resources-ranks"),
)
def rdma_users(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """A device has some ten queue pairs and 100 memory regions, and never more (mlx#4209).

    MLX from 0.32.1 on takes 64 regions of a device for each mesh, so that a second job fails.
    """
    rdma_host(cluster, host.host.name)
    ps = need(cluster.survey(host.host.name).ps)
    found = (*ps.jobs, *ps.holders)
    if len(found) < 2 or not ps.jobs:
        return None
    return Evidence("processes", _listed(found), "one")


@check(
    "resources-gpu",
    title="the GPU is at rest while no job runs",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(
        FixKind.REBOOT,
        "look for another program that uses the GPU; if there is none, restart the host",
    ),
    needs=("access-reachable",),
)
def gpu(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """A fence that was never met keeps the GPU at 100 % after its process has gone (mlx#3142)."""
    survey = cluster.survey(host.host.name)
    busy = need(survey.ioreg_accelerator).percent
    if busy is None:
        raise MissingFact("ioreg_accelerator", "no Device Utilization", host.host.name)
    if busy < BUSY_PERCENT:
        return None
    idle(survey.ps)
    return Evidence(
        "ioreg_accelerator",
        f"{busy} % busy, and no job runs",
        f"below {BUSY_PERCENT} %",
        measured=busy,
        limit=BUSY_PERCENT,
        unit="%",
        provisional=True,
    )


@check(
    "resources-macmon",
    title="macmon does not run beside MLX",
    per="host",
    severity=Severity.INFO,
    confidence=Confidence.SINGLE,
    fix=Fix(FixKind.RUN, "stop macmon while a model is served"),
    needs=("access-reachable",),
)
def macmon(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """It was once seen to make inference crash (exo#2088)."""
    found = need(cluster.survey(host.host.name).ps).processes
    monitors = [process for process in found if process.program in MONITORS]
    return Evidence("processes", _listed(monitors), "none") if monitors else None


def idle(ps: Ps | Gap) -> None:
    """Skip where something runs that may hold memory or RDMA; raise where that is not known."""
    fact = need(ps)
    if fact.users:
        raise SkipCheck(f"{fact.users[0].label} may use it")


def _verbs(process: Process) -> bool:
    return VERBS.fullmatch(process.program) is not None


def _max_pd(host: HostFacts) -> int | None:
    devinfo = known(host.ibv_devinfo)
    limits = [d.max_pd for d in devinfo.devices if d.max_pd is not None] if devinfo else []
    return min(limits, default=None)


def _listed(processes: list[Process] | tuple[Process, ...]) -> str:
    return "; ".join(process.label for process in processes)


CHECKS = (ranks, stuck, domains, rdma_users, gpu, macmon)
