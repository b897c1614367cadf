"""find: crash and panic reports by name."""

from __future__ import annotations

import subprocess
from pathlib import Path

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


def test_known_words_in_a_report_are_its_own() -> None:
    own = "/Users/me/Library/Logs/DiagnosticReports/python3.12-2026-01-28-101500.ips"
    out = f"{own}\n{own}:tbt_post_recv\n{own}:libjaccl\n{own}:tbt_post_recv\n".encode()
    (report,) = parse(out).reports
    assert report.words == ("tbt_post_recv", "libjaccl")
    assert report.label == "python3.12 2026-01-28-101500 (tbt_post_recv, libjaccl)"


@pytest.mark.parametrize("out", [b":tbt_post_recv\n", b"/etc/passwd:tbt_post_recv\n"])
def test_words_of_no_report_are_refused(out: bytes) -> None:
    with pytest.raises(ParseError):
        parse(out)


def test_nothing_but_known_words_leaves_a_report(tmp_path: Path) -> None:
    folder = tmp_path / "Library" / "Logs" / "DiagnosticReports"
    folder.mkdir(parents=True)
    crash = '{"frames": [{"symbol": "tbt_post_recv", "secret": "hunter2"}]}\n'
    (folder / "python3.12-2026-01-28-101500.ips").write_text(crash, encoding="utf-8")
    (folder / "Python-2026-01-29-101500.ips").write_text("{}\n", encoding="utf-8")
    (folder / "Safari-2026-01-29-101500.ips").write_text(crash, encoding="utf-8")
    closed = folder / "mlx-2026-01-30-101500.ips"
    closed.symlink_to(tmp_path / "gone")
    argv = [word.replace("~", str(tmp_path), 1) for word in COMMAND.argv]
    ran = subprocess.run(argv, capture_output=True, check=False)
    found = parse_failure(ran.stdout, ran.stderr) if ran.returncode else parse(ran.stdout)
    assert [(report.program, report.words) for report in found.reports] == [
        ("python3.12", ("tbt_post_recv",)),
        ("Python", ()),
        ("mlx", ()),
    ]
    assert b"hunter2" not in ran.stdout


def test_nothing_is_changed() -> None:
    assert COMMAND.argv[0] == "find"
    assert not {"-delete", "-ok", "-fprint"} & set(COMMAND.argv)
    assert [COMMAND.argv[at + 1] for at, w in enumerate(COMMAND.argv) if w == "-exec"] == ["grep"]


def test_a_driver_that_is_only_loaded_is_no_word() -> None:
    path = f"{SYSTEM}/panic-full-2026-01-30-101500.0002.panic"
    words = "watchdog timeout", "AppleThunderboltRDMA("
    told = "\n".join((path, *(f"{path}:{word}" for word in words)))
    (found,) = parse(told.encode()).reports
    assert found.words == ("watchdog timeout", "AppleThunderboltRDMA")
    assert "AppleThunderboltRDMA([(]|Interface::)" in " ".join(COMMAND.argv)
