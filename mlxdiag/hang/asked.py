"""Asked: what a look at ranks was to look for and how far apart, kept in the recording."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from mlxdiag.errors import RecordingError
from mlxdiag.inventory import Inventory

INTERVAL_S = 5.0
"""From the first sample to the second; most steps of a model are shorter."""

PORT = 32323
"""Where mlx.launch lets ranks meet (`--starting-port`)."""

PORTS_A_HOST = 8
"""A rank of ring listens at a port per cable to the one before it: no Mac has more."""


@dataclass(frozen=True)
class Options:
    """What a caller says of it; None leaves it to the inventory's `server`, else to a default."""

    pattern: str | None = None
    port: int | None = None
    interval_s: float = INTERVAL_S

    def about(self, inventory: Inventory) -> Asked:
        """Complete it from the inventory."""
        server = inventory.server
        return Asked(
            pattern=self.pattern or server.pattern,
            port=self.port or server.port or PORT,
            interval_s=self.interval_s,
        )


@dataclass(frozen=True)
class Asked:
    """`pattern` is met by the command lines of ranks; `port` is the first one they meet at."""

    pattern: str | None = None
    port: int = PORT
    interval_s: float = INTERVAL_S

    def ports(self, hosts: Sequence[object]) -> range:
        """Give the ports that ranks on so many hosts may be given."""
        return range(self.port, min(self.port + PORTS_A_HOST * max(len(hosts), 2), 65536))


def dump(asked: Asked) -> bytes:
    """Write it as JSON."""
    return (json.dumps(asdict(asked), indent=2, sort_keys=True) + "\n").encode()


def load(text: bytes, source: str) -> Asked:
    """Read it again; raise RecordingError where it is not what was written."""
    try:
        asked = Asked(**json.loads(text))
        right = 0 < asked.port < 65536 and asked.interval_s > 0
        right = right and (asked.pattern is None or bool(asked.pattern.strip()))
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise RecordingError(f"{source}: not what a look at ranks was asked: {error!r}") from error
    if not right:
        raise RecordingError(f"{source}: not what a look at ranks was asked: {asked}"[:200])
    return asked
