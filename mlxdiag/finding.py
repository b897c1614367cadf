"""Check and Finding: what is asked of the cluster, and what came of it, per subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar

from mlxdiag.ports import Port
from mlxdiag.topology import Link

S = TypeVar("S")
Scope = Literal["host", "port", "link", "pair", "cluster"]
DOCS = "docs/checks.md"


class Status(StrEnum):
    """UNKNOWN: the fact was never obtained. SKIP: the question does not arise for this subject."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SKIP = "skip"
    UNKNOWN = "unknown"


class Severity(StrEnum):
    """ERROR: something asked for does not work. WARNING: it may not. INFO: good to know."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Confidence(StrEnum):
    """How well it is known that what a check looks for is a fault, and that the fix helps.

    CONFIRMED: by maintainers, by Apple, in MLX's source, or it follows from what the inventory
    expects. SEVERAL: independent reports. SINGLE: one report. INFERRED: reasoned, never observed.
    """

    CONFIRMED = "confirmed"
    SEVERAL = "several reports"
    SINGLE = "single report"
    INFERRED = "inferred"


class FixKind(StrEnum):
    """What the user has to do, cheapest first."""

    NONE = "none"
    RUN = "run"
    SETTINGS = "settings"
    WAIT = "wait"
    REPLUG = "replug"
    RECABLE = "recable"
    REBOOT = "reboot"
    UPGRADE = "upgrade"
    RECOVERY = "recovery"

    @property
    def cost(self) -> int:
        """Rank by effort: 0 is nothing, a visit to Recovery the most."""
        return list(FixKind).index(self)


@dataclass(frozen=True)
class Fix:
    """What to type or touch. `command` is one line, for the finding's host unless `here`.

    `far_command` is one for the host at the far end of the cable, to be run with it.
    """

    kind: FixKind
    text: str
    command: str | None = None
    here: bool = False
    far_command: str | None = None


@dataclass(frozen=True)
class Evidence:
    """Why a check failed: which command said what, and what it should have said.

    `fix` replaces the check's own where the remedy depends on what was seen. `unknown` makes the
    finding unknown instead of failed: what was seen is that it could not be determined. `severity`
    replaces the check's where this case weighs less. Where a number was held to another, they are
    `measured` (None: there is none) and `limit` in `unit`; `provisional`: nobody calibrated it.
    """

    source: str
    observed: str
    expected: str
    fix: Fix | None = None
    unknown: bool = False
    severity: Severity | None = None
    measured: float | None = None
    limit: float | None = None
    unit: str = ""
    provisional: bool = False


@dataclass(frozen=True)
class Subject:
    """What a finding is about. `port` counts receptacles; `far` is the other end or host."""

    kind: Scope
    host: str | None = None
    interface: str | None = None
    receptacle: int | None = None
    far: Subject | None = None

    @property
    def label(self) -> str:
        """Name it as a person would: `macstudio1 en4`, `a en3 - b en5`, `a - b`, `cluster`."""
        own = " ".join(filter(None, (self.host, self.place))) or "cluster"
        return f"{own} - {self.far.label}" if self.far and self.kind != "port" else own

    @property
    def place(self) -> str | None:
        """The port within its host: its interface, or its receptacle where it has none."""
        if self.interface is None and self.receptacle is None:
            return None
        return self.interface or f"receptacle {self.receptacle}"


@dataclass(frozen=True)
class Finding:
    """One check on one subject. `blocked_by` is the cause that this one follows from.

    `lowered` is the severity where the inventory asks for less than the check does.
    """

    check: Check = field(repr=False)
    subject: Subject
    status: Status
    evidence: Evidence | None = None
    reason: str = ""
    blocked_by: Finding | None = None
    lowered: Severity | None = None

    @property
    def id(self) -> str:
        """The check's id."""
        return self.check.id

    @property
    def severity(self) -> Severity:
        """How much it matters here."""
        return self.lowered or self.check.severity

    @property
    def key(self) -> str:
        """Name check and subject in one text."""
        return f"{self.check.id} {self.subject.label}"

    @property
    def fix(self) -> Fix | None:
        """What to do about it; nothing for a finding that passed or does not apply."""
        if self.status in (Status.PASS, Status.SKIP):
            return None
        return (self.evidence.fix if self.evidence else None) or self.check.fix

    @property
    def root(self) -> Finding:
        """Follow `blocked_by` to the cause that has none."""
        return self.blocked_by.root if self.blocked_by else self

    @property
    def broken(self) -> bool:
        """Whether it failed as what the check itself calls an error."""
        return self.status is Status.FAIL and self.check.severity is Severity.ERROR


class SkipCheck(Exception):
    """Raised by a check whose question does not arise for the subject; the text says why."""


class NeedsRoot(SkipCheck):
    """Raised where only root is told: mlxdiag asks nobody for it and gives the line to run."""

    def __init__(self, host: str, command: str) -> None:
        """Say what to run by hand, and where."""
        super().__init__(f"needs root: run `sudo {command}` on {host}")


@dataclass(frozen=True)
class Check:
    """One question. `title` states the healthy condition, `why` says why it matters.

    `needs` are the checks whose failure explains a failure of this one, the most basic first, on
    the same subject or on what contains it (port -> its host, its link); `far:` means the same of
    the other end of the cable.
    """

    id: str
    title: str
    severity: Severity
    per: Scope
    fix: Fix
    needs: tuple[str, ...]
    why: str
    confidence: Confidence = Confidence.CONFIRMED

    @property
    def area(self) -> str:
        """The first word of the id."""
        return self.id.partition("-")[0]

    @property
    def docs(self) -> str:
        """Where it is described."""
        return f"{DOCS}#{self.id}"


@dataclass(frozen=True)
class Asked(Check, Generic[S]):
    """A check that a function of cluster and subject answers; judges conclude all others."""

    ask: Callable[[Any, S], Evidence | None] = field(kw_only=True)


def check(
    id: str,  # noqa: A002
    *,
    title: str,
    per: Scope,
    fix: Fix,
    severity: Severity = Severity.ERROR,
    needs: tuple[str, ...] = (),
    confidence: Confidence = Confidence.CONFIRMED,
) -> Callable[[Callable[[Any, S], Evidence | None]], Asked[S]]:
    """Turn a function (cluster, subject) -> Evidence or None into a check; its docstring is why."""

    def made(ask: Callable[[Any, S], Evidence | None]) -> Asked[S]:
        why = (ask.__doc__ or "").strip()
        return Asked(id, title, severity, per, fix, needs, why, confidence, ask=ask)

    return made


def port_subject(port: Port, far: Port | None = None) -> Subject:
    """Name a port, and the far end of its cable where that matters."""
    interface = port.interface if isinstance(port.interface, str) else None
    other = port_subject(far) if far else None
    return Subject("port", port.host, interface, port.receptacle, other)


def link_subject(link: Link) -> Subject:
    """Name a link by its two ends."""
    near, far = (port_subject(end) for end in link.ends)
    return Subject("link", near.host, near.interface, near.receptacle, far)


Findings = Mapping[str, tuple[Finding, ...]]
"""Findings by check id, checks in causal order, subjects in inventory order."""
