"""Complete: what every rank has to have said before a launch that ended well has a result. Pure.

A rank may be patched, cut short or mad: what it does not say is never taken for a pass.
"""

from __future__ import annotations

from mlxdiag.probe.plan import ELEMENT_BYTES, Plan
from mlxdiag.probe.said import GangRun, RankLog, samples


def lacking(plan: Plan, run: GangRun) -> tuple[tuple[int, ...], str] | None:
    """Name the ranks whose results are not whole, and what the first of them lacks."""
    found = [(log.rank, text) for log in run.logs if (text := _lacks(plan, log))]
    if found:
        return tuple(rank for rank, text in found if text == found[0][1]), found[0][1]
    return None if plan.settings.soak_s is not None else _untimed(plan, run)


def _lacks(plan: Plan, log: RankLog) -> str:
    if log.last("done") is None:
        return "ended without a result"
    if plan.settings.check and log.last("checked") is None:
        return "was done without having checked anything"
    if plan.settings.soak_s is not None and log.last("soak") is None:
        return "was done without a soak"
    return ""


def _untimed(plan: Plan, run: GangRun) -> tuple[tuple[int, ...], str] | None:
    """Every size on every rank, as often as on the others, each in some time."""
    element = ELEMENT_BYTES[plan.settings.dtype]
    timed = samples(run)
    for wanted in plan.settings.sizes:
        size = max(1, wanted // element) * element
        counts = dict.fromkeys((log.rank for log in run.logs), 0)
        counts |= {rank: len(ns) for rank, ns in timed.get(size, ())}
        most = max(counts.values())
        if fewer := tuple(rank for rank, count in counts.items() if count < most or not count):
            least = min(counts[rank] for rank in fewer)
            return fewer, f"timed {least} collectives of {size} B, where {most or 'some'} are due"
        backwards = tuple(rank for rank, ns in timed[size] if min(ns) <= 0)
        if backwards:
            return backwards, f"timed a collective of {size} B at no time: its clock does not run"
    return None
