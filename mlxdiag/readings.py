"""Captures of one host -> HostFacts: every fact as it was read, or the Gap where it should be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

from mlxdiag.capture import ACCESS, Capture, Captures, Outcome
from mlxdiag.errors import LeftOut, MissingFact, ParseError
from mlxdiag.facts import (
    ibv_devices,
    ibv_devinfo,
    ifconfig,
    mlx_runtime,
    networksetup_hardwareports,
    networksetup_serviceorder,
    rdma_ctl,
    sw_vers,
    sysctl,
    system_profiler_thunderbolt,
)
from mlxdiag.facts.ibv_devices import IbvDevices
from mlxdiag.facts.ibv_devinfo import IbvDevinfo
from mlxdiag.facts.ifconfig import Ifconfig
from mlxdiag.facts.mlx_runtime import MlxRuntime
from mlxdiag.facts.networksetup_hardwareports import HardwarePorts
from mlxdiag.facts.networksetup_serviceorder import ServiceOrder
from mlxdiag.facts.rdma_ctl import RdmaCtl
from mlxdiag.facts.sw_vers import SwVers
from mlxdiag.facts.sysctl import Sysctl
from mlxdiag.facts.system_profiler_thunderbolt import Thunderbolt
from mlxdiag.inventory import Host

T = TypeVar("T")


@dataclass(frozen=True)
class Gap:
    """A fact that was not obtained: of which host and command, how that ended, why in one line."""

    host: str
    source: str
    outcome: Outcome
    reason: str


def need(fact: T | Gap) -> T:
    """Return the fact; raise MissingFact for a gap, which makes a check's finding unknown.

    A gap that was wanted raises LeftOut, which skips the check.
    """
    if isinstance(fact, Gap):
        if fact.outcome is Outcome.LEFT_OUT:
            raise LeftOut(fact.source, fact.reason, fact.host)
        raise MissingFact(fact.source, fact.reason, fact.host)
    return fact


def known(fact: T | Gap) -> T | None:
    """Return the fact or None, where it does not matter why it is missing."""
    return None if isinstance(fact, Gap) else fact


@dataclass(frozen=True)
class HostFacts:
    """All that one host said. `access` is its ACCESS capture; `captures` are the raw bytes.

    `said` has the same facts by the names of their commands.
    """

    host: Host
    captures: Captures
    access: Capture
    sw_vers: SwVers | Gap
    sysctl: Sysctl | Gap
    rdma_ctl: RdmaCtl | Gap
    hardware_ports: HardwarePorts | Gap
    service_order: ServiceOrder | Gap
    ifconfig: Ifconfig | Gap
    mlx_runtime: MlxRuntime | Gap
    thunderbolt: Thunderbolt | Gap
    ibv_devices: IbvDevices | Gap
    ibv_devinfo: IbvDevinfo | Gap
    said: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)

    @property
    def reached(self) -> bool:
        """Whether the host answered at all."""
        return self.access.outcome is Outcome.EXITED

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Every fact that is missing, in the order of the fields."""
        return tuple(value for value in vars(self).values() if isinstance(value, Gap))


def read(host: Host, captures: Captures, before: HostFacts | None = None) -> HostFacts:
    """Parse what a host said; nothing is raised, every failure becomes a Gap.

    `before` are facts of an earlier moment: where a command said the same, its fact is taken over.
    """
    devices, devinfo = ibv_devices, ibv_devinfo
    said: dict[str, object] = _unchanged(before, captures)

    def fact(
        name: str,
        parse: Callable[[bytes], T],
        parse_failure: Callable[[bytes, bytes], T] | None = None,
    ) -> T | Gap:
        if name not in said:
            said[name] = fact_of(host.name, captures, name, parse, parse_failure)
        return cast("T | Gap", said[name])

    return HostFacts(
        host=host,
        captures=captures,
        access=captures.get(ACCESS) or _absent(ACCESS),
        sw_vers=fact(sw_vers.COMMAND.name, sw_vers.parse),
        sysctl=fact(sysctl.COMMAND.name, sysctl.parse, sysctl.parse_failure),
        rdma_ctl=fact(rdma_ctl.COMMAND.name, rdma_ctl.parse),
        hardware_ports=fact(
            networksetup_hardwareports.COMMAND.name, networksetup_hardwareports.parse
        ),
        service_order=fact(networksetup_serviceorder.COMMAND.name, networksetup_serviceorder.parse),
        ifconfig=fact(ifconfig.COMMAND.name, ifconfig.parse),
        mlx_runtime=fact(mlx_runtime.COMMAND.name, mlx_runtime.parse),
        thunderbolt=fact(
            system_profiler_thunderbolt.COMMAND.name, system_profiler_thunderbolt.parse
        ),
        ibv_devices=fact(devices.COMMAND.name, devices.parse, devices.parse_failure),
        ibv_devinfo=fact(devinfo.COMMAND.name, devinfo.parse, devinfo.parse_failure),
        said=said,
    )


def same(one: Captures, other: Captures) -> bool:
    """Whether two moments of a host say the same, whenever it was said."""
    return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)


def _unchanged(before: HostFacts | None, captures: Captures) -> dict[str, object]:
    """Take over the facts of commands that ran, then and now, and said the same."""
    if before is None:
        return {}
    return {
        name: fact
        for name, fact in before.said.items()
        if name in captures and name in before.captures
        if _same(before.captures[name], captures[name])
    }


def _same(one: Capture, other: Capture) -> bool:
    return one is other or (
        one.outcome is other.outcome
        and (one.exit_status, one.signal) == (other.exit_status, other.signal)
        and (one.stdout, one.stderr, one.detail) == (other.stdout, other.stderr, other.detail)
    )


def fact_of(
    host: str,
    captures: Captures,
    name: str,
    parse: Callable[[bytes], T],
    parse_failure: Callable[[bytes, bytes], T] | None = None,
) -> T | Gap:
    """Parse what one command said; `parse_failure` takes stdout and stderr of a non-zero exit."""
    capture = captures.get(name) or _unanswered(name, captures.get(ACCESS))
    if capture.outcome is not Outcome.EXITED:
        return Gap(host, name, capture.outcome, capture.reason)
    try:
        if capture.exit_status == 0:
            return parse(capture.stdout)
        if parse_failure is not None:
            return parse_failure(capture.stdout, capture.stderr)
    except ParseError as error:
        return Gap(host, name, capture.outcome, f"not understood: {error}")
    return Gap(host, name, capture.outcome, capture.reason)


def _absent(name: str) -> Capture:
    return Capture(name, (), Outcome.NOT_RECORDED)


def _unanswered(name: str, access: Capture | None) -> Capture:
    """Stand in for a command that never ran: for the reason its host gave, if it gave one."""
    if access is None or access.outcome is Outcome.EXITED:
        return _absent(name)
    return Capture(name, (), access.outcome, detail=access.detail)
