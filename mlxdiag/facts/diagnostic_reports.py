"""Crash and panic reports: of ranks, of memory that ran out, of the kernel.

Names, and of what is in them the words alone that say what a rank or the kernel died of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

SYSTEM = "/Library/Logs/DiagnosticReports"
_OWN = "~/Library/Logs/DiagnosticReports"
_NAMES = ("*.panic", "[Pp]ython*.ips", "*mlx*.ips", "JetsamEvent*.ips")
_TESTS = tuple(word for name in _NAMES for word in ("-o", "-name", name))[1:]
_WORDS = (
    "tbt_post_(recv|send)|ibv_reg_mr|libjaccl|libmlx|completeMemory|fPendingMemorySet"
    "|watchdog timeout|AppleThunderboltRDMA([(]|Interface::)"
)
"""The driver as a line of a backtrace has it: its name alone is in the list of what is loaded."""

COMMAND = Command(
    "diagnostic_reports",
    (
        *("find", SYSTEM, _OWN, "-maxdepth", "1", "(", *_TESTS, ")", "-print"),
        *("-not", "-name", "JetsamEvent*", "-exec", "grep", "-asHoE", _WORDS, "{}", "+"),
    ),
)

_NAME = re.compile(
    r"(?P<program>.+?)[-_](?P<when>\d{4}-\d\d-\d\d-\d{6})(?:[._-].*)?\.(?P<kind>ips|panic)"
)
_KIND = re.compile(r"(?P<program>.+?)\.(?P<kind>ips|panic)")
_SAID = re.compile(rf"(?P<path>.+):(?P<word>{_WORDS})")
_DRIVER = re.compile(r"(AppleThunderboltRDMA)(?:[(]|Interface::)")
_DENIED = re.compile(r"find: (.+): (?:Permission denied|Operation not permitted)")
_ABSENT = re.compile(r"find: .+: No such file or directory")


@dataclass(frozen=True)
class CrashReport:
    """One report. `when` is local time as `2026-01-29-101500`; empty if its name has none.

    `words` are the known ones in it, each once; none where it may not be read.
    """

    program: str
    when: str
    kind: str
    words: tuple[str, ...] = ()

    @property
    def panic(self) -> bool:
        """Whether the kernel wrote it as the machine came up again."""
        return self.kind == "panic" or self.program.startswith("panic-")

    @property
    def memory(self) -> bool:
        """Whether it tells of processes that were ended because memory ran out."""
        return self.program.startswith("JetsamEvent")

    @property
    def label(self) -> str:
        """Name it in a line."""
        words = f" ({', '.join(self.words)})" if self.words else ""
        return f"{self.program} {self.when}".rstrip() + words


@dataclass(frozen=True)
class DiagnosticReports:
    """Reports, the oldest first. `denied` are folders that this user may not list."""

    reports: tuple[CrashReport, ...]
    denied: tuple[str, ...] = ()


def parse(out: bytes) -> DiagnosticReports:
    """Read a path a line, and `path:word`; there are none where nothing ever crashed."""
    found: dict[str, dict[str, None]] = {}
    for line in filter(None, out.decode("utf-8", "replace").split("\n")):
        said = _SAID.fullmatch(line)
        words = found.setdefault(said["path"] if said else line, {})
        if said:
            words[_DRIVER.sub(r"\1", said["word"])] = None
    return DiagnosticReports(_sorted(_report(path, tuple(words)) for path, words in found.items()))


def parse_failure(out: bytes, err: bytes) -> DiagnosticReports:
    """Read a non-zero exit: a folder that is not there, or that may not be listed."""
    denied = []
    for line in filter(None, err.decode("utf-8", "replace").split("\n")):
        match = _DENIED.fullmatch(line)
        if match is None and _ABSENT.fullmatch(line) is None:
            raise ParseError(f"find failed: {line[:200]!r}")
        denied += [match[1]] if match else []
    if not err.strip():
        raise ParseError("find failed without a word")
    return DiagnosticReports(parse(out).reports, tuple(denied))


def _sorted(reports: Iterable[CrashReport]) -> tuple[CrashReport, ...]:
    return tuple(sorted(reports, key=lambda report: (report.when, report.program)))


def _report(path: str, words: tuple[str, ...]) -> CrashReport:
    folder, _, name = path.rpartition("/")
    match = _NAME.fullmatch(name) or _KIND.fullmatch(name)
    if not path.startswith("/") or not folder.endswith("DiagnosticReports") or match is None:
        raise ParseError(f"not the path of a report: {path[:120]!r}")
    return CrashReport(match["program"], match.groupdict().get("when") or "", match["kind"], words)
