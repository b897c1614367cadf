"""Real ranks on this machine: what is started here is marked, so that what stays can be seen."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlxdiag.backends import ring
from mlxdiag.inventory import Host
from mlxdiag.probe import choose, gang, launch
from mlxdiag.probe.judge import Probe, judge
from mlxdiag.probe.plan import Plan, Settings
from mlxdiag.probe.said import Event, RankLog
from mlxdiag.transport.local import LocalTransport
from tests.simhosts import Process, _environ, _processes

NO_RANKS = (
    "needs Linux's /proc"
    if sys.platform != "linux"
    else ""
    if find_spec("mlx") is not None
    else "mlx is not installed"
)
"""Why there can be no ranks on this machine; empty if there can."""

MARK = "MLXDIAG_TEST_RANKS"
DEADLINES = {
    "spawn": 12.0, "import": 12.0, "ready": 4.0, "init": 4.0, "identity": 4.0, "check": 8.0,
    "measure": 4.0,
}  # fmt: skip
HERE = Host("localhost", "127.0.0.1", python=sys.executable, connection="local")

OnEvent = Callable[[int, Event], None]


@dataclass
class World:
    """One test's processes: they, and theirs, have the mark in their environment."""

    token: str

    def left(self, within_s: float = 1.0) -> list[Process]:
        """Give what runs, once nothing does or the time is over."""
        mark, end = f"{MARK}={self.token}".encode(), time.monotonic() + within_s
        while True:
            found = [p for p in _processes() if mark in _environ(p.pid)]
            if not found or time.monotonic() > end:
                return found
            time.sleep(0.05)

    def clean(self) -> None:
        """End what a failed test left."""
        for process in self.left(0.0):
            os.kill(process.pid, signal.SIGKILL)


def plan_of(count: int, host: Host = HERE, **settings: Any) -> Plan:  # noqa: ANN401
    """Plan a short launch on loopback."""
    chosen = Settings(**{"sizes": (4,), "iterations": 5, "warmup": 1, "check": False, **settings})
    made = choose.on_machine(ring.BACKEND, count, host, launch.port(count), launch.nonce(), chosen)
    assert isinstance(made, Plan)
    return replace(made, deadlines_s=dict(DEADLINES), lease_s=6.0)


def long_plan(count: int, size: int = 4) -> Plan:
    """Plan a launch that is in its one measurement until somebody ends it."""
    return plan_of(count, sizes=(size,), iterations=10_000_000 // max(1, size >> 12))


def with_python(plan: Plan, rank: int, python: str) -> Plan:
    """Give one rank another interpreter."""
    ranks = [
        replace(r, host=replace(r.host, python=python)) if r.rank == rank else r for r in plan.ranks
    ]
    return replace(plan, ranks=tuple(ranks))


def hostfile(plan: Plan) -> list[list[str]]:
    listing: list[list[str]] = json.loads(plan.ranks[0].files["MLX_HOSTFILE"])
    return listing


def launched(
    plan: Plan, on_event: OnEvent = lambda _rank, _event: None, *, stop: asyncio.Event | None = None
) -> Probe:
    """Run the gang as `mlxdiag probe --local` does, and judge it."""
    transport = LocalTransport()

    async def run() -> Probe:
        going = gang.run(plan, lambda _host: transport, stop=stop, on_event=on_event)
        return judge(plan, await asyncio.wait_for(going, 60))

    return asyncio.run(run())


def at(rank: int, moment: str, act: Callable[[int], None]) -> OnEvent:
    """Act once on a rank's pid: as it says `spawn`, enters a phase, or beats (`beat`)."""
    pids: dict[int, int] = {}
    acted: list[int] = []

    def on_event(who: int, event: Event) -> None:
        if event["ev"] == "spawn":
            pids[who] = event["pid"]
        said = event["phase"] if event["ev"] == "phase" else event["ev"]
        beats = said == "beat" and event["phase"] != "measure"
        if who == rank and said == moment and not acted and not beats:
            acted.append(who)
            act(pids[who])

    return on_event


def send(number: int) -> Callable[[int], None]:
    return lambda pid: os.kill(pid, number)


def patched(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the kernel with other lines in it; `ME` in them is the rank's number."""
    text = gang.KERNEL.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new.replace("ME", 'job["rank"]'))
    path = folder / "kernel.py"
    path.write_text(text, encoding="utf-8")
    return path


def wrapper(folder: Path, *lines: str) -> str:
    """Write an interpreter that does something before it is python."""
    path = folder / "python"
    path.write_text("\n".join(["#!/bin/sh", *lines, f'exec {sys.executable} "$@"', ""]))
    path.chmod(0o755)
    return str(path)


def exits(logs: Sequence[RankLog]) -> list[tuple[str, int | None, int | None]]:
    """Say of every rank why it ended, its status and its signal."""
    found = [log.last("exit") or {} for log in logs]
    return [(e.get("why", ""), e.get("status"), e.get("signal")) for e in found]
