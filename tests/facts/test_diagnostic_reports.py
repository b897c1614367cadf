"""find: crash and panic reports by name."""

from __future__ import annotations

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.facts.diagnostic_reports import (
    COMMAND,
    SYSTEM,
    CrashReport,
    parse,
    parse_failure,
)

REPORTS = b"""\
/Library/Logs/DiagnosticReports/panic-full-2026-01-30-101500.0002.panic
/Library/Logs/DiagnosticReports/JetsamEvent-2026-01-29-010203.ips
/Users/me/Library/Logs/DiagnosticReports/python3.12-2026-01-28-101500.ips
/Users/me/Library/Logs/DiagnosticReports/mlx_odd.ips
"""
DENIED = (
    b"find: /Library/Logs/DiagnosticReports: Permission denied\n"
    b"find: /Users/me/Library/Logs/DiagnosticReports: No such file or directory\n"
)


def test_reports_are_sorted_by_time() -> None:
    assert parse(REPORTS).reports == (
        CrashReport("mlx_odd", "", "ips"),
        CrashReport("python3.12", "2026-01-28-101500", "ips"),
        CrashReport("JetsamEvent", "2026-01-29-010203", "ips"),
        CrashReport("panic-full", "2026-01-30-101500", "panic"),
    )


def test_kinds() -> None:
    odd, python, jetsam, panic = parse(REPORTS).reports
    assert (panic.panic, jetsam.panic, python.panic, odd.panic) == (True, False, False, False)
    assert (panic.memory, jetsam.memory, python.memory) == (False, True, False)
    assert python.label == "python3.12 2026-01-28-101500"


def test_none() -> None:
    assert parse(b"").reports == ()


def test_a_folder_that_may_not_be_listed_leaves_the_other() -> None:
    found = parse_failure(REPORTS.splitlines(keepends=True)[2], DENIED)
    assert found.denied == (SYSTEM,)
    assert [report.program for report in found.reports] == ["python3.12"]


def test_a_folder_that_is_not_there_is_empty() -> None:
    assert parse_failure(b"", DENIED.splitlines(keepends=True)[1]).denied == ()


@pytest.mark.parametrize("err", [b"", b"find: illegal option -- z\n", b"Killed: 9\n"])
def test_another_failure_is_refused(err: bytes) -> None:
    with pytest.raises(ParseError):
        parse_failure(b"", err)


@pytest.mark.parametrize("out", [b"x.ips\n", b"/etc/passwd\n", b"/tmp/a-2026-01-30-101500.ips\n"])
def test_anything_else_is_refused(out: bytes) -> None:
    with pytest.raises(ParseError):
        parse(out)


def test_only_names_are_asked_for() -> None:
    assert COMMAND.argv[0] == "find"
    assert COMMAND.argv[-1] == "-print"
    assert not {"-exec", "-delete", "-ok", "-fprint"} & set(COMMAND.argv)
