"""Who listens: the tables of netstat, ss and lsof, and what is refused."""

from __future__ import annotations

import pytest

from mlxdiag.capture import Capture, Outcome
from mlxdiag.errors import ParseError
from mlxdiag.preflight import listeners
from mlxdiag.readings import Gap
from tests.preflight.gated import QUIET, capture, listening

SS = (
    "State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n"
    "LISTEN 0      4096   127.0.0.53%lo:53        0.0.0.0:*          \n"
    "LISTEN 0      5            0.0.0.0:32323     0.0.0.0:*          \n"
    "LISTEN 0      5               [::]:8080         [::]:*          \n"
)
LSOF = "p812\ncpython3.12\nf5\nn*:32323\nf6\nn127.0.0.1:32324\n"


def test_tables_are_read() -> None:
    assert listeners.netstat(listening(32323).encode()) == {22: "*", 32323: "*"}
    assert listeners.netstat(listening(9, "10.0.0.1").encode())[9] == "10.0.0.1"
    assert listeners.ss(SS.encode()) == {53: "127.0.0.53", 32323: "*"}
    assert listeners.lsof(LSOF.encode()) == {
        32323: "pid 812 (python3.12)",
        32324: "pid 812 (python3.12)",
    }


@pytest.mark.parametrize("text", ["", "command not found", "tcp4 0 0 *.22 *.* LISTEN\n"])
def test_what_is_no_table_is_refused(text: str) -> None:
    for parse in (listeners.netstat, listeners.ss):
        with pytest.raises(ParseError):
            parse(text.encode())


@pytest.mark.parametrize("port", ["9" * 5000, "٣", "-1", "x", ""])  # the first found by fuzzing
def test_a_port_that_is_none_is_refused(port: str) -> None:
    good = listening(32323)
    with pytest.raises(ParseError):
        listeners.netstat(good.replace("*.32323", f"*.{port}").encode())
    with pytest.raises(ParseError):
        listeners.ss(SS.replace("0.0.0.0:32323", f"0.0.0.0:{port}").encode())


def test_the_one_that_is_there_decides_and_lsof_gives_the_name() -> None:
    missing = Capture("netstat", ("netstat",), Outcome.MISSING)
    captures = {"netstat": missing, "ss": capture("ss", SS), "lsof": capture("lsof", LSOF)}
    held = listeners.holders("a", captures)
    assert isinstance(held, listeners.Listing)
    assert held.source == "ss"
    assert held.by_port[32323] == "pid 812 (python3.12) at *:32323"
    assert "only root can name" in held.by_port[53]
    assert isinstance(listeners.holders("a", {"netstat": missing}), Gap)
    assert isinstance(listeners.holders("a", {}), Gap)


def test_what_listens_elsewhere_is_not_kept() -> None:
    captures = {"netstat": capture("netstat", listening(32323)), "ss": capture("ss", SS)}
    kept = listeners.kept(captures, range(32323, 32331))
    assert b".22 " not in kept["netstat"].stdout
    assert listeners.netstat(kept["netstat"].stdout) == {32323: "*"}
    assert listeners.ss(kept["ss"].stdout) == {32323: "*"}
    odd = listeners.kept({"ss": capture("ss", "secret\nlines\n")}, range(1, 9))
    assert odd["ss"].stdout == b"secret\n"
    assert QUIET
