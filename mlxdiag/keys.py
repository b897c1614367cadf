"""Keys: what looks like one, a token or a password becomes `***`. Pure."""

from __future__ import annotations

import re

_NAME = rb"(?<![\w-])[\w-]*(?:key|token|secret|passw|auth|bearer)[\w-]*"
_BEARER = rb"(?:(?:bearer|basic)[ :]+)?+"

KEY = re.compile(rb"(?i)(" + _NAME + rb"[ =:]+" + _BEARER + rb")[^\s=:\"'\\*]\S*")
"""The value of an option or a variable that is called so, in the arguments of a process."""

_OPTION = _NAME.replace(rb"[\w-]*", rb"--[\w-]*", 1)
_SAID = re.compile(
    rb"(?i)((?:" + _OPTION + rb"[ =]+|" + _NAME + rb"\\?[\"']?[ ]*[=:][ ]*)" + _BEARER + rb")"
    rb"([^\s=:\"'\\*,;)\]}\0][^\s\"'\\,;)\]}\0]*)"
)
"""The same in a log, where the words stand in sentences, too."""

_SURE = re.compile(
    rb"(?i)((?<![\w-])[\w-]*(?:api[_-]?key|_token|secret|passw)[\w-]*"
    rb"\\?[\"']?[ ]*[=: ][ ]*\\?[\"']?)"
    rb"[^\s=:\"'\\*,;)\]}\0]+"
)
"""The same by names that no command of macOS has for its own fields."""

_COUNT = re.compile(rb"(?i).*token", re.DOTALL)
"""What a number behind it counts."""

_QUOTED = re.compile(
    rb"(?i)(" + _NAME + rb"\\?[\"']?[ =:,]+\\?([\"'])" + _BEARER + rb")[^\"'\r\n]+?(?=\\?\2)"
)
"""The same in JSON, in JSON within JSON, and in quotes."""

_URL = re.compile(rb"(?<=://)[^\s/@\"']+(?=@)")
"""User and password of an address."""

_BARE = re.compile(
    rb"(?<![\w-])(?:hf_\w{8,}|sk-[\w-]{8,}|gh[a-z]_\w{16,}|github_pat_\w{16,}|xox[a-z]-[\w-]{8,}"
    rb"|AKIA[0-9A-Z]{16}|eyJ[\w-]{8,}\.[\w-]+\.[\w-]+)|(?i:(?<=bearer ))[\w.~+/=-]{8,}"
)
"""Keys by their form: Hugging Face, OpenAI, GitHub, Slack, AWS, JWT."""

SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASS|AUTH", re.ASCII)
"""A variable of the environment that is called so holds a secret."""

MASK = "***"


def masked(arguments: bytes) -> bytes:
    """Mask the arguments of a process, where a blank is what separates."""
    return KEY.sub(rb"\1***", masked_log(arguments))


def masked_log(said: bytes) -> bytes:
    """Mask a log or a crash report."""
    said = _QUOTED.sub(rb"\1***", said)
    said = _SAID.sub(_hidden, said)
    return _BARE.sub(b"***", _URL.sub(b"***", said))


def masked_forms(said: bytes) -> bytes:
    """Mask what a command printed whose own words end in `key`: only what can be nothing else."""
    return _BARE.sub(b"***", _URL.sub(b"***", _SURE.sub(rb"\1***", said)))


def _hidden(found: re.Match[bytes]) -> bytes:
    """Leave numbers of tokens."""
    number = found[2].replace(b".", b"").isdigit()
    return found[0] if number and _COUNT.match(found[1]) else found[1] + b"***"


def masked_text(said: str) -> str:
    """Mask what a rank or mlxdiag said."""
    return masked_log(said.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
