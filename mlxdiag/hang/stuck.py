"""Stuck: who holds the others up, read off the places of all ranks beside each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from mlxdiag.hang.frames import Collective
from mlxdiag.hang.standing import Run, Standing, meeting
from mlxdiag.hang.verdict import Kind, Verdict
from mlxdiag.hang.words import (
    are,
    inside,
    joined,
    line_at,
    make,
    names,
    placed,
    since,
    verb,
    waiting,
)
from mlxdiag.hostlist import fold
from mlxdiag.readings import Gap


def _out_of_step(run: Run) -> Iterator[Verdict]:
    """Find ranks in one collective while others are in another, in both looks.

    Over ring the wrong data may keep them moving. Then only a rank counts that stays at one line
    that no other rank was seen at: in a run that works, all pass there within a step.
    """
    moves = any(s.moved.steps for s in run.standings)
    inside = [s for s in run.standings if _stays_in(s) and (not moves or _alone_at(run, s))]
    families: dict[tuple[str, str], list[Standing]] = {}
    for each in run.standings:
        found = _collective(each)
        if found is not None and (each in inside or moves):
            families.setdefault((found.family, found.backend.split()[0]), []).append(each)
    if len(families) < 2:
        return
    most = max(len(who) for who in families.values())
    fewer = [s for who in families.values() if len(who) < most for s in who]
    blamed = [s for s in fewer or inside if s in inside]
    if not blamed:
        return
    each_in = "; ".join(
        f"{names(who)} {verb(who, 'wait')} in {op}"
        for op, who in _by_collective(families.values()).items()
    )
    many = "ones" if len(blamed) > 1 else "one"
    lines = ", ".join(f"{s.label} at {line_at(s)}" for s in run.standings if s.now.line)
    yield make(
        run,
        "out-of-step",
        blamed,
        f"{each_in}; they are out of step: {placed(blamed)} {are(blamed)} the {many} to look at"
        + (f" ({lines})" if lines else ""),
        "every rank must call the same collectives in the same order: look for a branch on the"
        " rank, an exception that was caught, or a request that one rank did not get",
    )


def _stays_in(each: Standing) -> bool:
    """Whether both looks found it in the same collective, at the same line."""
    was, now = each.places
    same = was.collective is not None and was.collective == now.collective
    return same and was.line == now.line


def _alone_at(run: Run, each: Standing) -> bool:
    """Whether no other rank was seen in its collective or at its line."""
    own = each.now
    others = [p for s in run.standings if s is not each for p in s.places]
    families = {p.collective.family for p in others if p.collective}
    elsewhere = all(p.line is not None and p.line != own.line for p in others)
    return own.collective is not None and own.collective.family not in families and elsewhere


def _by_collective(groups: Iterable[list[Standing]]) -> dict[str, list[Standing]]:
    found: dict[str, list[Standing]] = {}
    for each in (s for who in groups for s in who):
        if (its := _collective(each)) is not None:
            found.setdefault(f"{its.op} ({its.backend})", []).append(each)
    return found


def _collective(each: Standing) -> Collective | None:
    """Give the collective that a rank is in, or was in at the first look."""
    return each.now.collective or each.places[0].collective


def _behind(run: Run) -> Iterator[Verdict]:
    """Find who is elsewhere while the others stand in a collective."""
    waits = [s for s in run.standings if s.waits]
    others = [s for s in run.standings if not s.waits and s.seen_twice and s.now.kind in _ELSEWHERE]
    if not waits or not others or any(s.moved.steps for s in run.standings) or idle(run):
        return
    for kind, places, todo in _REASONS:
        who = [s for s in others if s.now.kind in places]
        if who:
            yield make(run, kind, who, _elsewhere(run, who), todo, *_progress(who))


_ELSEWHERE = ("load", "eval", "fence", "message", "request", "python", "kernel")


_REASONS: tuple[tuple[Kind, tuple[str, ...], str], ...] = (
    (
        "loading",
        ("load",),
        "wait, or load less at once: evaluate weights layer by layer, and have every rank finish"
        " before the first collective",
    ),
    (
        "control",
        ("message", "request"),
        "find out who should have sent that message: the others are past it",
    ),
    (
        "behind",
        ("eval", "fence", "python", "kernel"),
        "look at that line: the others wait until it is done",
    ),
)


def idle(run: Run) -> bool:
    """Whether all wait for a request that did not come: nobody is connected to who serves."""
    serving = [s for s in run.standings if s.both("request")]
    resting = all(s.waits or s.both("request", "message") for s in run.standings)
    heard = all(_listens(s) for s in serving)  # else nobody knows who is connected
    return resting and bool(serving) and heard and not any(clients(run, s) for s in serving)


def _listens(each: Standing) -> bool:
    look = each.rank.looks[1]
    return not isinstance(look, Gap) and any(s.state == "LISTEN" for s in look.sockets)


def clients(run: Run, each: Standing) -> tuple[str, ...]:
    """List who is connected to a port that a rank listens at, beside the other ranks."""
    look = each.rank.looks[1]
    if isinstance(look, Gap):
        return ()
    meets = meeting(run.seen)
    listens = {s.port for s in look.sockets if s.state == "LISTEN" and s.port not in meets}
    return tuple(s.remote for s in look.sockets if s.state == "ESTABLISHED" and s.port in listens)


def _elsewhere(run: Run, who: Sequence[Standing]) -> str:
    each = "; ".join(
        f"{s.who} is not in a collective: it is {_doing(s)}"
        + (f" at {line_at(s)}" if s.now.line else "")
        for s in who
    )
    many = "are the ones" if len(who) > 1 else "is the one"
    slow = "; it moves between the samples, so it may come" if _progress(who) else ""
    return f"{joined(run, each)} {since(run)}; {names(who)} {many} to look at{slow}"


def _doing(each: Standing) -> str:
    return {
        "load": "loading weights",
        "eval": "in mx.eval",
        "fence": "in the hand-over between GPU and CPU",
        "message": "waiting for a message that is no collective",
        "request": "waiting for a request",
        "kernel": "in a call of the kernel, between which it works",
        "python": "asleep in Python" if each.now.active is False else "busy in Python",
    }[each.now.kind]


def _progress(who: Sequence[Standing]) -> list[str]:
    return [f"{s.label}: {text}" for s in who for text in s.moved.own]


def _stalled(run: Run) -> Iterator[Verdict]:
    """All stand in the same collective: what should arrive does not."""
    if not run.standings or not all(s.waits for s in run.standings):
        return
    if run.seen.lost or not run.whole:
        return  # the others may wait for a rank that nobody looked at
    if len({inside(s) for s in run.standings}) > 1 and any(
        s.now.collective is None for s in run.standings
    ):
        return
    if any(s.now.collective is None for s in run.standings) and not _silent(run):
        return
    families = {s.now.collective.family for s in run.standings if s.now.collective}
    if len(families) > 1:
        return
    gone = f"; no rank was found on {fold(_empty(run))}" if _empty(run) else ""
    yield make(
        run,
        "stalled",
        (),
        f"all {len(run.standings)} ranks wait in the same place ({waiting(run)}) and nothing"
        f" moves in {run.seconds or 0:.0f} s: what one sent does not arrive{gone}",
        "look at the cables and ports first (`mlxdiag ports`), then for a rank that ended without"
        " the others noticing; with jaccl a lost packet is never sent again",
    )


def _silent(run: Run) -> bool:
    """Whether it is known that no byte passed: mx.eval may be no collective at all."""
    return all(s.moved.compared for s in run.standings) and any(
        s.rank.file is not None for s in run.standings
    )


def _empty(run: Run) -> list[str]:
    there = {s.rank.found.host for s in run.standings}
    lost = {host.host for host in run.seen.lost}
    return [h.host for h in run.seen.hosts if h.host not in there | lost]


FROM_PLACES: Sequence[Callable[[Run], Iterator[Verdict]]] = (_out_of_step, _behind, _stalled)
