"""Environment: what a launched rank would be given that nobody meant for it."""

from __future__ import annotations

from mlxdiag.checks.hostfile import BEFORE_OURS, MAKES_A_RING
from mlxdiag.checks.subject import same
from mlxdiag.cluster import Cluster
from mlxdiag.errors import MissingFact
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, Severity, SkipCheck, check
from mlxdiag.readings import HostFacts, need

FIRST = BEFORE_OURS | MAKES_A_RING
"""Variables that go before what mlx.launch sets, or that it leaves as they are."""

OF_A_LAUNCH = FIRST | {
    "MLX_HOSTFILE",
    "MLX_IBV_DEVICES",
    "MLX_JACCL_COORDINATOR",
    "MLX_RANK",
    "MLX_WORLD_SIZE",
}
"""Variables that say who a rank is and where it meets the others."""

FAST_SYNCH = "MLX_METAL_FAST_SYNCH"
ALONE = OF_A_LAUNCH | {FAST_SYNCH}
"""Variables of which each host is asked by itself."""

COMPAT = "SYSTEM_VERSION_COMPAT"
LAUNCHD = "XPC_SERVICE_NAME"

SKEW_S = 5.0
"""Clocks are read in whole seconds, over a session."""

_UNSET = Fix(FixKind.RUN, "take the variable out of ~/.zshenv, and of what else a login reads")


@check(
    "environment-leftovers",
    title="no variable of a launch is set at login",
    per="host",
    fix=_UNSET,
    needs=("access-reachable",),
)
def leftovers(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """JACCL_* and MLX_JACCL_RING go before what mlx.launch sets: ranks swap, or wait for ever.

    The MLX_* it replaces; in a process that was started otherwise they choose the backend.
    """
    found = need(cluster.survey(host.host.name).environment).mlx
    left = sorted(OF_A_LAUNCH & found.keys())
    if not left:
        return None
    severity = None if FIRST & found.keys() else Severity.WARNING
    said = "; ".join(f"{name}={found[name]}" for name in left)
    return Evidence("login_environment", said, "none of them", severity=severity)


@check(
    "environment-fast-synch",
    title="MLX_METAL_FAST_SYNCH is not set at login",
    per="host",
    severity=Severity.WARNING,
    fix=_UNSET,
    needs=("access-reachable",),
)
def fast_synch(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """It makes RDMA several times faster and can wedge the GPU until a restart (mlx#3142).

    The documentation of MLX up to 0.32.0 asks for it, that of 0.32.1 and later to leave it unset.
    """
    value = need(cluster.survey(host.host.name).environment).by_name.get(FAST_SYNCH, "")
    if value.strip() in ("", "0"):
        return None
    return Evidence("login_environment", f"{FAST_SYNCH}={value}", "unset, or 0")


@check(
    "environment-match",
    title="all hosts give a rank the same MLX variables",
    per="cluster",
    severity=Severity.WARNING,
    confidence=Confidence.INFERRED,
    fix=Fix(FixKind.RUN, "give variables to all ranks at once: mlx.launch --env NAME=VALUE"),
)
def match(cluster: Cluster, everything: Cluster) -> Evidence | None:
    """What is set on some hosts only makes their ranks behave unlike the others."""
    del everything

    def told(host: HostFacts) -> str:
        variables = need(cluster.survey(host.host.name).environment).mlx.items()
        return " ".join(f"{n}={v}" for n, v in variables if n not in ALONE) or "none"

    return same(cluster.facts, "login_environment", told, "the same on every host")


@check(
    "environment-launchd",
    title="mlxdiag does not run inside an agent of launchd",
    per="host",
    severity=Severity.INFO,
    confidence=Confidence.SINGLE,
    fix=Fix(FixKind.RUN, "start the server over ssh or from Terminal, not from a LaunchAgent"),
    needs=("access-reachable",),
)
def launchd(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """What a LaunchAgent starts may get the GPU of background work: prefill 100 times slower."""
    name = need(cluster.survey(host.host.name).environment).by_name.get(LAUNCHD, "0")
    if name in ("", "0") or name.startswith("application."):
        return None
    return Evidence("login_environment", f"{LAUNCHD}={name}", "no service of launchd")


@check(
    "environment-version-compat",
    title="macOS does not pretend to be an older one",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.INFERRED,
    fix=_UNSET,
    needs=("access-reachable",),
)
def version_compat(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """With SYSTEM_VERSION_COMPAT=1 pip takes the wheel of an older macOS, which has no jaccl."""
    value = need(cluster.survey(host.host.name).environment).by_name.get(COMPAT, "0")
    if value in ("", "0"):
        return None
    return Evidence("login_environment", f"{COMPAT}={value}", "unset, or 0")


@check(
    "environment-clock",
    title="the clocks of the hosts agree to some seconds",
    per="cluster",
    severity=Severity.INFO,
    confidence=Confidence.INFERRED,
    fix=Fix(FixKind.SETTINGS, "System Settings > General > Date & Time > Set time automatically"),
)
def clock(cluster: Cluster, everything: Cluster) -> Evidence | None:
    """The first error among the ranks is the cause: logs of clocks apart cannot be put in order."""
    del everything
    zero: dict[str, float] = {}
    missing: MissingFact | None = None
    for host in cluster.facts:
        try:
            zero[host.host.name] = _zero(cluster, host)
        except MissingFact as gap:
            missing = missing or gap
    spread = max(zero.values(), default=0.0) - min(zero.values(), default=0.0)
    if spread > SKEW_S:
        return Evidence(
            "clock",
            f"{min(zero, key=lambda n: zero[n])} is {spread:.0f} s behind"
            f" {max(zero, key=lambda n: zero[n])}",
            f"{SKEW_S:.0f} s at most",
            measured=round(spread, 1),
            limit=SKEW_S,
            unit="s",
            provisional=True,
        )
    if missing:
        raise missing
    if len(zero) < 2:
        raise SkipCheck("one host has one clock")
    return None


def _zero(cluster: Cluster, host: HostFacts) -> float:
    """Give what the host's clock said as the run began."""
    seconds = need(cluster.survey(host.host.name).clock).seconds
    capture = host.captures["clock"]
    return seconds - capture.started_s - capture.seconds


CHECKS = (leftovers, fast_synch, match, launchd, version_compat, clock)
