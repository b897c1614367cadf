"""`sysctl kern.hostname`: what the Mac calls itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("hostname", ("sysctl", "kern.hostname"))

_LINE = re.compile(r"kern\.hostname: (\S{1,255})")


@dataclass(frozen=True)
class Hostname:
    """The name with its domain, as it is set."""

    name: str

    @property
    def short(self) -> str:
        """The part that tells hosts of one network apart, in lower case."""
        return self.name.partition(".")[0].lower()


def parse(out: bytes) -> Hostname:
    """Read the one line."""
    found = _LINE.fullmatch(out.decode("utf-8", "replace").strip("\n"))
    if found is None:
        raise ParseError(f"not kern.hostname: {out[:80]!r}")
    return Hostname(found[1])
