"""RDMA: switched on, devices there, ports active, the far service announced."""

from __future__ import annotations

from mlxdiag.capture import Outcome
from mlxdiag.checks.subject import End, rdma_host, rdma_link
from mlxdiag.cluster import Cluster
from mlxdiag.errors import MissingFact
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, Severity, SkipCheck, check
from mlxdiag.ports import stray_devices
from mlxdiag.readings import Gap, HostFacts, known, need

GUI_SWITCH_MACOS = (27,)
"""From macOS 27 on there is a switch in System Settings; before, Recovery is the only way."""

_RECOVERY = Fix(
    FixKind.RECOVERY,
    "shut down, hold the power button, Options > Utilities > Terminal, then restart",
    "rdma_ctl enable",
)
_SWITCH = Fix(
    FixKind.SETTINGS,
    "System Settings > Privacy & Security > Developer Tools > RDMA over Thunderbolt, then restart",
)


@check(
    "rdma-stack-wedged",
    title="ibv_devices and ibv_devinfo return",
    per="host",
    confidence=Confidence.SEVERAL,
    fix=Fix(
        FixKind.REPLUG,
        "unplug and replug the host's Thunderbolt cables once; if that does not free it, restart"
        " the host. Do not run ibv_devinfo again and do not kill -9 it",
    ),
)
def stack_wedged(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """A verbs call that never returns sits in the kernel: retrying makes it worse (exo#1712)."""
    rdma_host(cluster, host.host.name)
    if not host.reached:
        raise MissingFact("ibv_devinfo", host.access.reason, host.host.name)
    for fact in (host.ibv_devices, host.ibv_devinfo):
        if isinstance(fact, Gap) and fact.outcome in (Outcome.TIMEOUT, Outcome.NOT_STARTED):
            return Evidence(fact.source, fact.reason, "an answer within seconds")
    return None


@check(
    "rdma-enabled",
    title="RDMA is switched on",
    per="host",
    fix=_RECOVERY,
    needs=("versions-macos-rdma",),
)
def enabled(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Off, the host has no RDMA device, and the far end of each of its cables stays PORT_DOWN."""
    rdma_host(cluster, host.host.name)
    if isinstance(host.rdma_ctl, Gap) and host.rdma_ctl.outcome is Outcome.MISSING:
        need(host.sw_vers)  # without macOS nothing follows from its absence
        return Evidence("rdma_ctl", "no such command", "enabled")
    if need(host.rdma_ctl).enabled:
        return None
    return Evidence("rdma_ctl", "disabled", "enabled", switch_on(host))


def switch_on(host: HostFacts) -> Fix:
    """Say how RDMA is switched on with this host's macOS: it was Recovery alone before 27."""
    macos = known(host.sw_vers)
    gui = macos is not None and macos.number >= GUI_SWITCH_MACOS
    return _SWITCH if gui else _RECOVERY


@check(
    "rdma-devices-listed",
    title="the host lists RDMA devices",
    per="host",
    fix=Fix(FixKind.REBOOT, "restart the host: RDMA was switched on but the driver did not start"),
    needs=("versions-macos-rdma", "rdma-enabled", "rdma-stack-wedged"),
)
def devices_listed(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Switched on and an empty list means that a restart is pending, on Thunderbolt 5."""
    rdma_host(cluster, host.host.name)
    if isinstance(host.ibv_devices, Gap) and host.ibv_devices.outcome is Outcome.MISSING:
        need(host.sw_vers)
        return Evidence("ibv_devices", "no such command", "a device per Thunderbolt port")
    if any(device.thunderbolt for device in need(host.ibv_devices).devices):
        return None
    return Evidence("ibv_devices", "no device", "a device per Thunderbolt port")


@check(
    "rdma-device-interface",
    title="every RDMA device belongs to a Thunderbolt port",
    per="host",
    severity=Severity.WARNING,
    fix=Fix(FixKind.REBOOT, "restart the host so that devices and interfaces are made anew"),
    needs=("versions-macos-rdma", "rdma-stack-wedged"),
)
def device_interface(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """A device whose interface macOS does not list cannot be matched to a cable."""
    rdma_host(cluster, host.host.name)
    need(host.ibv_devices)
    need(host.hardware_ports)
    stray = stray_devices(host)
    if stray:
        seen = f"{', '.join(stray)} without a Thunderbolt interface"
        return Evidence("ibv_devices", seen, "an interface for each")
    ports = cluster.topology.ports[host.host.name]
    owner = {port.bus_guid: port for port in ports if port.bus_guid}
    for port in ports:
        other = owner.get(port.device_guid or "", port)
        if port.device_guid != port.bus_guid and other is not port:
            seen = f"{port.device} has the GUID of receptacle {other.receptacle}"
            return Evidence("ibv_devinfo", seen, f"the GUID of receptacle {port.receptacle}")
    return None


@check(
    "rdma-device",
    title="the cabled port has an RDMA device",
    per="port",
    fix=Fix(FixKind.REBOOT, "restart the host: its driver made no device for this port"),
    needs=(
        "versions-macos-rdma",
        "rdma-stack-wedged",
        "rdma-enabled",
        "rdma-devices-listed",
        "network-interface-active",
    ),
)
def device(cluster: Cluster, end: End) -> Evidence | None:
    """Jaccl opens the device by name: `rdma_` and the interface of the port."""
    rdma_link(cluster, end.link)
    interface = need(end.port.interface)
    if interface is None:
        return Evidence("networksetup_hardwareports", "no interface", "an interface and its device")
    if need(end.port.device) is not None:
        return None
    return Evidence("ibv_devices", f"no rdma_{interface}", f"rdma_{interface}")


@check(
    "rdma-host-ports",
    title="not all cabled ports of the host are down while far ends are up",
    per="host",
    fix=Fix(
        FixKind.REBOOT,
        "restart this host, and only this one; its cables and the far ends are not the cause",
    ),
    needs=("rdma-stack-wedged", "rdma-enabled", "rdma-devices-listed"),
)
def host_ports(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Several cables do not fail together: what they share is this host."""
    rdma_host(cluster, host.host.name)
    if not host.reached:
        raise MissingFact("ibv_devinfo", host.access.reason, host.host.name)
    ends = [
        (port, link.other(port))
        for port in cluster.topology.cabled(host.host.name)
        if (link := cluster.topology.link_of(port)) and cluster.thunderbolt5(link.other(port).host)
    ]
    if len(ends) < 2:
        raise SkipCheck("fewer than two cabled ports")
    for port, _ in ends:
        need(port.verbs)
    far_up = [far for _, far in ends if far.state == "PORT_ACTIVE"]
    if any(port.state != "PORT_DOWN" for port, _ in ends) or not far_up:
        return None
    all_up = len(far_up) == len(ends)
    seen = (
        f"{'both' if len(ends) == 2 else f'all {len(ends)}'} cabled ports are PORT_DOWN while"
        f" {'all' if all_up else len(far_up)} of their far ends"
        f" {'is' if len(far_up) == 1 and not all_up else 'are'} PORT_ACTIVE"
    )
    return Evidence("ibv_devinfo", seen, "PORT_ACTIVE at both ends")


@check(
    "rdma-port-active",
    title="the cabled port is PORT_ACTIVE",
    per="port",
    fix=Fix(FixKind.REPLUG, "re-seat this end of the cable; if it stays down, restart both hosts"),
    needs=(
        "versions-macos-rdma",
        "rdma-stack-wedged",
        "rdma-enabled",
        "rdma-devices-listed",
        "network-interface-active",
        "rdma-device",
        "far:versions-macos-rdma",
        "far:rdma-stack-wedged",
        "far:rdma-enabled",
        "far:rdma-devices-listed",
        "far:network-interface-active",
        "far:rdma-device",
        "rdma-host-ports",
        "far:rdma-host-ports",
        "cabling-both-ends",
        "cabling-direct",
        "cabling-speed",
    ),
)
def port_active(cluster: Cluster, end: End) -> Evidence | None:
    """DOWN makes `Couldn't allocate protection domain`; the far Mac may be the one that is off."""
    rdma_link(cluster, end.link)
    if need(end.port.device) is None:
        return Evidence("ibv_devices", "no RDMA device", "PORT_ACTIVE")
    if need(end.port.verbs) is None:
        return Evidence("ibv_devinfo", f"{end.port.device} is not in its output", "PORT_ACTIVE")
    if end.port.state == "PORT_ACTIVE":
        return None
    if end.far.state == "PORT_ACTIVE":
        seen = f"{end.port.state} while its far end is PORT_ACTIVE"
        text = (
            "re-seat the cable at this end, the far one is up; if it stays down, restart this host"
        )
        return Evidence("ibv_devinfo", seen, "PORT_ACTIVE", Fix(FixKind.REPLUG, text))
    return Evidence("ibv_devinfo", f"{end.port.state}", "PORT_ACTIVE")


@check(
    "rdma-far-service",
    title="the far Mac announces RDMA on this cable",
    per="port",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(FixKind.REPLUG, "re-seat the cable, then restart the far host"),
    needs=(
        "far:versions-macos-rdma",
        "far:rdma-enabled",
        "far:rdma-devices-listed",
        "far:rdma-stack-wedged",
        "cabling-both-ends",
        "cabling-direct",
    ),
)
def far_service(cluster: Cluster, end: End) -> Evidence | None:
    """Protocol 64087 in system_profiler: absent where the far Mac has RDMA off, or cannot."""
    rdma_link(cluster, end.link)
    need(cluster.of(end.port.host).thunderbolt)
    if not end.link.sees(end.port):
        raise SkipCheck("this end does not list the far Mac")
    uuid = end.far.domain_uuid
    if any(mac.item.offers_rdma for mac in end.port.macs if mac.item.domain_uuid == uuid):
        return None
    seen = f"{end.far.host} does not announce protocol 64087"
    return Evidence("system_profiler_thunderbolt", seen, "protocol 64087")


CHECKS = (
    stack_wedged,
    enabled,
    devices_listed,
    device_interface,
    device,
    host_ports,
    port_active,
    far_service,
)
