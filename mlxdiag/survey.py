"""Survey: the further commands that only `mlxdiag check` asks, and what each host said to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mlxdiag.capture import ACCESS, Capture, Captures, Command, Outcome
from mlxdiag.facts import (
    clock,
    df,
    diagnostic_reports,
    environment,
    ioclasscount,
    ioreg_accelerator,
    pmset,
    ps,
    sysctl_state,
    vm_stat,
)
from mlxdiag.facts.clock import Clock
from mlxdiag.facts.df import Df
from mlxdiag.facts.diagnostic_reports import DiagnosticReports
from mlxdiag.facts.environment import Environment
from mlxdiag.facts.ioclasscount import IoClassCount
from mlxdiag.facts.ioreg_accelerator import IoregAccelerator
from mlxdiag.facts.pmset import Pmset
from mlxdiag.facts.ps import Ps
from mlxdiag.facts.sysctl_state import SysctlState
from mlxdiag.facts.vm_stat import VmStat
from mlxdiag.inventory import Inventory
from mlxdiag.preflight import listeners
from mlxdiag.preflight.asked import PORT, ports
from mlxdiag.readings import Gap, HostFacts, fact_of
from mlxdiag.recording import Recording

COMMANDS: tuple[Command, ...] = (
    clock.COMMAND,
    environment.COMMAND,
    pmset.COMMAND,
    sysctl_state.COMMAND,
    vm_stat.COMMAND,
    df.COMMAND,
    ps.COMMAND,
    ioclasscount.COMMAND,
    ioreg_accelerator.COMMAND,
    diagnostic_reports.COMMAND,
    *(each for each in listeners.commands(range(PORT, PORT + 1)) if each.name != "ss"),
)
"""In the order they are asked, after those of `ports`, in lanes of their own or of theirs."""

LONG: frozenset[str] = frozenset({"lsof"})
"""Those that may take over a second: left out at --level quick."""


@dataclass(frozen=True)
class HostSurvey:
    """What one host said to the further commands."""

    clock: Clock | Gap
    environment: Environment | Gap
    pmset: Pmset | Gap
    sysctl_state: SysctlState | Gap
    vm_stat: VmStat | Gap
    df: Df | Gap
    ps: Ps | Gap
    ioclasscount: IoClassCount | Gap
    ioreg_accelerator: IoregAccelerator | Gap
    diagnostic_reports: DiagnosticReports | Gap
    listeners: Mapping[int, str] | Gap

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Every fact that is missing, in the order of the fields."""
        return tuple(value for value in vars(self).values() if isinstance(value, Gap))


def read(facts: HostFacts) -> HostSurvey:
    """Parse what a host said; nothing is raised, every failure becomes a Gap."""
    host, captures = facts.host.name, facts.captures
    return HostSurvey(
        clock=fact_of(host, captures, clock.COMMAND.name, clock.parse),
        environment=fact_of(host, captures, environment.COMMAND.name, environment.parse),
        pmset=fact_of(host, captures, pmset.COMMAND.name, pmset.parse),
        sysctl_state=fact_of(
            host,
            captures,
            sysctl_state.COMMAND.name,
            sysctl_state.parse,
            sysctl_state.parse_failure,
        ),
        vm_stat=fact_of(host, captures, vm_stat.COMMAND.name, vm_stat.parse),
        df=fact_of(host, captures, df.COMMAND.name, df.parse),
        ps=fact_of(host, captures, ps.COMMAND.name, ps.parse),
        ioclasscount=fact_of(host, captures, ioclasscount.COMMAND.name, ioclasscount.parse),
        ioreg_accelerator=fact_of(
            host, captures, ioreg_accelerator.COMMAND.name, ioreg_accelerator.parse
        ),
        diagnostic_reports=fact_of(
            host,
            captures,
            diagnostic_reports.COMMAND.name,
            diagnostic_reports.parse,
            diagnostic_reports.parse_failure,
        ),
        listeners=listeners.holders(host, captures),
    )


def asked(inventory: Inventory, *, quick: bool) -> Sequence[Command]:
    """List the further commands of a level; those about ports are about the inventory's."""
    own = {command.name: command for command in listeners.commands(ports(inventory))}
    found = [own.get(command.name, command) for command in COMMANDS]
    return [command for command in found if not (quick and command.name in LONG)]


def kept(recording: Recording) -> Recording:
    """Leave out what is nobody's business: other processes, and who listens at other ports."""
    wanted = ports(recording.inventory)
    hosts = {name: _kept(captures, wanted) for name, captures in recording.hosts.items()}
    return replace(recording, hosts=hosts)


def _kept(captures: Captures, wanted: range) -> Captures:
    found = dict(listeners.kept(captures, wanted))
    processes = found.get(ps.COMMAND.name)
    if processes is not None and processes.stdout:
        found[ps.COMMAND.name] = replace(processes, stdout=ps.kept(processes.stdout))
    return found


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
