"""Crashes."""

from __future__ import annotations

from collections.abc import Callable

from mlxdiag.capture import Outcome
from mlxdiag.recording import Recording
from tests.checks.recorded import ended, printing
from tests.checks.surveyed import HOST, clean

SYSTEM = "/Library/Logs/DiagnosticReports"
OWN = "/Users/me/Library/Logs/DiagnosticReports"


def left(*paths: str) -> Callable[[], Recording]:
    out = "".join(f"{path}\n" for path in paths).encode()
    return lambda: printing(clean(), HOST, "diagnostic_reports", out)


FAILING: dict[str, Callable[[], Recording]] = {
    "crashes-panic": left(f"{SYSTEM}/panic-full-2026-01-30-101500.0002.panic"),
    "crashes-ranks": left(f"{OWN}/python3.12-2026-01-30-101500.ips"),
    "crashes-memory": left(f"{SYSTEM}/JetsamEvent-2026-01-30-101500.ips"),
}
UNKNOWN = dict.fromkeys(
    FAILING, lambda: ended(clean(), HOST, "diagnostic_reports", Outcome.TIMEOUT)
)
