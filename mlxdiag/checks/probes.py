"""Probes: findings about collectives that really ran. Asked of judged launches, not of facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlxdiag.checks import speed
from mlxdiag.finding import Check, Evidence, Finding, Fix, FixKind, Severity, Status, Subject
from mlxdiag.inventory import Expect
from mlxdiag.probe.judge import Probe
from mlxdiag.probe.plan import Refusal


def _asked_elsewhere(_cluster: object, _probe: Probe) -> Evidence | None:
    """MLX raises nothing where the data is wrong, and waits for ever for a rank that is gone."""
    return None


def _nothing_left(_cluster: object, _probe: Probe) -> Evidence | None:
    """A rank that stays behind holds its port, its memory and, with jaccl, protection domains."""
    return None


COLLECTIVE: Check[Probe] = Check(
    "probes-collective",
    "collectives of every rank end in time with the right results",
    Severity.ERROR,
    "cluster",
    Fix(FixKind.NONE, "look at the rank that is named, its host and its stderr"),
    (),
    _asked_elsewhere,
)
LEFT: Check[Probe] = Check(
    "probes-nothing-left",
    "nothing that the probe started is left on any host",
    Severity.ERROR,
    "cluster",
    Fix(
        FixKind.REBOOT, "a process that SIGKILL does not end waits in the kernel: restart its host"
    ),
    (),
    _nothing_left,
)
ALLOWED: Check[Probe] = Check(
    "probes-allowed",
    "the hosts have what the backend takes, so that its launch is tried",
    Severity.ERROR,
    "cluster",
    Fix(FixKind.NONE, "repair what is named; `mlxdiag ports` says how"),
    (),
    _asked_elsewhere,
)
EXPECT = Expect()
CHECKS = (ALLOWED, COLLECTIVE, LEFT, *speed.CHECKS)


def findings(
    probes: Sequence[Probe], refusals: Iterable[Refusal], expect: Expect = EXPECT
) -> tuple[Finding, ...]:
    """Judge every launch: did the collectives work, is the place clean; and what was refused.

    The numbers of all launches of a backend are held to what is expected of it.

    Where something was launched, a backend that the hosts cannot have is passed over.
    """
    refused = (_refused(refusal, others=bool(probes)) for refusal in refusals)
    ask = (_allowed, _collective, _left)
    found = (about(probe) for probe in probes for about in ask)
    return (*refused, *found, *speed.findings(probes, expect))


def _allowed(probe: Probe) -> Finding:
    return Finding(ALLOWED, Subject("cluster", interface=probe.plan.backend), Status.PASS)


def _refused(refusal: Refusal, *, others: bool) -> Finding:
    subject = Subject("cluster", interface=refusal.backend)
    seen = f"{refusal.backend}: {refusal.reason}"
    if refusal.usable is None:
        evidence = Evidence("facts", seen, "facts that allow it")
        return Finding(ALLOWED, subject, Status.UNKNOWN, evidence)
    if others:
        return Finding(ALLOWED, subject, Status.SKIP, reason=seen)
    return Finding(ALLOWED, subject, Status.FAIL, Evidence("facts", seen, "facts that allow it"))


def _collective(probe: Probe) -> Finding:
    hosts = [rank.host.name for rank in probe.plan.ranks]
    subject = Subject("cluster", interface=probe.plan.backend)
    if probe.blame is None:
        return Finding(COLLECTIVE, subject, Status.PASS)
    who = ", ".join(f"rank {rank} ({hosts[rank]})" for rank in probe.blame.ranks)
    seen = f"{probe.plan.backend}: {who} {probe.blame.text}".replace("  ", " ")
    evidence = Evidence("probe", seen, f"{len(hosts)} ranks, all of them done")
    interrupted = probe.run.end == "interrupted"
    return Finding(COLLECTIVE, subject, Status.UNKNOWN if interrupted else Status.FAIL, evidence)


def _left(probe: Probe) -> Finding:
    subject = Subject("cluster", interface=probe.plan.backend)
    if not probe.run.left:
        return Finding(LEFT, subject, Status.PASS)
    unknown = all("not known" in text for text in probe.run.left)
    evidence = Evidence("ps", "; ".join(probe.run.left), "nothing")
    return Finding(LEFT, subject, Status.UNKNOWN if unknown else Status.FAIL, evidence)
