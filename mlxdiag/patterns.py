"""Patterns: what a regular expression for the user's server may not be met by. Pure."""

from __future__ import annotations

import re

BARE = (
    "python", "python3", "Python", "python3.12", "/usr/bin/python3", "/opt/homebrew/bin/python3.13",
    "python3 -m", "python -c", "/usr/bin/python3 a-script-of-nobody.py",
    "/Library/Frameworks/Python.framework/Versions/3.13/Resources/Python.app/Contents/MacOS/Python",
)  # fmt: skip
"""What no pattern may be met by: it would name every Python of the host."""


def fault(pattern: str) -> str:
    """Say what is wrong with a pattern; empty where nothing is."""
    try:
        found = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is not a regular expression: {error}"
    if found.search("") or any(map(found.search, BARE)):
        return "is met by any process, or by any python; name the script or module"
    return ""
