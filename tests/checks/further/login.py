"""Access, as a launcher meets it."""

from __future__ import annotations

from dataclasses import replace

from mlxdiag.capture import ACCESS, Outcome
from mlxdiag.recording import Recording
from tests.checks.recorded import ended, printing, saying, unreached
from tests.checks.surveyed import HOST, clean
from tests.model import survey


def met(stderr: bytes = b"", seconds: float = 0.2) -> Recording:
    """Return a recording in which the login of HOST went so."""
    access = clean().hosts[HOST][ACCESS]
    said = replace(access, stderr=stderr, seconds=seconds)
    return saying(clean(), HOST, ACCESS, said)


FAILING = {
    "access-fast": lambda: met(seconds=31.5),
    "access-quiet": lambda: met(stderr=b"Welcome back\n"),
    "access-shell": lambda: printing(
        clean(),
        HOST,
        "login_environment",
        survey.environment(SHELL="/opt/homebrew/bin/fish").stdout,
    ),
}
UNKNOWN = {
    "access-fast": lambda: unreached(clean(), HOST, Outcome.REFUSED),
    "access-quiet": lambda: unreached(clean(), HOST, Outcome.REFUSED),
    "access-shell": lambda: ended(clean(), HOST, "login_environment", Outcome.SIGNALLED),
}
