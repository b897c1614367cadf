"""Live: inventory -> Recording, by asking the hosts now; Ctrl-C, TERM or --timeout end it early."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime

from mlxdiag import __version__
from mlxdiag.facts import COMMANDS
from mlxdiag.fanout import FANOUT, State, gather
from mlxdiag.inventory import Inventory
from mlxdiag.recording import Ended, Recording

OnState = Callable[[str, State], None]


def record(
    inventory: Inventory,
    *,
    fanout: int = FANOUT,
    timeout_s: float | None = None,
    on_state: OnState = lambda _host, _state: None,
) -> Recording:
    """Ask every host once; whatever ends the run, what was gathered until then is returned."""
    return asyncio.run(_record(inventory, fanout, timeout_s, on_state))


async def _record(
    inventory: Inventory, fanout: int, timeout_s: float | None, on_state: OnState
) -> Recording:
    started_at, start = datetime.now(UTC), time.monotonic()
    stop = asyncio.Event()
    ended: list[Ended] = []

    def end(how: Ended) -> None:
        ended.append(how)
        stop.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, end, "interrupted")
    loop.add_signal_handler(signal.SIGTERM, end, "terminated")
    alarm = loop.call_later(timeout_s, end, "timeout") if timeout_s is not None else None
    try:
        hosts = await gather(inventory.hosts, COMMANDS, fanout=fanout, on_state=on_state, stop=stop)
    finally:
        if alarm is not None:
            alarm.cancel()
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)
        if ended:  # a second Ctrl-C must not cost the report of what the first one left
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    return Recording(
        inventory=inventory,
        hosts=hosts,
        started_at=started_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        duration_s=round(time.monotonic() - start, 3),
        tool_version=__version__,
        ended=ended[0] if ended else "complete",
    )
