"""`plutil -extract VirtualNetworkInterfaces.Bridge`: the bridges that macOS makes at a start."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

FILE = "/Library/Preferences/SystemConfiguration/preferences.plist"
COMMAND = Command(
    "plutil_bridges",
    ("plutil", "-extract", "VirtualNetworkInterfaces.Bridge", "json", "-o", "-", FILE),
)
_NO_KEY = "No value at that key path"


@dataclass(frozen=True)
class StoredBridge:
    """A bridge and its members as stored; the kernel may have others at the moment."""

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class StoredBridges:
    """In the order of their names; none where the key is not there."""

    bridges: tuple[StoredBridge, ...]

    def of(self, interface: str) -> str | None:
        """Name the bridge that claims an interface."""
        return next((each.name for each in self.bridges if interface in each.members), None)


def parse(out: bytes) -> StoredBridges:
    """Read `{"bridge0": {"Interfaces": ["en2", ...]}}`."""
    try:
        said = json.loads(out.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise ParseError(f"not JSON: {out[:80]!r}") from error
    if not isinstance(said, dict):
        raise ParseError(f"not a table of bridges: {out[:80]!r}")
    return StoredBridges(tuple(_bridge(name, said[name]) for name in sorted(said)))


def parse_failure(out: bytes, err: bytes) -> StoredBridges:
    """Read a non-zero exit: the key is absent on a Mac whose last bridge was deleted."""
    said = (out + b"\n" + err).decode("utf-8", "replace")
    if _NO_KEY not in said:
        raise ParseError(said.strip()[:200] or "plutil failed without a word")
    return StoredBridges(())


def _bridge(name: str, said: object) -> StoredBridge:
    members = said.get("Interfaces", []) if isinstance(said, dict) else None
    if not isinstance(members, list) or not all(isinstance(each, str) for each in members):
        raise ParseError(f"no list of interfaces in {name[:40]!r}")
    return StoredBridge(_clean(name), tuple(map(_clean, members)))


def _clean(text: str) -> str:
    """Replace lone surrogates, which would break every output."""
    return text.encode("utf-8", "replace").decode()
