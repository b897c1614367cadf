"""Rendezvous."""

from __future__ import annotations

from dataclasses import replace

from mlxdiag.capture import Outcome
from mlxdiag.recording import Recording
from tests.checks.recorded import ended, printing, saying
from tests.checks.surveyed import HOST, clean
from tests.model import survey

LISTENING = "tcp4       0      0  *.32324                *.*                    LISTEN     "


def slow() -> Recording:
    said = replace(clean().hosts[HOST]["mlx_runtime"], seconds=25.0)
    return saying(clean(), HOST, "mlx_runtime", said)


FAILING = {
    "rendezvous-port-free": lambda: printing(
        clean(), HOST, "netstat", survey.netstat(LISTENING).stdout
    ),
    "rendezvous-start": slow,
}
UNKNOWN = {
    "rendezvous-port-free": lambda: ended(clean(), HOST, "netstat", Outcome.MISSING),
    "rendezvous-start": lambda: ended(clean(), HOST, "mlx_runtime", Outcome.TIMEOUT),
}
ABOUT = {"rendezvous-start": "cluster"}
