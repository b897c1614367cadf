"""`macmon pipe -s 1`: GPU load of a Mac, where somebody installed macmon."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("macmon", ("macmon", "pipe", "-s", "1"), deadline_s=8.0)
"""Asked only where ioreg does not say how busy the GPU is: one report has it crash beside MLX."""

_RATIOS = ("gpu_active_ratio", "gpu_scaled_ratio")


@dataclass(frozen=True)
class Macmon:
    """How busy the GPU is, in percent; None where this version does not say."""

    percent: float | None


def parse(out: bytes) -> Macmon:
    """Read the last line: an object. 0.6 and 0.7 have pairs of MHz and ratio, 0.8.0 other names."""
    lines = out.decode("utf-8", "replace").strip().split("\n")
    try:
        said = json.loads(lines[-1])
    except (ValueError, RecursionError) as error:
        raise ParseError(f"not a line of macmon: {out[:80]!r}") from error
    if not isinstance(said, dict):
        raise ParseError(f"not an object of macmon: {out[:80]!r}")
    pair = said.get("gpu_usage")
    ratio = pair[1] if isinstance(pair, list) and len(pair) == 2 else None
    named = (said[name] for name in _RATIOS if name in said)
    value = ratio if ratio is not None else next(named, None)
    if value is None:
        return Macmon(None)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ParseError(f"not a share of the time: {value!r}"[:120])
    return Macmon(round(value * 100, 1))
