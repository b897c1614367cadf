"""Faults: what can happen to a scene, how it is mended, and which events each of that must give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count

from tests.model import DOWN, Cable, End, ModelCluster, Printed
from tests.model.cases import changed, recabled, studios
from tests.watch.lab import Scene, scene

Told = tuple[tuple[str, str], ...]
"""Kinds and subjects of events."""

Change = Callable[[Scene], Scene]
PIDS = count(9000)
WIRED_GIB = 300


@dataclass(frozen=True)
class Fault:
    """One thing that breaks on some hosts, and is mended; `cut` cuts their connections."""

    name: str
    hosts: tuple[str, ...]
    broken: Change
    mended: Change
    on_break: Told = ()
    on_mend: Told = ()
    cut: bool = False


def eight() -> Scene:
    """Begin with a ring of eight Macs and a cable across from each to the fourth after it."""
    macs = studios(8)
    names = [mac.name for mac in macs]
    following = zip(names, (*names[1:], names[0]), strict=True)
    cables = [Cable((a, 3), (b, 2)) for a, b in following]
    cables += [Cable((a, 4), (b, 4)) for a, b in zip(names[:4], names[4:], strict=True)]
    return scene(ModelCluster("soak-8", macs, tuple(cables), backend="ring", topology=None))


def label(found: Scene, end: End) -> str:
    """Name a port as a watch does."""
    return f"{end[0]} {found.cluster.by_name[end[0]].interfaces[end[1]]}"


def link(found: Scene, cable: Cable) -> str:
    """Name a cable as a watch does: the host that the inventory has first comes first."""
    ends = sorted(cable.ends, key=lambda end: found.hosts.index(end[0]))
    return " - ".join(label(found, end) for end in ends)


def with_cluster(change: Callable[[ModelCluster], ModelCluster]) -> Change:
    """Change the model and nothing else."""
    return lambda found: replace(found, cluster=change(found.cluster))


def port_down(found: Scene, end: End) -> Fault:
    """Let one port go down, as after a failed queue pair."""

    def without(cluster: ModelCluster) -> ModelCluster:
        states = {e: state for e, state in cluster.port_states.items() if e != end}
        return replace(cluster, port_states=states)

    return Fault(
        "port down",
        (end[0],),
        with_cluster(lambda c: replace(c, port_states={**c.port_states, end: DOWN})),
        with_cluster(without),
        (("port-down", label(found, end)),),
        (("port-up", label(found, end)),),
    )


def pulled(found: Scene, number: int) -> Fault:
    """Pull a cable out."""
    cable = found.cluster.cables[number - 1]
    a, b = (label(found, end) for end in cable.ends)
    name = link(found, cable)
    return Fault(
        "cable pulled",
        tuple(host for host, _ in cable.ends),
        with_cluster(lambda c: recabled(c, number, lambda one: replace(one, seen_by=()))),
        with_cluster(lambda c: recabled(c, number, lambda one: replace(one, seen_by=None))),
        (("cable-gone", name), ("port-down", a), ("port-down", b)),
        (("cable-new", name), ("port-up", a), ("port-up", b)),
    )


def slowed(found: Scene, number: int) -> Fault:
    """Let a link come up at half its speed."""
    cable = found.cluster.cables[number - 1]
    told = (("speed-changed", link(found, cable)),)
    return Fault(
        "slow cable",
        tuple(host for host, _ in cable.ends),
        with_cluster(lambda c: recabled(c, number, lambda one: replace(one, speed_gbps=40))),
        with_cluster(lambda c: recabled(c, number, lambda one: replace(one, speed_gbps=None))),
        told,
        told,
    )


def bridged(found: Scene, end: End) -> Fault:
    """Bring bridge0 back over one port, as System Settings does."""
    return Fault(
        "bridge came back",
        (end[0],),
        with_cluster(lambda c: changed(c, end[0], bridged=(end[1],))),
        with_cluster(lambda c: changed(c, end[0], bridged=None)),
        (("bridge-back", label(found, end)),),
        (("bridge-left", label(found, end)),),
    )


def renumbered(found: Scene, number: int) -> Fault:
    """Give one end of a cable another address."""
    cable = found.cluster.cables[number - 1]
    own, far = (found.cluster.addresses(end) for end in cable.ends)
    other = (f"10.220.{number}.1/30",)
    told = (("address-changed", label(found, cable.a)),)
    return Fault(
        "address renumbered",
        tuple(host for host, _ in cable.ends),
        with_cluster(lambda c: recabled(c, number, lambda x: replace(x, addresses=(other, far)))),
        with_cluster(lambda c: recabled(c, number, lambda x: replace(x, addresses=(own, far)))),
        told,
        told,
    )


def rank_died(found: Scene, host: str) -> Fault:
    """Let the first rank of a host die, and start another."""
    first, *rest = found.ranks[host]
    new = next(PIDS)
    return Fault(
        "rank died",
        (host,),
        lambda s: replace(s, ranks={**s.ranks, host: tuple(rest)}),
        lambda s: replace(s, ranks={**s.ranks, host: (*rest, new)}),
        (("rank-died", f"{host} pid {first}"),),
        (("rank-started", f"{host} pid {new}"),),
    )


def leaked(found: Scene, host: str) -> Fault:
    """Kill all ranks of a host, whose memory stays wired."""
    old, new = found.ranks[host], (next(PIDS), next(PIDS))
    return Fault(
        "memory wired",
        (host,),
        lambda s: replace(
            s, ranks={**s.ranks, host: ()}, wired_gib={**s.wired_gib, host: WIRED_GIB}
        ),
        lambda s: replace(s, ranks={**s.ranks, host: new}, wired_gib={**s.wired_gib, host: 5}),
        (("memory-wired", host), *(("rank-died", f"{host} pid {pid}") for pid in old)),
        (("memory-freed", host), *(("rank-started", f"{host} pid {pid}") for pid in new)),
    )


def away(found: Scene, host: str) -> Fault:
    """Take a host off the network."""
    del found
    return Fault(
        "host away",
        (host,),
        lambda s: replace(s, away=s.away | {host}),
        lambda s: replace(s, away=s.away - {host}),
        (("host-unreachable", host),),
        (("host-back", host),),
    )


def rebooted(found: Scene, host: str) -> Fault:
    """Restart a host, whose ranks are started anew."""
    new = (next(PIDS), next(PIDS))

    def back(s: Scene) -> Scene:
        boots = {**s.boots, host: s.boots.get(host, 1_769_000_000) + 1000}
        return replace(s, away=s.away - {host}, boots=boots, ranks={**s.ranks, host: new})

    del found
    return Fault(
        "host rebooted",
        (host,),
        lambda s: replace(s, away=s.away | {host}),
        back,
        (("host-unreachable", host),),
        (
            ("host-back", host),
            ("host-rebooted", host),
            *(("rank-started", f"{host} pid {pid}") for pid in new),
        ),
    )


def says(host: str, command: str, stdout: bytes) -> tuple[Change, Change]:
    """Let a command say something else, and again what it said before."""
    key = (host, command)

    def edited(cluster: ModelCluster) -> ModelCluster:
        return replace(cluster, edits={**cluster.edits, key: lambda _: Printed(stdout=stdout)})

    def plain(cluster: ModelCluster) -> ModelCluster:
        return replace(cluster, edits={k: edit for k, edit in cluster.edits.items() if k != key})

    return with_cluster(edited), with_cluster(plain)


def switched(found: Scene, host: str) -> Fault:
    """Turn RDMA off: the switch says so at once, the driver follows with the next restart."""
    del found
    off, on = says(host, "rdma_ctl", b"disabled\n")
    told = (("rdma-switch", host),)
    return Fault("RDMA switched", (host,), off, on, told, told)


def cut(found: Scene, host: str) -> Fault:
    """Cut the connection to a host that is there: opened again, it is no event."""
    del found
    return Fault("connection cut", (host,), lambda s: s, lambda s: s, cut=True)


def garbled(found: Scene, host: str) -> Fault:
    """Let ifconfig print what nobody understands: not known is no event."""
    del found
    torn, whole = says(host, "ifconfig", b"  half a line")
    return Fault("ifconfig garbled", (host,), torn, whole)


def every(found: Scene, host: str) -> Iterator[Fault]:
    """Give every fault there is around one host: its first two cables and their ports."""
    numbers = [n for n, cable in enumerate(found.cluster.cables, 1) if cable.a[0] == host]
    ends = [found.cluster.cables[number - 1].a for number in numbers]
    yield from (port_down(found, end) for end in ends)
    yield from (
        fault(found, number) for fault in (pulled, slowed, renumbered) for number in numbers
    )
    yield from (bridged(found, end) for end in ends)
    yield from (
        fault(found, host)
        for fault in (rank_died, leaked, away, rebooted, switched, cut, garbled)
        if fault not in (rank_died, leaked) or found.ranks[host]
    )
