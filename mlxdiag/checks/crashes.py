"""Crashes: reports that the host wrote since it booted, and what they say it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlxdiag.cluster import Cluster
from mlxdiag.errors import MissingFact
from mlxdiag.facts.diagnostic_reports import SYSTEM, CrashReport
from mlxdiag.finding import (
    Confidence,
    Evidence,
    Fix,
    FixKind,
    NeedsRoot,
    Severity,
    check,
)
from mlxdiag.readings import HostFacts, need

SHOWN = 3

_LINK = Fix(
    FixKind.REPLUG,
    "a cable was unplugged or its link broke: re-seat this host's cables and start all ranks again",
)
_LIMIT = Fix(
    FixKind.RUN,
    "leave a quarter of the memory to macOS: lower the wired limit, and bound the KV cache",
)
CRASHES: Mapping[str, Fix] = {
    "tbt_post_recv": _LINK,
    "tbt_post_send": _LINK,
    "ibv_reg_mr": Fix(
        FixKind.UPGRADE,
        "the hostfile named a device that was missing or down; mlx 0.32.1 says so and does not"
        " crash",
    ),
}
PANICS: Mapping[str, Fix] = {
    "completeMemory": _LIMIT,
    "fPendingMemorySet": _LIMIT,
    "AppleThunderboltRDMA": Fix(
        FixKind.UPGRADE, "update macOS, and report the panic to Apple with the file"
    ),
    "watchdog timeout": _LIMIT,
}
"""What to do by the words in a report, the first that is there."""


@check(
    "crashes-panic",
    title="the host's last restart was no kernel panic",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(
        FixKind.RUN,
        "read its first lines; lower the wired limit where they name IOGPU or a watchdog",
    ),
    needs=("access-reachable",),
)
def panic(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """RDMA's driver and a wired limit that is too high can bring the kernel down (mlx#3186)."""
    return _since_boot(
        cluster, host, lambda report: report.panic, lambda _: True, PANICS, system=True
    )


@check(
    "crashes-ranks",
    title="no Python and no MLX program crashed since the host booted",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(
        FixKind.RUN,
        "look for tbt_post_recv in it: then a cable was unplugged or its link broke",
    ),
    needs=("access-reachable",),
)
def crashed(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """A rank that loses its cable ends by SIGSEGV and without a word in its log (mlx#4192).

    Any Python may have crashed: only one with MLX in its report, or a program that is called after
    it, is a warning.
    """
    return _since_boot(
        cluster,
        host,
        lambda report: not (report.panic or report.memory),
        lambda report: bool(report.words) or "mlx" in report.program.lower(),
        CRASHES,
        system=False,
    )


@check(
    "crashes-memory",
    title="no process was ended for want of memory since the host booted",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(FixKind.RUN, "give the host a smaller part of the model, and look at what is wired"),
    needs=("access-reachable", "resources-wired-memory"),
)
def memory(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """A rank that macOS ended so leaves its memory wired, and the next one ends sooner.

    The name of such a report does not say whom macOS ended: it is information.
    """
    return _since_boot(
        cluster, host, lambda report: report.memory, lambda _: False, {}, system=True
    )


def _since_boot(
    cluster: Cluster,
    host: HostFacts,
    wanted: Callable[[CrashReport], bool],
    grave: Callable[[CrashReport], bool],
    fixes: Mapping[str, Fix],
    *,
    system: bool,
) -> Evidence | None:
    """List reports of a kind; without its time in its name, a report counts as one since boot.

    Where the folder that they are in may not be listed, nothing is known. Where none is `grave` it
    is information.
    """
    survey = cluster.survey(host.host.name)
    found = need(survey.diagnostic_reports)
    kept = [report for report in found.reports if wanted(report)]
    booted = need(survey.sysctl_state).booted
    if booted is None and any(report.when for report in kept):
        raise MissingFact("sysctl_state", "no kern.boottime", host.host.name)
    since = [report for report in kept if not report.when or report.when >= (booted or "")]
    if since:
        more = f" and {len(since) - SHOWN} more" if len(since) > SHOWN else ""
        said = {word for report in since for word in report.words}
        last = ", ".join(report.label for report in reversed(since[-SHOWN:]))
        return Evidence(
            "diagnostic_reports",
            f"{last}{more}",
            "none since it booted",
            fix=next((fix for word, fix in fixes.items() if word in said), None),
            severity=None if any(map(grave, since)) else Severity.INFO,
        )
    if system and SYSTEM in found.denied:
        raise NeedsRoot(host.host.name, f"ls -t {SYSTEM}")
    own = [folder for folder in found.denied if folder != SYSTEM]
    if own and not system:
        raise MissingFact("diagnostic_reports", f"{own[0]} may not be listed", host.host.name)
    return None


CHECKS = (panic, crashed, memory)
