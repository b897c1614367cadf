"""Recordings of a case with launches beside it, as `mlxdiag recommend` sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlxdiag import report
from mlxdiag.probe.plan import Plan, Refusal
from mlxdiag.probe.said import GangRun
from mlxdiag.recording import Recording
from mlxdiag.report import Report
from tests.checks.recorded import recorded
from tests.probe.logs import ended, healthy, log, plan, ran

HOSTS = ("macstudio1", "macstudio2", "macstudio3", "macstudio4")
Launched = tuple[Plan, GangRun]


def launched(backend: str, ns: Sequence[int], size: int = 4) -> Launched:
    """Launch a backend over the four hosts; every rank takes so many nanoseconds."""
    return over(backend), ran([healthy(rank, ns, size) for rank in range(4)])


def broken(backend: str) -> Launched:
    """Let rank 1 be killed in init."""
    bad = log(1, ended(signal=9, why="exited"), up_to="init")
    return over(backend), ran([log(0), bad, log(2), log(3)], "failed")


def over(backend: str) -> Plan:
    made = plan(4)
    ranks = tuple(
        replace(rank, host=replace(rank.host, name=name))
        for rank, name in zip(made.ranks, HOSTS, strict=True)
    )
    return replace(made, backend=backend, ranks=ranks)


def with_launches(
    *launches: Launched, case: str = "clean-mesh-4", refusals: Sequence[Refusal] = ()
) -> Report:
    return recommending(replace(recorded(case), probes=tuple(launches), refusals=tuple(refusals)))


def recommending(made: Recording) -> Report:
    return report.build(made, "recommend", "0.1.0")
