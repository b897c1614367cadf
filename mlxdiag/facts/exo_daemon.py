"""`ls` of the daemon that EXO.app installs: every half hour it sets the network as EXO wants it."""

from __future__ import annotations

from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

FILE = "/Library/LaunchDaemons/io.exo.networksetup.plist"
COMMAND = Command("exo_daemon", ("ls", FILE))


@dataclass(frozen=True)
class ExoDaemon:
    """Whether it is installed; launchd starts it at every boot then."""

    installed: bool


def parse(out: bytes) -> ExoDaemon:
    """Read the file's own name."""
    if out.strip() != FILE.encode():
        raise ParseError(f"not {FILE}: {out[:80]!r}")
    return ExoDaemon(installed=True)


def parse_failure(out: bytes, err: bytes) -> ExoDaemon:
    """Read a non-zero exit: no such file."""
    if out.strip() or b"No such file or directory" not in err:
        raise ParseError(err.decode("utf-8", "replace").strip()[:200] or "ls failed without a word")
    return ExoDaemon(installed=False)
