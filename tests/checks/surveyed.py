"""Recordings of `mlxdiag check` in memory: a clean mesh that was asked everything."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from mlxdiag import report
from mlxdiag.recording import Recording
from mlxdiag.report import Report
from tests.checks.recorded import recording_of
from tests.model import CASES

HOST = "macstudio2"
"""The host that is spoilt, unless a case says another."""


@cache
def clean() -> Recording:
    """Return four Macs that are well, asked everything."""
    return recording_of(replace(CASES["clean-mesh-4"](), surveyed=True))


def checked(made: Recording) -> Report:
    return report.build(made, "check", "0.1.0")
