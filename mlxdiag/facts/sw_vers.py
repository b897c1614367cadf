"""`sw_vers`: name, version and build of the operating system."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

COMMAND = Command("sw_vers", ("sw_vers",))

_VERSION = re.compile(r"\d{1,5}(?:\.\d{1,5}){0,3}", re.ASCII)


@dataclass(frozen=True)
class SwVers:
    """What is installed. `extra` is the `(a)` of a rapid security response."""

    product: str
    version: str
    build: str
    extra: str | None

    @property
    def number(self) -> tuple[int, ...]:
        """Give the version for comparison: (26, 10) comes after (26, 2)."""
        return tuple(int(part) for part in self.version.split("."))


def parse(out: bytes) -> SwVers:
    """Read `Key: value` lines; the number of tabs between them varies."""
    keys = dict(_pair(line) for line in out.decode("utf-8", "replace").split("\n") if line.strip())
    for key in ("ProductName", "ProductVersion", "BuildVersion"):
        if not keys.get(key):
            raise ParseError(f"no {key} in {out[:80]!r}")
    if not _VERSION.fullmatch(keys["ProductVersion"]):
        raise ParseError(f"not a version: {keys['ProductVersion'][:80]!r}")
    return SwVers(
        product=keys["ProductName"],
        version=keys["ProductVersion"],
        build=keys["BuildVersion"],
        extra=keys.get("ProductVersionExtra") or None,
    )


def _pair(line: str) -> tuple[str, str]:
    key, colon, value = line.partition(":")
    if not colon:
        raise ParseError(f"not a key and a value: {line[:80]!r}")
    return key.strip(), value.strip()
