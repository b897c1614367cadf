"""Hostfile: MLX's hostfile held against the wiring. Asked of a file beside a cluster; pure.

What MLX says of a bad file, and when, is that of mlx/_distributed_utils/launch.py and of its ring
and jaccl (0.32.4); what it never says was measured with ring on loopback, or read in its sources.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from mlxdiag.checks import entries
from mlxdiag.checks.entries import MATRIX, Cell, Entry, File, ipv4, wires
from mlxdiag.cluster import Cluster
from mlxdiag.errors import MissingFact
from mlxdiag.finding import (
    Asked,
    Check,
    Evidence,
    Finding,
    Fix,
    FixKind,
    Severity,
    SkipCheck,
    Status,
    Subject,
    check,
)
from mlxdiag.hostfile import Hostfile, Wires, quoted
from mlxdiag.ports import Port
from mlxdiag.readings import Gap, need
from mlxdiag.topology import Link

MESH_MAX_RANKS = 8
"""MESH_MAX_PEERS of mlx mesh.cpp: ranks in total."""

RING_MAX_WIRES = 4
"""RING_MAX_CONNS of mlx ring_impl.h: of jaccl-ring, per neighbour."""

CORRECT = Fix(FixKind.RUN, "correct the file as the diff shows; `--write` does it")
SHARED = Fix(
    FixKind.RUN, "take an address of a network that all of them have, or see that it works"
)
DEFAULT = "ring"
"""What mlx.launch takes where neither file nor command line names a backend."""

BEFORE_OURS = frozenset({"JACCL_RANK", "JACCL_IBV_DEVICES", "JACCL_COORDINATOR"})
"""Variables that go before the MLX_* that mlx.launch sets (mlx rdma.cpp)."""

MAKES_A_RING = frozenset({"MLX_JACCL_RING", "JACCL_RING"})
"""Variables of which the presence counts: jaccl with one of them is jaccl-ring."""


@check(
    "hostfile-backend",
    title="the file says which backend it is for",
    per="cluster",
    severity=Severity.WARNING,
    fix=CORRECT,
)
def backend(file: File, _subject: File) -> Evidence | None:
    """Without it mlx.launch takes ring, whatever else the file holds."""
    if file.told.backend is not None:
        return None
    seen = "no backend"
    if file.backend != DEFAULT:
        seen += f": mlx.launch takes {DEFAULT}, and leaves the matrix alone"
    expected = f"{file.backend}, as it is judged here"
    at_launch = f"name it at the launch: `mlx.launch --backend {file.backend}`; a list holds none"
    fix = None if "hosts" in file.told.lines else Fix(FixKind.RUN, at_launch)
    return Evidence(file.source(None, "backend"), seen, expected, fix)


@check(
    "hostfile-hosts",
    title="the entry is one host of the inventory, and no other entry is it too",
    per="host",
    fix=Fix(FixKind.RUN, "correct `ssh`, or give the inventory that has this host with -i"),
)
def hosts(file: File, entry: Entry) -> Evidence | None:
    """A second rank on a host takes its RDMA devices twice; a host nobody asked is not checked."""
    where = file.source(entry, ".ssh")
    if entry.host is None:
        if entry.hosts:
            seen = f"{quoted(entry.told.ssh)} can be {' or '.join(entry.hosts)}"
        elif entry.told.ssh == entries.LAUNCHER:
            seen = "the machine that mlx.launch runs on, which may be any: not in the inventory"
        else:
            seen = f"{quoted(entry.told.ssh)} is no host of the inventory"
        return Evidence(where, seen, "one host of the inventory")
    twins = [other.rank for other in file.entries if other.host == entry.host]
    if len(twins) == 1 or file.backend == "mpi":
        return None
    said = f"ranks {', '.join(map(str, twins))} are all {entry.host}"
    once = Fix(FixKind.RUN, "keep one entry of each host")
    severity = Severity.WARNING if file.backend == "ring" else None
    return Evidence(where, said, "one rank per host", once, severity=severity)


@check(
    "hostfile-all-hosts",
    title="every host of the inventory has a rank",
    per="cluster",
    severity=Severity.WARNING,
    fix=Fix(FixKind.RUN, "add the host, or leave it out of the inventory"),
)
def all_hosts(file: File, _subject: File) -> Evidence | None:
    """MLX takes the size of the group from the file: a host that is forgotten is not missed."""
    taken = {name for entry in file.entries for name in entry.hosts}
    left = [host.name for host in file.cluster.inventory.hosts if host.name not in taken]
    if not left:
        return None
    everyone = len(file.cluster.inventory.hosts)
    return Evidence(file.source(), f"no rank: {', '.join(left)}", f"{everyone} ranks")


@check(
    "hostfile-envs",
    title="its environment variables are such as MLX takes, and work with this launch",
    per="cluster",
    severity=Severity.WARNING,
    fix=Fix(FixKind.RUN, "take the variable out of `envs`"),
)
def envs(file: File, _subject: File) -> Evidence | None:
    """mlx.launch leaves out what it cannot export, and a JACCL_* goes before what it sets."""
    said = [text for env in file.told.envs if (text := _against_env(file, env))]
    expected = "NAME=VALUE, none that the launch itself sets"
    return Evidence(file.source(None, "envs"), "; ".join(said), expected) if said else None


def _against_env(file: File, env: str) -> str:
    name, equals, value = env.partition("=")
    if not all(c.isalnum() or c == "_" for c in name) or not name:
        return f"{quoted(env)} is left out by mlx.launch: no name of a variable"
    if not equals:
        return f"{name} has no value, and becomes empty"
    if name in BEFORE_OURS:
        return f"{name} goes before what mlx.launch sets"
    if name in MAKES_A_RING and file.backend == "jaccl":
        return f"{name} makes it jaccl-ring, whatever its value"
    if name == "MLX_METAL_FAST_SYNCH" and value.strip() not in ("", "0"):
        return "MLX_METAL_FAST_SYNCH=1 can wedge the GPU until a restart when a peer is lost"
    return ""


@check(
    "hostfile-size",
    title="ranks, wires and addresses are as many as MLX takes, and as many everywhere",
    per="cluster",
    fix=CORRECT,
)
def size(file: File, _subject: File) -> Evidence | None:
    """MLX says so at the start or never: one rank, 9 of a mesh, uneven wires or addresses."""
    count = len(file.entries)
    source = file.source()
    if file.backend == "mpi":
        raise SkipCheck("mpi reads neither devices nor addresses of the file")
    if count < 2:
        return Evidence(source, "1 rank", "2 or more", Fix(FixKind.RUN, "add the other hosts"))
    if file.backend == "jaccl" and count > MESH_MAX_RANKS:
        fix = Fix(FixKind.RUN, "take jaccl-ring, or fewer hosts")
        return Evidence(source, f"{count} ranks of a mesh", f"at most {MESH_MAX_RANKS}", fix)
    if file.backend == "ring":
        numbers = [len(entry.told.ips) for entry in file.entries]
        what, each = "addresses", "per rank"
    else:
        numbers = [len(wires(cell.one, cell.other)) for cell in file.cells]
        numbers = [number for number in numbers if number]
        what, each = "wires", "per cell"
    if len(set(numbers)) > 1:
        said = f"{', '.join(map(str, sorted(set(numbers))))} {what} {each}"
        return Evidence(source, said, "the same number everywhere")
    if file.backend == "jaccl-ring" and numbers and numbers[0] > RING_MAX_WIRES:
        seen = f"{numbers[0]} wires per neighbour"
        return Evidence(source, seen, f"at most {RING_MAX_WIRES}")
    return None


@check(
    "hostfile-rows",
    title="its row of the matrix has one cell per rank, and null for itself",
    per="host",
    fix=CORRECT,
)
def rows(file: File, entry: Entry) -> Evidence | None:
    """mlx.launch refuses such a matrix; without it MLX tells of a missing variable instead."""
    if file.backend not in MATRIX:
        raise SkipCheck(f"{file.backend} reads no matrix")
    row, count = entry.told.rdma, len(file.entries)
    if len(row) != count:
        seen = f"{len(row)} cells" if row else "no row of devices"
        return Evidence(file.source(entry, ".rdma"), seen, f"{count} cells, one per rank")
    if row[entry.rank] is not None:
        where = file.source(entry, f".rdma[{entry.rank}]")
        return Evidence(where, f"{_shown(row[entry.rank])} for itself", "null")
    return None


@check(
    "hostfile-device",
    title="the cell names RDMA devices that the host has",
    per="pair",
    fix=CORRECT,
    needs=("hostfile-hosts", "hostfile-rows"),
)
def device(file: File, cell: Cell) -> Evidence | None:
    """Names change with a restart or a replug: then MLX does not find the device.

    Where a cell is empty, mlx.launch before mlx#4284 let every rank run alone, with exit code 0.
    """
    where, named = _where(file, cell), wires(cell.one, cell.other)
    right = _expected(file, cell)
    if not named:
        back = wires(cell.other, cell.one)
        seen = f"{_shown(back)} the other way, and no device this way" if back else "no device"
        return Evidence(where, seen, right)
    if len(set(named)) < len(named):
        return Evidence(where, f"{_shown(named)}: the same device twice", right)
    facts = file.cluster.of(_host(cell.one))
    lists = [f for f in (facts.ibv_devices, facts.ibv_devinfo) if not isinstance(f, Gap)]
    if not lists:
        need(facts.ibv_devices)
    known = list(dict.fromkeys(d.name for each in lists for d in each.devices))
    absent = [name for name in named if name not in known]
    if not absent:
        return None
    has = f"it has {', '.join(known)}" if known else "it has none"
    return Evidence(where, f"no {', '.join(map(_name, absent))} on this host: {has}", right)


@check(
    "hostfile-wiring",
    title="the cable on each of these devices leads to that rank's host",
    per="pair",
    fix=Fix(FixKind.RUN, f"{CORRECT.text}; or move the cable, if the file is as you mean it to be"),
    needs=("hostfile-hosts", "hostfile-rows", "hostfile-device"),
)
def wiring(file: File, cell: Cell) -> Evidence | None:
    """MLX sees a crossed cable as errno 60 at RTR after the rest of the start, or not at all."""
    one, other = _host(cell.one), _host(cell.other)
    said = [
        text for name in wires(cell.one, cell.other) if (text := _astray(file, one, other, name))
    ]
    if not said:
        return None
    return Evidence(_where(file, cell), "; ".join(said), _expected(file, cell))


@check(
    "hostfile-pairs",
    title="both ends name the same cables in the same order",
    per="pair",
    fix=CORRECT,
    needs=("hostfile-hosts", "hostfile-rows", "hostfile-device", "hostfile-wiring"),
)
def pairs(file: File, cell: Cell) -> Evidence | None:
    """Wire 1 of one end is joined with wire 1 of the other: else both wait for what never comes."""
    one, other = _host(cell.one), _host(cell.other)
    here, there = wires(cell.one, cell.other), wires(cell.other, cell.one)
    where, right = _where(file, cell), _expected(file, cell)
    if not here or not there:
        missing = cell.one.label if there else cell.other.label
        return Evidence(where, f"no device at {missing}'s end of the pair", right)
    far = tuple(_far_device(file, one, other, name) for name in here)
    if far == there:
        return None
    cables = f"{_shown(here)} are the cables at {_shown(far)} of {other}"
    return Evidence(where, f"{cables}, which names {_shown(there)}", right)


@check(
    "hostfile-ips",
    title="its addresses are IPv4 addresses that the host holds",
    per="host",
    fix=CORRECT,
    needs=("hostfile-hosts",),
)
def ips(file: File, entry: Entry) -> Evidence | None:
    """Rank 0 of jaccl and every rank of ring bind to theirs: errno 49 at the start, or a wait."""
    where, used = file.source(entry, ".ips"), file.addresses(entry)
    called = file.backend == "ring" or (file.backend in MATRIX and entry.rank == 0)
    if not called and not entry.told.ips:
        raise SkipCheck("MLX calls no address of this rank")
    if called and not used:
        return Evidence(where, "no address", "one that the other ranks reach")
    severity = None if used else Severity.INFO
    faults = [fault for ip in used or entry.told.ips if (fault := _against_ip(file, entry, ip))]
    if faults and all(mild for _, mild in faults):
        severity = severity or Severity.WARNING
    if not faults:
        return None
    said = "; ".join(text for text, _ in faults)
    return Evidence(where, said, f"IPv4 addresses of {entry.label}", severity=severity)


@check(
    "hostfile-reach",
    title="the ranks that call an address have a network in common with it",
    per="pair",
    fix=CORRECT,
    needs=("hostfile-hosts", "hostfile-ips"),
)
def reach(file: File, cell: Cell) -> Evidence | None:
    """A rank that is never called waits for ever: neither ring nor jaccl limits its accept."""
    one, other = _host(cell.one), _host(cell.other)
    said: list[str] = []
    doubts: list[str] = []
    for ip in file.addresses(cell.other):
        text, sure = _unreached(file, one, other, ip)
        (said if sure else doubts).extend([text] if text else [])
    key = ".ips" if file.backend == "ring" else ".ips[0]"
    where, right = file.source(cell.other, key), f"an address that {one} reaches"
    if said or doubts:
        fix = None if said else SHARED
        return Evidence(where, "; ".join(said or doubts), right, fix, unknown=not said)
    return None


CHECKS: tuple[Asked[Any], ...] = (
    backend,
    hosts,
    all_hosts,
    envs,
    size,
    rows,
    device,
    wiring,
    pairs,
    ips,
    reach,
)
WIRES = frozenset({size.id, rows.id, device.id, wiring.id, pairs.id})
"""What is wrong with the matrix, or with the number of addresses."""

IPS, REACH = ips.id, reach.id
ADDRESSES = frozenset({size.id, IPS, REACH})
"""What is wrong with the addresses."""


def findings(
    cluster: Cluster, told: Hostfile, found: Sequence[Finding] = ()
) -> tuple[Finding, ...]:
    """Hold a hostfile against the cluster; what it needs of silent hosts is unknown.

    Of `found`, the findings about the cluster itself, those that say why a host is silent are named
    as the cause.
    """
    file = entries.read(cluster, told)
    silent = {f.subject.host: f for f in found if f.id in SILENT and f.status is Status.UNKNOWN}
    made: dict[Key, Finding] = {}
    for asked in CHECKS:
        for key, subject, thing in _things(file, asked):
            made[asked.id, *key] = _ask(asked, file, subject, thing, made, silent, key)
    return tuple(made.values())


SILENT = ("access-answers", "access-reachable")
Key = tuple[str | int, ...]


def _things(file: File, asked: Check) -> Iterator[tuple[Key, Subject, File | Entry | Cell]]:
    if asked.per == "cluster":
        yield (), Subject("cluster"), file
    elif asked.per == "host":
        for entry in file.entries:
            yield (entry.rank,), Subject("host", entry.label), entry
    else:
        cells = file.meetings if asked is reach else file.cells
        if asked is pairs:
            cells = tuple(cell for cell in cells if cell.one.rank < cell.other.rank)
        for cell in cells:
            far = Subject("host", cell.other.label)
            yield _ranks(cell), Subject("pair", cell.one.label, far=far), cell


def _ranks(cell: Cell) -> tuple[int, int]:
    return cell.one.rank, cell.other.rank


def _ask(
    asked: Asked[Any],
    file: File,
    subject: Subject,
    thing: object,
    made: Mapping[Key, Finding],
    silent: Mapping[str | None, Finding],
    key: Key,
) -> Finding:
    cause = _cause(asked, made, key)
    try:
        evidence = asked.ask(file, thing)
    except SkipCheck as skip:
        return Finding(asked, subject, Status.SKIP, reason=str(skip))
    except MissingFact as gap:
        said = Evidence(gap.source, gap.reason, asked.title)
        by = next((f for f in cause if f.status is Status.FAIL), None) or silent.get(gap.host)
        by = by or next(iter(cause), None)
        return Finding(asked, subject, Status.UNKNOWN, said, blocked_by=by)
    if evidence is None:
        return Finding(asked, subject, Status.PASS)
    status = Status.UNKNOWN if evidence.unknown else Status.FAIL
    by = next((f for f in cause if status is Status.UNKNOWN or f.status is Status.FAIL), None)
    return Finding(asked, subject, status, evidence, blocked_by=by, lowered=evidence.severity)


def _cause(asked: Check, made: Mapping[Key, Finding], key: Key) -> list[Finding]:
    """List what stands against what the check needs."""
    found = (made.get(place) for need_ in asked.needs for place in _places(asked, need_, key))
    bad = (Status.FAIL, Status.UNKNOWN)
    return [f for f in found if f is not None and f.status in bad and _breaks(f)]


def _places(asked: Check, needed: str, key: Key) -> Iterator[Key]:
    """Name where a needed check was asked: a row of its rank, an address of the rank called."""
    own = key[-1:] if asked is reach else key[:1]
    ranks = key if needed == hosts.id or asked is pairs else own
    yield (needed, *key)
    yield from ((needed, rank) for rank in ranks)
    if asked is pairs:
        yield (needed, *key[::-1])


def _breaks(finding: Finding) -> bool:
    return finding.status is Status.UNKNOWN or finding.severity is Severity.ERROR


def _host(entry: Entry) -> str:
    if entry.host is None:
        raise MissingFact("hostfile", f"not known which host {entry.label} is", entry.label)
    return entry.host


def _where(file: File, cell: Cell) -> str:
    return file.source(cell.one, f".rdma[{cell.other.rank}]")


def _shown(named: Wires) -> str:
    """Show a cell as the file has it, without the quotes of names that need none."""
    told = named if isinstance(named, str | None) else list(named)
    if isinstance(told, list):
        return _name(told[0]) if len(told) == 1 else f"[{', '.join(map(_name, told))}]"
    return "null" if told is None else _name(told)


def _name(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_.:-]{1,60}", text) else quoted(text)


def _expected(file: File, cell: Cell) -> str:
    """Say what belongs into a cell: the devices of all cables of the pair, at this end."""
    one, other = cell.one.host, cell.other.host
    if one is None or other is None or one == other:
        return "devices of this host"
    cables = file.cluster.topology.between(one, other)
    names = [str(e.device) for link in cables for e in link.ends if e.host == one and _has(e)]
    if names:
        return _shown(tuple(names))
    return "a device whose cable leads there" if cables else "a cable between the two"


def _has(port: Port) -> bool:
    return isinstance(port.device, str)


def _port(file: File, host: str, name: str) -> Port | None:
    """Find the port of a device, by the interface that it is named after."""
    facts = file.cluster.of(host)
    need(facts.hardware_ports)
    ports = file.cluster.topology.ports[host]
    return next((port for port in ports if f"rdma_{port.interface}" == name), None)


def _astray(file: File, one: str, other: str, name: str) -> str:
    """Say where a device leads, if not to the other host; raise where that is not known."""
    if one == other:
        return f"{_name(name)} is on {one}, and so is the other rank"
    port = _port(file, one, name)
    if port is None:
        return f"{_name(name)} belongs to no Thunderbolt port"
    link = file.cluster.topology.link_of(port)
    if link is not None:
        far = link.other(port)
        return "" if far.host == other else f"{name} leads to {far.host} ({far.name})"
    need(file.cluster.of(one).thunderbolt)
    peer = file.cluster.topology.peer(port)
    if peer is None:
        need(file.cluster.of(other).thunderbolt)
        return f"nothing is seen at the cable of {name}"
    if peer.kind == "unknown":
        need(file.cluster.of(other).thunderbolt)
        raise MissingFact(
            "system_profiler_thunderbolt", f"the Mac at {name} is not identified", one
        )
    return f"{name} leads to {'this Mac itself' if peer.kind == 'self' else peer.name}"


def _far_device(file: File, one: str, other: str, name: str) -> str:
    """Name the device at the other end of a cable that is known to lead to the other host."""
    port = _port(file, one, name)
    link: Link | None = file.cluster.topology.link_of(port) if port else None
    if port is None or link is None or link.other(port).host != other:
        raise MissingFact("system_profiler_thunderbolt", f"where {_name(name)} leads", one)
    far = link.other(port)
    if not isinstance(far.interface, str):
        need(far.interface)
        raise MissingFact("networksetup_hardwareports", f"no interface at {far.name}", other)
    return f"rdma_{far.interface}"


def _against_ip(file: File, entry: Entry, text: str) -> tuple[str, bool] | None:
    """Say what is wrong with an address, and whether MLX may work with it all the same."""
    address = ipv4(text)
    if address is None:
        if _is_ipv6(text):
            return f"{quoted(text)} is IPv6, MLX connects over IPv4 only", False
        if ":" in text or "/" in text or not text:
            return f"{quoted(text)} is no address; MLX adds the port itself", False
        return f"{quoted(text)} is a name: how every host resolves it is not known", True
    if address.is_loopback and not file.on_one_machine:
        return f"{text} is every host's own", False
    host = _host(entry)
    if text in file.held(host):
        return None
    others = [
        facts.host.name
        for facts in file.cluster.facts
        if facts.host.name != host
        and not isinstance(facts.ifconfig, Gap)
        and text in file.held(facts.host.name)
    ]
    held = f"{', '.join(others)} holds it" if others else "nobody who was asked holds it"
    return f"{host} does not hold {text}: {held}", False


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _unreached(file: File, one: str, other: str, text: str) -> tuple[str, bool]:
    """Say why a host may not reach an address of another, and whether that is sure."""
    found = file.held(other).get(text)
    if one == other:
        return "", True
    if found is None:
        raise MissingFact("ifconfig", f"{other} does not hold {text}", other)
    interface, held = found
    mine = file.held(one)
    near = [name for name, own in mine.values() if own.ip in held.network]
    ports = file.cluster.topology.ports[other]
    link = next((_link(file, p) for p in ports if p.interface == interface), None)
    if link is not None and one not in link.hosts:
        far = next(host for host in link.hosts if host != other)
        return f"{text} is on {other}'s cable to {far}, not to {one}", True
    if not near:
        what = f"{one} has no address in {held.network}, the network of {text}"
        return what, link is not None or IPv4Address(text).is_link_local
    if link is None and IPv4Address(text).is_link_local:
        return f"{text} is self-assigned: by which interface {one} goes there is not known", False
    return "", True


def _link(file: File, port: Port) -> Link | None:
    return file.cluster.topology.link_of(port)


__all__ = ["ADDRESSES", "CHECKS", "IPS", "REACH", "WIRES", "findings"]
