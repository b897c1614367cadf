"""Gate: findings of a preflight beyond those of facts and launches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlxdiag.checks import rendezvous
from mlxdiag.finding import Check, Evidence, Finding, Fix, FixKind, Severity, Status, Subject
from mlxdiag.readings import Gap

ALONE = Check(
    "jobs-none-running",
    "no MLX job runs on the host",
    Severity.WARNING,
    "host",
    Fix(FixKind.RUN, "end the job that is named, or wait for it"),
    ("access-reachable",),
    "A second MLX job takes the memory regions and protection domains of RDMA devices.",
)
REQUIRED = Check(
    "backend-required",
    "the backend that is required holds today",
    Severity.ERROR,
    "cluster",
    Fix(FixKind.NONE, "repair what is named, or require a backend that holds"),
    (),
    "What `--require` asks for; decided from all other findings and from the collectives.",
)
PORT_FREE = rendezvous.port_free
CHECKS = (ALONE, REQUIRED)


def port_free(
    host: str,
    ports: Sequence[int],
    source: str,
    held: Mapping[int, str] | Gap,
    cause: Finding | None,
) -> Finding:
    """Hold the ports that a host's ranks will listen at against who listens there now.

    `source` is the command that said so.
    """
    subject = Subject("host", host)
    if not ports:
        return Finding(PORT_FREE, subject, Status.SKIP, reason="its rank listens at no port")
    expected = f"nobody at {', '.join(map(str, ports))}"
    if isinstance(held, Gap):
        seen = Evidence(source, held.reason, expected)
        return Finding(PORT_FREE, subject, Status.UNKNOWN, seen, blocked_by=cause)
    taken = [held[port] for port in ports if port in held]
    if not taken:
        return Finding(PORT_FREE, subject, Status.PASS)
    return Finding(PORT_FREE, subject, Status.FAIL, Evidence(source, "; ".join(taken), expected))


def alone(host: str, jobs: tuple[str, ...] | None, cause: Finding | None) -> Finding:
    """Say whether MLX jobs run on a host; None: it did not say."""
    subject = Subject("host", host)
    if jobs is None:
        seen = Evidence("ps", "no list of processes", "no MLX job")
        return Finding(ALONE, subject, Status.UNKNOWN, seen, blocked_by=cause)
    if not jobs:
        return Finding(ALONE, subject, Status.PASS)
    return Finding(ALONE, subject, Status.FAIL, Evidence("ps", "; ".join(jobs), "no MLX job"))


def required(
    require: str,
    holds: bool | None,
    why: str,
    cause: Finding | None,
) -> Finding:
    """Give the verdict on what is required; `why` is what stands against it."""
    subject = Subject("cluster", interface=require)
    if holds:
        return Finding(REQUIRED, subject, Status.PASS)
    wanted = "a backend that holds" if require == "any" else f"{require} holds"
    status = Status.UNKNOWN if holds is None else Status.FAIL
    return Finding(REQUIRED, subject, status, Evidence("preflight", why, wanted), blocked_by=cause)
