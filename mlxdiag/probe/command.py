"""What `mlxdiag probe` does before and around a launch: wish -> plans, or why there are none."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

from mlxdiag import checks, cluster, live
from mlxdiag.errors import InventoryError
from mlxdiag.inventory import Host, Inventory
from mlxdiag.ladder import climb
from mlxdiag.probe import choose
from mlxdiag.probe import launch as launches
from mlxdiag.probe.choose import Refusal
from mlxdiag.probe.plan import SIZES, Plan, Settings
from mlxdiag.progress import progress
from mlxdiag.recommend import recommend
from mlxdiag.recording import Recording

MAX_BYTES = 1 << 30
_SIZE = re.compile(r"(\d+)\s*([KMG]?)i?B?", re.IGNORECASE)


@dataclass(frozen=True)
class Wish:
    """What the command line asked for; sizes as typed, in bytes with K, M or G (1024-based)."""

    backend: str
    op: str
    begin: str | None
    end: str | None
    factor: int
    iterations: int | None
    warmup: int
    check: bool
    repeat: int

    def settings(self) -> Settings:
        """Turn it into what the kernel is told; refuse sizes that are none."""
        sizes = self._sweep() if self.begin or self.end else SIZES
        return Settings(
            op=self.op,
            sizes=sizes,
            iterations=self.iterations,
            warmup=self.warmup,
            check=self.check,
        )

    def _sweep(self) -> tuple[int, ...]:
        first, last = _bytes(self.begin or "4"), _bytes(self.end or self.begin or "4")
        if first > last:
            raise InventoryError(f"-b {self.begin} is larger than -e {self.end}")
        sizes = [first]
        while sizes[-1] * self.factor <= last:
            sizes.append(sizes[-1] * self.factor)
        return tuple(sizes)


@dataclass(frozen=True)
class Plans:
    """Launches to come, each made when its turn is there (fresh ports), and what was refused."""

    inventory: Inventory
    makers: tuple[Callable[[], Plan], ...]
    refusals: tuple[Refusal, ...] = ()
    before: Recording | None = None


def on_this_machine(count: int, wish: Wish) -> Plans:
    """Plan ranks of this machine, with the interpreter that runs us."""
    host = Host("localhost", "127.0.0.1", python=sys.executable, connection="local")
    settings = wish.settings()

    def make() -> Plan:
        port = launches.port(count)
        return choose.local_ring(count, host, port, launches.nonce(), settings)

    return Plans(Inventory("local", (host,)), (make,) * wish.repeat)


def over_cluster(inventory: Inventory, wish: Wish, timeout_s: float | None) -> Plans:
    """Ask the hosts first, then plan over what they said."""
    settings = wish.settings()
    with progress([host.name for host in inventory.hosts]) as on_state:
        facts = live.record(inventory, timeout_s=timeout_s, on_state=on_state)
    if facts.ended != "complete":
        return Plans(inventory, (), (), facts)
    seen = cluster.build(inventory, facts.hosts)
    findings = checks.run(seen)
    states = climb(seen.topology, findings)
    found = recommend(seen, states, findings)
    choice = next(c for c in found.choices if c.backend == wish.backend)
    order = choice.order or seen.topology.hosts

    def make() -> Plan:
        port = launches.port(len(order))
        plan = choose.ring_of(seen, states, order, port, launches.nonce(), settings)
        if isinstance(plan, Refusal):
            raise InventoryError(f"{plan.backend}: {plan.reason}")
        return plan

    trial = choose.ring_of(seen, states, order, 0, "", settings)
    if isinstance(trial, Refusal):
        return Plans(inventory, (), (trial,), facts)
    return Plans(inventory, (make,) * wish.repeat, (), facts)


def launch(plans: Plans, timeout_s: float | None) -> Recording:
    """Run them; what cannot be launched at all is an error of what was asked, not a result."""
    before = plans.before
    if before is not None and before.ended != "complete":
        return before
    if plans.refusals and not plans.makers:
        raise InventoryError("; ".join(f"{r.backend}: {r.reason}" for r in plans.refusals))
    if before is not None and timeout_s is not None:
        timeout_s = max(0.0, timeout_s - before.duration_s)
    return launches.launch(plans.inventory, plans.makers, before=before, timeout_s=timeout_s)


def described(plans: Plans) -> str:
    """Spell the plan out: per rank host, environment and files."""
    lines = [f"refused: {r.backend}: {r.reason}" for r in plans.refusals]
    for make in plans.makers[:1]:
        plan = make()
        lines.append(f"backend {plan.backend}, {len(plan.ranks)} ranks")
        for rank in plan.ranks:
            env = " ".join(f"{name}={value}" for name, value in rank.env.items())
            lines.append(f"rank {rank.rank}: {rank.host.name} ({rank.host.address})")
            lines.append(f"  python: {rank.host.python or 'python3'}")
            lines.append(f"  environment: {env}")
            lines += [f"  {name} (a file): {text}" for name, text in rank.files.items()]
        lines.append(f"sizes: {json.dumps(plan.settings.sizes)}")
    return "\n".join(lines) + "\n"


def _bytes(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    count = int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2].upper()] if match else 0
    if not 0 < count <= MAX_BYTES:
        raise InventoryError(f"{text!r} is not a size between 1 and {MAX_BYTES} bytes (4, 64K, 1M)")
    return count
