"""Nagios: one line with performance data, and the exit codes of a plugin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlxdiag.render.short import verdict_line
from mlxdiag.render.style import Style
from mlxdiag.report import Report

if TYPE_CHECKING:
    from mlxdiag.server.judge import Served

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
    if report.server is not None:
        return " ".join([*found, f"time={report.duration_s:.3f}s", *_served(report.server)])
    found += [f"links_rdma={usable};;;0;{links}", f"time={report.duration_s:.3f}s"]
    for number, probe in enumerate(report.probes, 1):
        name = f"{probe.plan.backend}{number}"
        for row in probe.rows:
            of = f"{name}_{row.size}B"
            found.append(f"{of}_p50={row.p50_us / 1e6:.9f}s")
            found.append(f"{of}_busbw_bytes_per_second={row.busbw_gb_per_s * 1e9:.0f}")
    return " ".join(found)


def _served(served: Served) -> Iterator[str]:
    asked = served.asked
    numbers = (
        (
            "tokens_per_s",
            served.tokens_per_s,
            "",
            asked.tokens_per_s and f"{asked.tokens_per_s:g}:",
        ),
        ("first_token", served.first_token_s, "s", asked.first_token_s),
        ("gap_p50", served.gap_s(0.5), "s", None),
        ("gap_p95", served.gap_s(0.95), "s", None),
    )
    for name, value, unit, critical in numbers:
        if value is not None:
            yield f"{name}={value:.4f}{unit}" + (f";;{critical}" if critical else "")
