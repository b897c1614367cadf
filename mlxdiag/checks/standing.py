"""Network: what macOS or another program will set again, whatever was set by hand."""

from __future__ import annotations

from mlxdiag.checks import address
from mlxdiag.checks.subject import End, rdma_link
from mlxdiag.cluster import Cluster
from mlxdiag.facts import exo_daemon, plutil_sharing
from mlxdiag.facts.system_profiler_network import MANUAL
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, Severity, SkipCheck, check
from mlxdiag.readings import HostFacts, known, need

EXO_SERVICE = "EXO Thunderbolt"
_DAEMON = "system/io.exo.networksetup"


@check(
    "network-exo",
    title="EXO does not set the network of this host",
    per="host",
    severity=Severity.WARNING,
    fix=Fix(
        FixKind.RUN,
        "stop EXO's daemon for good, or leave the addresses to it",
        f"sudo launchctl disable {_DAEMON} && sudo mv {exo_daemon.FILE} {exo_daemon.FILE}.off"
        f" && sudo launchctl bootout {_DAEMON}",
    ),
)
def exo(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """EXO's daemon puts Thunderbolt ports on DHCP every half hour: addresses set by hand go."""
    if need(cluster.survey(host.host.name).exo_daemon).installed:
        return Evidence("exo_daemon", "io.exo.networksetup is installed", "no such daemon")
    services = need(host.service_order).services
    named = [each.name for each in services if each.name.startswith(EXO_SERVICE) and each.enabled]
    if not named:
        return None
    fix = Fix(FixKind.RUN, "leave EXO's network location at the machine, if nothing needs it")
    return Evidence("networksetup_serviceorder", ", ".join(named), "no service of EXO", fix)


@check(
    "network-sharing",
    title="Internet Sharing is off",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.SINGLE,
    fix=Fix(FixKind.SETTINGS, "System Settings > General > Sharing > Internet Sharing: off"),
)
def sharing(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """It puts ports into bridge100 and leases addresses and a default route down the cables."""
    enabled = need(cluster.survey(host.host.name).sharing).enabled
    if enabled is None:
        line = f"sudo plutil -extract NAT.Enabled raw -o - {plutil_sharing.FILE}"
        raise SkipCheck(f"only root may read it; by hand: {line}")
    if not enabled:
        return None
    said = known(host.ifconfig)
    bridges = [i for i in (said.interfaces if said else ()) if i.for_sharing]
    members = ", ".join(member for bridge in bridges for member in bridge.members)
    return Evidence("plutil_sharing", f"on, to {members}" if members else "on", "off")


@check(
    "network-bridge-stored",
    title="no stored bridge takes the cabled port at the next start",
    per="port",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(
        FixKind.SETTINGS,
        "System Settings > Network > ... > Manage Virtual Interfaces: take the port out of the"
        " bridge, or delete the bridge",
    ),
    needs=("network-bridge",),
)
def bridge_stored(cluster: Cluster, end: End) -> Evidence | None:
    """Taken out with ifconfig alone, the port is back in its bridge after every restart."""
    rdma_link(cluster, end.link)
    interface = need(end.port.interface)
    if interface is None:
        raise SkipCheck("no interface")
    name = need(cluster.survey(end.port.host).stored_bridges).of(interface)
    if name is None:
        return None
    now = "and a member now" if need(end.port.bridge) else "though no member now"
    return Evidence("plutil_bridges", f"stored in {name}, {now}", "in no stored bridge")


@check(
    "network-address-persistent",
    title="the port's address is stored in its network service",
    per="port",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(FixKind.RUN, "store the address that the port has now"),
    needs=("network-bridge", "network-ipv4", "network-link-local", "network-exo"),
)
def address_persistent(cluster: Cluster, end: End) -> Evidence | None:
    """An address from ifconfig or a lease is gone after a restart: works today, not tomorrow."""
    net = need(end.port.net)
    if net is None or not net.ipv4:
        raise SkipCheck("no IPv4 address")
    fix = Fix(FixKind.RUN, address_persistent.fix.text, address.keep_command(cluster, end))
    services = need(cluster.of(end.port.host).service_order).services
    if not any(each.device == net.name and each.enabled for each in services):
        seen = f"no network service for {net.name}"
        return Evidence("networksetup_serviceorder", seen, "a service with a fixed address", fix)
    methods = [s.method for s in need(cluster.survey(end.port.host).services).on(net.name)]
    if MANUAL in methods:
        return None
    seen = f"configured by {', '.join(filter(None, methods)) or 'nothing'}"
    return Evidence("system_profiler_network", seen, f"IPv4 {MANUAL}", fix)


CHECKS = (exo, sharing, bridge_stored)
LATER = (address_persistent,)
"""Asked after what says why an address is missing."""
