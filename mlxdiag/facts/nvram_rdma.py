"""`nvram rdma-enable`: the RDMA switch as the next start of the Mac will find it."""

from __future__ import annotations

from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("nvram_rdma", ("nvram", "rdma-enable"))

_WORDS = {
    "1": True,
    "%01": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "%00": False,
    "false": False,
    "no": False,
    "off": False,
    "": False,
}

_FORBIDDEN = ("not permitted", "privilege violation")
"""What IOKit says of variables that are root's."""


@dataclass(frozen=True)
class NvramRdma:
    """Whether it is on; a variable that is absent is a switch that was never set.

    None where only root may read it.
    """

    enabled: bool | None


def parse(out: bytes) -> NvramRdma:
    """Read `rdma-enable<TAB>1`."""
    key, tab, value = out.decode("utf-8", "replace").strip("\n").partition("\t")
    if key != "rdma-enable" or not tab or value.strip().lower() not in _WORDS:
        raise ParseError(f"not rdma-enable and its value: {out[:80]!r}")
    return NvramRdma(_WORDS[value.strip().lower()])


def parse_failure(out: bytes, err: bytes) -> NvramRdma:
    """Read a non-zero exit: the variable was not found."""
    del out
    said = err.decode("utf-8", "replace").strip()
    if any(word in said for word in _FORBIDDEN):
        return NvramRdma(enabled=None)
    if "'rdma-enable'" in said and "not found" in said:
        return NvramRdma(enabled=False)
    raise ParseError(said[:200] or "nvram failed without a word")
