"""Step and Plan: what to type or touch, in which order, and where to look again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mlxdiag.finding import FixKind

ON_HOSTS = "on the hosts"
"""The stage of what is typed or set while the hosts run on."""


class Path(StrEnum):
    """Whether ssh to the host goes over the interface that a step touches."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Step:
    """One thing to do. `host` None is where mlxdiag runs; `command` None is for a person.

    `subjects` are what it repairs, `interrupts` is what it may cut off meanwhile, `undo` is the
    line or the words that take it back, `confirms` are the checks that will show that it helped.
    """

    host: str | None
    kind: FixKind
    subjects: tuple[str, ...]
    text: str
    command: str | None
    interrupts: str
    ssh: Path
    survives_reboot: bool | None
    undo: str | None
    confirms: tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """Steps of one kind of effort. What they did has to be seen before the next stage is begun."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Plan:
    """The stages, the least effort first. `unknown` names what nothing can be said of yet."""

    stages: tuple[Stage, ...]
    unknown: tuple[str, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in order."""
        return tuple(step for stage in self.stages for step in stage.steps)
