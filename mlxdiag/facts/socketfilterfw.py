"""`socketfilterfw --getglobalstate`: the application firewall."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

TOOL = "/usr/libexec/ApplicationFirewall/socketfilterfw"
COMMAND = Command("socketfilterfw", ("socketfilterfw", "--getglobalstate"))
"""Found by the folder that the transport adds to PATH."""

_STATE = re.compile(r"Firewall is .*\(State = ([012])\)", re.ASCII)


@dataclass(frozen=True)
class Firewall:
    """State 0 is off, 1 on, 2 on with every incoming connection blocked."""

    state: int


def parse(out: bytes) -> Firewall:
    """Read `Firewall is enabled. (State = 1)`."""
    for line in out.decode("utf-8", "replace").split("\n"):
        if found := _STATE.fullmatch(line.strip()):
            return Firewall(int(found[1]))
    raise ParseError(f"no state of the firewall in {out[:80]!r}")
