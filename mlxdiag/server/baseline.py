"""Baseline: what an earlier report of a server measured, taken from its JSON. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator

from mlxdiag.errors import InventoryError
from mlxdiag.server.asked import Before

ROOM = 0.25
"""A number this much worse than the baseline's fails: less is what two runs differ by."""


def load(text: str, source: str) -> Before:
    """Take the numbers from a JSON report of `server`; raise InventoryError where it is none."""
    try:
        document = json.loads(text)
        head = (document["schema"], document["schema_version"])
        served = document["server"]
        rate, first = map(_number, (served["tokens_per_s"], served["first_token_s"]))
        before = Before(str(document["started_at"]), rate, first)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InventoryError(
            f"{source}: not a JSON report of `mlxdiag server`: {error!r}"[:300]
        ) from error
    if head != ("mlxdiag/report", 1):
        raise InventoryError(f"{source}: not a JSON report of mlxdiag (schema_version 1)")
    return before


def _number(value: object) -> float | None:
    if value is None or (isinstance(value, int | float) and value > 0):
        return value
    raise ValueError(f"{value!r} is no measured number")


def changes(before: Before, tokens_per_s: float | None, first_token_s: float | None) -> list[str]:
    """Say how the numbers of a baseline differ from those of now."""
    return list(_changes(before, tokens_per_s, first_token_s))


def _changes(before: Before, rate: float | None, first: float | None) -> Iterator[str]:
    pairs = (
        ("tokens/s", before.tokens_per_s, rate, True),
        ("s to the first token", before.first_token_s, first, False),
    )
    for what, old, new, more_is_better in pairs:
        if not old or not new or max(old, new) / min(old, new) < 1 + ROOM:
            continue
        better = (new > old) is more_is_better
        how = "faster" if better else "slower"
        yield f"{what}: {old:.3g} -> {new:.3g} since {before.started_at[:10]}, {how}"
