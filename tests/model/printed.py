"""What one command printed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Printed:
    """Both streams of a command and how it ended; `outcome` is a value of capture.Outcome."""

    stdout: bytes = b""
    stderr: bytes = b""
    exit_status: int | None = 0
    outcome: str = "exited"
    detail: str = ""
    seconds: float = 0.0
