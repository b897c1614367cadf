"""Options: what the command line says of a preflight, completed by inventory or recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlxdiag.errors import InventoryError
from mlxdiag.inventory import Inventory
from mlxdiag.preflight.asked import ANY, BACKENDS, PORT, Asked
from mlxdiag.recording import Recording


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
