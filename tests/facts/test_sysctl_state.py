"""sysctl: wired limit, swap and boot, as macOS 26.5 printed them."""

from __future__ import annotations

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.facts.sysctl_state import SysctlState, parse, parse_failure

STATE = b"""\
iogpu.wired_limit_mb: 118000
vm.swapusage: total = 15360.00M  used = 5120.00M  free = 10240.00M  (encrypted)
kern.boottime: { sec = 1763800000, usec = 123456 } Sat Nov  2 09:26:40 2025
"""


def test_all_three() -> None:
    assert parse(STATE) == SysctlState(118000, 5120.0, "2025-11-02-092640")


def test_no_swap_is_not_encrypted() -> None:
    none = b"vm.swapusage: total = 0.00M  used = 0.00M  free = 0.00M\n"
    assert parse(none) == SysctlState(None, 0.0, None)


def test_an_unknown_name_leaves_the_known_ones() -> None:
    out = STATE.partition(b"\n")[2]
    err = b"sysctl: unknown oid 'iogpu.wired_limit_mb'\n"
    assert parse_failure(out, err) == SysctlState(None, 5120.0, "2025-11-02-092640")


@pytest.mark.parametrize(
    "out",
    [
        b"",
        b"kern.boottime: { sec = 1763800000, usec = 1 } Sat Nov  2 09:26:40 2025\n",
        STATE.replace(b"118000", b"30720 -> 0"),
        STATE.replace(b"5120.00M", b"5120,00M"),
        STATE.replace(b"Nov", b"nov"),
        STATE.replace(b"Nov", "nov\u0327".encode()),
        STATE.replace(b" 09:26:40 2025", b""),
        STATE + b"Killed: 9\n",
        b"total = 0.00M  used = 0.00M  free = 0.00M\n",
    ],
)
def test_anything_else_is_refused(out: bytes) -> None:
    with pytest.raises(ParseError):
        parse(out)


def test_a_failure_without_any_known_name_is_refused() -> None:
    with pytest.raises(ParseError, match="unknown oid"):
        parse_failure(b"", b"sysctl: unknown oid 'vm.swapusage'\n")
