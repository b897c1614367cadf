"""Survey: the further commands that only `mlxdiag check` asks, and what each host said to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from mlxdiag.capture import ACCESS, Capture, Captures, Command, Outcome
from mlxdiag.facts import (
    clock,
    df,
    diagnostic_reports,
    exo_daemon,
    hostname,
    ioclasscount,
    ioreg_accelerator,
    login_environment,
    netstat_inet,
    nvram_rdma,
    plutil_bridges,
    plutil_sharing,
    pmset,
    processes,
    socketfilterfw,
    sysctl_state,
    system_profiler_network,
    vm_stat,
)
from mlxdiag.facts.clock import Clock
from mlxdiag.facts.df import Df
from mlxdiag.facts.diagnostic_reports import DiagnosticReports
from mlxdiag.facts.exo_daemon import ExoDaemon
from mlxdiag.facts.hostname import Hostname
from mlxdiag.facts.ioclasscount import ClassCount
from mlxdiag.facts.ioreg_accelerator import Accelerator
from mlxdiag.facts.login_environment import Environment
from mlxdiag.facts.netstat_inet import Routes
from mlxdiag.facts.nvram_rdma import NvramRdma
from mlxdiag.facts.plutil_bridges import StoredBridges
from mlxdiag.facts.plutil_sharing import Sharing
from mlxdiag.facts.pmset import Pmset
from mlxdiag.facts.processes import Ps
from mlxdiag.facts.socketfilterfw import Firewall
from mlxdiag.facts.sysctl_state import SysctlState
from mlxdiag.facts.system_profiler_network import Services
from mlxdiag.facts.vm_stat import VmStat
from mlxdiag.inventory import Inventory
from mlxdiag.preflight import listeners
from mlxdiag.preflight.asked import PORT, ports
from mlxdiag.readings import Gap, HostFacts, fact_of
from mlxdiag.recording import Recording

T = TypeVar("T")

COMMANDS: tuple[Command, ...] = (
    clock.COMMAND,
    login_environment.COMMAND,
    pmset.COMMAND,
    sysctl_state.COMMAND,
    vm_stat.COMMAND,
    df.COMMAND,
    processes.COMMAND,
    ioclasscount.COMMAND,
    ioreg_accelerator.COMMAND,
    diagnostic_reports.COMMAND,
    *(each for each in listeners.commands(range(PORT, PORT + 1)) if each.name != "ss"),
    netstat_inet.COMMAND,
    plutil_bridges.COMMAND,
    plutil_sharing.COMMAND,
    exo_daemon.COMMAND,
    socketfilterfw.COMMAND,
    nvram_rdma.COMMAND,
    hostname.COMMAND,
    system_profiler_network.COMMAND,
)
"""In the order they are asked, after those of `ports`, in lanes of their own or of theirs."""

LONG: frozenset[str] = frozenset({"lsof", system_profiler_network.COMMAND.name})
"""Those that may take over a second: left out at --level quick."""


@dataclass(frozen=True)
class HostSurvey:
    """What one host said to the further commands."""

    clock: Clock | Gap
    environment: Environment | Gap
    pmset: Pmset | Gap
    routes: Routes | Gap
    stored_bridges: StoredBridges | Gap
    sharing: Sharing | Gap
    exo_daemon: ExoDaemon | Gap
    firewall: Firewall | Gap
    nvram_rdma: NvramRdma | Gap
    hostname: Hostname | Gap
    services: Services | Gap
    sysctl_state: SysctlState | Gap
    vm_stat: VmStat | Gap
    df: Df | Gap
    ps: Ps | Gap
    ioclasscount: ClassCount | Gap
    ioreg_accelerator: Accelerator | Gap
    diagnostic_reports: DiagnosticReports | Gap
    listeners: listeners.Listing | Gap

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Every fact that is missing, in the order of the fields."""
        return tuple(value for value in vars(self).values() if isinstance(value, Gap))


def read(facts: HostFacts) -> HostSurvey:
    """Parse what a host said; nothing is raised, every failure becomes a Gap."""
    host, captures = facts.host.name, facts.captures

    def fact(
        command: Command,
        parse: Callable[[bytes], T],
        parse_failure: Callable[[bytes, bytes], T] | None = None,
    ) -> T | Gap:
        return fact_of(host, captures, command.name, parse, parse_failure)

    bridges, sharing, exo, nvram = plutil_bridges, plutil_sharing, exo_daemon, nvram_rdma
    reports = diagnostic_reports
    return HostSurvey(
        clock=fact(clock.COMMAND, clock.parse),
        environment=fact(login_environment.COMMAND, login_environment.parse),
        pmset=fact(pmset.COMMAND, pmset.parse),
        routes=fact(netstat_inet.COMMAND, netstat_inet.parse),
        stored_bridges=fact(bridges.COMMAND, bridges.parse, bridges.parse_failure),
        sharing=fact(sharing.COMMAND, sharing.parse, sharing.parse_failure),
        exo_daemon=fact(exo.COMMAND, exo.parse, exo.parse_failure),
        firewall=fact(socketfilterfw.COMMAND, socketfilterfw.parse),
        nvram_rdma=fact(nvram.COMMAND, nvram.parse, nvram.parse_failure),
        hostname=fact(hostname.COMMAND, hostname.parse),
        services=fact(system_profiler_network.COMMAND, system_profiler_network.parse),
        sysctl_state=fact(sysctl_state.COMMAND, sysctl_state.parse, sysctl_state.parse_failure),
        vm_stat=fact(vm_stat.COMMAND, vm_stat.parse),
        df=fact(df.COMMAND, df.parse),
        ps=fact(processes.COMMAND, processes.parse),
        ioclasscount=fact(ioclasscount.COMMAND, ioclasscount.parse),
        ioreg_accelerator=fact(ioreg_accelerator.COMMAND, ioreg_accelerator.parse),
        diagnostic_reports=fact(reports.COMMAND, reports.parse, reports.parse_failure),
        listeners=listeners.holders(host, captures),
    )


def asked(inventory: Inventory, *, quick: bool) -> Sequence[Command]:
    """List the further commands of a level; those about ports are about the inventory's."""
    own = {command.name: command for command in listeners.commands(ports(inventory))}
    found = [own.get(command.name, command) for command in COMMANDS]
    return [command for command in found if not (quick and command.name in LONG)]


def kept(recording: Recording) -> Recording:
    """Leave out what is nobody's business: other processes and ports, services' domains."""
    wanted = ports(recording.inventory)
    hosts = {name: _kept(captures, wanted) for name, captures in recording.hosts.items()}
    return replace(recording, hosts=hosts)


def _kept(captures: Captures, wanted: range) -> Captures:
    found = dict(listeners.kept(captures, wanted))
    for module in (processes, system_profiler_network):
        said = found.get(module.COMMAND.name)
        if said is not None and said.stdout:
            found[said.command] = replace(said, stdout=module.kept(said.stdout))
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
