"""Command: logs, and the recording of a cluster or none -> the report of `mlxdiag diagnose`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mlxdiag import report
from mlxdiag.checks import entries
from mlxdiag.checks import hostfile as checks
from mlxdiag.diagnose import join, order
from mlxdiag.diagnose.judged import Judged
from mlxdiag.diagnose.matcher import Matcher
from mlxdiag.diagnose.reading import Log, Reading, read
from mlxdiag.finding import Finding
from mlxdiag.hostfile import Hostfile
from mlxdiag.inventory import Inventory
from mlxdiag.readings import HostFacts
from mlxdiag.recording import Recording
from mlxdiag.report import Report

COMMAND = "diagnose"
NOBODY = Inventory("", (), source="")
"""The inventory of a run that asks no host."""


def read_all(logs: Iterable[Log], hosts: Sequence[str] = ()) -> tuple[Reading, ...]:
    """Read logs one after the other."""
    matcher = Matcher()
    return tuple(read(log, matcher, hosts) for log in logs)


def build(
    logs: Sequence[Reading],
    tool_version: str,
    recording: Recording | None = None,
    told: Hostfile | None = None,
    path: str | None = None,
    early: Mapping[str, HostFacts] = {},
) -> Report:
    """Diagnose logs, and go on to host and port where there is a recording of the cluster.

    `told` is the hostfile of the run, which has the order of the ranks; `path` is its name.
    """
    diagnosis = order.diagnose(logs)
    if recording is None:
        made = _without_hosts(tool_version)
    else:
        made = report.build(recording, COMMAND, tool_version, early=early)
    file: entries.File | None = None
    about: tuple[Finding, ...] = ()
    if told is not None and recording is not None:
        file = entries.read(made.cluster, told)
        about = checks.findings(made.cluster, told, made.facts)
    ground = join.Ground(made.cluster, (*made.facts, *about), file)
    judged = Judged(diagnosis, join.cases(diagnosis, ground), path, len(ground.ranks))
    return replace(made, findings=(*made.findings, *about), diagnosed=judged)


def _without_hosts(tool_version: str) -> Report:
    """Make the report of a run that asks nobody: no check holds of no host."""
    made = report.build(Recording(NOBODY, {}, "", 0.0, tool_version), COMMAND, tool_version)
    found = made.recommendation
    choices = tuple(replace(c, usable=None, blockers=(), note="") for c in found.choices)
    nothing = replace(found, confidence="low", reason="no host was asked", choices=choices)
    return replace(made, findings=(), facts=(), recommendation=nothing)
