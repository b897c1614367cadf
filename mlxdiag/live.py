"""Live: inventory -> Recording, by asking the hosts now; Ctrl-C, TERM or --timeout end it early."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from mlxdiag import __version__
from mlxdiag.capture import Captures, Command
from mlxdiag.ending import listening
from mlxdiag.facts import COMMANDS
from mlxdiag.fanout import FANOUT, State, gather
from mlxdiag.inventory import Host, Inventory
from mlxdiag.recording import Recording

OnState = Callable[[str, State], None]
OnHost = Callable[[Host, Captures], None]


def record(
    inventory: Inventory,
    *,
    commands: Sequence[Command] = COMMANDS,
    commands_of: Callable[[Host], Sequence[Command]] | None = None,
    fanout: int = FANOUT,
    timeout_s: float | None = None,
    on_state: OnState = lambda _host, _state: None,
    on_host: OnHost = lambda _host, _captures: None,
) -> Recording:
    """Ask every host once; whatever ends the run, what was gathered until then is returned.

    `commands_of` stands in place of `commands` where hosts are not asked the same.
    """
    asked = commands_of or (lambda _host: commands)
    return asyncio.run(_record(inventory, asked, fanout, timeout_s, on_state, on_host))


async def _record(
    inventory: Inventory,
    commands_of: Callable[[Host], Sequence[Command]],
    fanout: int,
    timeout_s: float | None,
    on_state: OnState,
    on_host: OnHost,
) -> Recording:
    started_at, start = datetime.now(UTC), time.monotonic()
    with listening(timeout_s) as ending:
        hosts = await gather(
            inventory.hosts,
            (),
            commands_of=commands_of,
            fanout=fanout,
            on_state=on_state,
            on_host=on_host,
            stop=ending.stop,
        )
    return Recording(
        inventory=inventory,
        hosts=hosts,
        started_at=started_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        duration_s=round(time.monotonic() - start, 3),
        tool_version=__version__,
        ended=ending.how,
    )
