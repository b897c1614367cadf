"""What the command line asks for -> sizes, launches, refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlxdiag.probe.command import Wish
from mlxdiag.probe.plan import SIZES_OF

KIB, MIB = 1 << 10, 1 << 20
WISH = Wish("ring", "all_sum", None, None, 4, None, 5, check=True, repeat=None)


def sizes(begin: str | None, end: str | None, factor: int = 4, dtype: str = "float32") -> list[int]:
    wish = replace(WISH, begin=begin, end=end, factor=factor, dtype=dtype)
    return list(wish.settings().sizes)


@pytest.mark.parametrize(
    ("begin", "end", "factor", "wanted"),
    [
        ("8", "64M", 4, [8 * 4**n for n in range(12)]),
        ("8", "32M", 4, [8 * 4**n for n in range(12)]),
        ("1K", "1K", 4, [KIB]),
        ("64K", None, 4, [64 * KIB]),
        (None, "64", 4, [4, 16, 64]),
        ("1M", "1G", 32, [MIB, 32 * MIB, 1024 * MIB]),
        ("4k", "16KiB", 2, [4 * KIB, 8 * KIB, 16 * KIB]),
    ],
)
def test_sizes_are_those_of_nccl_tests(
    begin: str | None, end: str | None, factor: int, wanted: list[int]
) -> None:
    """From -b on times -f, none above -e: 8 B to 64M by 4 ends at 32 MiB there too."""
    assert sizes(begin, end, factor) == wanted


def test_sizes_are_whole_elements_and_none_comes_twice() -> None:
    assert sizes("7", "63", 3) == [4, 20, 60]
    assert sizes("5", "11", 2) == [4, 8]
    assert sizes("3", "6", 2, "float16") == [2, 6]


@pytest.mark.parametrize("level", ["quick", "standard", "full"])
def test_levels(level: str) -> None:
    wish = replace(WISH, level=level)
    assert wish.settings().sizes == SIZES_OF[level]
    assert wish.launches() == {"quick": 1, "standard": 1, "full": 3}[level]


def test_every_level_straddles_small_and_large_and_full_the_switches() -> None:
    assert all(min(of) <= 4 * KIB and max(of) >= MIB for of in SIZES_OF.values())
    assert {32 * KIB, 512 * KIB, 2 * MIB, 16 * MIB, 64 * MIB} <= set(SIZES_OF["full"])
    assert set(SIZES_OF["quick"]) < set(SIZES_OF["standard"]) < set(SIZES_OF["full"])


def test_launches() -> None:
    """A verdict that hangs on a number takes two; what was asked for goes before all."""
    assert WISH.launches(held_to_numbers=True) == 2
    assert replace(WISH, level="full").launches(held_to_numbers=True) == 3
    assert replace(WISH, repeat=1, level="full").launches(held_to_numbers=True) == 1
    assert replace(WISH, soak_s=600.0, level="full").launches(held_to_numbers=True) == 1
