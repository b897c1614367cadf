"""Ranks that were looked at twice, as columns and lines, for the table and for Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from mlxdiag.hang.verdict import Hang, HostRow, RankRow
from mlxdiag.render.sizes import duration

RANK = ("rank", "host", "pid", "state", "age", "cpu", "memory", "first look", "second look")
HOST = ("host", "gpu", "wired", "swap", "RDMA up", "down", "domains", "cannot be ended")


def of_rank(row: RankRow) -> tuple[str, ...]:
    """Give the cells of a rank."""
    first, second = row.where
    return (
        str(row.rank) if row.rank is not None else "?",
        row.host,
        str(row.pid),
        row.state,
        duration(round(row.age_s)) if row.age_s is not None else "?",
        f"{row.cpu:.0%}" if row.cpu is not None else "?",
        _bytes(row.holds_bytes),
        first,
        "the same" if second == first else second,
    )


def of_host(row: HostRow) -> tuple[str, ...]:
    """Give the cells of a host; `?` is not known."""
    busy = [f"{p:.0f} %" for p in row.gpu_percent if p is not None]
    swap = _bytes(row.swap_used_bytes)
    if row.swap_bytes_per_s:
        swap += f", {_bytes(round(row.swap_bytes_per_s))}/s"
    domains = "?" if row.domains is None else f"{row.domains}, {row.queue_pairs} pairs"
    return (
        row.host,
        " then ".join(busy) or "?",
        _bytes(row.wired_bytes),
        swap,
        _devices(row.rdma_up),
        _devices(row.rdma_down),
        domains + (f", {row.stuck} stuck" if row.stuck else ""),
        "; ".join(row.unkillable) or ("?" if row.gaps else "none"),
    )


def to_look_at(hang: Hang) -> tuple[RankRow, ...]:
    """List the ranks that are blamed."""
    blamed = {label for verdict in hang.verdicts for label in verdict.ranks}
    return tuple(row for row in hang.ranks if row.label in blamed)


def stacks(row: RankRow) -> Iterator[str]:
    """Write what a rank's threads were in, the innermost frame first."""
    yield f"{row.label} ({row.host}, pid {row.pid}): {row.command}"
    yield from (f"  moved: {text}" for text in row.moved)
    yield from (f"  python {text}" for text in row.python)
    yield from (f"  native {text}" for text in row.native)
    yield from (f"  socket {text}" for text in row.sockets)


def _devices(names: tuple[str, ...] | None) -> str:
    return "?" if names is None else ", ".join(names) or "none"


def _bytes(count: int | None) -> str:
    if count is None:
        return "?"
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit != "GiB" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
