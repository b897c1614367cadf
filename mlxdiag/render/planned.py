"""Planned: what is said of each step of a plan, alike in the table and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mlxdiag.finding import FixKind
from mlxdiag.hostlist import fold
from mlxdiag.repair.step import Path, Step

NOTHING = "nothing to do: no step would repair anything that was found"
AGAIN = "look again before you go on: mlxdiag fix; what comes next may have become needless"

_SSH = {
    Path.YES: "ssh to this host goes over what it touches: do it at the machine",
    Path.UNKNOWN: "whether ssh to this host goes over what it touches is not known: look first",
}


@dataclass(frozen=True)
class Folded:
    """Steps that are the same on several hosts; `hosts` in one word, empty for where we run."""

    hosts: str
    step: Step

    @property
    def heading(self) -> str:
        """Say what is to be done, where, and to what."""
        who = f"{self.hosts}: " if self.hosts else ""
        what = ", ".join(s for s in self.step.subjects if s != self.step.host)
        return f"{who}{self.step.kind.value}: {self.step.text}" + (f" [{what}]" if what else "")


def folded(steps: Sequence[Step]) -> list[Folded]:
    """Fold what differs in its host alone; its subjects are then the hosts themselves."""
    alike: dict[Step, list[str]] = {}
    for step in steps:
        whole = step.subjects == (step.host,)
        alike.setdefault(replace(step, host=None, subjects=()) if whole else step, []).append(
            step.host or ""
        )
    return [Folded(fold(hosts) if any(hosts) else "", step) for step, hosts in alike.items()]


def notes(step: Step) -> Iterator[str]:
    """Say what it may interrupt, whether it lasts, how to take it back, and what confirms it."""
    yield f"may interrupt: {step.interrupts}"
    if step.ssh in _SSH:
        yield _SSH[step.ssh]
    if step.command and step.survives_reboot is not None and step.kind is not FixKind.REBOOT:
        yield "survives a restart" if step.survives_reboot else "is undone by a restart"
    if step.undo:
        yield f"undo: {step.undo}"
    yield f"confirmed by: {', '.join(step.confirms)}"
