"""Keys: what looks like one in a command line is shown and recorded nowhere."""

from __future__ import annotations

import re

_KEY = re.compile(
    rb"(?i)([\w-]*(?:key|token|secret|passw|auth|bearer)[\w-]*(?:[ =:]+(?:bearer[ :]+)?))[^\s=:]\S*"
)
"""The value of an option or a variable that is called so."""


def masked(arguments: bytes) -> bytes:
    """Put `***` for the value of every option or variable that is called like a key."""
    return _KEY.sub(rb"\1***", arguments)
