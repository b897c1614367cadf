"""Record: a judged launch on disk, so that it can be judged again: plan.json and rank<k>.jsonl."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mlxdiag.errors import RecordingError
from mlxdiag.inventory import Host
from mlxdiag.probe.plan import Plan, RankPlan, Settings, Wire
from mlxdiag.probe.said import LAUNCHER, GangRun, RankLog

LAUNCHED = "launcher.jsonl"


def to_files(plan: Plan, run: GangRun) -> dict[str, bytes]:
    """Write a launch as files by name; events one a line, as they came."""
    head = {
        "plan": asdict(plan),
        "run": {
            "end": run.end,
            "seconds": run.seconds,
            "overdue": run.overdue,
            "phase": run.phase,
            "left": run.left,
            "away_s": run.away_s,
        },
        "ranks": [_head(log) for log in run.logs],
        "launcher": run.launcher and _head(run.launcher),
    }
    text = json.dumps(head, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    files = {"plan.json": text.encode()}
    for log in run.logs:
        files[f"rank{log.rank}.jsonl"] = _lines(log)
    if run.launcher:
        files[LAUNCHED] = _lines(run.launcher)
    return files


def from_files(files: Mapping[str, bytes], source: str) -> tuple[Plan, GangRun]:
    """Read them again; raise RecordingError where they are not what was written."""
    try:
        head = json.loads(files["plan.json"])
        plan = _plan(head["plan"])
        logs = tuple(
            _log(rank, said, files[f"rank{rank}.jsonl"]) for rank, said in enumerate(head["ranks"])
        )
        launcher = head.get("launcher")
        run = head["run"]
        ended = GangRun(
            logs,
            run["end"],
            run["seconds"],
            tuple(run["overdue"]),
            run["phase"],
            tuple(run["left"]),
            _log(LAUNCHER, launcher, files[LAUNCHED]) if launcher else None,
            float(run.get("away_s", 0.0)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordingError(f"{source}: not a recorded probe: {error!r}") from error
    return plan, ended


def _plan(said: dict[str, Any]) -> Plan:
    settings = dict(said["settings"], sizes=tuple(said["settings"]["sizes"]))
    ranks = tuple(
        RankPlan(rank["rank"], Host(**rank["host"]), rank["env"], rank["files"])
        for rank in said["ranks"]
    )
    wires = tuple(
        Wire(
            tuple(w["ranks"]),
            tuple(w["ports"]),
            tuple(w["devices"]),
            w["speed_gbps"],
            tuple(w.get("receptacles", (0, 0))),
        )
        for w in said["wires"]
    )
    launcher = {major: tuple(words) for major, words in said.get("launcher", {}).items()}
    rounds = tuple(tuple((a, b) for a, b in pairs) for pairs in said.get("rounds", ()))
    parts = {
        "ranks": ranks,
        "wires": wires,
        "settings": Settings(**settings),
        "launcher": launcher,
        "rounds": rounds,
    }
    tuples = {key: tuple(said.get(key, ())) for key in ("notes", "pair_sizes")}
    return Plan(**{**said, **parts, **tuples})


def _head(log: RankLog) -> dict[str, Any]:
    return {"host": log.host, "noise": log.noise, "lost": log.lost}


def _lines(log: RankLog) -> bytes:
    return "".join(json.dumps(event, sort_keys=True) + "\n" for event in log.events).encode()


def _log(rank: int, said: dict[str, Any], events: bytes) -> RankLog:
    lines = [json.loads(line) for line in events.splitlines()]
    return RankLog(rank, said["host"], lines, said["noise"], said["lost"])
