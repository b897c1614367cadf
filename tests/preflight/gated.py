"""Modelled clusters as a preflight sees them: with what listens and what runs on each host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mlxdiag import report
from mlxdiag.capture import Capture, Outcome
from mlxdiag.preflight.asked import Asked
from mlxdiag.recording import Recording
from mlxdiag.report import Report
from tests.checks.recorded import recorded, saying

HEAD = (
    "Active Internet connections (including servers)\n"
    "Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)    \n"
)
QUIET = HEAD + "tcp4       0      0  *.22                   *.*                    LISTEN     \n"
FIRST = "macstudio1"


def listening(port: int, address: str = "*") -> str:
    place = f"{address}.{port}"
    return f"{QUIET}tcp4       0      0  {place:<22} *.*                    LISTEN     \n"


def gated(
    case: str | Recording,
    *,
    sockets: Mapping[str, str] = {},
    jobs: Mapping[str, str] = {},
    **asked: object,
) -> Recording:
    """Record a case once more, by a preflight: `sockets` and `jobs` by host, else it is quiet."""
    made = recorded(case) if isinstance(case, str) else case
    for host in made.hosts:
        if "sw_vers" not in made.hosts[host]:
            continue
        made = saying(made, host, "netstat", capture("netstat", sockets.get(host, QUIET)))
        made = saying(made, host, "neighbours", capture("neighbours", jobs.get(host, "")))
    return replace(made, preflight=Asked(**{"level": "quick", **asked}))  # type: ignore[arg-type]


def capture(name: str, text: str) -> Capture:
    return Capture(name, (name,), Outcome.EXITED, 0, stdout=text.encode())


def judged(made: Recording) -> Report:
    return report.build(made, "preflight", "0.1.0")
