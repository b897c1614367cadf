"""Whose bits of a sum are wrong, as the kernel decodes them; it is run as text, as on a host."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

KERNEL = Path(__file__).parents[2] / "mlxdiag" / "probe" / "kernel.py"
PARTS = (5.0, 56.0)


@pytest.fixture(scope="module")
def decoded() -> Callable[..., Any]:
    found = runpy.run_path(str(KERNEL), run_name="looked at")["decoded"]
    assert callable(found)
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("value", "guilty"),
    [
        (61.0, []),
        (60.0, [0]),
        (5.0, [1]),
        (33.0, []),  # one bit of an exponent: the planes of both
        (122.0, []),
        (30.5, []),
        (-61.0, []),
        (float("nan"), []),
        (float("inf"), []),
    ],
)
def test_a_float_names_a_rank_only_where_one_is_at_fault(
    decoded: Callable[..., Any], value: float, guilty: Sequence[int]
) -> None:
    assert decoded(value, PARTS, 24) == guilty


def test_whole_numbers_name_all_of_them(decoded: Callable[..., Any]) -> None:
    assert decoded(0, [5, 56]) == [0, 1]
    assert decoded(5 + (1 << 31), [5, 56]) == []
