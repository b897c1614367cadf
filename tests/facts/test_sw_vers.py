from __future__ import annotations

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.facts.sw_vers import SwVers, parse

RELEASE = b"ProductName:\t\tmacOS\nProductVersion:\t\t26.3.1\nBuildVersion:\t\t25D771\n"


def test_release() -> None:
    assert parse(RELEASE) == SwVers("macOS", "26.3.1", "25D771", None)
    assert parse(RELEASE).number == (26, 3, 1)


def test_the_gap_may_be_one_tab_or_a_space() -> None:
    assert parse(RELEASE.replace(b"\t\t", b"\t")) == parse(RELEASE)
    assert parse(RELEASE.replace(b"\t\t", b" ")) == parse(RELEASE)


def test_a_rapid_security_response_has_a_fourth_line() -> None:
    out = RELEASE.replace(b"BuildVersion", b"ProductVersionExtra:\t(a)\nBuildVersion")
    assert parse(out).extra == "(a)"


def test_versions_compare_as_numbers() -> None:
    ten = parse(RELEASE.replace(b"26.3.1", b"26.10"))
    two = parse(RELEASE.replace(b"26.3.1", b"26.2"))
    assert ten.number > two.number
    assert ten.version < two.version


@pytest.mark.parametrize(
    "out",
    [
        b"",
        b"\n",
        b"ProductName:\t\tmacOS\n",
        RELEASE[: RELEASE.index(b"BuildVersion")],
        RELEASE.replace(b"26.3.1", b"Tahoe"),
        RELEASE.replace(b"26.3.1", b"26."),
        RELEASE.replace(b"26.3.1", b""),
        RELEASE.replace(b"macOS", b""),
        RELEASE + b"Killed\n",
        b"dyld[1]: Library not loaded: x\n",
        b"<html>\n",
    ],
)
def test_anything_else_is_refused(out: bytes) -> None:
    with pytest.raises(ParseError):
        parse(out)
