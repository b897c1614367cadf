"""`mlxdiag` with a short lease, that says on stderr where its ranks are: python -m ... ARGUMENTS.

A line `RANK MOMENT` per event; a moment is an event or a phase.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace

from mlxdiag import cli
from mlxdiag.inventory import Host
from mlxdiag.probe import gang, launch
from mlxdiag.probe.plan import Plan
from mlxdiag.probe.said import Event, GangRun
from mlxdiag.transport import ssh
from mlxdiag.transport.talk import Talker

KEEPALIVE_S = 1.0
LEASE_S = 4.0

run_gang = gang.run


async def run(
    plan: Plan,
    talker_for: Callable[[Host], Talker],
    *,
    stop: asyncio.Event | None = None,
    on_event: Callable[[int, Event], None] = lambda _rank, _event: None,
) -> GangRun:
    """Launch with a shorter lease than the plan's."""
    hasty = replace(plan, lease_s=LEASE_S)
    return await run_gang(hasty, talker_for, stop=stop, on_event=on_event)


def say(_plan: Plan, rank: int, event: Event) -> None:
    """Say it at once: a test waits for the line."""
    sys.stderr.write(f"{rank} {event['phase'] if event['ev'] == 'phase' else event['ev']}\n")
    sys.stderr.flush()


def main() -> None:
    """Change what is changed, and be mlxdiag."""
    gang.run = run
    real = launch.launch
    launch.launch = lambda *args, **more: real(*args, **{**more, "on_event": say})
    ssh._QUIET["keepalive_interval"] = KEEPALIVE_S
    cli.main()


if __name__ == "__main__":
    main()
