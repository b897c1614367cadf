"""Style: what the place of output can show; and text from hosts made safe to show."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

MARKS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "good": ("✓", "+"),
        "bad": ("✗", "x"),
        "far": ("◂", "<"),
        "tcp": ("○", "o"),
        "bent": ("!", "!"),
        "unknown": ("?", "?"),
        "none": ("·", "."),
        "self": (" ", " "),
        "arrow": ("→", "->"),
        "rule": ("─", "-"),
        "spread": ("±", "+-"),
    }
)


@dataclass(frozen=True)
class Style:
    """`width` in columns; `unicode` false means plain ASCII marks; `verbose` adds every port.

    `curve` draws the bandwidth of probes: for a terminal, where a picture is looked at once.
    """

    width: int = 100
    color: bool = False
    unicode: bool = True
    verbose: bool = False
    curve: bool = False

    def mark(self, name: str) -> str:
        """Return the sign for a word, in what the terminal can show."""
        rich, plain = MARKS[name]
        return rich if self.unicode else plain

    def text(self, said: str) -> str:
        """Make foreign text harmless: no control or direction character reaches a terminal."""
        safe = "".join(c if c == " " or not _control(c) else f"\\x{ord(c):02x}" for c in said)
        return safe if self.unicode else safe.encode("ascii", "backslashreplace").decode()


def _control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
