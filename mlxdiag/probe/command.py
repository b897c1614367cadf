"""What `mlxdiag probe` does before and around a launch: wish -> plans, or why there are none."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from mlxdiag import checks, cluster, live
from mlxdiag.backends import BACKENDS
from mlxdiag.backends.backend import Backend, Site
from mlxdiag.errors import InventoryError
from mlxdiag.inventory import Host, Inventory
from mlxdiag.ladder import climb
from mlxdiag.probe import choose, matrix, pairwise
from mlxdiag.probe import launch as launches
from mlxdiag.probe.judge import judge
from mlxdiag.probe.plan import BEHIND, PAIR_SIZES, SIZES_OF, Plan, Refusal, Settings, Try, Wire
from mlxdiag.probe.said import GangRun
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
    repeat: int
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

    def _sweep(self) -> tuple[int, ...]:
        first, last = _bytes(self.begin or "4"), _bytes(self.end or self.begin or "4")
        if first > last:
            raise InventoryError(f"-b {self.begin} is larger than -e {self.end}")
        sizes = [first]
        while sizes[-1] * self.factor <= last:
            sizes.append(sizes[-1] * self.factor)
        return tuple(sizes)


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
    return _plans(Inventory("local", (host,)), tries, refusals, wish.repeat, None)


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
    site = Site(seen, states, recommend(seen, states, findings))
    count = len(seen.topology.hosts)
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
    return _plans(inventory, tries, refusals, wish.repeat, facts)


def _on_machine(
    backend: Backend, count: int, host: Host, settings: Settings, port: int, nonce: str
) -> Plan | Refusal:
    return choose.on_machine(backend, count, host, port, nonce, settings)


def _over_site(
    backend: Backend, site: Site, settings: Settings, port: int, nonce: str
) -> Plan | Refusal:
    order = choose.order_of(backend, site)
    return choose.over_site(backend, site, order, port, nonce, settings)


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
        for ranks, attempts in rounds:
            good: list[Try] = []
            for attempt in attempts:
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


def _made(ranks: int, attempts: Sequence[Try]) -> tuple[Plan, ...]:
    """Make plans with ports and a word of their own; what was possible before still is."""
    made: list[Plan] = []
    for port, attempt in zip(launches.ports(ranks, len(attempts)), attempts, strict=True):
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
    ran = launches.launch(
        plans.inventory, plans.makers, before=before, timeout_s=timeout_s, again=plans.again
    )
    return replace(ran, refusals=plans.refusals)


def described(plans: Plans) -> str:
    """Spell the plan out: per rank host, environment and files."""
    lines = [f"refused: {r.backend}: {r.reason}" for r in plans.refusals]
    for number, make in enumerate(plans.makers):
        made = make()
        if number and made[0].part != "pair":
            break
        for plan in made:
            when = f", round {number + 1}" if plan.part == "pair" else ""
            lines += _plan_lines(plan, when)
    return "\n".join(lines) + "\n"


def _plan_lines(plan: Plan, when: str) -> Iterator[str]:
    yield f"backend {plan.backend}, {len(plan.ranks)} ranks{when}"
    for rank in plan.ranks:
        env = " ".join(f"{name}={value}" for name, value in rank.env.items())
        yield f"rank {rank.rank}: {rank.host.name} ({rank.host.address})"
        yield f"  python: {rank.host.python or 'python3'}"
        yield f"  environment: {env}"
        yield from (f"  {name} (a file): {text}" for name, text in rank.files.items())
    yield f"sizes: {json.dumps(plan.settings.sizes)}"


def _bytes(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    count = int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2].upper()] if match else 0
    if not 0 < count <= MAX_BYTES:
        raise InventoryError(f"{text!r} is not a size between 1 and {MAX_BYTES} bytes (4, 64K, 1M)")
    return count


def seconds(text: str) -> float:
    """Read a duration as people write it: 90, 90s, 10m, 2h."""
    match = _DURATION.fullmatch(text.strip())
    found = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2].lower()] if match else 0
    if not found:
        raise InventoryError(f"{text!r} is not a duration above 0 (30s, 10m, 2h)")
    return found
