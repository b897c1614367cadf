"""Every error mlxdiag raises on purpose.

MlxdiagError
 |- InventoryError   what the user gave cannot be used: file, line and key in the text (exit 2)
 |- RecordingError   a recording cannot be read or written (exit 2)
 |- ParseError       a command printed something its parser does not recognise
 `- MissingFact      a check asked for a fact that was never obtained: the finding is unknown
     `- LeftOut      one that nobody wanted this time: the check is skipped

Trouble with a host is never an exception past `transport/`: it is the capture's outcome.
"""

from __future__ import annotations


class MlxdiagError(Exception):
    """Root of the tree above."""


class InventoryError(MlxdiagError):
    """The inventory, hostfile or host list cannot be used; the text says where and why."""


class RecordingError(MlxdiagError):
    """A recording cannot be read or written; the text names the file."""


class ParseError(MlxdiagError):
    """Output that its command's parser does not recognise."""


class MissingFact(MlxdiagError):
    """A fact that was never obtained; `source` is the command, the text is the reason."""

    def __init__(self, source: str, reason: str, host: str | None = None) -> None:
        """Keep command and host beside the reason, so that a finding can cite them."""
        super().__init__(reason)
        self.source = source
        self.reason = reason
        self.host = host


class LeftOut(MissingFact):
    """A fact that was not asked for on purpose; the check that rests on it is skipped."""
