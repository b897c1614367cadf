"""Hardware and cabling: ports for the mesh, cables that nothing uses."""

from __future__ import annotations

from dataclasses import replace

from mlxdiag.recording import Recording
from tests.checks.further.network import surveyed, unanswered
from tests.checks.recorded import altered
from tests.checks.surveyed import HOST
from tests.model import CASES, Mac, ModelCluster
from tests.model.cases import mesh, studios
from tests.model.machine import GIB


def few_ports() -> Recording:
    """Put a Mac mini into a mesh of five: it has a port too few."""
    macs = tuple(replace(mac, model="Mac16,11") if mac.name == HOST else mac for mac in studios(5))
    spare = [cable for cable in mesh(macs_of_six(macs), first=1) if fits(cable.ends)]
    made = surveyed(ModelCluster("few-ports", macs, tuple(spare), topology="mesh"))
    own, alike = (f"hw.memsize: {gib * GIB}".encode() for gib in (64, 512))
    return altered(made, HOST, "sysctl", own, alike)


def macs_of_six(macs: tuple[Mac, ...]) -> tuple[Mac, ...]:
    return tuple(replace(mac, model="Mac15,14") for mac in macs)


def fits(ends: tuple[tuple[str, int], tuple[str, int]]) -> bool:
    return all(host != HOST or receptacle <= 3 for host, receptacle in ends)


FAILING = {
    "hardware-ports-enough": few_ports,
    "cabling-spare-cable": lambda: surveyed(CASES["two-cables"]()),
}
UNKNOWN = {
    "hardware-ports-enough": unanswered("system_profiler_thunderbolt"),
    "cabling-spare-cable": unanswered("system_profiler_thunderbolt"),
}
ABOUT = {"cabling-spare-cable": "cluster"}
