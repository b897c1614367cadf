"""Surroundings: what a rank's host was like when its rank began, and what of it is worth a note."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from mlxdiag.probe.plan import Plan
from mlxdiag.probe.said import GangRun, RankLog

FAST_SYNCH = "MLX_METAL_FAST_SYNCH"
UNUSED = "was not used; it changes latency"


@dataclass(frozen=True)
class RankHost:
    """One rank's host at the start. None: it did not say.

    `load` is the 1 min load average, `scrubbed` are variables of the login environment that the
    rank was not given, `fast_synch` the login environment's MLX_METAL_FAST_SYNCH.
    """

    rank: int
    host: str
    mlx: str | None = None
    python: str | None = None
    load: float | None = None
    cores: int | None = None
    scrubbed: tuple[str, ...] = ()
    fast_synch: str | None = None


def surroundings(run: GangRun) -> tuple[RankHost, ...]:
    """Read them off what the ranks said, in rank order."""
    return tuple(_host(log) for log in run.logs)


def _host(log: RankLog) -> RankHost:
    began, imported = log.last("spawn") or {}, log.last("mlx") or {}
    return RankHost(
        rank=log.rank,
        host=log.host,
        mlx=imported.get("version"),
        python=began.get("python"),
        load=began.get("load"),
        cores=began.get("cores"),
        scrubbed=tuple(began.get("scrubbed", ())),
        fast_synch=began.get("fast_synch"),
    )


def one_machine(plan: Plan) -> str:
    """Say why a launch tells nothing about links: ranks share a machine; empty where they do not.

    Hosts that are all reached at loopback addresses are one machine whatever they are called.
    """
    hosts = [rank.host for rank in plan.ranks]
    names = {host.name for host in hosts}
    if len(names) == 1:
        return "all ranks are on one machine"
    if len(names) < len(hosts):
        return "several ranks share a host"
    if all(_is_loopback(host.address) for host in hosts):
        return "all ranks are on one machine, at loopback addresses"
    if len({(host.address, host.port) for host in hosts}) < len(hosts):
        return "several hosts of the inventory have one address"
    return ""


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def notes(plan: Plan, hosts: Sequence[RankHost]) -> tuple[str, ...]:
    """List what limits the meaning of the numbers: the plan's own notes, then those of the hosts.

    `hosts` are the ranks' of one launch or of several of one kind.
    """
    found = list(plan.notes)
    shared = one_machine(plan)
    if shared and not any(note.startswith("loopback") for note in plan.notes):
        found.append(f"{shared}: no verdict on speed")
    for name in dict.fromkeys(host.host for host in hosts):
        found += _of_host(name, [host for host in hosts if host.host == name])
    return tuple(dict.fromkeys(found))


def _of_host(name: str, seen: Sequence[RankHost]) -> list[str]:
    found = []
    cores = max((host.cores or 0 for host in seen), default=0)
    ranks = len({host.rank for host in seen})
    load = max((host.load or 0.0 for host in seen), default=0.0)
    if cores and ranks > cores:
        found.append(f"{name}: oversubscribed, {ranks} ranks on {cores} cores")
    if cores and load > cores / 2:
        found.append(f"{name}: load {load:.1f} on {cores} cores when a launch began")
    set_ = dict.fromkeys(host.fast_synch for host in seen if host.fast_synch is not None)
    found += [f"{name}: {FAST_SYNCH}={value} of the login environment {UNUSED}" for value in set_]
    taken = {var: None for host in seen for var in host.scrubbed if var != FAST_SYNCH}
    if taken:
        found.append(f"{name}: its login environment sets {', '.join(taken)}; not used")
    return found
