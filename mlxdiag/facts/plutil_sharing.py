"""`plutil -extract NAT.Enabled`: whether Internet Sharing is on.

Only the one value: the table beside it can hold the password of a shared Wi-Fi.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

FILE = "/Library/Preferences/SystemConfiguration/com.apple.nat.plist"
COMMAND = Command("plutil_sharing", ("plutil", "-extract", "NAT.Enabled", "raw", "-o", "-", FILE))

_NO_KEY = "No value at that key path"
_NO_FILE = ("Code=260", "does not exist", "No such file")
"""NSFileReadNoSuchFileError: Internet Sharing was never set up on this Mac."""

_FORBIDDEN = ("Code=257", "Permission denied", "Operation not permitted")
"""NSFileReadNoPermissionError, and the same in other words."""

_WORDS = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True)
class Sharing:
    """Internet Sharing as it is set; None where only root may read it."""

    enabled: bool | None


def parse(out: bytes) -> Sharing:
    """Read the one word."""
    word = out.decode("utf-8", "replace").strip()
    if word not in _WORDS:
        raise ParseError(f"not 0 or 1: {out[:80]!r}")
    return Sharing(_WORDS[word])


def parse_failure(out: bytes, err: bytes) -> Sharing:
    """Read a non-zero exit: without the file or the key it is off."""
    said = (out + b"\n" + err).decode("utf-8", "replace")
    if any(word in said for word in _FORBIDDEN):
        return Sharing(enabled=None)
    if any(word in said for word in (_NO_KEY, *_NO_FILE)):
        return Sharing(enabled=False)
    raise ParseError(said.strip()[:200] or "plutil failed without a word")
