"""What `mlxdiag probe` does before and around a launch: wish -> plans, or why there are none."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial

from mlxdiag import checks, cluster, live
from mlxdiag import hostfile as hostfiles
from mlxdiag.backends import BACKENDS
from mlxdiag.backends.backend import Backend, Site
from mlxdiag.errors import InventoryError
from mlxdiag.inventory import Host, Inventory
from mlxdiag.ladder import climb
from mlxdiag.probe import attempts, choose, fit, gang, neighbours, spelt, thresholds
from mlxdiag.probe import launch as launches
from mlxdiag.probe.plan import ELEMENT_BYTES, LAUNCHES_OF, SIZES_OF, Plan, Refusal, Settings
from mlxdiag.probe.watch import Watch, watching
from mlxdiag.progress import progress
from mlxdiag.recommend import recommend
from mlxdiag.recording import Recording

ALL = "all"
MAX_BYTES = 1 << 30
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smh]?)", re.IGNORECASE)
_SIZE = re.compile(r"(\d+)\s*([KMG]?)i?B?", re.IGNORECASE)


@dataclass(frozen=True)
class Wish:
    """What the command line asked for; sizes as typed, in bytes with K, M or G (1024-based).

    `force` launches a fragile backend without proof.
    """

    backend: str
    op: str
    begin: str | None
    end: str | None
    factor: int
    iterations: int | None
    warmup: int
    check: bool
    repeat: int | None
    dtype: str = "float32"
    level: str = "standard"
    soak_s: float | None = None
    connections: int = 1
    force: bool = False

    def backends(self) -> tuple[Backend, ...]:
        """Name the backends to launch, in the order in which they are."""
        return tuple(BACKENDS.values()) if self.backend == ALL else (BACKENDS[self.backend],)

    def settings(self) -> Settings:
        """Turn it into what the kernel is told; refuse sizes that are none."""
        sizes = self._sweep() if self.begin or self.end else SIZES_OF[self.level]
        return Settings(
            op=self.op,
            dtype=self.dtype,
            sizes=sizes,
            iterations=self.iterations,
            warmup=self.warmup,
            check=self.check,
            connections=self.connections,
            soak_s=self.soak_s,
        )

    def launches(self, *, held_to_numbers: bool = False) -> int:
        """Decide how often each backend is launched; twice at least where a verdict hangs on it."""
        if self.repeat is not None:
            return self.repeat
        if self.soak_s is not None:
            return 1
        return max(LAUNCHES_OF[self.level], 2 if held_to_numbers else 1)

    def _sweep(self) -> tuple[int, ...]:
        """List sizes from -b on, as nccl-tests does: none above -e, each of whole elements."""
        element = ELEMENT_BYTES[self.dtype]
        first = _bytes("-b", self.begin or "4")
        last = _bytes("-e", self.end or self.begin or "4")
        if first > last:
            at_least = f"-b {self.begin or '4'} is larger than -e {self.end or self.begin}"
            raise InventoryError(f"{at_least}; -b is the smallest size, -e the largest")
        if first < element:
            raise InventoryError(
                f"-b {self.begin} is less than one element of {self.dtype}, {element} bytes"
            )
        sizes = [first]
        while sizes[-1] * self.factor <= last:
            sizes.append(sizes[-1] * self.factor)
        return tuple(dict.fromkeys(size // element * element for size in sizes))


Maker = Callable[[], Plan]
Try = Callable[[int, str], Plan | Refusal]
"""First port, nonce -> what a backend makes of it."""


@dataclass(frozen=True)
class Plans:
    """Launches to come, each made when its turn is there (fresh ports), and what was refused."""

    inventory: Inventory
    makers: tuple[Maker, ...]
    refusals: tuple[Refusal, ...] = ()
    before: Recording | None = None


def on_this_machine(count: int, wish: Wish) -> Plans:
    """Plan ranks of this machine, with the interpreter that runs us."""
    host = Host("localhost", "127.0.0.1", python=sys.executable, connection="local")
    settings = wish.settings()
    tries: list[tuple[int, Try]] = [
        (count, partial(_on_machine, backend, count, host, settings)) for backend in wish.backends()
    ]
    return _plans(Inventory("local", (host,)), tries, wish.launches(), None)


def over_cluster(inventory: Inventory, wish: Wish, timeout_s: float | None) -> Plans:
    """Ask the hosts first, then plan over what they said."""
    settings = wish.settings()
    numbers = inventory.expect.thresholds
    _check_names(numbers)
    with progress([host.name for host in inventory.hosts]) as on_state:
        facts = live.record(inventory, timeout_s=timeout_s, on_state=on_state)
    if facts.ended != "complete":
        return Plans(inventory, (), (), facts)
    seen = fit.settled(cluster.build(inventory, facts.hosts))
    findings = checks.run(seen)
    states = climb(seen.topology, findings)
    site = Site(seen, states, recommend(seen, states, findings), force=wish.force)
    if any(choose.asks_company(backend, site) for backend in wish.backends()):
        facts = _with_company(inventory, facts, timeout_s)
        if facts.ended != "complete":
            return Plans(inventory, (), (), facts)
        site = replace(site, beside=neighbours.found(facts.hosts))
    tries: list[tuple[int, Try]] = [
        (len(seen.topology.hosts), partial(_over_site, backend, site, settings))
        for backend in wish.backends()
    ]
    return _plans(inventory, tries, wish.launches(held_to_numbers=bool(numbers)), facts)


def _check_names(names: Iterable[str]) -> None:
    """Refuse thresholds that no number would be compared with."""
    for name in thresholds.unknown(names):
        near = get_close_matches(name, thresholds.NAMES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(thresholds.UNITS)}"
        raise InventoryError(f"expect.thresholds.{name}: no such threshold; {hint}")


def _with_company(inventory: Inventory, facts: Recording, timeout_s: float | None) -> Recording:
    """Ask every host once more, for the MLX jobs that run on it."""
    left = None if timeout_s is None else max(0.0, timeout_s - facts.duration_s)
    said = neighbours.ask(inventory, left)
    hosts = {name: {**facts.hosts[name], **said.hosts[name]} for name in facts.hosts}
    duration = round(facts.duration_s + said.duration_s, 3)
    return replace(facts, hosts=hosts, duration_s=duration, ended=said.ended)


def _on_machine(
    backend: Backend, count: int, host: Host, settings: Settings, port: int, nonce: str
) -> Plan | Refusal:
    return choose.on_machine(backend, count, host, port, nonce, settings)


def _over_site(
    backend: Backend, site: Site, settings: Settings, port: int, nonce: str
) -> Plan | Refusal:
    order = choose.order_of(backend, site)
    plan = choose.over_site(backend, site, order, port, nonce, settings)
    if isinstance(plan, Refusal):
        return plan
    return replace(plan, notes=(*plan.notes, *fit.notes(site, order)))


def _plans(
    inventory: Inventory, tries: Sequence[tuple[int, Try]], repeat: int, before: Recording | None
) -> Plans:
    """Try every backend once without a port: what is refused then is not launched."""
    makers: list[Maker] = []
    refusals: list[Refusal] = []
    for ranks, attempt in tries:
        trial = attempt(0, "")
        if isinstance(trial, Refusal):
            refusals.append(trial)
        else:
            makers += [partial(_made, ranks, attempt)] * repeat
    return Plans(inventory, tuple(makers), tuple(refusals), before)


def _made(ranks: int, attempt: Try) -> Plan:
    """Make a plan with ports and a word of its own; what was possible before still is."""
    plan = attempt(launches.port(ranks), launches.nonce())
    if isinstance(plan, Refusal):
        raise InventoryError(f"{plan.backend}: {plan.reason}")
    return plan


def launch(plans: Plans, timeout_s: float | None) -> Recording:
    """Run them; what was refused stands in the recording beside what was launched."""
    before = plans.before
    if before is not None and before.ended != "complete":
        return before
    if before is not None and timeout_s is not None:
        timeout_s = max(0.0, timeout_s - before.duration_s)
    boots = attempts.boots(cluster.build(plans.inventory, before.hosts)) if before else {}
    with watching(len(plans.makers)) as watch:
        makers = [partial(_watched, watch, make) for make in plans.makers]
        ran = launches.launch(
            plans.inventory,
            makers,
            before=before,
            timeout_s=timeout_s,
            on_event=watch.hear,
            counted=partial(attempts.counted, boots),
        )
    return replace(ran, refusals=(*plans.refusals, *ran.refusals))


def _watched(watch: Watch, make: Maker) -> Plan:
    return watch.begin(make())


def described(plans: Plans) -> str:
    """Spell the plans out, each once however often it is repeated, and what was refused."""
    refused = "".join(f"refused: {r.backend}: {r.reason}\n" for r in plans.refusals)
    made = (make() for make in plans.makers)
    alike = {(plan.backend, tuple(rank.host for rank in plan.ranks)): plan for plan in made}
    return refused + "\n".join(spelt.spelt(plan, gang.line_of) for plan in alike.values())


def hostfile(plans: Plans, path: str) -> tuple[str, str]:
    """Give the text of a hostfile at `path`, and the line that uses it; refuse where none is."""
    made = (make() for make in plans.makers)
    plan = next((plan for plan in made if plan.part == "whole"), None)
    if plan is None:
        reasons = "; ".join(f"{r.backend}: {r.reason}" for r in plans.refusals)
        raise InventoryError(f"no hostfile, because nothing can be launched: {reasons}")
    return hostfiles.dumps(spelt.hostfile(plan)), spelt.launch_line(plan, path)


def _bytes(option: str, text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    count = int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2].upper()] if match else 0
    if not 0 < count <= MAX_BYTES:
        raise InventoryError(
            f"{option} {text!r} is not a size between 1 byte and 1 GiB; write 4, 64K, 1M or 1G"
        )
    return count


def seconds(text: str) -> float:
    """Read a duration as people write it: 90, 90s, 10m, 2h."""
    match = _DURATION.fullmatch(text.strip())
    found = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2].lower()] if match else 0
    if not found:
        raise InventoryError(f"{text!r} is not a duration above 0 (30s, 10m, 2h)")
    return found
