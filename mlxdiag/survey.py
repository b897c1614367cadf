"""Survey: the further commands that only `mlxdiag check` asks, and what each host said to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from mlxdiag.capture import ACCESS, Capture, Command, Outcome
from mlxdiag.facts import (
    exo_daemon,
    hostname,
    netstat_inet,
    nvram_rdma,
    plutil_bridges,
    plutil_sharing,
    pmset,
    socketfilterfw,
    system_profiler_network,
)
from mlxdiag.facts.exo_daemon import ExoDaemon
from mlxdiag.facts.hostname import Hostname
from mlxdiag.facts.netstat_inet import Routes
from mlxdiag.facts.nvram_rdma import NvramRdma
from mlxdiag.facts.plutil_bridges import StoredBridges
from mlxdiag.facts.plutil_sharing import Sharing
from mlxdiag.facts.pmset import Pmset
from mlxdiag.facts.socketfilterfw import Firewall
from mlxdiag.facts.system_profiler_network import Services
from mlxdiag.readings import Gap, HostFacts, fact_of
from mlxdiag.recording import Recording

T = TypeVar("T")

COMMANDS: tuple[Command, ...] = (
    pmset.COMMAND,
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

LONG: frozenset[str] = frozenset({system_profiler_network.COMMAND.name})
"""Those that may take over a second: left out at --level quick."""


@dataclass(frozen=True)
class HostSurvey:
    """What one host said to the further commands."""

    pmset: Pmset | Gap
    routes: Routes | Gap
    stored_bridges: StoredBridges | Gap
    sharing: Sharing | Gap
    exo_daemon: ExoDaemon | Gap
    firewall: Firewall | Gap
    nvram_rdma: NvramRdma | Gap
    hostname: Hostname | Gap
    services: Services | Gap

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
    return HostSurvey(
        pmset=fact(pmset.COMMAND, pmset.parse),
        routes=fact(netstat_inet.COMMAND, netstat_inet.parse),
        stored_bridges=fact(bridges.COMMAND, bridges.parse, bridges.parse_failure),
        sharing=fact(sharing.COMMAND, sharing.parse, sharing.parse_failure),
        exo_daemon=fact(exo.COMMAND, exo.parse, exo.parse_failure),
        firewall=fact(socketfilterfw.COMMAND, socketfilterfw.parse),
        nvram_rdma=fact(nvram.COMMAND, nvram.parse, nvram.parse_failure),
        hostname=fact(hostname.COMMAND, hostname.parse),
        services=fact(system_profiler_network.COMMAND, system_profiler_network.parse),
    )


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
