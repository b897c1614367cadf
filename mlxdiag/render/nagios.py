"""Nagios: one line with performance data, and the exit codes of a plugin."""

from __future__ import annotations

from mlxdiag.render.short import verdict_line
from mlxdiag.render.style import Style
from mlxdiag.report import Report

STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
"""By exit code, as the plugin guidelines have them."""

LENGTH = 1024
"""Characters of the text: what every reader of plugins takes."""


def exit_code(report: Report) -> int:
    """0 OK, 1 WARNING (a warning that does not fail the run), 2 CRITICAL (failed), 3 UNKNOWN."""
    if report.verdict == "fail":
        return 2
    if report.verdict == "unknown" or report.ended != "complete":
        return 3
    return 1 if report.summary["warning"] else 0


def render(report: Report, style: Style) -> str:
    """Write `MLXDIAG STATE - text | label=value ...`."""
    text = verdict_line(report, style)
    return f"{line(STATES[exit_code(report)], text)} | {_perfdata(report)}\n"


def line(state: str, text: str) -> str:
    """Spell the part for people: one line, without the bar that begins the numbers."""
    one = " ".join(text.replace("|", "/").split())
    return f"MLXDIAG {state} - {one if len(one) <= LENGTH else one[: LENGTH - 3] + '...'}"


def _perfdata(report: Report) -> str:
    links = len(report.links)
    usable = sum(state.jaccl.usable is True for state in report.links)
    found = [f"{status}={count}" for status, count in report.summary.items()]
    found += [f"links_rdma={usable};;;0;{links}", f"time={report.duration_s:.3f}s"]
    for number, probe in enumerate(report.probes, 1):
        name = f"{probe.plan.backend}{number}"
        for row in probe.rows:
            of = f"{name}_{row.size}B"
            found.append(f"{of}_p50={row.p50_us / 1e6:.9f}s")
            found.append(f"{of}_busbw_bytes_per_second={row.busbw_gb_per_s * 1e9:.0f}")
    return " ".join(found)
