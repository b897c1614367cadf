"""Latecomer: the rank that all others wait for, in every collective or for once long. Pure.

A rank's own times do not say that it is slow: who comes last waits for nobody, so its times are the
shortest of all. What gives it away is how long each rank is inside collectives.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median_low

from mlxdiag.probe.plan import Plan
from mlxdiag.probe.said import GangRun, RankLog, samples
from mlxdiag.probe.surroundings import one_machine, surroundings

MOSTLY = 0.6
"""Share of the time that ranks spend inside a collective while they wait for another."""

LONG_S = 3.0
"""Heartbeats over less time than this tell nothing."""

LATE_US = 1000.0
"""A rank that keeps the others waiting for less is not worth a word (provisional)."""


def accused(run: GangRun) -> tuple[int, str] | None:
    """Name who hardly waits while all others do little else, where a size did not come to an end.

    From the heartbeats of the size at hand; None where no rank stands out.
    """
    shares = {log.rank: _waiting(log) for log in run.logs}
    known = {rank: share for rank, share in shares.items() if share is not None}
    if len(known) < max(2, len(shares)):
        return None
    (own, late), (least, _), *_ = sorted((share, rank) for rank, share in known.items())
    if least < MOSTLY or own > least / 2:
        return None
    waits = f"it waits {own:.0%} of the time, the others {least:.0%} or more"
    return late, f"comes late to every collective: {waits}"


def _waiting(log: RankLog) -> float | None:
    """Give the share of its time that a rank was inside timed collectives; None if not known."""
    beats = [e for e in log.events if e["ev"] == "beat" and e["phase"] == "measure"]
    told = [(e["at"], e["waited_s"]) for e in beats if "waited_s" in e]
    spent = told[-1][0] - told[0][0] if told else 0.0
    return (told[-1][1] - told[0][1]) / spent if spent > LONG_S else None


def stood_still(run: GangRun) -> tuple[int, float] | None:
    """Name the rank that gave no heartbeat for some seconds, though all others did; how long.

    It was stopped and continued, its host slept or swapped, or nothing came through from there.
    """
    beats = {log.rank: [e["at"] for e in log.events if e["ev"] == "beat"] for log in run.logs}
    found: list[tuple[float, int]] = []
    for rank, ats in beats.items():
        for before, after in pairwise(ats):
            others = [_longest(at, before, after) for other, at in beats.items() if other != rank]
            if after - before > LONG_S and others and max(others) < (after - before) / 2:
                found.append((after - before, rank))
    if not found:
        return None
    seconds, rank = max(found)
    return rank, seconds


def _longest(ats: Sequence[float], start: float, end: float) -> float:
    """Longest time without a heartbeat between two moments."""
    inside = [start, *(at for at in ats if start < at < end), end]
    return max(after - before for before, after in pairwise(inside))


def pauses(plan: Plan, run: GangRun) -> tuple[str, ...]:
    """Say which rank stood still for a while in a launch that went well."""
    if (found := stood_still(run)) is None:
        return ()
    rank, seconds = found
    who = f"rank {rank} ({plan.ranks[rank].host.name})"
    return (f"{who} gave no heartbeat for {seconds:.0f} s while the others did: they waited",)


def notes(plan: Plan, run: GangRun) -> tuple[str, ...]:
    """Say whom the others waited for in a launch that went well, at the size where it shows most.

    Ranks that share too few cores wait for each other anyhow: of them nothing is said.
    """
    cores = min((host.cores or 0 for host in surroundings(run)), default=0)
    if one_machine(plan) and cores < len(plan.ranks):
        return ()
    found: list[tuple[float, str]] = []
    for size, timed in samples(run).items():
        ranked = sorted((median_low(ns) / 1000, rank, sorted(ns)) for rank, ns in timed)
        if len(ranked) < max(2, len(plan.ranks)):
            continue
        (own, late, its), (least, _, _), *_ = ranked
        if least >= 2 * own + LATE_US and _apart(its, [ns for _, _, ns in ranked[1:]]):
            who = f"rank {late} ({plan.ranks[late].host.name}) comes late to every collective"
            ms = f"{least / 1000:.3g} ms or more (p50 at {size} B), it {own / 1000:.2g} ms"
            found.append((least / own, f"{who}: the others wait {ms}"))
    return tuple(text for _, text in sorted(found)[-1:])


def _apart(its: Sequence[int], others: Sequence[Sequence[int]]) -> bool:
    """Whether nearly always: its longer times are below the others' shorter ones.

    On a busy host whoever happens to run waits for who does not, now the one and now the other.
    """
    return all(its[len(its) * 9 // 10] < ns[len(ns) // 10] for ns in others)
