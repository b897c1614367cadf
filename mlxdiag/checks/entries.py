"""Entries: a hostfile beside the cluster: which host each rank is, and what MLX would ask of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import AddressValueError, IPv4Interface
from itertools import combinations

from mlxdiag.cluster import Cluster
from mlxdiag.facts.ifconfig import Ifconfig
from mlxdiag.hostfile import Backend, Hostfile, HostfileEntry, Wires
from mlxdiag.readings import need

LAUNCHER = "127.0.0.1"
"""As `ssh`: the machine that mlx.launch runs on, without ssh (mlx/_distributed_utils/launch.py)."""

MATRIX = frozenset({"jaccl", "jaccl-ring"})
"""The backends that read the matrix of devices."""


@dataclass(frozen=True)
class Entry:
    """One rank. `hosts` are the hosts of the inventory that it can be: one where all is well."""

    rank: int
    told: HostfileEntry
    hosts: tuple[str, ...]

    @property
    def host(self) -> str | None:
        """The host that it is; None where that is not clear."""
        return self.hosts[0] if len(self.hosts) == 1 else None

    @property
    def label(self) -> str:
        """The host's name, else what the file calls it."""
        return self.host or self.told.ssh or f"rank {self.rank}"


@dataclass(frozen=True)
class Cell:
    """What rank `one` needs of rank `other`: a cell of its row, or an address that it calls."""

    one: Entry
    other: Entry


@dataclass(frozen=True)
class File:
    """A hostfile and the cluster that it is for. `backend` is the one that it is judged as."""

    told: Hostfile
    cluster: Cluster
    entries: tuple[Entry, ...]
    backend: Backend

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """List the cells that MLX opens devices by: all of a mesh, neighbours of a ring."""
        size = len(self.entries)
        if self.backend not in MATRIX or size < 2:
            return ()
        pairs = [(i, j) for i in range(size) for j in range(size) if i != j]
        if self.backend == "jaccl-ring":
            pairs = [(i, j) for i, j in pairs if (i - j) % size in (1, size - 1)]
        return tuple(Cell(self.entries[i], self.entries[j]) for i, j in pairs)

    @cached_property
    def meetings(self) -> tuple[Cell, ...]:
        """List who calls whom over TCP: all call rank 0 of jaccl, each the next one of ring."""
        if self.backend in MATRIX:
            return tuple(Cell(entry, self.entries[0]) for entry in self.entries[1:])
        if self.backend != "ring" or len(self.entries) < 2:
            return ()
        following = zip(self.entries, (*self.entries[1:], self.entries[0]), strict=True)
        return tuple(Cell(one, other) for one, other in following)

    @property
    def on_one_machine(self) -> bool:
        """Whether all ranks run where mlx.launch does."""
        return all(entry.told.ssh == LAUNCHER for entry in self.entries)

    def addresses(self, entry: Entry) -> tuple[str, ...]:
        """List the addresses of a rank that MLX uses: all of ring, the first of jaccl's rank 0."""
        if self.backend == "ring":
            return entry.told.ips
        return entry.told.ips[:1] if self.backend in MATRIX and entry.rank == 0 else ()

    def held(self, host: str) -> Mapping[str, tuple[str, IPv4Interface]]:
        """Give the addresses that a host holds, with interface and network; it must have said."""
        found: Ifconfig = need(self.cluster.of(host).ifconfig)
        return {
            address.address: (i.name, IPv4Interface(f"{address.address}/{address.prefix}"))
            for i in found.interfaces
            for address in i.ipv4
        }

    def source(self, entry: Entry | None = None, *keys: str) -> str:
        """Name a place of the file as `FILE:LINE: key`: a key of an entry, else one of the top."""
        start = entry.told.place.key.removesuffix(".ssh") if entry else ""
        key = "".join([start, *keys]).lstrip(".")
        file = self.entries[0].told.place.source or "hostfile"
        line = self.told.lines.get(key)
        where = file if line is None else f"{file}:{line}"
        return f"{where}: {key}" if key else where


def devices(wires: Wires) -> tuple[str, ...]:
    """List the devices of a cell, as jaccl reads it."""
    if wires is None or wires == "":
        return ()
    return (wires,) if isinstance(wires, str) else wires


def wires(entry: Entry, other: Entry) -> tuple[str, ...]:
    """List the devices of the cell of `entry` for `other`; none where its row is too short."""
    row = entry.told.rdma
    return devices(row[other.rank]) if other.rank < len(row) else ()


def read(cluster: Cluster, told: Hostfile) -> File:
    """Join a hostfile with the cluster."""
    entries = tuple(
        Entry(rank, entry, _hosts(cluster, entry)) for rank, entry in enumerate(told.hosts)
    )
    return File(told, cluster, entries, told.backend or _guessed(told))


def _guessed(told: Hostfile) -> Backend:
    """Name the backend that a file without one can be meant for."""
    rows = [host.rdma for host in told.hosts]
    if not any(devices(cell) for row in rows for cell in row):
        return "ring"
    pairs = combinations(range(len(rows)), 2)
    cells = [(rows[i][j : j + 1], rows[j][i : i + 1]) for i, j in pairs]
    full = all(any(map(devices, end)) for pair in cells for end in pair)
    return "jaccl" if full else "jaccl-ring"


def _hosts(cluster: Cluster, entry: HostfileEntry) -> tuple[str, ...]:
    """Find the host that `ssh` names: by name or address, with or without `.local`, or by ips."""
    hosts = cluster.inventory.hosts
    if entry.ssh == LAUNCHER:
        here = [host.name for host in hosts if host.connection == "local"]
        return tuple(here) if len(here) == 1 else _holders(cluster, entry.ips, here)
    wanted = entry.ssh.rpartition("@")[2].lower().rstrip(".")
    for alike in (_same, _short):
        texts = [(host.name, {alike(host.name), alike(host.address)}) for host in hosts]
        found = tuple(name for name, known in texts if alike(wanted) in known)
        if found:
            return found
    told = tuple(host.name for host in hosts if host.ip == wanted)
    return told or _holders(cluster, (wanted,), ())


def _holders(cluster: Cluster, ips: Sequence[str], among: Sequence[str]) -> tuple[str, ...]:
    """Find the hosts that hold all of these addresses."""
    found = []
    for facts in cluster.facts:
        said = facts.ifconfig
        if not isinstance(said, Ifconfig) or (among and facts.host.name not in among):
            continue
        held = {address.address for i in said.interfaces for address in i.ipv4}
        if ips and held.issuperset(ips):
            found.append(facts.host.name)
    return tuple(found) or tuple(among)


def _same(text: str) -> str:
    return text.lower().rstrip(".")


def _short(text: str) -> str:
    return _same(text).removesuffix(".local")


def ipv4(text: str) -> IPv4Interface | None:
    """Read a dotted IPv4 address; None if the text is none."""
    try:
        return IPv4Interface(f"{text}/32") if "/" not in text else None
    except (AddressValueError, ValueError):
        return None
