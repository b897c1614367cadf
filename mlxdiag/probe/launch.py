"""Launch: the live side of `mlxdiag probe`: fresh ports, one round after the other, signals."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from mlxdiag import __version__
from mlxdiag.ending import listening
from mlxdiag.fanout import transport_choice
from mlxdiag.inventory import Inventory
from mlxdiag.probe import gang
from mlxdiag.probe.plan import Plan, Refusal
from mlxdiag.probe.said import Event, GangRun
from mlxdiag.recording import Recording

PORTS = range(20000, 32000)
"""Below every ephemeral range (Linux from 32768, macOS from 49152) and MLX's own 32323."""

PER_RANK = 16
"""How many ports a rank may take: one per cable to the rank before it and connection."""

SPENT = "not launched after a failed launch of {}: each failed one may leak a protection domain"


Round = Callable[[], Sequence[Plan]]
"""Makes the plans of one round when its turn is there."""

Again = Callable[[Sequence[tuple[Plan, GangRun]]], Sequence[Round]]


def nonce() -> str:
    """Make the word by which the ranks of one launch know each other."""
    return secrets.token_hex(8)


def port(ranks: int) -> int:
    """Choose where a launch's ports begin: at random, because an orphan would steal a fixed one."""
    return PORTS[secrets.randbelow(len(PORTS) - PER_RANK * ranks)]


def ports(ranks: int, launches: int) -> list[int]:
    """Choose where the ports of several launches begin that may share a machine."""
    first = port(ranks * launches)
    return [first + PER_RANK * ranks * at for at in range(launches)]


def launch(
    inventory: Inventory,
    rounds: Sequence[Round],
    *,
    before: Recording | None = None,
    timeout_s: float | None = None,
    again: Again = lambda _runs: (),
    counted: Callable[[Plan], Plan] = lambda plan: plan,
    on_event: Callable[[Plan, int, Event], None] = lambda _plan, _rank, _event: None,
) -> Recording:
    """Run the rounds one after the other, the launches of a round at the same time.

    A launch that fails ends no other. A signal ends those at hand and those to come. When all have
    run, `again` says what is to be launched once more. `counted` is told of every plan just before
    it starts. After a fragile launch that failed once all its ranks were ready, no other fragile
    one is started: those are refusals of the recording.
    """
    return asyncio.run(_launch(inventory, rounds, before, timeout_s, again, counted, on_event))


def _may_leak(run: GangRun) -> bool:
    """Whether it failed and any rank may have begun init: none does before all are ready."""
    return run.end != "done" and all(log.came_to("ready") for log in run.logs)


async def _launch(
    inventory: Inventory,
    rounds: Sequence[Round],
    before: Recording | None,
    timeout_s: float | None,
    again: Again,
    counted: Callable[[Plan], Plan],
    on_event: Callable[[Plan, int, Event], None],
) -> Recording:
    started_at, start = datetime.now(UTC), time.monotonic()
    choose = transport_choice()
    runs: list[tuple[Plan, GangRun]] = []
    refusals: dict[str, Refusal] = {}
    spent = ""
    with listening(timeout_s) as ending:

        async def one(plan: Plan) -> tuple[Plan, GangRun]:
            hear = partial(on_event, plan)
            return plan, await gang.run(plan, choose, stop=ending.stop, on_event=hear)

        async def run(some: Sequence[Round]) -> None:
            nonlocal spent
            for make in some:
                if ending.stop.is_set():
                    break
                made = make()
                held = [plan for plan in made if plan.fragile and spent]
                for plan in held:
                    refusals.setdefault(plan.backend, Refusal(plan.backend, spent))
                begun = [counted(plan) for plan in made if plan not in held]
                ran = await asyncio.gather(*map(one, begun))
                runs.extend(ran)
                failed = [p.backend for p, ended in ran if p.fragile and _may_leak(ended)]
                spent = SPENT.format(failed[0]) if failed else spent

        await run(rounds)
        await run(again(runs))
    facts_s = before.duration_s if before else 0.0
    began = before.started_at if before else started_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Recording(
        inventory=inventory,
        hosts=before.hosts if before else {host.name: {} for host in inventory.hosts},
        started_at=began,
        duration_s=round(facts_s + time.monotonic() - start, 3),
        tool_version=__version__,
        ended=ending.how,
        probes=tuple(runs),
        refusals=tuple(refusals.values()),
    )
