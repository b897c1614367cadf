"""Launch: the live side of `mlxdiag probe`: fresh ports, one launch after the other, signals."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

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

SPENT = "not launched after a failed launch of {}: each failed one may leak a protection domain"


def nonce() -> str:
    """Make the word by which the ranks of one launch know each other."""
    return secrets.token_hex(8)


def port(ranks: int) -> int:
    """Choose where a launch's ports begin: at random, because an orphan would steal a fixed one."""
    return PORTS[secrets.randbelow(len(PORTS) - 16 * ranks)]


def launch(
    inventory: Inventory,
    plans: Sequence[Callable[[], Plan]],
    *,
    before: Recording | None = None,
    timeout_s: float | None = None,
    counted: Callable[[Plan], Plan] = lambda plan: plan,
    on_event: Callable[[int, Event], None] = lambda _rank, _event: None,
) -> Recording:
    """Run the launches one after the other; a signal ends the one at hand and those to come.

    `counted` is told of every plan just before it starts. After a fragile launch that failed no
    other fragile one is started: those are refusals of the recording.
    """
    return asyncio.run(_launch(inventory, plans, before, timeout_s, counted, on_event))


async def _launch(
    inventory: Inventory,
    plans: Sequence[Callable[[], Plan]],
    before: Recording | None,
    timeout_s: float | None,
    counted: Callable[[Plan], Plan],
    on_event: Callable[[int, Event], None],
) -> Recording:
    started_at, start = datetime.now(UTC), time.monotonic()
    choose = transport_choice()
    runs: list[tuple[Plan, GangRun]] = []
    refusals: dict[str, Refusal] = {}
    spent = ""
    with listening(timeout_s) as ending:
        for make in plans:
            if ending.stop.is_set():
                break
            plan = make()
            if plan.fragile and spent:
                refusals.setdefault(plan.backend, Refusal(plan.backend, spent))
                continue
            plan = counted(plan)
            ran = await gang.run(plan, choose, stop=ending.stop, on_event=on_event)
            runs.append((plan, ran))
            if plan.fragile and ran.end != "done":
                spent = SPENT.format(plan.backend)
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
