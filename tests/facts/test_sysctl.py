from __future__ import annotations

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.facts.sysctl import Sysctl, parse, parse_failure

STUDIO = b"""\
hw.model: Mac15,14
machdep.cpu.brand_string: Apple M3 Ultra
hw.memsize: 549755813888
kern.boottime: { sec = 1763800000, usec = 123456 } Sat Nov 22 09:26:40 2025
"""


def test_all_four() -> None:
    assert parse(STUDIO) == Sysctl("Mac15,14", "Apple M3 Ultra", 549755813888, 1763800000)


def test_order_and_other_names_do_not_matter() -> None:
    assert parse(b"\n".join(reversed(STUDIO.split(b"\n")))) == parse(STUDIO)
    assert parse(STUDIO + b"vm.swapusage: total = 0.00M  used = 0.00M\n") == parse(STUDIO)


def test_an_unknown_name_leaves_the_known_ones() -> None:
    out = b"".join(line for line in STUDIO.splitlines(keepends=True) if b"brand" not in line)
    err = b"sysctl: unknown oid 'machdep.cpu.brand_string'\n"
    assert parse_failure(out, err) == Sysctl("Mac15,14", None, 549755813888, 1763800000)


def test_a_failure_without_any_known_name_is_refused() -> None:
    with pytest.raises(ParseError, match="unknown oid"):
        parse_failure(b"", b"sysctl: unknown oid 'hw.model'\n")


@pytest.mark.parametrize(
    "out",
    [
        b"",
        b"\n",
        b"vm.swapusage: total = 0.00M\n",
        b"Mac15,14\nApple M3 Ultra\n",
        STUDIO.replace(b"549755813888", b"512 GB"),
        STUDIO.replace(b"549755813888", b"0 -> 1"),
        STUDIO.replace(b"549755813888", b"9" * 5000),
        STUDIO.replace(b"{ sec = 1763800000, usec = 123456 } Sat", b"Sat"),
        STUDIO[: STUDIO.index(b", usec")],
        STUDIO + b"Killed: 9\n",
        b"dyld[1]: Library not loaded: x\n",
        b"<html>\n",
    ],
)
def test_anything_else_is_refused(out: bytes) -> None:
    with pytest.raises(ParseError):
        parse(out)
