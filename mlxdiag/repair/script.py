"""Script: the commands to type on the hosts as a shell script for each, to be read and run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from mlxdiag.finding import FixKind
from mlxdiag.repair.step import ON_HOSTS, Path, Plan, Step
from mlxdiag.report import Report

AGAIN = "Now look again from where you keep the inventory: mlxdiag fix"


def scripts(report: Report, plan: Plan) -> Mapping[str, str]:
    """Give the text per host that has something to type before the first look again.

    A restart and what is typed in Recovery are in no script, whichever stage comes first.
    """
    typed = [
        step
        for stage in plan.stages
        if stage.name == ON_HOSTS
        for step in stage.steps
        if step.kind is FixKind.RUN and step.command
    ]
    hosts = dict.fromkeys(step.host for step in typed if step.host)
    return {host: _script(report, [s for s in typed if s.host == host], host) for host in hosts}


def _script(report: Report, mine: Sequence[Step], host: str) -> str:
    lines = [
        "#!/bin/sh",
        f"# mlxdiag fix: {_plain(host)}, from what the hosts said at {_plain(report.started_at)}.",
        "# It changes this host. Read it before you run it, on this host and no other.",
        "set -eu",
        "say() { printf '%s\\n' \"$*\"; }",
    ]
    for number, step in enumerate(mine, 1):
        lines += ["", *_step(step, f"{number} of {len(mine)}")]
    return "\n".join([*lines, "", f"say {_word(AGAIN)}"]) + "\n"


def _step(step: Step, number: str) -> Iterator[str]:
    subjects = ", ".join(step.subjects)
    yield f"say {_word(f'{number}: {step.text}: {subjects}')}"
    yield f"# May interrupt: {_plain(step.interrupts)}"
    if step.ssh is not Path.NO:
        yield "# ssh to this host may go over what this touches: run it at the machine."
    if step.undo:
        yield f"# Undo: {_plain(step.undo)}"
    yield step.command or ""


def _word(text: str) -> str:
    """Quote for the shell. Backquotes and dollars become other signs: they would look like code."""
    return shlex.quote(_plain(text).replace("`", '"').replace("$", "S"))


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
