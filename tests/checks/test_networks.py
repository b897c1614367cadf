"""Whole situations of the network: which finding is the cause, and what follows from it."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from mlxdiag.capture import Outcome
from mlxdiag.facts.exo_daemon import FILE as EXO
from mlxdiag.finding import Severity, Status
from mlxdiag.inventory import Expect
from mlxdiag.recording import Recording
from mlxdiag.repair import undo
from mlxdiag.report import Report
from tests.checks.further.network import FAILING, routed, surveyed
from tests.checks.recorded import altered, causes, expecting, of, printing, saying
from tests.checks.surveyed import HOST, checked, clean
from tests.model import CASES, Cable, ModelCluster
from tests.model.cases import changed, studios


def statuses(report: Report, id_: str) -> dict[str, Status]:
    return {f.subject.label: f.status for f in report.findings if f.id == id_}


def failed(report: Report, id_: str) -> list[str]:
    return [label for label, status in statuses(report, id_).items() if status is Status.FAIL]


def test_a_vpn_that_swallows_10_8_is_the_cause_where_a_cable_lost_its_route() -> None:
    """The port is up and addressed, but macOS dropped its route: the VPN's is all there is."""
    made = routed("10 link#33 UCS utun4")()
    rows = made.hosts[HOST]["netstat_inet"].stdout.splitlines(keepends=True)
    kept = b"".join(row for row in rows if b" en3 " not in row)
    report = checked(printing(made, HOST, "netstat_inet", kept))
    assert causes(report) == [f"network-vpn-overlap {HOST}"]
    route = of(report, "network-route", f"{HOST} en3")
    assert route.evidence is not None
    assert route.evidence.observed == "10.219.1.1 by 10.0.0.0/8 on utun4"
    assert route.root.id == "network-vpn-overlap"
    assert failed(report, "network-route") == [f"{HOST} en3"]
    assert report.exit_code == 0


def test_a_vpn_beside_the_cables_harms_nothing() -> None:
    """Tailscale keeps to 100.64/10, and its scoped default route serves bound sockets alone."""
    report = checked(routed("default link#33 UCSIg utun2", "100.64/10 link#33 UCS utun2")())
    assert causes(report) == []


def test_rank_0_over_tailscale_is_a_detour_for_each_other_host() -> None:
    made = clean()
    first = replace(made.inventory.hosts[0], ip="100.64.0.1")
    hosts = (first, *made.inventory.hosts[1:])
    made = replace(made, inventory=replace(made.inventory, hosts=hosts))
    tunnel = b"utun2: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> mtu 1280\n\tinet 100.64.0.1"
    tail = b" --> 100.64.0.1 netmask 0xffffffff\n"
    old = made.hosts["macstudio1"]["ifconfig"].stdout
    made = printing(made, "macstudio1", "ifconfig", old + tunnel + tail)
    for name in ("macstudio2", "macstudio3", "macstudio4"):
        row = b"100.64/10 link#33 UCS utun2\n224.0.0/4"
        made = altered(made, name, "netstat_inet", b"224.0.0/4", row)
    report = checked(made)
    assert failed(report, "network-coordinator-route") == [h.name for h in hosts[1:]]
    assert statuses(report, "network-coordinator-route")["macstudio1"] is Status.SKIP
    assert statuses(report, "network-own-address")["macstudio1"] is Status.PASS


def test_without_a_default_route_rank_0_elsewhere_is_not_reached() -> None:
    made = clean()
    hosts = (replace(made.inventory.hosts[0], ip="10.99.0.1"), *made.inventory.hosts[1:])
    made = replace(made, inventory=replace(made.inventory, hosts=hosts))
    old = made.hosts[HOST]["netstat_inet"].stdout
    rows = [row for row in old.splitlines(keepends=True) if not row.startswith(b"default")]
    report = checked(printing(made, HOST, "netstat_inet", b"".join(rows)))
    assert failed(report, "network-coordinator-route") == [HOST]


def test_internet_sharing_at_one_end_is_why_the_other_has_a_default_route() -> None:
    made = printing(clean(), "macstudio1", "plutil_sharing", b"1\n")
    made = altered(
        made, HOST, "netstat_inet", b"224.0.0/4", b"default 10.219.1.1 UGScIg en3\n224.0.0/4"
    )
    report = checked(made)
    assert causes(report) == ["network-sharing macstudio1"]
    assert of(report, "network-default-route", f"{HOST} en3").root.id == "network-sharing"


def test_what_only_root_may_read_is_skipped_with_the_line_to_run() -> None:
    capture = clean().hosts[HOST]["plutil_sharing"]
    refused = replace(capture, stderr=b"nat.plist: not readable (Code=257)\n")
    report = checked(saying(clean(), HOST, "plutil_sharing", refused))
    finding = of(report, "network-sharing", HOST)
    assert finding.status is Status.SKIP
    assert (
        "sudo plutil -extract NAT.Enabled raw -o - /Library/Preferences/SystemConfiguration/"
        in finding.reason
    )
    assert report.exit_code == 0
    capture = clean().hosts[HOST]["nvram_rdma"]
    said = b"nvram: Error getting variable - 'rdma-enable': (iokit/common) not permitted\n"
    refused = replace(capture, exit_status=1, stdout=b"", stderr=said)
    finding = of(checked(saying(clean(), HOST, "nvram_rdma", refused)), "rdma-stored-switch", HOST)
    assert (finding.status, "sudo nvram rdma-enable" in finding.reason) == (Status.SKIP, True)


def test_a_bridge_that_comes_back_after_the_restart() -> None:
    """The kernel's bridge is gone; the stored one has every port, and was never deleted."""
    stored = b'{"bridge0":{"Interfaces":["en2","en3","en4","en5","en6","en7"]}}'
    report = checked(printing(clean(), HOST, "plutil_bridges", stored))
    assert failed(report, "network-bridge-stored") == [f"{HOST} en{n}" for n in (3, 4, 5)]
    assert failed(report, "network-bridge") == []


def test_stored_and_present_is_one_cause() -> None:
    report = checked(surveyed(CASES["bridge0-port"]()))
    stored = of(report, "network-bridge-stored", "macstudio3 en3")
    assert stored.status is Status.FAIL
    assert stored.root.key == "network-bridge macstudio3 en3"
    assert not [key for key in causes(report) if key.startswith("network-bridge-stored")]


def bridged(cables: tuple[Cable, ...], *hosts: str) -> Recording:
    cluster = ModelCluster("bridged", studios(3), cables, backend="ring")
    for name in hosts:
        cluster = changed(cluster, name, bridged=(1, 2, 3, 4, 5, 6))
    return surveyed(cluster)


CHAIN = (
    Cable(("macstudio1", 3), ("macstudio2", 2)),
    Cable(("macstudio2", 3), ("macstudio3", 2)),
)
CIRCLE = (*CHAIN, Cable(("macstudio3", 3), ("macstudio1", 2)))
TWICE = (CHAIN[0], Cable(("macstudio1", 4), ("macstudio2", 4)))
ALL = ("macstudio1", "macstudio2", "macstudio3")


@pytest.mark.parametrize(
    ("cables", "hosts", "loops"),
    [
        (CIRCLE, ALL, True),
        (TWICE, ALL[:2], True),
        (CHAIN, ALL, False),
        (CIRCLE, ALL[:2], False),
        (CIRCLE, (), False),
    ],
    ids=["circle", "two cables", "chain", "one Mac without a bridge", "no bridge"],
)
def test_a_loop_is_a_circle_of_bridges(
    cables: tuple[Cable, ...],
    hosts: tuple[str, ...],
    loops: bool,
) -> None:
    report = checked(bridged(cables, *hosts))
    wanted = len(cables) if loops else 0
    assert len(failed(report, "network-bridge-loop")) == wanted


def test_the_stock_mesh_is_a_storm() -> None:
    report = checked(surveyed(CASES["stock-bridge"]()))
    label = "macstudio2 en4 - macstudio3 en4"
    finding = of(report, "network-bridge-loop", label)
    assert len(failed(report, finding.id)) == 6
    assert finding.root.id == "network-bridge"
    assert finding.evidence is not None
    assert finding.evidence.observed == (
        "macstudio2 bridge0 and macstudio3 bridge0 are joined by other cables as well"
    )


def test_self_assigned_addresses_leave_by_ethernet_which_is_one_cause_each() -> None:
    report = checked(surveyed(CASES["link-local-ipv4"]()))
    assert len(failed(report, "network-route")) == 12
    assert {f.root.id for f in report.findings if f.id == "network-route"} <= {
        "network-link-local",
        "network-route",
    }
    assert not [key for key in causes(report) if key.startswith(("network-route", "network-addr"))]


def test_a_port_without_a_service_is_known_at_level_quick() -> None:
    pair = b"(3) Thunderbolt 2\n(Hardware Port: Thunderbolt 2, Device: en3)\n\n"
    made = altered(clean(), HOST, "networksetup_serviceorder", pair, b"")
    left = replace(made.hosts[HOST]["system_profiler_network"], outcome=Outcome.LEFT_OUT)
    report = checked(saying(made, HOST, "system_profiler_network", left))
    assert failed(report, "network-address-persistent") == [f"{HOST} en3"]
    assert statuses(report, "network-address-persistent")[f"{HOST} en4"] is Status.SKIP
    fix = of(report, "network-address-persistent", f"{HOST} en3").fix
    assert fix is not None
    assert fix.command == (
        "sudo networksetup -createnetworkservice 'Thunderbolt 2' 'Thunderbolt 2' &&"
        " sudo networksetup -setmanual 'Thunderbolt 2' 10.219.1.2 255.255.255.252"
    )


def test_a_firewall_that_blocks_everything_is_an_error() -> None:
    line = b"Firewall is blocking all non-essential incoming connections. (State = 2)\n"
    report = checked(printing(clean(), HOST, "socketfilterfw", line))
    assert of(report, "network-firewall", HOST).severity is Severity.ERROR
    assert report.exit_code == 1


def test_services_of_exo_without_its_daemon() -> None:
    made = altered(
        clean(), HOST, "networksetup_serviceorder", b"(3) Thunderbolt 2", b"(3) EXO Thunderbolt 2"
    )
    finding = of(checked(made), "network-exo", HOST)
    assert finding.evidence is not None
    assert finding.evidence.observed == "EXO Thunderbolt 2"


def test_redacted_macs_do_not_make_two_machines_one() -> None:
    made = clean()
    for name in (HOST, "macstudio3"):
        lines = made.hosts[name]["ifconfig"].stdout.splitlines(keepends=True)
        dummy = [b"\tether 02:00:00:00:00:00\n" if b"\tether" in line else line for line in lines]
        made = printing(made, name, "ifconfig", b"".join(dummy))
    finding = of(checked(made), "network-distinct-machines")
    assert finding.status is Status.UNKNOWN


def test_an_address_of_another_host_is_named_with_that_host() -> None:
    made = clean()
    hosts = (replace(made.inventory.hosts[0], ip="192.168.86.12"), *made.inventory.hosts[1:])
    made = replace(made, inventory=replace(made.inventory, hosts=hosts))
    finding = of(checked(made), "network-own-address", "macstudio1")
    assert finding.evidence is not None
    assert "macstudio2 holds 192.168.86.12" in finding.evidence.observed
    assert finding.severity is Severity.ERROR


def test_an_address_that_is_not_there_fails_ring_as_well() -> None:
    made = FAILING["network-own-address"]()
    report = checked(expecting(made, Expect(backend="ring")))
    assert of(report, "network-own-address", HOST).severity is Severity.ERROR
    assert report.exit_code == 1


def test_addresses_that_are_alike_on_every_mac_are_nobodys() -> None:
    """Those of tunnels, of Internet Sharing's bridge and self-assigned ones never meet."""
    made = clean()
    more = (
        b"utun4: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> mtu 1380\n"
        b"\tinet 10.8.0.2 --> 10.8.0.1 netmask 0xffffffff\n"
        b"bridge100: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500\n"
        b"\tinet 192.168.2.1 netmask 0xffffff00 broadcast 192.168.2.255\n"
        b"en7: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500\n"
        b"\tinet 169.254.4.4 netmask 0xffff0000 broadcast 169.254.255.255\n"
    )
    for name in (HOST, "macstudio3"):
        made = printing(made, name, "ifconfig", made.hosts[name]["ifconfig"].stdout + more)
    assert of(checked(made), "network-address-unique").status is Status.PASS


def test_a_proposed_address_keeps_clear_of_what_is_routed() -> None:
    """Both ends of a cable have no address; a VPN of another host takes 10/8 and 172.16/12."""
    bare = frozenset({("macstudio1", 2), (HOST, 2)})
    made = surveyed(replace(CASES["clean-mesh-4"](), no_ipv4=bare))
    proposed = of(checked(made), "network-ipv4", f"{HOST} en3").fix
    assert proposed is not None
    assert " 10.219." in (proposed.command or "")
    rows = b"10 link#33 UCS utun4\n172.16/12 link#33 UCS utun4\n224.0.0/4"
    made = altered(made, "macstudio4", "netstat_inet", b"224.0.0/4", rows)
    proposed = of(checked(made), "network-ipv4", f"{HOST} en3").fix
    assert proposed is not None
    assert " 192.168." in (proposed.command or "")


@pytest.mark.parametrize("id_", sorted(FAILING))
def test_a_command_of_a_fix_can_be_run_as_it_stands(id_: str) -> None:
    """`mlxdiag fix --script` writes it into a script; a word to be replaced would run there."""
    for finding in checked(FAILING[id_]()).findings:
        if finding.status is Status.FAIL and finding.fix and finding.fix.command:
            words = r"\b(enX|NAME|PYTHON|SERVICE|IP|MASK|HOST|PEER)\b"
            assert not re.search(words, finding.fix.command)


def test_a_route_and_a_firewall_are_taken_back() -> None:
    route = of(checked(FAILING["network-route"]()), "network-route", f"{HOST} en3").fix
    assert route is not None
    assert route.command == "sudo route -n add -host 10.219.1.1 -interface en3"
    before = undo.Before(checked(clean()).cluster, HOST)
    assert undo.of(route.command, before) == "sudo route -n delete -host 10.219.1.1"
    exo = of(checked(FAILING["network-exo"]()), "network-exo", HOST).fix
    assert exo is not None
    assert exo.command == (
        "sudo launchctl disable system/io.exo.networksetup"
        f" && sudo mv {EXO} {EXO}.off && sudo launchctl bootout system/io.exo.networksetup"
    )
    assert undo.of(exo.command, before) == (
        f"sudo mv {EXO}.off {EXO} && sudo launchctl enable system/io.exo.networksetup"
        f" && sudo launchctl bootstrap system {EXO}"
    )


def test_an_address_of_two_thunderbolt_bridges_is_doubled() -> None:
    made = clean()
    more = (
        b"bridge0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500\n"
        b"\tinet 10.99.0.1 netmask 0xffffff00 broadcast 10.99.0.255\n"
    )
    for name in (HOST, "macstudio3"):
        made = printing(made, name, "ifconfig", made.hosts[name]["ifconfig"].stdout + more)
    finding = of(checked(made), "network-address-unique")
    assert finding.evidence is not None
    assert finding.evidence.observed == "10.99.0.1 on macstudio2 bridge0 and macstudio3 bridge0"


def test_self_assigned_addresses_are_no_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """No address is sought by walking a network: a /16, as self-assigned ones are, has 65 534."""
    walked: list[int] = []
    compared: list[IPv4Network] = []
    hosts, overlaps = IPv4Network.hosts, IPv4Network.overlaps

    def walk(network: IPv4Network) -> object:
        walked.append(network.prefixlen)
        return hosts(network)

    def compare(network: IPv4Network, other: IPv4Network) -> bool:
        compared.append(network)
        return overlaps(network, other)

    monkeypatch.setattr(IPv4Network, "hosts", walk)
    monkeypatch.setattr(IPv4Network, "overlaps", compare)
    report = checked(surveyed(CASES["link-local-ipv4"]()))
    assert [length for length in walked if length < 30] == []
    assert len(compared) < 12 * 100, "each of the twelve ends"
    assert failed(report, "network-cables-apart") == []
    assert failed(report, "network-lan-overlap") == []


def test_a_default_route_without_a_router_is_none() -> None:
    report = checked(routed("default link#9 UCSIg en3 !")())
    assert failed(report, "network-default-route") == []


def test_a_usb_uplink_matters_beside_a_bridge_alone() -> None:
    old, new = b"Hardware Port: Ethernet\n", b"Hardware Port: USB 10/100/1G/2.5G LAN\n"
    made = altered(clean(), HOST, "networksetup_hardwareports", old, new)
    assert failed(checked(made), "network-usb-uplink") == []
    made = FAILING["network-usb-uplink"]()
    default = b"default            192.168.86.1       UGScg                 en0"
    for other in (default.replace(b"UGScg ", b"UGScIg"), default.replace(b"en0", b"en1")):
        again = altered(made, HOST, "netstat_inet", default, other)
        assert failed(checked(again), "network-usb-uplink") == []


@pytest.mark.parametrize(
    ("network", "taken"),
    [("192.168.0.16/28", True), ("192.168.0.128/25", False), ("192.168.1", False)],
)
def test_auto_setup_takes_a_subnet_for_each_cable(
    network: str,
    taken: bool,
) -> None:
    """Six cables are numbered 192.168.0.0/30 to 192.168.0.20/30."""
    report = checked(routed(f"{network} link#6 UCS en0 !")())
    assert failed(report, "network-autosetup-range") == ([HOST] if taken else [])
