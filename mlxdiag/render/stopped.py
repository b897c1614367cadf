"""Stopped: what `stop` found, sent and left, in lines and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

from mlxdiag import __version__
from mlxdiag.render.sizes import duration
from mlxdiag.stop.command import Listed, Result
from mlxdiag.stop.targets import Target

Verdict = Literal["clean", "left", "unknown", "short", "found", "declined"]
"""`short`: ended before all was looked at; `found`: nothing was to be sent; `declined`: no."""

SHOWN = 160
"""Characters of a command line."""

LEAKS = (
    "a rank that is killed cannot give back wired memory, GPU work and protection domains of RDMA"
    " devices: a restart of its Mac may be the only way to get them back"
)


def listing(found: Listed) -> Iterator[str]:
    """Name what would be stopped, and the hosts that did not say what runs on them."""
    if not found.targets:
        yield "no process of the server was found"
    for target in found.targets:
        yield _row(target)
    for gap in found.lost:
        yield f"{gap.host}: not known: {gap.reason}"


def _row(target: Target) -> str:
    p = target.process
    age = duration(round(p.age_s)) if p.age_s is not None else "?"
    kind = "  (launcher: ends by itself after its ranks)" if target.launcher else ""
    return f"{target.host}  pid {p.pid}  {p.user}  {age}  {target.command[:SHOWN]}{kind}"


def told(found: Listed, result: Result) -> Iterator[str]:
    """Say what became of each, what is left, and whether that is all."""
    for target in found.targets:
        if fate := result.fates.get((target.host, target.pid)):
            yield f"{target.host} pid {target.pid}: {fate}"
    for kind, lines in (("left on", result.left), ("not known of", result.unknown)):
        for host, text in lines:
            yield f"{kind} {host}: {text}"
    for host, text in result.noted:
        yield f"noted on {host}: {text}"
    if any("stays" in fate for fate in result.fates.values()):
        yield f"what ignores SIGTERM ends with --force (SIGKILL), but {LEAKS}"
    yield _last(found, result)


def _last(found: Listed, result: Result) -> str:
    match verdict(found, result):
        case "short":
            return f"STOPPED SHORT: {result.ended}; what is left was not looked at"
        case "left":
            return f"LEFT: {len(result.left)} thing{'s' if len(result.left) > 1 else ''}"
        case "clean":
            free = f"nobody listens at port {', '.join(map(str, result.free))}"
            return f"CLEAN: {'nothing is left' if found.targets else free}"
        case _:
            return f"UNKNOWN: {_why(found, result)}"


def _why(found: Listed, result: Result) -> str:
    if found.lost:
        return "not every host answered"
    if result.unknown:
        return "not all could be seen"
    return "no process of the server was found; say its port in the inventory's server"


def verdict(found: Listed, result: Result) -> Verdict:
    """Judge a run: `clean` only where everything was seen and nothing is there."""
    if result.ended != "complete":
        return "short"
    if result.left:
        return "left"
    known = found.targets or result.free
    return "unknown" if result.unknown or found.lost or not known else "clean"


def document(found: Listed, told: Result, verdict: Verdict, code: int) -> str:
    """Write all of it as JSON; who has no fate was sent nothing."""
    said = {
        "schema": "mlxdiag/stop",
        "schema_version": 1,
        "tool_version": __version__,
        "verdict": verdict,
        "exit_code": code,
        "ended": told.ended,
        "targets": [_target(target, told) for target in found.targets],
        "left": _lines(told.left),
        "unknown": _lines([*((g.host, g.reason) for g in found.lost), *told.unknown]),
        "noted": _lines(told.noted),
        "free_ports": list(told.free),
    }
    return json.dumps(said, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _target(target: Target, result: Result) -> dict[str, object]:
    p = target.process
    return {
        "host": target.host,
        "pid": target.pid,
        "user": p.user,
        "began": p.began,
        "age_s": p.age_s,
        "command": target.command[:SHOWN],
        "launcher": target.launcher,
        "fate": result.fates.get((target.host, target.pid)),
    }


def _lines(lines: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"host": host, "text": text} for host, text in dict.fromkeys(lines)]
