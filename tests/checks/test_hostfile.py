"""A hostfile against the wiring: every mistake is named at its cell, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mlxdiag import hostcheck, hostfile
from mlxdiag.capture import Outcome
from mlxdiag.checks import entries
from mlxdiag.checks.hostfile import CHECKS
from mlxdiag.finding import Severity, Status
from mlxdiag.hostfile import Hostfile, HostfileEntry
from mlxdiag.inventory import Host
from mlxdiag.recording import Recording
from mlxdiag.render import FORMATS
from mlxdiag.render.style import Style
from tests.checks.recorded import ended, recorded, recording_of, reported, unreached
from tests.hostfiles import (
    Change,
    Taken,
    at,
    cell,
    checked,
    judged,
    mlx_launch,
    needs_mlx,
    ordered,
    said,
    seen,
    spoilt,
    told,
)
from tests.model import CASES, ModelCluster
from tests.model.cases import cabled, studios

MESH = ("clean-mesh-4", "jaccl")
RING = ("clean-ring-4", "jaccl-ring")
TCP = ("clean-ring-4", "ring")
TWO = ("two-cables", "jaccl")
LAN = ("ethernet-only", "ring")

Case = tuple[str, str]


@pytest.mark.parametrize("case", [MESH, RING, TCP, TWO, LAN, ("enx-numbering", "jaccl")])
def test_what_is_right_passes_every_check(case: Case) -> None:
    found = judged(told(*case), case[0])
    assert {f.status for f in found} <= {Status.PASS, Status.SKIP}
    assert {f.id for f in found if f.status is Status.PASS} >= {"hostfile-size", "hostfile-reach"}


def test_the_matrix_of_a_mesh_has_a_finding_per_cell() -> None:
    found = judged(told(*MESH), MESH[0])
    for name, count in (("device", 12), ("wiring", 12), ("pairs", 6), ("reach", 3), ("ips", 4)):
        assert sum(f.id == f"hostfile-{name}" for f in found) == count, name


MATRIX: dict[str, tuple[Case, Change, dict[str, str]]] = {
    "a missing device": (
        MESH,
        cell(0, 1, None),
        {
            "hostfile-device macstudio1 - macstudio2": "rdma_en3 the other way, and no device this"
            " way"
        },
    ),
    "an empty list": (
        MESH,
        cell(2, 3, ()),
        {
            "hostfile-device macstudio3 - macstudio4": "rdma_en5 the other way, and no device this"
            " way"
        },
    ),
    "a device that is not there": (
        MESH,
        cell(3, 0, "rdma_en9"),
        {
            "hostfile-device macstudio4 - macstudio1": "no rdma_en9 on this host: it has rdma_en2,"
            " rdma_en3, rdma_en4, rdma_en5, rdma_en6, rdma_en7"
        },
    ),
    "an interface in place of a device": (
        MESH,
        cell(3, 0, "en3"),
        {
            "hostfile-device macstudio4 - macstudio1": "no en3 on this host: it has rdma_en2,"
            " rdma_en3, rdma_en4, rdma_en5, rdma_en6, rdma_en7"
        },
    ),
    "a device without a cable": (
        MESH,
        cell(0, 1, "rdma_en7"),
        {"hostfile-wiring macstudio1 - macstudio2": "nothing is seen at the cable of rdma_en7"},
    ),
    "two devices crossed": (
        MESH,
        lambda made: cell(1, 2, "rdma_en3")(cell(1, 0, "rdma_en4")(made)),
        {
            "hostfile-wiring macstudio2 - macstudio1": "rdma_en4 leads to macstudio3 (en4)",
            "hostfile-wiring macstudio2 - macstudio3": "rdma_en3 leads to macstudio1 (en3)",
        },
    ),
    "a ring's devices crossed": (
        RING,
        lambda made: cell(0, 3, "rdma_en4")(cell(0, 1, "rdma_en3")(made)),
        {
            "hostfile-wiring macstudio1 - macstudio2": "rdma_en3 leads to macstudio4 (en4)",
            "hostfile-wiring macstudio1 - macstudio4": "rdma_en4 leads to macstudio2 (en3)",
        },
    ),
    "the same device twice": (
        TWO,
        cell(0, 1, ("rdma_en2", "rdma_en2")),
        {"hostfile-device macstudio1 - macstudio2": "[rdma_en2, rdma_en2]: the same device twice"},
    ),
    "cables in another order at one end": (
        TWO,
        cell(0, 1, ("rdma_en4", "rdma_en2")),
        {
            "hostfile-pairs macstudio1 - macstudio2": "[rdma_en4, rdma_en2] are the cables at"
            " [rdma_en5, rdma_en2] of macstudio2, which names [rdma_en2, rdma_en5]"
        },
    ),
    "one wire against two": (
        TWO,
        cell(0, 1, "rdma_en4"),
        {
            "hostfile-size cluster": "1, 2 wires per cell",
            "hostfile-pairs macstudio1 - macstudio2": "rdma_en4 are the cables at rdma_en5 of"
            " macstudio2, which names [rdma_en2, rdma_en5]",
        },
    ),
    "a row that is too short": (
        MESH,
        at(1, rdma=("rdma_en3", None, "rdma_en4")),
        {"hostfile-rows macstudio2": "3 cells"},
    ),
    "a row that is too long": (
        MESH,
        lambda made: at(1, rdma=(*made.hosts[1].rdma, None))(made),
        {"hostfile-rows macstudio2": "5 cells"},
    ),
    "no matrix": (
        TWO,
        lambda made: at(1, rdma=())(at(0, rdma=())(made)),
        {
            "hostfile-rows macstudio1": "no row of devices",
            "hostfile-rows macstudio2": "no row of devices",
        },
    ),
    "a device for itself": (
        MESH,
        cell(2, 2, "rdma_en2"),
        {"hostfile-rows macstudio3": "rdma_en2 for itself"},
    ),
}


@pytest.mark.parametrize("name", MATRIX)
def test_a_matrix_that_is_wrong(name: str) -> None:
    case, change, wanted = MATRIX[name]
    found = judged(spoilt(told(*case), change), case[0])
    assert seen(found) == wanted


@pytest.mark.parametrize("name", MATRIX)
def test_a_matrix_that_is_wrong_is_corrected(name: str) -> None:
    case, change, _ = MATRIX[name]
    report = checked(spoilt(told(*case), change), case[0])
    assert (report.verdict, report.exit_code) == ("fail", 1)
    assert report.file is not None
    assert report.file.corrected is not None
    assert hostfile.loads(report.file.corrected, "h.json") == told(*case)
    assert report.file.diff.startswith("--- h.json\n+++ h.json (corrected)\n@@ ")


def test_what_is_wrong_stands_with_line_and_key_and_what_belongs_there() -> None:
    found = judged(spoilt(told(*MESH), cell(1, 3, "rdma_en7")), MESH[0])
    (fault,) = (f for f in found if f.status is Status.FAIL and f.blocked_by is None)
    assert fault.evidence is not None
    assert fault.evidence.source == "h.json:6: hosts[1].rdma[3]"
    assert fault.evidence.expected == "rdma_en5"
    followers = [f.key for f in found if f.blocked_by is fault]
    assert followers == ["hostfile-pairs macstudio2 - macstudio4"]


ADDRESSES: dict[str, tuple[Case, Change, dict[str, str]]] = {
    "a stale address": (
        MESH,
        at(0, ips=("192.168.86.99",)),
        {
            "hostfile-ips macstudio1": "macstudio1 does not hold 192.168.86.99:"
            " nobody who was asked holds it"
        },
    ),
    "another host's address": (
        MESH,
        at(0, ips=("192.168.86.12",)),
        {"hostfile-ips macstudio1": "macstudio1 does not hold 192.168.86.12: macstudio2 holds it"},
    ),
    "an IPv6 address": (
        MESH,
        at(0, ips=("fe80::1",)),
        {"hostfile-ips macstudio1": '"fe80::1" is IPv6, MLX connects over IPv4 only'},
    ),
    "an address with a port": (
        TCP,
        at(2, ips=("10.219.2.2:5000",)),
        {"hostfile-ips macstudio3": '"10.219.2.2:5000" is no address; MLX adds the port itself'},
    ),
    "no address of rank 0": (MESH, at(0, ips=()), {"hostfile-ips macstudio1": "no address"}),
    "no address of a ring's rank": (
        TCP,
        at(1, ips=()),
        {
            "hostfile-size cluster": "0, 1 addresses per rank",
            "hostfile-ips macstudio2": "no address",
        },
    ),
    "loopback": (
        MESH,
        at(0, ips=("127.0.0.1",)),
        {"hostfile-ips macstudio1": "127.0.0.1 is every host's own"},
    ),
    "a cable's address for all": (
        MESH,
        at(0, ips=("10.219.1.1",)),
        {
            f"hostfile-reach macstudio{n} - macstudio1": "10.219.1.1 is on macstudio1's cable to"
            f" macstudio2, not to macstudio{n}"
            for n in (3, 4)
        },
    ),
    "an address on the cable to the other neighbour": (
        TCP,
        at(1, ips=("10.219.2.1",)),
        {
            "hostfile-reach macstudio1 - macstudio2": "10.219.2.1 is on macstudio2's cable to"
            " macstudio3, not to macstudio1"
        },
    ),
    "more addresses than the others": (
        TCP,
        at(1, ips=("10.219.1.2", "192.168.86.12")),
        {"hostfile-size cluster": "1, 2 addresses per rank"},
    ),
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_an_address_that_is_wrong(name: str) -> None:
    case, change, wanted = ADDRESSES[name]
    assert seen(judged(spoilt(told(*case), change), case[0])) == wanted


@pytest.mark.parametrize("name", ADDRESSES)
def test_an_address_that_is_wrong_is_corrected(name: str) -> None:
    case, change, _ = ADDRESSES[name]
    report = checked(spoilt(told(*case), change), case[0])
    assert (report.verdict, report.exit_code) == ("fail", 1)
    assert report.file is not None
    assert report.file.corrected is not None
    assert hostfile.loads(report.file.corrected, "h.json") == told(*case)


def test_a_name_is_a_warning_and_an_unused_address_a_hint() -> None:
    found = judged(spoilt(told(*TCP), at(1, ips=("macstudio2.local",))), TCP[0])
    (fault,) = (f for f in found if f.status is Status.FAIL)
    assert (fault.id, fault.severity) == ("hostfile-ips", Severity.WARNING)
    found = judged(spoilt(told(*MESH), at(2, ips=("10.9.9.9",))), MESH[0])
    (fault,) = (f for f in found if f.status is Status.FAIL)
    assert (fault.id, fault.severity) == ("hostfile-ips", Severity.INFO)
    assert checked(spoilt(told(*MESH), at(2, ips=("10.9.9.9",))), MESH[0]).exit_code == 0


def test_only_the_first_address_of_rank_0_is_called() -> None:
    made = spoilt(told(*MESH), at(0, ips=("192.168.86.11", "10.9.9.9")))
    assert seen(judged(made, MESH[0])) == {}


def apart() -> Recording:
    """Put macstudio2 into another network than the rest, with routers between for all we know."""
    made = recorded("ethernet-only")
    ifconfig = made.hosts["macstudio2"]["ifconfig"]
    text = ifconfig.stdout.replace(b"192.168.86.12", b"192.168.99.12")
    assert text != ifconfig.stdout
    other = replace(ifconfig, stdout=text)
    hosts = {**made.hosts, "macstudio2": {**made.hosts["macstudio2"], "ifconfig": other}}
    return replace(made, hosts=hosts)


def test_whether_a_router_is_between_is_not_known() -> None:
    made = spoilt(told(*LAN), at(1, ips=("192.168.99.12",)))
    found = judged(made, apart())
    assert seen(found) == {}
    assert seen(found, Status.UNKNOWN) == {
        "hostfile-reach macstudio1 - macstudio2": "macstudio1 has no address in 192.168.99.0/24,"
        " the network of 192.168.99.12",
        "hostfile-reach macstudio2 - macstudio3": "macstudio2 has no address in 192.168.86.0/24,"
        " the network of 192.168.86.13",
    }
    assert checked(made, apart()).exit_code == 3


def test_a_self_assigned_address_is_reached_by_nobody_knows_which_way() -> None:
    case = "stock-bridge"
    ifconfig = reported(case).cluster.of("macstudio1").ifconfig
    address = next(
        a.address
        for i in ifconfig.interfaces  # type: ignore[union-attr]
        for a in i.ipv4
        if a.address.startswith("169.254")
    )
    found = judged(spoilt(told(*MESH), at(0, ips=(address,))), case)
    unknown = seen(found, Status.UNKNOWN)
    key = "hostfile-reach macstudio2 - macstudio1"
    assert unknown[key].startswith(f"{address} is self-assigned")


# Who is who.


def hosts(*ssh: str) -> Hostfile:
    entries_ = tuple(HostfileEntry(name, ("192.168.86.11",)) for name in ssh)
    return hostfile.loads(hostfile.dumps(Hostfile("ring", (), entries_)), "h.json")


@pytest.mark.parametrize(
    "ssh",
    [
        "macstudio1",
        "alex@macstudio1",
        "macstudio1.local",
        "MacStudio1.local.",
        "192.168.86.11",
        "alex@192.168.86.11",
    ],
)
def test_ssh_names_a_host(ssh: str) -> None:
    file = entries.read(reported("clean-mesh-4").cluster, hosts(ssh, "macstudio2"))
    assert [entry.host for entry in file.entries] == ["macstudio1", "macstudio2"]


def test_an_entry_that_is_no_host_of_the_inventory() -> None:
    found = judged(spoilt(told(*MESH), at(1, ssh="alex@elsewhere")), MESH[0])
    assert seen(found) == {
        "hostfile-hosts alex@elsewhere": '"alex@elsewhere" is no host of the inventory',
        "hostfile-all-hosts cluster": "no rank: macstudio2",
    }
    unknown = [f for f in found if f.status is Status.UNKNOWN]
    assert len([f for f in unknown if f.id == "hostfile-wiring"]) == 6
    assert {f.root.id for f in unknown} == {"hostfile-hosts"}


def test_a_host_that_can_be_two() -> None:
    made = recorded("clean-pair")
    twins = tuple(Host(name, f"{name}.lan", ip=None) for name in ("macstudio1", "macstudio1.local"))
    inventory = replace(made.inventory, hosts=twins)
    said_by = dict(zip((host.name for host in twins), made.hosts.values(), strict=True))
    made = replace(made, inventory=inventory, hosts=said_by)
    found = judged(hosts("macstudio1.LOCAL.", "macstudio1"), made)
    assert "hostfile-hosts macstudio1" not in seen(found)
    found = judged(hosts("macstudio1.local.local", "macstudio1"), made)
    assert "no host of the inventory" in seen(found)["hostfile-hosts macstudio1.local.local"]


def test_one_host_twice() -> None:
    made = spoilt(told(*MESH), at(1, ssh="macstudio1"))
    assert seen(judged(made, MESH[0]))["hostfile-hosts macstudio1"] == (
        "ranks 0, 1 are all macstudio1"
    )
    assert checked(made, MESH[0]).exit_code == 1
    ring = spoilt(told(*LAN), at(1, ssh="macstudio1", ips=("192.168.86.11",)))
    faults = [f for f in judged(ring, LAN[0]) if f.id == "hostfile-hosts" and f.evidence]
    assert {f.severity for f in faults} == {Severity.WARNING}
    assert checked(ring, LAN[0]).exit_code == 0


def test_this_machine_is_the_local_host_else_the_one_that_holds_the_addresses() -> None:
    cluster = reported("clean-mesh-4").cluster
    file = entries.read(cluster, hosts("127.0.0.1", "macstudio2"))
    assert [entry.host for entry in file.entries] == ["macstudio1", "macstudio2"]
    here = tuple(
        replace(host, connection="local") if host.name == "macstudio3" else host
        for host in cluster.inventory.hosts
    )
    cluster = replace(cluster, inventory=replace(cluster.inventory, hosts=here))
    file = entries.read(cluster, hosts("127.0.0.1", "macstudio2"))
    assert file.entries[0].host == "macstudio3"
    nobody = replace(hosts("127.0.0.1"), hosts=(HostfileEntry("127.0.0.1", ("10.9.9.9",)),))
    found = judged(nobody, "clean-mesh-4")
    assert "which may be any" in seen(found)["hostfile-hosts 127.0.0.1"]


def test_hosts_left_out_are_a_warning() -> None:
    made = replace(told(*LAN), hosts=told(*LAN).hosts[:2])
    found = judged(made, LAN[0])
    assert seen(found) == {"hostfile-all-hosts cluster": "no rank: macstudio3, macstudio4"}
    assert checked(made, LAN[0]).exit_code == 0


# Size, backend, variables.


def ring_of(count: int, wires: int = 1) -> tuple[Recording, Hostfile]:
    """Cable so many hosts in a ring with as many cables, and write the file along it."""
    macs = studios(count)
    pairs = [
        (a.name, b.name)
        for a, b in zip(macs, (*macs[1:], macs[0]), strict=True)
        for _ in range(wires)
    ]
    made = recording_of(ModelCluster("ring", macs, cabled(pairs[: wires if count == 2 else None],
                                                          macs, 1)))  # fmt: skip
    rows: list[tuple[hostfile.Wires, ...]] = []
    for rank in range(count):
        row: list[hostfile.Wires] = [None] * count
        row[(rank + 1) % count] = tuple(f"rdma_en{n}" for n in range(2, 2 + wires))
        rows.append(tuple(row))
    listed = tuple(
        HostfileEntry(mac.name, (f"192.168.86.{11 + n}",), row)
        for n, (mac, row) in enumerate(zip(macs, rows, strict=True))
    )
    return made, Hostfile("jaccl-ring", (), listed)


def test_more_wires_than_a_ring_takes() -> None:
    made, file = ring_of(2, wires=5)
    found = judged(file, made)
    assert seen(found) == {"hostfile-size cluster": "5 wires per neighbour"}
    report = checked(file, made)
    assert report.file is not None
    assert report.file.corrected is not None
    right = hostfile.loads(report.file.corrected, "")
    assert [len(row) for host in right.hosts for row in host.rdma if row] == [4, 4]


def test_more_ranks_than_a_mesh_takes() -> None:
    nine = told("mesh-9-hosts-ring", "jaccl-ring")
    found = judged(replace(nine, backend="jaccl"), "mesh-9-hosts-ring")
    assert seen(found)["hostfile-size cluster"] == "9 ranks of a mesh"
    report = checked(replace(nine, backend="jaccl"), "mesh-9-hosts-ring")
    assert report.file is not None
    assert (report.file.corrected, report.file.why) == (
        None,
        "jaccl: 9 ranks, a mesh has at most 8",
    )


def test_one_rank_is_no_group() -> None:
    made = replace(told(*LAN), hosts=told(*LAN).hosts[:1])
    assert seen(judged(made, LAN[0]))["hostfile-size cluster"] == "1 rank"


@pytest.mark.parametrize(
    ("case", "backend"), [(MESH, "jaccl"), (RING, "jaccl-ring"), (TCP, "ring")]
)
def test_without_a_backend_the_file_is_judged_by_what_it_holds(case: Case, backend: str) -> None:
    made = spoilt(told(*case), said(backend=None))
    found = judged(made, case[0])
    assert set(seen(found)) == {"hostfile-backend cluster"}
    report = checked(made, case[0])
    assert (report.exit_code, report.file and report.file.backend) == (0, backend)
    assert report.file is not None
    assert hostfile.loads(report.file.corrected or "", "") == told(*case)


def test_a_bare_list_has_no_place_for_a_backend_and_no_diff_is_promised() -> None:
    rows = json.loads(hostfile.dumps(told(*MESH)))["hosts"]
    report = hostcheck.build(recorded(MESH[0]), "h.json", json.dumps(rows), "0.1.0")
    (found,) = [f for f in report.findings if f.id == "hostfile-backend"]
    assert found.status is Status.FAIL
    assert report.file is not None
    assert report.file.diff == ""
    assert found.fix is not None
    assert found.fix.text.startswith("name it at the launch: `mlx.launch --backend jaccl`")


@pytest.mark.parametrize("form", FORMATS)
def test_a_host_that_nobody_knows_is_in_every_format(form: str) -> None:
    made = spoilt(told(*MESH), at(0, ssh="else\ud800where"))
    text = FORMATS[form](checked(made, MESH[0]), Style())
    assert text.encode()
    assert form in ("nagios", "prometheus", "dot") or "where" in text


def test_mpi_reads_neither_devices_nor_addresses() -> None:
    made = spoilt(told(*MESH), said(backend="mpi"), cell(0, 1, "rdma_en9"), at(0, ips=("::1",)))
    found = judged(made, MESH[0])
    assert {f.id for f in found if f.status is Status.FAIL} <= {"hostfile-ips"}
    assert checked(made, MESH[0]).exit_code == 0


@pytest.mark.parametrize(
    ("env", "text"),
    [
        ("A-B=1", '"A-B=1" is left out by mlx.launch: no name of a variable'),
        ("=1", '"=1" is left out by mlx.launch: no name of a variable'),
        ("PATH", "PATH has no value, and becomes empty"),
        ("JACCL_RANK=0", "JACCL_RANK goes before what mlx.launch sets"),
        ("JACCL_RING=0", "JACCL_RING makes it jaccl-ring, whatever its value"),
        ("MLX_JACCL_RING=0", "MLX_JACCL_RING makes it jaccl-ring, whatever its value"),
        ("MLX_METAL_FAST_SYNCH=1", "MLX_METAL_FAST_SYNCH=1 can wedge the GPU"),
    ],
)
def test_a_variable_that_does_harm(env: str, text: str) -> None:
    found = judged(spoilt(told(*MESH), said(envs=("FINE=1", env))), MESH[0])
    assert seen(found)["hostfile-envs cluster"].startswith(text)


@pytest.mark.parametrize("env", ["A=b=c", "MLX_METAL_FAST_SYNCH=0", "HF_HOME=/x"])
def test_a_variable_that_does_none(env: str) -> None:
    assert seen(judged(spoilt(told(*MESH), said(envs=(env,))), MESH[0])) == {}


# What is not known.


@pytest.mark.parametrize(
    "command", ["system_profiler_thunderbolt", "networksetup_hardwareports", "ifconfig"]
)
def test_a_silent_command_is_unknown_and_never_wrong(command: str) -> None:
    made = ended(recorded("clean-mesh-4"), "macstudio1", command, Outcome.TIMEOUT)
    found = judged(told(*MESH), made)
    assert seen(found) == {}
    unknown = [f for f in found if f.status is Status.UNKNOWN]
    assert unknown
    assert {f.root.key for f in unknown} == {"access-answers macstudio1"}
    report = checked(told(*MESH), made)
    assert (report.exit_code, len(report.causes)) == (3, 1)
    assert report.file is not None
    assert (report.file.diff, report.file.why) == ("", "")


def test_a_host_that_was_not_reached() -> None:
    made = unreached(recorded("clean-mesh-4"), "macstudio2", Outcome.REFUSED)
    report = checked(spoilt(told(*MESH), cell(0, 2, "rdma_en5")), made)
    assert {f.key for f in report.causes} == {
        "access-reachable macstudio2",
        "hostfile-wiring macstudio1 - macstudio3",
    }
    assert report.exit_code == 1
    assert report.file is not None
    assert report.file.corrected is None
    assert report.file.why == (
        "jaccl: no cable with RDMA known at both ends: macstudio1 - macstudio2,"
        " macstudio2 - macstudio3, macstudio2 - macstudio4"
    )


def test_what_nobody_could_see_does_not_move_the_ring_off_its_cables() -> None:
    made = unreached(recorded("clean-ring-4"), "macstudio2", Outcome.REFUSED)
    report = checked(spoilt(told(*TCP), at(3, ips=("10.219.4.9",))), made)
    assert report.exit_code == 1
    assert report.file is not None
    assert (report.file.corrected, report.file.diff) == (None, "")
    assert report.file.why == "ring: macstudio2 did not say which addresses its cables have"


def test_verbs_that_hang_leave_the_wiring_known() -> None:
    made = ended(recorded("clean-mesh-4"), "macstudio1", "ibv_devices", Outcome.TIMEOUT)
    made = ended(made, "macstudio1", "ibv_devinfo", Outcome.TIMEOUT)
    found = judged(told(*MESH), made)
    unknown = {f.id for f in found if f.status is Status.UNKNOWN}
    assert unknown == {"hostfile-device"}


def test_macs_that_cannot_be_told_apart() -> None:
    made = "duplicate-uuids"
    found = judged(told(*MESH), made)
    assert not [f for f in found if f.id == "hostfile-wiring" and f.status is Status.FAIL]


def test_a_cable_moved_overnight() -> None:
    """Swap two cables of macstudio1 at its end: the file of the day before names both wrong."""
    cluster = CASES["clean-mesh-4"]()
    one, two, *rest = cluster.cables
    moved = (replace(one, a=two.a), replace(two, a=one.a), *rest)
    made = recording_of(replace(cluster, cables=moved))
    found = judged(told(*MESH), made)
    wrong = {key for key in seen(found) if key.startswith("hostfile-wiring")}
    assert wrong == {
        "hostfile-wiring macstudio1 - macstudio2",
        "hostfile-wiring macstudio1 - macstudio3",
    }
    report = checked(told(*MESH), made)
    assert report.file is not None
    right = hostfile.loads(report.file.corrected or "", "")
    assert right.hosts[0].rdma == (None, "rdma_en4", "rdma_en3", "rdma_en5")
    assert right.hosts[1:] == told(*MESH).hosts[1:]


def test_a_ring_in_an_order_without_cables_gets_the_order_of_its_cables() -> None:
    made = told(*RING)
    wrong = spoilt(made, ordered(0, 2, 1, 3))
    report = checked(wrong, RING[0])
    assert report.exit_code == 1
    assert report.file is not None
    right = hostfile.loads(report.file.corrected or "", "")
    assert right.hosts[0].ssh == made.hosts[0].ssh
    assert {f.status for f in judged(right, RING[0])} <= {Status.PASS, Status.SKIP}


def test_a_mesh_in_another_order_stays_in_it() -> None:
    wrong = spoilt(told(*MESH), ordered(3, 0, 1, 2))
    report = checked(wrong, MESH[0])
    assert report.file is not None
    right = hostfile.loads(report.file.corrected or "", "")
    assert [host.ssh for host in right.hosts] == [host.ssh for host in wrong.hosts]
    assert {f.status for f in judged(right, MESH[0])} <= {Status.PASS, Status.SKIP}


def test_a_cable_that_lacks_cannot_be_written_in() -> None:
    report = checked(told(*MESH), "broken-cable")
    assert report.file is not None
    assert report.file.corrected is None
    assert report.file.why == (
        "jaccl: no cable with RDMA known at both ends: macstudio2 - macstudio3"
    )


def test_what_leads_to_a_stranger() -> None:
    found = judged(spoilt(told(*MESH), cell(0, 1, "rdma_en2")), "unlisted-mac")
    assert seen(found)["hostfile-wiring macstudio1 - macstudio2"].startswith(
        "rdma_en2 leads to Mac"
    )
    loop = judged(spoilt(told(*MESH), cell(0, 1, "rdma_en6")), "self-loop")
    assert seen(loop) == {
        "hostfile-wiring macstudio1 - macstudio2": "rdma_en6 leads to this Mac itself"
    }


# What the installed MLX says of the same files.

REFUSED = {
    "a row that is too short": "number of RDMA devices does not match hosts",
    "a row that is too long": "number of RDMA devices does not match hosts",
    "no matrix": "number of RDMA devices does not match hosts",
    "a device for itself": "RDMA device of self should be null",
    "a missing device": "no RDMA device is listed for",
}
"""What mlx.launch notices before it starts a rank; everything else goes to the ranks."""


@needs_mlx
@pytest.mark.parametrize("name", MATRIX)
def test_what_mlx_launch_refuses_and_what_it_lets_pass(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    case, change, _ = MATRIX[name]
    path = tmp_path / "h.json"
    path.write_text(hostfile.dumps(spoilt(told(*case), change)))
    taken = mlx_launch(path, monkeypatch, capsys)
    if name in REFUSED:
        assert isinstance(taken, str)
        assert REFUSED[name] in taken
    else:
        assert isinstance(taken, Taken)


@needs_mlx
@pytest.mark.parametrize("name", ["no address of rank 0", "no address of a ring's rank"])
def test_addresses_that_mlx_launch_misses(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    case, change, _ = ADDRESSES[name]
    path = tmp_path / "h.json"
    path.write_text(hostfile.dumps(spoilt(told(*case), change)))
    assert isinstance(mlx_launch(path, monkeypatch, capsys), str)


def test_every_check_of_the_area_is_in_the_list() -> None:
    found = judged(told(*MESH), MESH[0])
    assert list(dict.fromkeys(f.id for f in found)) == [check.id for check in CHECKS]


OTHERS: dict[str, tuple[Case, Change]] = {
    "no backend": (MESH, said(backend=None)),
    "a variable that does harm": (MESH, said(envs=("JACCL_RANK=0",))),
    "a stranger": (MESH, at(3, ssh="macstudio9")),
    "a host left out": (LAN, lambda made: replace(made, hosts=made.hosts[:3])),
}
UNCERTAIN = {f"hostfile-{name}" for name in ("device", "wiring", "pairs", "ips", "reach")}
"""These are about the hosts too; the others need the file and the inventory, and nobody else."""


def test_every_check_was_seen_to_pass_to_fail_and_not_to_know() -> None:
    files = [(case, change) for case, change, _ in (*MATRIX.values(), *ADDRESSES.values())]
    files += OTHERS.values()
    found = [f for (name, b), change in files for f in judged(spoilt(told(name, b), change), name)]
    found += judged(told(*MESH), unreached(recorded("clean-mesh-4"), "macstudio2", Outcome.REFUSED))
    seen_so = {(f.id, f.status) for f in found}
    for check in CHECKS:
        wanted = {Status.PASS, Status.FAIL}
        wanted |= {Status.UNKNOWN} if check.id in UNCERTAIN else set()
        assert wanted == {status for name, status in seen_so if name == check.id} - {Status.SKIP}
