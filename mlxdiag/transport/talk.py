"""Talk: one process on a host, its stdin ours, its output as it comes; for probes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mlxdiag.capture import Outcome
from mlxdiag.inventory import Host


@dataclass(frozen=True)
class Ears:
    """Who hears what a process says; `ended` comes once, after the last bytes.

    It has the reason, and whether the process is known to have ended: of one behind a connection
    that broke nobody knows.
    """

    stdout: Callable[[bytes], None]
    stderr: Callable[[bytes], None]
    ended: Callable[[str, bool], None]


class Talk(Protocol):
    """A process that runs. Closing it closes its stdin, which ends it: nothing stays."""

    def send(self, data: bytes) -> None:
        """Write to its stdin; nothing happens if it has gone."""

    async def close(self) -> None:
        """Close its stdin and wait until it has gone, or the host does not answer."""


class NoTalkError(Exception):
    """The process could not be started: the outcome and why."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        """Keep what an access capture would hold."""
        super().__init__(detail)
        self.outcome = outcome
        self.detail = detail


class Talker(Protocol):
    """A transport that can hold a talk."""

    async def talk(self, host: Host, line: str, ears: Ears) -> Talk:
        """Start a command line of sh on the host; raises NoTalkError."""
