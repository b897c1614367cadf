"""Asked: what a preflight was to look at and what it requires, kept in the recording."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mlxdiag.errors import RecordingError
from mlxdiag.finding import Finding
from mlxdiag.inventory import Inventory

BACKENDS = ("jaccl", "jaccl-ring", "ring")
"""What can be required, the best first."""

ANY = "any"
VERDICT = "backend-required"
"""The check that says whether what is required holds."""

PORT = 32323
"""Where mlx.launch lets ranks meet (`--starting-port`)."""

PORTS_A_HOST = 8
"""A rank of ring listens at a port per cable to the one before it: no Mac has more."""

PROBE_LEVELS: Mapping[str, str] = {"standard": "quick", "full": "full"}
"""How much a launch measures, by the level of the preflight."""


@dataclass(frozen=True)
class Asked:
    """`require` is a backend or `any`; `port` the first one of the server's ranks.

    `baseline` is what is compared of an earlier report (`preflight.baseline`).
    """

    level: str = "standard"
    require: str = ANY
    port: int = PORT
    baseline: Mapping[str, Any] | None = None

    @property
    def wanted(self) -> tuple[str, ...]:
        """Name the backends that will do, the best first."""
        return BACKENDS if self.require == ANY else (self.require,)

    def ports(self, hosts: Sequence[object]) -> range:
        """Give the ports that ranks on so many hosts may be given."""
        return range(self.port, min(self.port + PORTS_A_HOST * len(hosts), 65536))

    def probe_level(self, thresholds: Mapping[str, float]) -> str:
        """Choose the level of a launch: numbers to be held to something take their sizes."""
        own = PROBE_LEVELS[self.level]
        return "standard" if thresholds and own == "quick" else own


def ports(inventory: Inventory) -> range:
    """Give the ports that the ranks of the inventory's server may meet at."""
    return Asked(port=inventory.server.port or PORT).ports(inventory.hosts)


def with_verdict(wanted: Callable[[Finding], bool]) -> Callable[[Finding], bool]:
    """Keep the verdict, whichever checks are chosen."""
    return lambda finding: finding.id == VERDICT or wanted(finding)


def dump(asked: Asked) -> bytes:
    """Write it as JSON."""
    return (json.dumps(asdict(asked), indent=2, sort_keys=True) + "\n").encode()


def load(text: bytes, source: str) -> Asked:
    """Read it again; raise RecordingError where it is not what was written."""
    try:
        asked = Asked(**json.loads(text))
        known = asked.level in ("quick", *PROBE_LEVELS) and asked.require in (*BACKENDS, ANY)
        right = known and 0 < asked.port < 65536
    except (TypeError, ValueError, RecursionError) as error:
        raise RecordingError(f"{source}: not what a preflight was asked: {error!r}") from error
    if not right:
        raise RecordingError(f"{source}: not what a preflight was asked: {asked}"[:200])
    return asked
