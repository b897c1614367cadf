"""Explained: what is said of a check at length.

A check itself holds what is healthy (its title), why it matters, its confidence and its fix in a
line. The rest is here, a file per area or part of one, so that no other command reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Place = Literal["here", "host", "person", "recovery"]


@dataclass(frozen=True)
class Explained:
    """How a check looks, and its fix step by step.

    `steps` are done one after the other; what is to be typed stands in backquotes. `risk` is what
    the fix cuts off or may break. `survives_reboot` is None where nothing lasting is changed.
    `place` is where the fix is done: `here`, where mlxdiag runs; on the `host`; by a `person` at
    the machine; in its `recovery`. `versions` is which macOS and MLX it is about. `sources` are
    addresses, or the ground in words where there is none.
    """

    detect: str
    steps: tuple[str, ...]
    risk: str
    survives_reboot: bool | None
    place: Place
    versions: str
    sources: tuple[str, ...]
