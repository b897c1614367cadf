"""Jaccl without RDMA: sites and plans of modelled Macs, and a stand-in of mlx that fails likewise.

Nothing here runs RDMA: what MLX and the driver say is modelled on MLX's sources and on reports.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from mlxdiag import checks, cluster
from mlxdiag.backends import BACKENDS
from mlxdiag.backends.backend import Site
from mlxdiag.inventory import Host, Inventory
from mlxdiag.ladder import climb
from mlxdiag.probe import choose, launch
from mlxdiag.probe.plan import Plan, Refusal, Settings
from mlxdiag.recommend import recommend
from mlxdiag.recording import Recording
from tests.checks.recorded import recording_of
from tests.model import ModelCluster
from tests.model.cases import mesh, studios
from tests.probe.world import HERE

JACCL, JACCL_RING = BACKENDS["jaccl"], BACKENDS["jaccl-ring"]
MACOS = "macOS-26.3-arm64-arm-64bit"
QUICK = Settings(sizes=(4,), iterations=2, warmup=1, check=False)


def site_of(made: Recording, *, force: bool = False) -> Site:
    """Know of the cluster what the recording says, and that no MLX job runs on any host."""
    seen = cluster.build(made.inventory, made.hosts)
    findings = checks.run(seen)
    states = climb(seen.topology, findings)
    beside: dict[str, tuple[str, ...] | None] = dict.fromkeys(seen.topology.hosts, ())
    return Site(seen, states, recommend(seen, states, findings), force, beside)


def chosen(site: Site, backend: str) -> Plan | Refusal:
    kind = BACKENDS[backend]
    order = choose.order_of(kind, site)
    return choose.over_site(kind, site, order, 20000, "abc", QUICK)


def planned(site: Site, backend: str = "jaccl") -> Plan:
    plan = chosen(site, backend)
    assert isinstance(plan, Plan), plan
    return plan


def refused(site: Site, backend: str = "jaccl") -> Refusal:
    refusal = chosen(site, backend)
    assert isinstance(refusal, Refusal), refusal
    return refusal


@cache
def three() -> Plan:
    """Plan a mesh of macstudio1 to 3: en3 - en3, en4 - en3, en4 - en4."""
    macs = studios(3)
    return planned(site_of(recording_of(ModelCluster("three", macs, mesh(macs)))))


FAKE = '''
import json, os, signal, socket, struct, time

SECOND = 0.1
rank = int(os.environ["MLX_RANK"])
fault, _, text = os.environ.get(f"FAULT_{rank}", "").partition(" ")
__version__, cpu = "0.32.4", "cpu"
if fault == "import":
    time.sleep(600)


def set_default_device(_device):
    pass


class distributed:
    @staticmethod
    def is_available(backend):
        return backend == "jaccl" and fault != "absent"

    @staticmethod
    def init(strict, backend):
        with open(os.environ["FAKE_STARTS"], "a") as starts:
            starts.write(f"{rank}\\n")
        with open(os.environ["MLX_IBV_DEVICES"]) as devices:
            size = len(json.load(devices))
        if fault == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        if fault == "spin":
            while True:
                pass
        side = Side(size)
        side.gather()
        if fault == "raise":
            raise RuntimeError(text)
        if fault == "hang":
            time.sleep(600)
        side.gather()
        raise RuntimeError("[jaccl] the stand-in has no RDMA")


class Side:
    """The side channel of jaccl: rank 0 listens, the others try at 0, 1, 3 and 7 s."""

    def __init__(self, size):
        host, port = os.environ["MLX_JACCL_COORDINATOR"].split(":")
        if rank:
            self.peers = [connected(host, int(port))]
            self.send(self.peers[0], struct.pack("i", rank))
            return
        listener = socket.create_server((host, int(port)))
        self.peers = [listener.accept()[0] for _ in range(size - 1)]
        for peer in self.peers:
            self.recv(peer)

    def gather(self):
        for peer in self.peers if rank == 0 else []:
            self.recv(peer)
        for peer in self.peers:
            self.send(peer, b"abcd")
        if rank:
            self.recv(self.peers[0])

    def send(self, peer, data):
        try:
            peer.sendall(data)
        except OSError as error:
            raise RuntimeError(f"[jaccl] Send failed with errno={error.errno}")

    def recv(self, peer):
        try:
            if peer.recv(4):
                return
        except OSError as error:
            raise RuntimeError(f"[jaccl] Recv failed with errno={error.errno}")
        raise RuntimeError("[jaccl] Recv failed with errno=2")


def connected(host, port):
    for attempt in range(4):
        try:
            return socket.create_connection((host, port))
        except OSError as error:
            wait = 1000 << attempt
            print(f"[jaccl] Connection attempt {attempt} waiting {wait} ms", flush=True)
            time.sleep(wait / 1000 * SECOND)
            number = error.errno
    raise RuntimeError(f"[jaccl] Couldn't connect (error: {number})")
'''
"""mlx.core that has an init and no more. Its seconds are tenths."""


@dataclass(frozen=True)
class Rig:
    """An interpreter whose mlx is the stand-in, and the file where each of its inits is a line."""

    python: str
    counter: Path

    @property
    def inits(self) -> list[int]:
        return sorted(map(int, self.counter.read_text().split())) if self.counter.exists() else []

    def here(self, plan: Plan) -> Plan:
        """Let the ranks of a plan run on this machine, under the names of the modelled hosts."""
        address = f"127.0.0.1:{launch.port(len(plan.ranks))}"
        ranks = tuple(
            replace(
                rank,
                host=replace(
                    HERE, name=rank.host.name, address=rank.host.address, python=self.python
                ),
                env={**rank.env, "MLX_JACCL_COORDINATOR": address},
            )
            for rank in plan.ranks
        )
        return replace(
            plan,
            ranks=ranks,
            nonce=launch.nonce(),
            lease_s=6.0,
            deadlines_s={**plan.deadlines_s, "spawn": 12.0, "import": 12.0, "init": 5.0},
        )


def rig(folder: Path, faults: Mapping[int, str]) -> Rig:
    """Write the stand-in and its interpreter; a fault is `raise TEXT`, `hang`, `segfault` ..."""
    package = folder / "path" / "mlx"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "core.py").write_text(FAKE, encoding="utf-8")
    counter = folder / "inits"
    lines = [f"export PYTHONPATH={folder / 'path'} FAKE_STARTS={counter}"]
    for rank, fault in faults.items():
        (folder / f"fault{rank}").write_text(fault, encoding="utf-8")
        lines.append(f'export FAULT_{rank}="$(cat {folder}/fault{rank})"')
    python = folder / "python"
    python.write_text("\n".join(["#!/bin/sh", *lines, f'exec {sys.executable} "$@"', ""]))
    python.chmod(0o755)
    return Rig(str(python), counter)


def inventory_of(plan: Plan) -> Inventory:
    hosts: list[Host] = [rank.host for rank in plan.ranks]
    return Inventory("model", tuple(hosts))
