"""Memory: what a host can give to a model, and what it has given already."""

from __future__ import annotations

from mlxdiag.checks.processes import idle
from mlxdiag.checks.subject import same
from mlxdiag.cluster import Cluster
from mlxdiag.errors import MissingFact
from mlxdiag.finding import (
    Confidence,
    Evidence,
    Fix,
    FixKind,
    Severity,
    check,
)
from mlxdiag.readings import HostFacts, known, need

GIB = 1 << 30
RESERVE_BYTES = 28 * GIB
RESERVE_PART = 0.25
"""What the system needs beside the wired limit: the smaller of the two (mlx-lm#883, mlx#3186)."""

WIRED_PART = 0.4
"""Of all memory, without a job; an idle host has some 5 GB wired."""

SWAP_BYTES = 8 * GIB
FREE_DISK_BYTES = 20 * GIB
"""Neither was calibrated."""

_LOWER = Fix(
    FixKind.RUN,
    "lower it, or set 0 to let the system decide",
    "sudo sysctl iogpu.wired_limit_mb=0",
)


@check(
    "resources-wired-limit",
    title="the wired limit leaves the system enough memory",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=_LOWER,
    needs=("access-reachable",),
)
def wired_limit(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """The GPU may then wire what the kernel needs: panics and watchdog resets (mlx-lm#883)."""
    limit, memory = _limit(cluster, host), _memory(host)
    least = min(RESERVE_BYTES, int(memory * RESERVE_PART))
    if memory - limit >= least:
        return None
    left = f"leaves {_gib(memory - limit)} of {_gib(memory)}"
    return Evidence(
        "sysctl_state", f"iogpu.wired_limit_mb {limit >> 20}, {left}", f"{_gib(least)} left or more"
    )


@check(
    "resources-wired-limit-match",
    title="hosts with equal memory have the same wired limit",
    per="cluster",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(
        FixKind.RUN,
        "set the same iogpu.wired_limit_mb on every host; it is lost at a restart",
    ),
)
def wired_limit_match(cluster: Cluster, everything: Cluster) -> Evidence | None:
    """A host whose limit was lost at a restart runs out first, and the others report the peer."""
    del everything

    def limit(host: HostFacts) -> str:
        return str(_limit(cluster, host) >> 20 or "default")

    said = [(host, system.memory_bytes) for host in cluster.facts if (system := known(host.sysctl))]
    for size in sorted({size for _, size in said if size}):
        alike = [host for host, own in said if own == size]
        if found := same(alike, "sysctl_state", limit, "one iogpu.wired_limit_mb"):
            return found
    for host in cluster.facts:
        _memory(host)
    return None


@check(
    "resources-memory-match",
    title="all hosts have the same memory",
    per="cluster",
    severity=Severity.INFO,
    confidence=Confidence.SEVERAL,
    fix=Fix(FixKind.NONE, "divide the model by memory, not in equal parts"),
)
def memory_match(cluster: Cluster, everything: Cluster) -> Evidence | None:
    """Tensor parallelism divides evenly: the smallest host runs out first (mlx#1804)."""
    del everything
    return same(cluster.facts, "sysctl", lambda host: _gib(_memory(host)), "one size")


@check(
    "resources-wired-memory",
    title="no memory stays wired without a job that uses it",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(
        FixKind.RUN,
        "see what is large: `top -l 1 -o mem -n 10`; restart the host only if that is far less than"
        " what is wired",
    ),
    needs=("access-reachable",),
)
def wired_memory(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """What a rank had wired when it was killed stays so, and the next model does not fit.

    Virtual machines and other programs that load models wire memory too, and not all are known.
    """
    survey = cluster.survey(host.host.name)
    wired, memory = need(survey.vm_stat).wired_bytes, _memory(host)
    if wired is None:
        raise MissingFact("vm_stat", "no Pages wired down", host.host.name)
    if wired <= memory * WIRED_PART:
        return None
    fact = need(survey.ps)
    if not (fact.jobs or fact.holders) and fact.users:
        raise MissingFact("processes", f"{fact.users[0].label} may use it", host.host.name)
    idle(fact)
    return Evidence(
        "vm_stat",
        f"{_gib(wired)} of {_gib(memory)} wired, and no job is seen",
        f"{_gib(int(memory * WIRED_PART))} at most",
        measured=round(wired / GIB, 1),
        limit=round(memory * WIRED_PART / GIB, 1),
        unit="GiB",
        provisional=True,
    )


@check(
    "resources-swap",
    title="the host does not swap much",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.INFERRED,
    fix=Fix(FixKind.RUN, "end what fills the memory; `top -o mem` names it"),
    needs=("access-reachable", "resources-wired-memory"),
)
def swap(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Memory was short here: a rank that waits for its pages makes all others wait."""
    used = need(cluster.survey(host.host.name).sysctl_state).swap_used_mb
    if used is None:
        raise MissingFact("sysctl_state", "no vm.swapusage", host.host.name)
    if used * (1 << 20) <= SWAP_BYTES:
        return None
    return Evidence(
        "sysctl_state",
        f"{used / 1024:.1f} GiB of swap in use",
        f"{_gib(SWAP_BYTES)} at most",
        measured=round(used / 1024, 1),
        limit=SWAP_BYTES / GIB,
        unit="GiB",
        provisional=True,
    )


@check(
    "resources-disk",
    title="the disk has room",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.INFERRED,
    fix=Fix(FixKind.RUN, "free some: models are in ~/.cache/huggingface/hub"),
    needs=("access-reachable",),
)
def disk(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Every host downloads the model by itself, and swap takes room too."""
    free = need(cluster.survey(host.host.name).df).free_bytes
    if free >= FREE_DISK_BYTES:
        return None
    return Evidence(
        "df",
        f"{free / GIB:.1f} GiB free",
        f"{_gib(FREE_DISK_BYTES)} or more",
        measured=round(free / GIB, 1),
        limit=FREE_DISK_BYTES / GIB,
        unit="GiB",
        provisional=True,
    )


def _limit(cluster: Cluster, host: HostFacts) -> int:
    """Give the wired limit in bytes; 0 is the system's own."""
    limit = need(cluster.survey(host.host.name).sysctl_state).wired_limit_mb
    if limit is None:
        raise MissingFact("sysctl_state", "no iogpu.wired_limit_mb", host.host.name)
    return limit << 20


def _memory(host: HostFacts) -> int:
    memory = need(host.sysctl).memory_bytes
    if not memory:
        raise MissingFact("sysctl", "no hw.memsize", host.host.name)
    return memory


def _gib(count: int) -> str:
    return f"{count / GIB:.0f} GiB"


CHECKS = (wired_limit, wired_limit_match, memory_match, wired_memory, swap, disk)
