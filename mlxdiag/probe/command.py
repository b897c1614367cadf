"""What `mlxdiag probe` does before and around a launch: wish -> plans, or why there are none."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from mlxdiag import checks, cluster, live
from mlxdiag import hostfile as hostfiles
from mlxdiag.backends import BACKENDS
from mlxdiag.backends.backend import Backend, Site
from mlxdiag.errors import InventoryError
from mlxdiag.inventory import Host, Inventory
from mlxdiag.ladder import climb
from mlxdiag.probe import (
    attempts,
    choose,
    fit,
    gang,
    matrix,
    neighbours,
    pairwise,
    spelt,
)
from mlxdiag.probe import launch as launches
from mlxdiag.probe.judge import judge
from mlxdiag.probe.plan import (
    BEHIND,
    ELEMENT_BYTES,
    LAUNCHES_OF,
    PAIR_SIZES,
    SIZES_OF,
    Plan,
    Refusal,
    Settings,
    Try,
    Wire,
)
from mlxdiag.probe.said import GangRun
from mlxdiag.probe.watch import Watch, watching
from mlxdiag.progress import progress
from mlxdiag.recommend import recommend
from mlxdiag.recording import Recording

ALL = "all"
MAX_BYTES = 1 << 30
_SIZE = re.compile(r"(\d+)\s*([KMG]?)i?B?", re.IGNORECASE)


@dataclass(frozen=True)
class Wish:
    """What the command line asked for; sizes as typed, in bytes with K, M or G (1024-based).

    `pairs` is `cabled`, `all` or nothing; `behind` is a share of the median, 0 to 1. `force`
    launches a fragile backend without proof.
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
    pairs: str = ""
    behind: float = BEHIND
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
            behind=self.behind,
        )

    def pair_settings(self) -> Settings:
        """Turn it into what two ranks are told."""
        if self.op != "all_sum" or self.soak_s is not None:
            raise InventoryError("pairs are measured with all_sum: neither --op nor --soak")
        sizes = self._sweep() if self.begin or self.end else PAIR_SIZES[self.level]
        return replace(self.settings(), sizes=sizes)

    def launches(self, *, held_to_numbers: bool = False) -> int:
        """Decide how often each backend is launched; twice at least where a verdict hangs on it."""
        if self.repeat is not None:
            return self.repeat
        if self.soak_s is not None or self.pairs:
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


def comparison(repeat: int | None) -> Wish:
    """Wish for what compares backends: each that the facts allow, a small and a large all_sum."""
    return Wish(ALL, "all_sum", None, None, 4, None, 5, True, repeat, level="quick")


Maker = Callable[[], tuple[Plan, ...]]
"""Makes the launches of one round, which run at the same time; nearly always one."""

Round = tuple[int, tuple[Try, ...]]
"""Ranks of each launch, and the launches."""

Again = Callable[[Sequence[tuple[Plan, GangRun]]], Sequence[Maker]]
"""What was launched -> what has to be launched once more."""


@dataclass(frozen=True)
class Plans:
    """Launches to come, each made when its turn is there (fresh ports), and what was refused.

    `again` says what to launch once more when all have run.
    """

    inventory: Inventory
    makers: tuple[Maker, ...]
    refusals: tuple[Refusal, ...] = ()
    before: Recording | None = None
    again: Again = lambda _runs: ()


def on_this_machine(count: int, wish: Wish) -> Plans:
    """Plan ranks of this machine, with the interpreter that runs us."""
    host = Host("localhost", "127.0.0.1", python=sys.executable, connection="local")
    settings = wish.settings()
    refusals: list[Refusal] = []
    tries: list[list[Round]] = []
    for backend in wish.backends():
        whole: Try = partial(_on_machine, backend, count, host, settings)
        if not wish.pairs:
            tries.append([(count, (whole,))])
        elif pairwise.within_a_group(backend):
            sizes = wish.pair_settings().sizes
            tries.append([(count, (_with_pairs(backend, whole, sizes),))])
        else:
            pairs = pairwise.on_machine(backend, count, host, wish.pair_settings())
            tries.append([(2, some) for some in pairs.rounds])
            refusals += pairs.refusals
    return _plans(Inventory("local", (host,)), tries, refusals, wish.launches(), None)


def over_cluster(inventory: Inventory, wish: Wish, timeout_s: float | None) -> Plans:
    """Ask the hosts first, then plan over what they said."""
    wish.settings()
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
    return over_site(site, facts, wish)


def over_site(site: Site, facts: Recording, wish: Wish) -> Plans:
    """Plan over what the hosts have said already; nobody is asked."""
    settings, inventory = wish.settings(), facts.inventory
    count = len(site.cluster.topology.hosts)
    refusals: list[Refusal] = []
    tries: list[list[Round]] = []
    for backend in wish.backends():
        whole: Try = partial(_over_site, backend, site, settings)
        everyone = wish.pairs == "all"
        if not wish.pairs:
            tries.append([(count, (whole,))])
        elif pairwise.within_a_group(backend):
            sizes = wish.pair_settings().sizes
            tries.append(
                [(count, (_with_pairs(backend, whole, sizes, None if everyone else site),))]
            )
        else:
            pairs = pairwise.over_site(backend, site, wish.pair_settings(), everyone=everyone)
            tries.append([(2, some) for some in pairs.rounds])
            refusals += pairs.refusals
    repeat = wish.launches(held_to_numbers=bool(inventory.expect.thresholds))
    return _plans(inventory, tries, refusals, repeat, facts)


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


def _with_pairs(
    backend: Backend, whole: Try, sizes: Sequence[int], site: Site | None = None
) -> Try:
    def made(port: int, nonce: str) -> Plan | Refusal:
        plan = whole(port, nonce)
        if isinstance(plan, Refusal):
            return plan
        return pairwise.inside(backend, plan, sizes, site)

    return made


def _plans(
    inventory: Inventory,
    tries: Sequence[Sequence[Round]],
    refused: Sequence[Refusal],
    repeat: int,
    before: Recording | None,
) -> Plans:
    """Try every launch once without a port: what is refused then is not launched."""
    makers: list[Maker] = []
    refusals = list(refused)
    links: dict[Link, Try] = {}
    for rounds in tries:
        of_backend: list[Maker] = []
        for ranks, some in rounds:
            good: list[Try] = []
            for attempt in some:
                trial = attempt(0, "")
                if isinstance(trial, Refusal):
                    refusals.append(trial)
                    continue
                good.append(attempt)
                if trial.part == "pair":
                    links[_link(trial)] = attempt
            if good:
                of_backend.append(partial(_made, ranks, tuple(good)))
        makers += of_backend * repeat
    again = partial(_behind, links)
    return Plans(inventory, tuple(makers), tuple(dict.fromkeys(refusals)), before, again)


def _made(ranks: int, some: Sequence[Try]) -> tuple[Plan, ...]:
    """Make plans with ports and a word of their own; what was possible before still is."""
    made: list[Plan] = []
    for port, attempt in zip(launches.ports(ranks, len(some)), some, strict=True):
        plan = attempt(port, launches.nonce())
        if isinstance(plan, Refusal):
            raise InventoryError(f"{plan.backend}: {plan.reason}")
        made.append(plan)
    return tuple(made)


Link = tuple[str, tuple[str, ...], tuple[Wire, ...]]


def _link(plan: Plan) -> Link:
    return plan.backend, tuple(rank.host.name for rank in plan.ranks), plan.wires


def _behind(links: Mapping[Link, Try], runs: Sequence[tuple[Plan, GangRun]]) -> list[Maker]:
    """Launch every link that was behind once more, alone: beside others it may have suffered."""
    found = matrix.build([judge(plan, run) for plan, run in runs], ())
    behind = [
        (one.backend, way.hosts, way.wires)
        for one in found
        for way in one.ways
        if way.standing == "fail"
    ]
    return [partial(_made, 2, (links[link],)) for link in behind if link in links]


def launch(plans: Plans, timeout_s: float | None) -> Recording:
    """Run them; what was refused stands in the recording beside what was launched."""
    before = plans.before
    if before is not None and before.ended != "complete":
        return before
    if before is not None and timeout_s is not None:
        timeout_s = max(0.0, timeout_s - before.duration_s)
    boots = attempts.boots(cluster.build(plans.inventory, before.hosts)) if before else {}
    with watching(len(plans.makers)) as watch:
        ran = launches.launch(
            plans.inventory,
            [partial(_watched, watch, make) for make in plans.makers],
            before=before,
            timeout_s=timeout_s,
            again=lambda runs: [partial(_watched, watch, make) for make in plans.again(runs)],
            on_event=watch.hear,
            counted=partial(attempts.counted, boots),
        )
    return replace(ran, refusals=(*plans.refusals, *ran.refusals))


def _watched(watch: Watch, make: Maker) -> tuple[Plan, ...]:
    return watch.begin(make())


def described(plans: Plans) -> str:
    """Spell the plans out, each once however often it is repeated, and what was refused."""
    said = ["".join(f"refused: {r.backend}: {r.reason}\n" for r in plans.refusals)]
    seen: set[Link] = set()
    for number, make in enumerate(plans.makers, 1):
        for plan in make():
            if _link(plan) not in seen:
                seen.add(_link(plan))
                when = f"round {number}: " if plan.part == "pair" else ""
                said.append(when + spelt.spelt(plan, gang.line_of))
    return "\n".join(filter(None, said))


def hostfile(plans: Plans, path: str) -> tuple[str, str]:
    """Give the text of a hostfile at `path`, and the line that uses it; refuse where none is."""
    made = (plan for make in plans.makers for plan in make())
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
