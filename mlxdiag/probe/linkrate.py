"""Link rate: what the busiest cable carried in one direction, from how MLX moves the data. Pure.

Which bytes cross which cable was read in the sources of mlx: tags v0.30.6, v0.31.0 to v0.31.2,
v0.32.0, v0.32.1, commit 846d176 (0.32.2 in the making), the headers in the wheel of 0.32.4. A
version that was not read has no model, and a number is never made from one that might be another's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

KIB, MIB = 1 << 10, 1 << 20
OLDEST, NEWEST = (0, 30, 6), (0, 32, 4)
"""Versions of mlx outside these were not read."""

MULTI_WIRE_FROM = 512 * KIB
RING_SPLIT = 256 * KIB
"""Bytes of each rank's segment from which ring (TCP) takes another direction or connection."""

Version = tuple[int, int, int]
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class Case:
    """What was run. `size` is bytes of one rank's buffer, `element` bytes of one of its elements.

    `versions` are mlx's as the ranks said them. `wires` are cables per pair, 0 where the data does
    not go over known cables; `connections` are ring's sockets per cable.
    """

    backend: str
    op: str
    dtype: str
    element: int
    size: int
    ranks: int
    versions: Sequence[str | None]
    wires: int
    connections: int = 1


@dataclass(frozen=True)
class Model:
    """Gigabytes per second of the busiest link in one direction are `of` divided by `by`."""

    name: str
    of: Literal["algbw", "busbw"]
    by: float

    @property
    def formula(self) -> str:
        """Spell it: `busbw/3`."""
        return self.of if self.by == 1 else f"{self.of}/{self.by:.3g}"


@dataclass(frozen=True)
class Rate:
    """A rate in 1e9 bytes per second and the model behind it, or None and the reason."""

    gb_per_s: float | None
    model: str = ""
    formula: str = ""
    mlx: str = ""
    reason: str = ""


def rate(case: Case, algbw: float, busbw: float) -> Rate:
    """Derive the rate of the busiest link; `algbw` and `busbw` in 1e9 bytes per second."""
    found = model(case)
    if isinstance(found, str):
        return Rate(None, reason=found)
    value = (algbw if found.of == "algbw" else busbw) / found.by
    return Rate(value, found.name, found.formula, str(case.versions[0]))


def model(case: Case) -> Model | str:
    """Choose the model of a case; a text says why there is none."""
    if case.op != "all_sum":
        return f"derived for all_sum only, not for {case.op}"
    version = _version(case.versions)
    if isinstance(version, str):
        return version
    if case.backend == "ring":
        return _ring(case)
    if case.backend not in ("jaccl", "jaccl-ring"):
        return f"{case.backend} chooses its own way for the data"
    if not case.wires:
        return "the cables are not known"
    return _mesh(case, version) if case.backend == "jaccl" else _jaccl_ring(case, version)


def _version(said: Sequence[str | None]) -> Version | str:
    if None in said or not said:
        return "not every rank said its version of mlx"
    if len(set(said)) > 1:
        return f"different versions of mlx: {', '.join(sorted(map(str, set(said))))}"
    match = _VERSION.fullmatch(str(said[0]))
    version = (int(match[1]), int(match[2]), int(match[3])) if match else None
    if version is None or not OLDEST <= version <= NEWEST:
        return f"mlx {said[0]} is not one whose way for the data is known"
    return version


def _mesh(case: Case, version: Version) -> Model | str:
    n, size = case.ranks, case.size
    if case.wires > 1 and size >= MULTI_WIRE_FROM and version > (0, 32, 1):
        if version < NEWEST:
            return f"not known whether mlx {case.versions[0]} uses several cables of a pair"
        if n > 2 and size / case.wires > 32 * KIB:
            return Model("mesh-rsag", "busbw", (n - 1) * case.wires)
        return Model("mesh-broadcast", "algbw", case.wires)
    if n > 2 and version >= (0, 32, 1) and size > 32 * KIB:
        return Model("mesh-rsag", "busbw", n - 1)
    if n > 2 and (0, 31, 0) <= version <= (0, 32, 0) and _by_ring(case, version):
        return Model("mesh-ring", "busbw", 2)
    return Model("mesh-broadcast", "algbw", 1)


def _by_ring(case: Case, version: Version) -> bool:
    """Whether the mesh of 0.31.0 to 0.32.0 takes a ring: from 8 MiB, for bfloat16 much earlier."""
    elements = 64 * KIB if version < (0, 31, 2) else 256 * KIB
    early = case.dtype == "bfloat16" and case.size // case.element > elements
    return early or case.size >= 8 * MIB


def _jaccl_ring(case: Case, version: Version) -> Model:
    """Both directions of two ranks share their cables, those of more ranks do not."""
    now = version >= (0, 32, 1)
    tiny = case.size // case.element < 2 * case.ranks * case.wires
    if tiny or (now and case.size <= 32 * KIB):
        return Model("ring-one-way", "busbw", 1)
    ways = 2 if case.ranks > 2 else 1
    one_wire = (0, 31, 0) <= version < (0, 32, 1) and case.size <= 64 * KIB
    return Model("ring-two-way", "busbw", ways * (1 if one_wire else case.wires))


def _ring(case: Case) -> Model:
    """TCP: so many parts go around at once, every other one in the other direction.

    Part i takes socket i // 2 of its direction, and sockets take a pair's cables in turn. Without
    cables all that a host sends leaves through one interface.
    """
    if not case.wires:
        return Model("ring-interface", "busbw", 1)
    sockets = 2 * case.wires * case.connections
    parts = max(1, min(sockets, case.size // (case.ranks * RING_SPLIT)))
    ways = (-(-parts // 2), parts // 2)
    first = [-(-way // case.wires) for way in ways]
    share = sum(first) if case.ranks == 2 else first[0]
    return Model("ring-one-way" if parts == 1 else "ring-two-way", "busbw", parts / share)
