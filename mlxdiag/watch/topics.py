"""Topics: a report and the vitals of the hosts -> what is watched, each with its value now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mlxdiag.capture import Outcome
from mlxdiag.facts import ibv_devices, ibv_devinfo
from mlxdiag.facts.ifconfig import Interface
from mlxdiag.ladder import LinkState
from mlxdiag.ports import Port
from mlxdiag.readings import Gap, HostFacts, known
from mlxdiag.report import Report
from mlxdiag.watch.vitals import Vitals

GONE = "gone"
"""The value of a cable or a rank that was there and is not any more."""

NO_ADDRESS = "no address"
FREE = "no bridge"
HANGS, ANSWERS = "does not return", "returns"
LEAKED = "wired without a rank"
FINE = "as it should be"
LEAK_SHARE = 0.4
"""Of all memory, wired while no MLX job runs: a Mac at rest wires about 5 GB (omlx#2855)."""

VERBS = (ibv_devices.COMMAND.name, ibv_devinfo.COMMAND.name)


@dataclass(frozen=True, order=True)
class Topic:
    """One thing that is watched: `what` of it, on whom; the hosts and the ports that it touches."""

    what: str
    subject: str
    hosts: tuple[str, ...] = field(default=(), compare=False)
    ports: tuple[str, ...] = field(default=(), compare=False)


Values = Mapping[Topic, str | None]
"""None: not known now."""


@dataclass(frozen=True)
class Seen:
    """Everything watched at one moment. `blind` are hosts whose wiring is not known now.

    A cable or a rank that is not among the values is gone, unless one of its hosts is blind, or
    for a rank mute.
    """

    values: Values
    blind: frozenset[str] = frozenset()
    mute: frozenset[str] = frozenset()


def see(report: Report, vitals: Mapping[str, Vitals]) -> Seen:
    """Look at everything that is watched."""
    return Seen(
        {**wiring(report), **dict(_vitals(report, vitals))},
        blind=frozenset(f.host.name for f in report.cluster.facts if _blind(f)),
        mute=frozenset(
            f.host.name
            for f in report.cluster.facts
            if not f.reached or vitals.get(f.host.name, Vitals()).jobs is None
        ),
    )


def wiring(report: Report) -> Values:
    """Look at what a report is about: hosts, ports, cables."""
    found: dict[Topic, str | None] = {}
    for facts in report.cluster.facts:
        found.update(_host(facts))
        for port in report.cluster.topology.ports[facts.host.name]:
            found.update(_port(port))
    for state in report.links:
        found.update(_link(state))
    return found


def _blind(facts: HostFacts) -> bool:
    return isinstance(facts.thunderbolt, Gap) or isinstance(facts.hardware_ports, Gap)


def _host(facts: HostFacts) -> Iterator[tuple[Topic, str | None]]:
    name = facts.host.name
    outcome = facts.access.outcome.value
    answered = None if outcome in ("not_recorded", "interrupted") else outcome.replace("_", " ")
    yield Topic("reachable", name, (name,)), "up" if facts.reached else answered
    yield Topic("verbs", name, (name,)), _verbs(facts)
    system, switch = known(facts.sysctl), known(facts.rdma_ctl)
    macos, runtime = known(facts.sw_vers), known(facts.mlx_runtime)
    boot = system.boot_time_s if system else None
    yield Topic("boot", name, (name,)), None if boot is None else str(boot)
    on = None if switch is None else "enabled" if switch.enabled else "disabled"
    yield Topic("rdma switch", name, (name,)), on
    yield Topic("macOS", name, (name,)), f"{macos.version} ({macos.build})" if macos else None
    yield Topic("MLX", name, (name,)), (runtime.mlx or "none") if runtime else None


def _verbs(facts: HostFacts) -> str | None:
    """Say whether the verbs come back: one that had to be ended is the sign of a wedged driver."""
    outcomes = {facts.captures[name].outcome for name in VERBS if name in facts.captures}
    if Outcome.TIMEOUT in outcomes:
        return HANGS
    return ANSWERS if outcomes == {Outcome.EXITED} else None


def _port(port: Port) -> Iterator[tuple[Topic, str | None]]:
    """Look at one port; one whose interface could not be asked for has no name to go by."""
    if isinstance(port.interface, Gap):
        return
    label = f"{port.host} {port.name}"
    ends = (port.host,), (label,)
    yield Topic("port", label, *ends), "no device" if port.device is None else port.state
    if isinstance(port.interface, str) and not isinstance(port.bridge, Gap):
        yield Topic("bridge", label, *ends), port.bridge or FREE
    yield Topic("address", label, *ends), _address(port)


def _address(port: Port) -> str | None:
    """Give the addresses where there should be one: the link is up and no bridge has the port."""
    if port.bridge or not isinstance(port.net, Interface) or port.net.status != "active":
        return None
    return ", ".join(port.ipv4) or NO_ADDRESS


def _link(state: LinkState) -> Iterator[tuple[Topic, str | None]]:
    if any(isinstance(end.interface, Gap) for end in state.link.ends):
        return
    a, b = (f"{end.host} {end.name}" for end in state.link.ends)
    subject, ends = f"{a} - {b}", (state.link.hosts, (a, b))
    speed = state.link.speed_gbps
    yield Topic("cable", subject, *ends), "there"
    yield Topic("speed", subject, *ends), None if speed is None else f"{speed:g} Gb/s"
    yield Topic("link", subject, *ends), verdict(state)


def verdict(state: LinkState) -> str | None:
    """Say whether RDMA can use a link and what stands against it; None if that is not known."""
    if state.jaccl.usable is None:
        return None
    against = f": {', '.join(state.jaccl.blockers)}" if state.jaccl.blockers else ""
    return "usable" if state.jaccl.usable else f"not usable{against}"


def _vitals(report: Report, vitals: Mapping[str, Vitals]) -> Iterator[tuple[Topic, str | None]]:
    for facts in report.cluster.facts:
        name = facts.host.name
        said = vitals.get(name, Vitals())
        for pid, words in (said.jobs or {}).items():
            yield Topic("rank", f"{name} pid {pid}", (name,)), words
        system = known(facts.sysctl)
        total = system.memory_bytes if system else None
        yield Topic("memory", name, (name,)), _memory(said, total)


def _memory(said: Vitals, total: int | None) -> str | None:
    if said.wired_bytes is None or said.jobs is None or not total:
        return None
    return LEAKED if not said.jobs and said.wired_bytes > LEAK_SHARE * total else FINE
