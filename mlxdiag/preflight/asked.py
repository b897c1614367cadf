"""Asked: what a preflight was to look at and what it requires, kept in the recording."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from mlxdiag.errors import InventoryError, RecordingError
from mlxdiag.finding import Finding
from mlxdiag.inventory import Inventory
from mlxdiag.recording import Recording

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


@dataclass(frozen=True)
class Options:
    """What the command line says of it; None is not said."""

    level: str | None = None
    require: str | None = None
    port: int | None = None
    baseline: Mapping[str, Any] | None = None

    def about(self, inventory: Inventory) -> Asked:
        """Complete it: what the inventory expects is required, else any backend will do."""
        expected = inventory.expect.backend or ANY
        if self.require is None and expected not in (*BACKENDS, ANY):
            one_of = ", ".join((*BACKENDS, ANY))
            raise InventoryError(
                f"a preflight cannot tell whether {expected} holds, which the inventory expects;"
                f" say --require with one of {one_of}"
            )
        level, port = self.level or "standard", self.port or PORT
        return Asked(level, self.require or expected, port, self.baseline)

    def of(self, recording: Recording) -> Recording:
        """Ask it of a recording. One of a preflight brings its own level and ports."""
        asked = recording.preflight
        if asked is None:
            told = replace(self, level=self.level or "quick")
            return replace(recording, preflight=told.about(recording.inventory))
        for name, said, was in (
            ("level", self.level, asked.level),
            ("port", self.port, asked.port),
        ):
            if said not in (None, was):
                raise InventoryError(f"--{name} {said}: the recording is of {name} {was}")
        baseline = self.baseline or asked.baseline
        asked = replace(asked, require=self.require or asked.require, baseline=baseline)
        return replace(recording, preflight=asked)


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
