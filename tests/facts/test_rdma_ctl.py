from __future__ import annotations

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.facts.rdma_ctl import COMMAND, RdmaCtl, parse

ON = b"enabled\n"


@pytest.mark.parametrize("out", [ON, b"enabled", b"  enabled \r\n"])
def test_on(out: bytes) -> None:
    assert parse(out) == RdmaCtl(enabled=True)


def test_off() -> None:
    assert parse(b"disabled\n") == RdmaCtl(enabled=False)


@pytest.mark.parametrize(
    "out",
    [
        b"",
        b"\n",
        b"Enabled\n",
        b"RDMA is enabled\n",
        b"not enabled\n",
        b"enabled\nenabled\n",
        b"enable",
        b"rdma_ctl: This tool needs to be executed from Recovery OS.\n",
        b"dyld[9]: Library not loaded: x\n",
        b"<html>enabled</html>\n",
    ],
)
def test_anything_but_the_word_is_refused(out: bytes) -> None:
    with pytest.raises(ParseError):
        parse(out)


def test_the_command_only_asks() -> None:
    assert COMMAND.argv == ("rdma_ctl", "status")
    assert COMMAND.lane == "main"
