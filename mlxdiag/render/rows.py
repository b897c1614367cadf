"""Rows of what is shown in several formats: a host, a port, a backend; plain text, not yet safe."""

from __future__ import annotations

from mlxdiag.ports import Port
from mlxdiag.readings import HostFacts, known
from mlxdiag.recommend import Choice, Recommendation
from mlxdiag.report import Report

HOST = ("host", "chip", "macOS", "MLX", "RDMA", "active/cabled")
PORT = ("port", "no", "Gb/s", "state", "IPv4", "GID", "leads to", "position")


def of_host(report: Report, facts: HostFacts) -> tuple[str, ...]:
    """What a host said of itself, in the columns of HOST."""
    name = facts.host.name
    if not facts.reached:
        return (name, facts.access.outcome.value.replace("_", " "), "?", "?", "?", "?")
    macos, system, runtime = known(facts.sw_vers), known(facts.sysctl), known(facts.mlx_runtime)
    chip = (system.chip or system.model or "?").removeprefix("Apple ") if system else "?"
    cabled = report.cluster.topology.cabled(name)
    active = sum(port.state == "PORT_ACTIVE" for port in cabled)
    return (
        name,
        chip,
        f"{macos.version} ({macos.build})" if macos else "?",
        (runtime.mlx or "none") if runtime else "?",
        _rdma(report, facts),
        f"{active}/{len(cabled)}",
    )


def _rdma(report: Report, facts: HostFacts) -> str:
    """Say in a word what the host's RDMA switch says; TB4 where it means nothing."""
    if report.cluster.thunderbolt5(facts.host.name) is False:
        return "no TB5"
    switch = known(facts.rdma_ctl)
    if switch is None:
        return "absent" if facts.reached and _missing(facts) else "?"
    return "enabled" if switch.enabled else "disabled"


def _missing(facts: HostFacts) -> bool:
    capture = facts.captures.get("rdma_ctl")
    return capture is not None and capture.outcome.value == "missing"


def basis(found: Recommendation) -> str:
    """Say what a recommendation rests on."""
    return "measured" if found.basis == "measured" else "from topology, not measured"


def because(choice: Choice) -> str:
    """Say what stands against a backend, or what speaks for it."""
    said = "; ".join(f"{b.id}: {_few(b.subjects)}" for b in choice.blockers)
    return said or choice.note or "every rung holds"


def _few(subjects: tuple[str, ...]) -> str:
    if len(subjects) <= 4:
        return ", ".join(subjects)
    return f"{', '.join(subjects[:3])} and {len(subjects) - 3} more"


def of_port(report: Report, port: Port) -> tuple[str, ...]:
    """What is known of a port, in the columns of PORT."""
    peer = report.cluster.topology.peer(port)
    far = f" {peer.port.name}" if peer and peer.port else ""
    speed = f"{port.speed_gbps:g}" if port.speed_gbps and port.connected else "-"
    index = port.gid_ipv4_index
    return (
        f"{port.host} {port.name}",
        str(port.receptacle),
        speed,
        (port.state or "no device").removeprefix("PORT_"),
        ", ".join(port.ipv4) or (f"in {port.bridge}" if isinstance(port.bridge, str) else "-"),
        "-" if index is None else str(index),
        f"{peer.name}{far}" if peer else "-",
        port.position or "",
    )
