"""`rdma_ctl status`: the switch that survives restarts, not whether RDMA works."""

from __future__ import annotations

from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("rdma_ctl", ("rdma_ctl", "status"))


@dataclass(frozen=True)
class RdmaCtl:
    """The switch. It is also on while its restart is pending, and on Macs without Thunderbolt 5."""

    enabled: bool


def parse(out: bytes) -> RdmaCtl:
    """Compare the whole word: messages with `enabled` somewhere in them are not an answer."""
    word = out.strip()
    if word not in {b"enabled", b"disabled"}:
        raise ParseError(f"neither enabled nor disabled: {word[:80]!r}")
    return RdmaCtl(word == b"enabled")
