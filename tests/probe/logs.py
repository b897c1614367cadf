"""Logs of ranks as the controller hears them, made by hand: judge sees nothing else of a launch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from mlxdiag.backends import ring
from mlxdiag.inventory import Host
from mlxdiag.probe.judge import Probe, judge
from mlxdiag.probe.plan import Plan, Settings, Wire
from mlxdiag.probe.said import End, Event, GangRun, RankLog

PHASES = ("import", "init", "identity", "check", "measure")
HEALTHY = (1000, 2000, 3000, 4000, 5000)


def plan(count: int, backend: str = "ring", wires: Sequence[Wire] = (), **settings: Any) -> Plan:  # noqa: ANN401
    """Plan a launch on `count` hosts named mac0, mac1, ..., as ring would lay it."""
    hosts = [Host(f"mac{n}", f"10.0.0.{n + 1}") for n in range(count)]
    addresses = [[host.address] for host in hosts]
    chosen = Settings(**{"sizes": (4,), **settings})
    ranks = ring.ranks(hosts, addresses, 20000)
    return Plan(backend, backend.partition("-")[0], ranks, "abc", chosen, tuple(wires))


def mesh(count: int, cables: int = 1, gbps: float | None = 80.0) -> list[Wire]:
    """Lay cables between every two ranks."""
    pairs = combinations(range(count), 2)
    return [Wire(pair, ("a", "b"), speed_gbps=gbps) for pair in pairs for _ in range(cables)]


def log(rank: int, *events: Event, up_to: str = "measure", lost: str = "") -> RankLog:
    """Let a rank start, enter the phases up to one, a second each, and say these events then."""
    said: list[Event] = []
    if up_to != "nothing":
        said.append(spawned(rank))
    if up_to in PHASES:
        for at, phase in enumerate(PHASES[: PHASES.index(up_to) + 1], 1):
            said.append({"ev": "phase", "phase": phase, "deadline_s": 5.0, "at": float(at)})
    latest = said[-1]["at"] if said else 0.0
    said += [{"at": latest, **event} for event in events]
    return RankLog(rank, f"mac{rank}", said, lost=lost)


def spawned(rank: int, **more: object) -> Event:
    return {"ev": "spawn", "pid": 100 + rank, "supervisor": 200 + rank, "at": 0.5, **more}


def imported(version: str = "0.32.4") -> Event:
    return {"ev": "mlx", "version": version, "os": "macOS-26.3-arm64"}


def samples(ns: Sequence[int] = HEALTHY, size: int = 4) -> Event:
    return {"ev": "samples", "size": size, "ns": list(ns)}


def checked() -> Event:
    return {"ev": "checked", "elements": 9, "wrong": 0}


def done() -> tuple[Event, Event]:
    return {"ev": "done", "seq": 20}, ended(status=0)


def ended(
    *, status: int | None = None, signal: int | None = None, why: str = "exited", at: float = 9.0
) -> Event:
    return {"ev": "exit", "why": why, "status": status, "signal": signal, "at": at}


def failed(text: str, phase: str = "measure", kind: str = "exception", **more: object) -> Event:
    return {"ev": "fail", "kind": kind, "text": text, "phase": phase, "at": 8.0, **more}


def beat(begun: int, at: float) -> Event:
    return {"ev": "beat", "phase": "measure", "begun": begun, "at": at}


def healthy(rank: int, ns: Sequence[int] = HEALTHY, size: int = 4) -> RankLog:
    return log(rank, checked(), samples(ns, size), *done())


def swept(rank: int, us_of: Mapping[int, float], version: str = "0.32.4") -> RankLog:
    """Let a rank measure sizes, each with samples of these microseconds."""
    measured = [samples([int(1000 * us)] * 5, size) for size, us in us_of.items()]
    return log(rank, imported(version), checked(), *measured, *done())


def soaked(elapsed: float = 600.0, ops: int = 100, wrong: int = 0, **more: object) -> Event:
    counted = {"4": [ops - 10, 900_000], "1048576": [10, 7_000_000]}
    return {
        "ev": "soak", "seconds": elapsed, "ops": ops, "elements": 50 * ops, "wrong": wrong,
        "gaps": 4, "longest_gap_s": 61.0, "sizes": counted, **more,
    }  # fmt: skip


def ran(
    logs: Iterable[RankLog],
    end: End = "done",
    *,
    overdue: Sequence[int] = (),
    phase: str = "",
    left: Sequence[str] = (),
) -> GangRun:
    return GangRun(tuple(logs), end, 10.0, tuple(overdue), phase, tuple(left))


def pair(
    hosts: tuple[str, str],
    latency_us: float = 50.0,
    gb_per_s: float = 2.0,
    *,
    wires: Sequence[Wire] = (),
    fails: bool = False,
    **settings: Any,  # noqa: ANN401
) -> Probe:
    """Judge a launch of two ranks over one link; 4 B and 4 MiB."""
    sizes = (4, 4 << 20)
    ns = (round(latency_us * 1000), round(sizes[1] / gb_per_s))
    both = [samples([n] * 5, size) for n, size in zip(ns, sizes, strict=True)]
    logs = [log(n, checked(), *both, *done()) for n in range(2)]
    if fails:
        logs[1] = log(1, ended(signal=9))
    made = plan(2, sizes=sizes, **settings)
    named = tuple(
        replace(rank, host=replace(rank.host, name=name))
        for rank, name in zip(made.ranks, hosts, strict=True)
    )
    of_two = replace(made, ranks=named, part="pair", wires=tuple(wires))
    return judge(of_two, ran(logs, "failed" if fails else "done"))


def cable(one: int, other: int) -> Wire:
    """Name a cable by its receptacles."""
    ports = (f"receptacle {one} (en{one})", f"receptacle {other} (en{other})")
    return Wire((0, 1), ports, receptacles=(one, other))


def behind_and_not_measured() -> list[Probe]:
    """Judge four links of which the third is slow and the fourth failed."""
    names = [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")]
    return [
        pair(hosts, gb_per_s=0.5 if at == 2 else 2.0, fails=at == 3, wires=[cable(at + 1, at + 2)])
        for at, hosts in enumerate(names)
    ]
