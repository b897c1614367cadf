"""`lsof -i TCP` with fields: the TCP sockets of one's own processes, on macOS and Linux."""

from __future__ import annotations

import re

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError
from mlxdiag.facts.ss import Socket

COMMAND = Command("lsof", ("lsof", "-nP", "-iTCP", "-T", "qs", "-F", "pfnT"))
"""Sockets of other users need root."""

_FIELD = re.compile(r"([A-Za-z])(.*)", re.ASCII)
_NUMBER = re.compile(r"\d{1,15}", re.ASCII)


def parse(out: bytes) -> tuple[Socket, ...]:
    """Read the fields of each file of each process."""
    found: list[dict[str, str]] = []
    pid = ""
    for line in out.decode("utf-8", "replace").split("\n"):
        if not line:
            continue
        field = _FIELD.fullmatch(line)
        if field is None:
            raise ParseError(f"not a field of lsof -F: {line[:80]!r}")
        kind, value = field.groups()
        match kind:
            case "p":
                pid = _digits(value)
            case "f":
                found.append({"p": pid})
            case "n" if found:
                found[-1]["n"] = value
            case "T" if found:
                name, _, said = value.partition("=")
                found[-1][name] = said
            case _ if not pid:
                raise ParseError(f"a field of lsof -F before any process: {line[:80]!r}")
            case _:
                pass
    return tuple(_socket(fields) for fields in found if fields.get("n") and fields["p"])


def parse_failure(out: bytes, err: bytes) -> tuple[Socket, ...]:
    """Read exit 1, which is also that of no socket at all."""
    if out.strip() or err.strip():
        return parse(out) if out.strip() else _refuse(err)
    return ()


def _refuse(err: bytes) -> tuple[Socket, ...]:
    raise ParseError(f"lsof failed: {err.strip()[:200]!r}")


def _socket(fields: dict[str, str]) -> Socket:
    local, _, remote = fields["n"].removesuffix(" (LISTEN)").partition("->")
    state = fields.get("ST") or ("ESTABLISHED" if remote else "LISTEN")
    listens = state == "LISTEN"
    return Socket(
        (int(fields["p"]),),
        state,
        local,
        remote,
        None if listens else _count(fields.get("QR")),
        None if listens else _count(fields.get("QS")),
    )


def _count(text: str | None) -> int | None:
    return int(text) if text and _NUMBER.fullmatch(text) else None


def _digits(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise ParseError(f"not a pid of lsof -F: {text[:40]!r}")
    return text
