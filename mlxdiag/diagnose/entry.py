"""Entry: one message that a failed run prints, and what it means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Literal

from mlxdiag.finding import Fix

Confidence = Literal["confirmed", "several", "single", "source", "inferred"]
"""Of the meaning: MLX's maintainers say so; several reports; one; read in a source; inferred."""

About = Literal["", "device", "coordinator", "host"]
"""What of the rank that says it: its RDMA devices, the address at which ranks meet, its host."""


class Role(StrEnum):
    """What a message tells of the order of events.

    CAUSE: the rank that says it failed by itself. SYMPTOM: it failed, and what it met may be the
    failure of another: it counts where nobody names a cause. ECHO: another rank failed before.
    NOTICE: no error by itself.
    """

    CAUSE = "cause"
    SYMPTOM = "symptom"
    ECHO = "echo"
    NOTICE = "notice"


@dataclass(frozen=True)
class Likely:
    """A possible cause, and the checks of mlxdiag that test it; none where nothing does."""

    text: str
    checks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One message. `says` is the text as it is printed, `pattern` what is looked for in a line.

    The groups of `pattern` may be `errno` (a number of the system that printed it), `device`,
    `rank` (whom the message is about, not who says it) and `host`. `errnos` are meanings by the
    name of the number; `means` holds for all others. `causes` stand in the order in which to look.
    """

    id: str
    by: str
    says: str
    pattern: str
    means: str
    fix: Fix
    sources: tuple[str, ...]
    causes: tuple[Likely, ...] = ()
    errnos: Mapping[str, str] = field(default_factory=dict, hash=False)
    role: Role = Role.CAUSE
    about: About = ""
    versions: str = ""
    confidence: Confidence = "source"
    no_retry: bool = False

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The pattern, compiled when it is first looked for."""
        return re.compile(self.pattern)

    def meaning(self, errno: str | None) -> str:
        """Say what it means with this number, by name."""
        return self.errnos.get(errno or "", self.means)

    @property
    def checks(self) -> tuple[str, ...]:
        """List the checks that test its causes, in order, each once."""
        return tuple(dict.fromkeys(id_ for cause in self.causes for id_ in cause.checks))
