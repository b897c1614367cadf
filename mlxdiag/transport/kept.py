"""A connection that is kept: opened once, asked again and again, a new session each time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlxdiag.capture import Capture, Command
    from mlxdiag.inventory import Host


class Kept(Protocol):
    """An open way to one host. `lost` is set when it breaks, also between two collections."""

    @property
    def lost(self) -> asyncio.Event:
        """What to wait for, to know of a break at once."""

    async def collect(
        self,
        commands: Sequence[Command],
        captures: dict[str, Capture],
        clock: Callable[[], float],
    ) -> None:
        """Fill `captures` as results arrive, as `Transport.collect` does, without `ACCESS`.

        Returns when the session has ended on the host, so that two never run at once. When
        cancelled, what has arrived is in `captures`; `close` then ends what was started.
        """

    async def close(self) -> None:
        """Cut it; nothing that was started stays on the host."""


class Keeper(Protocol):
    """A way to reach hosts that can stay."""

    async def keep(
        self, host: Host, captures: dict[str, Capture], clock: Callable[[], float]
    ) -> Kept | None:
        """Connect; `captures[ACCESS]` says how that went, and there is no connection if badly."""
