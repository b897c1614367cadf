"""A modelled cluster that goes on: what its hosts print is rewritten as it changes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlxdiag.capture import ACCESS, Capture, Captures, Outcome
from mlxdiag.inventory import Inventory, loads
from mlxdiag.watch.due import ASKED
from tests.model import ModelCluster, inventory, outputs
from tests.model.printed import Printed

GIB = 1 << 30
PAGE = 16384
MEMORY_GIB = 512
RANK = "python -m mlx_lm.server --model /models/example --port 8080"


@dataclass(frozen=True)
class Scene:
    """A cluster at one moment, and what of its hosts is in no model: ranks, memory, boots."""

    cluster: ModelCluster
    ranks: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    wired_gib: Mapping[str, int] = field(default_factory=dict)
    boots: Mapping[str, int] = field(default_factory=dict)
    away: frozenset[str] = frozenset()

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names of the hosts."""
        return tuple(mac.name for mac in self.cluster.listed)

    def printed(self) -> dict[str, dict[str, Printed]]:
        """Give what each host prints, by command."""
        return {host: self._of(host, told) for host, told in outputs(self.cluster).items()}

    def _of(self, host: str, told: Mapping[str, Printed]) -> dict[str, Printed]:
        found = {name: one for name, one in told.items() if name != ACCESS}
        if host in self.boots:
            system = found["sysctl"]
            stdout = re.sub(rb"sec = \d+", b"sec = %d" % self.boots[host], system.stdout)
            found["sysctl"] = replace(system, stdout=stdout)
        found["neighbours"] = Printed(stdout=_processes(self.ranks.get(host, ())))
        found["vm_stat"] = Printed(stdout=_memory(self.wired_gib.get(host, 5)))
        return found

    def captures(self, missing: Iterable[str] = ()) -> dict[str, Captures]:
        """Give what a watch would have of it; `missing` are commands that did not answer."""
        return {
            host: _captures(host, told, set(missing), away=host in self.away)
            for host, told in self.printed().items()
        }

    def inventory(self) -> Inventory:
        """Give the inventory of the cluster."""
        return loads(inventory(self.cluster), "inventory.yaml")


def scene(cluster: ModelCluster, **more: object) -> Scene:
    """Begin with two ranks a host."""
    hosts = [mac.name for mac in cluster.listed]
    begun = Scene(cluster, {host: (4000 + n, 5000 + n) for n, host in enumerate(hosts)})
    return replace(begun, **more)  # type: ignore[arg-type]


def write(scene: Scene, folder: Path, before: Scene | None = None) -> None:
    """Write the files that simulated hosts answer from; only those that changed, by rename."""
    old = before.printed() if before else {}
    for host, told in scene.printed().items():
        own = folder / host
        own.mkdir(parents=True, exist_ok=True)
        for name, printed in told.items():
            if host in old and old[host][name] == printed:
                continue
            fresh = own / f"{name}.new"
            fresh.write_bytes(printed.stdout)
            fresh.replace(own / f"{name}.out")


def _captures(
    host: str, told: Mapping[str, Printed], missing: set[str], *, away: bool
) -> dict[str, Capture]:
    if away:
        return {ACCESS: Capture(ACCESS, ("ssh", host), Outcome.REFUSED)}
    argv = {command.name: command.argv for command in ASKED}
    found = {ACCESS: Capture(ACCESS, ("ssh", host), Outcome.EXITED, 0)}
    for name, printed in told.items():
        outcome = Outcome.TIMEOUT if name in missing else Outcome(printed.outcome)
        found[name] = Capture(
            name, argv[name], outcome, printed.exit_status, None, printed.stdout, printed.stderr
        )
    return found


def _processes(ranks: tuple[int, ...]) -> bytes:
    others = ("1 /sbin/launchd", "88 /usr/libexec/logd", "300 vim mlx_lm.py")
    return "".join(f"{line}\n" for line in (*others, *(f"{pid} {RANK}" for pid in ranks))).encode()


def _memory(gib: int) -> bytes:
    pages = gib * GIB // PAGE
    return (
        f"Mach Virtual Memory Statistics: (page size of {PAGE} bytes)\n"
        f"Pages free:                             {100000:>16}.\n"
        f"Pages wired down:                       {pages:>16}.\n"
    ).encode()
