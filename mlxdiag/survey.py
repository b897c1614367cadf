"""Survey: the further commands that only `mlxdiag check` asks, and what each host said to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlxdiag.capture import ACCESS, Capture, Command, Outcome
from mlxdiag.facts import pmset
from mlxdiag.facts.pmset import Pmset
from mlxdiag.readings import Gap, HostFacts, fact_of
from mlxdiag.recording import Recording

COMMANDS: tuple[Command, ...] = (pmset.COMMAND,)
"""In the order they are asked, after those of `ports`, in lanes of their own or of theirs."""

LONG: frozenset[str] = frozenset()
"""Those that may take over a second: left out at --level quick."""


@dataclass(frozen=True)
class HostSurvey:
    """What one host said to the further commands."""

    pmset: Pmset | Gap

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Every fact that is missing, in the order of the fields."""
        return tuple(value for value in vars(self).values() if isinstance(value, Gap))


def read(facts: HostFacts) -> HostSurvey:
    """Parse what a host said; nothing is raised, every failure becomes a Gap."""
    host, captures = facts.host.name, facts.captures
    return HostSurvey(pmset=fact_of(host, captures, pmset.COMMAND.name, pmset.parse))


def asked(*, quick: bool) -> Sequence[Command]:
    """List the further commands of a level."""
    return [command for command in COMMANDS if not (quick and command.name in LONG)]


def left_out(recording: Recording) -> Recording:
    """Say in the recording which commands a quick run did not ask, of the hosts it reached."""
    absent = {c.name: Capture(c.name, c.argv, Outcome.LEFT_OUT) for c in COMMANDS if c.name in LONG}
    hosts = {
        name: {**absent, **captures} if _reached(captures.get(ACCESS)) else captures
        for name, captures in recording.hosts.items()
    }
    return replace(recording, hosts=hosts)


def _reached(access: Capture | None) -> bool:
    return access is not None and access.outcome is Outcome.EXITED
