"""Sizes and times as a person reads them."""

from __future__ import annotations


def size(count: int) -> str:
    """Spell bytes with the largest binary unit that divides them."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor and count % factor == 0:
            return f"{count // factor} {unit}"
    return f"{count} B"


def number(value: float) -> str:
    """Keep three digits that mean something."""
    if value >= 100:
        return f"{value:.0f}"
    if value >= 0.01:
        return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    return f"{value:.4f}" if value >= 0.000095 or value == 0 else f"{value:.0e}"


def duration(seconds: float) -> str:
    """Spell seconds as people do: `2.5 s`, `10 min`, `1 h 30 min`."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)
