"""Command, Outcome, Capture: what was asked of a host and what came back, as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

ACCESS = "access"
"""Name of the capture that says whether the host was reached at all; no command has this name."""


class Outcome(StrEnum):
    """How an attempt ended. The first group is about a command, the second about its host."""

    EXITED = "exited"
    SIGNALLED = "signalled"
    TIMEOUT = "timeout"
    MISSING = "missing"
    TRUNCATED = "truncated"
    NOT_STARTED = "not_started"
    LEFT_OUT = "left_out"

    SSH_CONFIG = "ssh_config"
    UNRESOLVED = "unresolved"
    REFUSED = "refused"
    NO_ROUTE = "no_route"
    CONNECT_TIMEOUT = "connect_timeout"
    HOST_KEY_UNKNOWN = "host_key_unknown"
    HOST_KEY_CHANGED = "host_key_changed"
    AUTH_REFUSED = "auth_refused"
    DISCONNECTED = "disconnected"
    INTERRUPTED = "interrupted"
    NOT_RECORDED = "not_recorded"


@dataclass(frozen=True)
class Command:
    """One read-only command. Commands of a lane run one after another, lanes side by side.

    `{python}` as an argument stands for the host's interpreter that has mlx: the inventory's, else
    one that is looked for there and given two arguments, `-c` and a program. One that begins with
    `~/` is a path in the login folder. `exclusive` commands are not started while a process of the
    same name lives on the host: a verbs call that has not returned must not get company.
    """

    name: str
    argv: tuple[str, ...]
    deadline_s: float = 10.0
    lane: str = "main"
    exclusive: bool = False


@dataclass(frozen=True)
class Capture:
    """What one command of one host said.

    `started_s` counts from the start of the run; `detail` is one line for people, empty when the
    outcome says it all. For `ACCESS` the argv is the way taken (`ssh`, destination), `EXITED`
    with status 0 means that the host answered, stdout is the address that was connected to, empty
    where it is not known, and stderr what the login printed by itself.
    """

    command: str
    argv: tuple[str, ...]
    outcome: Outcome
    exit_status: int | None = None
    signal: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    detail: str = ""
    started_s: float = 0.0
    seconds: float = 0.0

    @property
    def reason(self) -> str:
        """Say in one line why there is no usable output, for a finding that is unknown."""
        said = self.detail or self.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        how = {
            Outcome.EXITED: f"exit status {self.exit_status}",
            Outcome.LEFT_OUT: "left out at --level quick: it may take over a second",
            Outcome.SIGNALLED: f"ended by signal {self.signal}",
            Outcome.TIMEOUT: f"did not return within {self.seconds:.0f} s",
        }.get(self.outcome, self.outcome.value.replace("_", " "))
        return f"{how}: {said}" if said else how


Captures = Mapping[str, Capture]
"""All captures of one host by command name, `ACCESS` among them."""
