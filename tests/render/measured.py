"""A healthy mesh of four: ring twice and jaccl once over all sizes, every pair alone, a soak."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations

from mlxdiag import report
from mlxdiag.backends import ring
from mlxdiag.inventory import Host
from mlxdiag.probe.plan import Plan, Refusal, Settings
from mlxdiag.probe.said import Event, GangRun
from mlxdiag.report import Report
from tests.checks.recorded import recorded
from tests.probe.logs import checked, done, imported, log, mesh, ran, samples, soaked

SIZES = tuple(4 ** (n + 1) for n in range(13))
PAIR_SIZES = (4, 4 << 20)
SLOW = {"jaccl": ("macstudio2", "macstudio4"), "ring": ("macstudio1", "macstudio3")}
"""The pair that has a fifth of the others' bandwidth."""


@cache
def measured(*, twice: bool = False) -> Report:
    """Report on it; with `twice` the pairs were measured with ring as well."""
    made = recorded("clean-mesh-4")
    hosts = list(made.inventory.hosts)
    jaccl, slower = sweep(hosts, "jaccl", 26, 6.1), sweep(hosts, "ring", 325, 2.5)
    launches = [sweep(hosts, "ring", 310, 2.6), slower, jaccl, soak(hosts)]
    for backend in ("jaccl", "ring") if twice else ("jaccl",):
        launches += [pair(list(two), backend) for two in combinations(hosts, 2)]
    refusals = (Refusal("mpi", "mpirun is not installed", None),)
    made = replace(made, probes=tuple(launches), refusals=refusals)
    return report.build(made, "probe", "0.1.0")


def plan(hosts: list[Host], backend: str, sizes: tuple[int, ...]) -> Plan:
    addresses = [[host.address] for host in hosts]
    wires = tuple(mesh(len(hosts)))
    ranks = ring.ranks(hosts, addresses, 20000)
    return Plan(backend, backend, ranks, "n", Settings(sizes=sizes), wires)


def sweep(hosts: list[Host], backend: str, us: float, gb_per_s: float) -> tuple[Plan, GangRun]:
    """Time what a fixed start and a bandwidth make of each size."""
    asked = plan(hosts, backend, SIZES)
    said = [timed(size, us + 1.5 * size / gb_per_s / 1e3) for size in SIZES]
    return asked, ran([log(n, imported(), checked(), *said, *done()) for n in range(len(hosts))])


def pair(hosts: list[Host], backend: str = "jaccl") -> tuple[Plan, GangRun]:
    slow = {host.name for host in hosts} == set(SLOW[backend])
    asked = replace(plan(hosts, backend, PAIR_SIZES), part="pair")
    numbers = [int(host.name[-1]) for host in hosts]
    times = (9.5 + numbers[0] * numbers[1] / 20, 3400 if slow else 640 + 10 * sum(numbers))
    said = [timed(size, us) for size, us in zip(PAIR_SIZES, times, strict=True)]
    return asked, ran([log(n, imported(), checked(), *said, *done()) for n in range(2)])


def timed(size: int, us: float) -> Event:
    return samples([int(us * 1000 * share) for share in (0.97, 1, 1, 1.02, 1.3)], size)


def soak(hosts: list[Host]) -> tuple[Plan, GangRun]:
    asked = plan(hosts, "ring", SIZES)
    asked = replace(asked, settings=replace(asked.settings, soak_s=30.0))
    return asked, ran([log(n, imported(), soaked(30.0), *done()) for n in range(len(hosts))])
