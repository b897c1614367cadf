"""Crash: a .ips report of macOS, a JSON header line and a JSON body, as lines of text. Pure.

The layout is that of public reports of macOS 12 and later: `threads[].frames[]` with `symbol`,
`symbolLocation` and `imageIndex` into `usedImages`; a panic has `panicString`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

LARGEST = 32 << 20
"""Characters of a report; what is larger is read as a log."""

_FRAMES = 64


def is_header(line: str) -> bool:
    """Whether a first line is that of a .ips file."""
    if not line.startswith("{") or len(line) > 1 << 16:
        return False
    head = _object(line)
    return "bug_type" in head and bool({"app_name", "os_version", "timestamp"} & set(head))


def lines(text: str) -> tuple[str, ...] | None:
    """Spell a report as a crash report is read: what happened, then the thread that crashed.

    None where the body is no JSON object.
    """
    first, _, rest = text.partition("\n")
    body = _object(rest)
    if not body:
        return None
    head = _object(first)
    when = str(body.get("captureTime") or head.get("timestamp") or "")
    said = [_what(head, body), *_panic(body), *_frames(body)]
    return tuple(f"{when} {line}".strip() for line in said)


def _what(head: dict[str, Any], body: dict[str, Any]) -> str:
    exception = _dict(body.get("exception"))
    name = body.get("procName") or head.get("app_name") or "a process"
    if "panicString" in body:
        return f"panic report, {head.get('os_version', 'macOS')}"
    parts = (exception.get("type"), _in_brackets(exception.get("signal")), exception.get("subtype"))
    words = [str(part) for part in parts if part]
    return f"crash report of {name}: {' '.join(words) or 'no exception'}"


def _in_brackets(word: object) -> str:
    return f"({word})" if word else ""


def _panic(body: dict[str, Any]) -> Iterator[str]:
    yield from str(body.get("panicString", "")).splitlines()[:400]


def _frames(body: dict[str, Any]) -> Iterator[str]:
    """List the frames of the thread that crashed, and of no other."""
    threads, images = (_list(body.get(key)) for key in ("threads", "usedImages"))
    crashed = next((t for t in map(_dict, threads) if t.get("triggered")), None)
    at = body.get("faultingThread")
    if crashed is None and isinstance(at, int) and 0 <= at < len(threads):
        crashed = _dict(threads[at])
    for number, frame in enumerate(map(_dict, _list((crashed or {}).get("frames"))[:_FRAMES])):
        index = frame.get("imageIndex")
        known = isinstance(index, int) and 0 <= index < len(images)
        image = _dict(images[int(index or 0)]).get("name") if known else None
        where = f"{frame.get('symbol', '???')} + {frame.get('symbolLocation', 0)}"
        yield f"{number}  {image or '???'}  {where}"


def _object(text: str) -> dict[str, Any]:
    try:
        return _dict(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
