"""Patterns: the known ways in which a run hangs, each a function of the run; no clock, no host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from mlxdiag.hang.moved import size
from mlxdiag.hang.seen import Memory
from mlxdiag.hang.standing import Run, Standing, joins, meeting
from mlxdiag.hang.verdict import Kind, Verdict
from mlxdiag.hostlist import fold
from mlxdiag.readings import Gap

SWAP_BYTES_PER_S = 16 << 20
"""A Mac that only tidies up swaps less; one that swaps its model in and out, a lot more."""

GPU_FULL = 95.0
"""A GPU that spins in a fence is busy all the time; one that works rests between steps."""


def recognised(run: Run) -> tuple[Verdict, ...]:
    """List what is recognised, the cause before what follows from it."""
    found = [verdict for pattern in CAUSES for verdict in pattern(run)]
    if not found:
        found = [verdict for pattern in FROM_PLACES for verdict in pattern(run)]
    swaps = _swap(run, {host for verdict in found for host in verdict.hosts})
    return (*swaps, *found)


def waiting(run: Run) -> str:
    """Say who waits in which collective; empty if nobody does."""
    groups: dict[str, list[Standing]] = {}
    for each in run.standings:
        if each.waits:
            groups.setdefault(_inside(each), []).append(each)
    return "; ".join(f"{names(who)} {verb(who, 'wait')} {where}" for where, who in groups.items())


def names(standings: Sequence[Standing]) -> str:
    """Name ranks: `ranks 0, 1, 3`, `rank 2`; those without a number by their process."""
    numbers = [s.rank.found.number for s in standings]
    told = [str(number) for number in numbers if number is not None]
    plain = [s.label for s in standings if s.rank.found.number is None]
    ranks = [f"rank{'s' if len(told) > 1 else ''} {', '.join(told)}"] if told else []
    return ", ".join([*ranks, *plain])


def verb(who: Sequence[object], plural: str) -> str:
    """Bend a verb to one or many."""
    return plural if len(who) != 1 else f"{plural}s"


def are(who: Sequence[object]) -> str:
    """Say `is` of one, `are` of many."""
    return "are" if len(who) > 1 else "is"


def _inside(each: Standing) -> str:
    found = each.now.collective
    if found is not None:
        return f"in {found.op} ({found.backend})"
    return f"in mx.eval at {_at(each)}" if each.now.line else "in mx.eval"


def _at(each: Standing) -> str:
    """Write the line as people do: `server.py:412`."""
    line = each.now.line
    if line is None:
        return "an unknown line"
    return f"{line.file}:{line.line}" if line.line is not None else line.file


def _since(run: Run) -> str:
    return f"since the first sample, {run.seconds:.0f} s before" if run.seconds else "at one look"


def _joined(run: Run, said: str) -> str:
    return "; ".join(filter(None, (waiting(run), said)))


def _make(
    run: Run, kind: Kind, who: Iterable[Standing], text: str, todo: str, *evidence: str
) -> Verdict:
    blamed = tuple(who)
    told = [f"{s.who}: {s.places[0].text}; then {s.places[1].text}" for s in run.standings]
    return Verdict(
        kind,
        text,
        tuple(s.label for s in blamed),
        tuple(dict.fromkeys(s.rank.found.host for s in blamed)),
        (*filter(None, evidence), *told),
        todo,
    )


def _kernel(run: Run) -> Iterator[Verdict]:
    who = [s for s in run.standings if s.both("kernel")]
    if not who:
        return
    said = f"{names(who)} {verb(who, 'wait')} in the kernel, in a call that no signal ends"
    others = [
        f"{host.host}: also pid {p.pid}: {p.arguments[:80]}"
        for host in run.seen.hosts
        for p in host.unkillable
        if p.pid not in {s.rank.found.pid for s in who}
    ]
    yield _make(
        run,
        "kernel",
        who,
        _joined(run, f"{said}; look at {_places(who)}"),
        "start no verbs program on that host (they join the wait); only a restart of it helps",
        *others,
    )


def _stopped(run: Run) -> Iterator[Verdict]:
    who = [s for s in run.standings if s.now.kind == "stopped"]
    if who:
        pids = " ".join(str(s.rank.found.pid) for s in who)
        said = f"{_places(who)} {are(who)} stopped (state T)"
        yield _make(
            run,
            "rank-stopped",
            who,
            _joined(run, said),
            f"let it go on (`kill -CONT {pids}` on its host), and find out who stopped it",
        )


def _gone(run: Run) -> Iterator[Verdict]:
    who = [s for s in run.standings if s.now.kind == "gone"]
    lost = run.missing
    if run.seen.lost and lost and not who:
        return  # they may be on a host that did not answer
    if not who and not lost:
        return
    parts = []
    if who:
        parts.append(
            f"{_places(who)} {'have' if len(who) > 1 else 'has'} ended between the samples"
        )
    if lost:
        label = f"rank{'s' if len(lost) > 1 else ''} {', '.join(map(str, lost))}"
        parts.append(f"{label} {'do' if len(lost) > 1 else 'does'} not run on any host")
    spin = [s for s in run.standings if s.cpu is not None and s.cpu > 0.5 and s.now.kind != "gone"]
    spinning = f"{names(spin)} {verb(spin, 'spin')} for it" if spin else ""
    made = _make(
        run,
        "rank-gone",
        who,
        _joined(run, "; ".join(filter(None, ("; ".join(parts), spinning)))),
        "read the end of that rank's log for why it ended; then stop the others and start anew:"
        " they cannot go on",
        f"MLX's file counts {run.size} ranks" if run.size else "",
    )
    yield replace(made, ranks=(*made.ranks, *(f"rank {number}" for number in lost)))


def _init(run: Run) -> Iterator[Verdict]:
    inside = [s for s in run.standings if s.both("init")]
    if not inside:
        return
    past = [s for s in run.standings if s not in inside and s.now.kind not in ("gone", "stopped")]
    again = [s for s in inside if _has_met(run, s)]
    if past and again:
        yield _make(
            run,
            "init-twice",
            again,
            _joined(
                run,
                f"{_places(again)} {are(again)} inside init for a second"
                f" time{_line_of(again)}: the ranks were joined already",
            ),
            "call mx.distributed.init once, and pass its group on; a second one of another backend"
            " waits for ranks that do not come",
        )
        return
    if run.missing and not run.seen.lost:
        return  # who is missing is said already
    steps = tuple(f"{s.label}: {_STEPS.get(s.now.step, 'init')}" for s in inside)
    blamed = inside if past else ()
    yield _make(
        run,
        "init-waits",
        blamed,
        _joined(
            run,
            f"{names(inside)} {are(inside)} inside init and {verb(inside, 'wait')} for others",
        ),
        "compare MLX_RANK, the hostfile and the versions of mlx on every host; start all ranks"
        " within 7 s of each other; `mlxdiag hostfile check`",
        *steps,
    )


_STEPS = {
    "accept": "waits for the rank before it to connect",
    "connect": "the rank after it does not listen",
    "side channel": "waits in jaccl's exchange over TCP",
}


def _has_met(run: Run, each: Standing) -> bool:
    look, ports = each.rank.looks[1], meeting(run.seen)
    if isinstance(look, Gap):
        return False
    return any(s.state == "ESTABLISHED" and joins(s, ports) for s in look.sockets)


def _out_of_step(run: Run) -> Iterator[Verdict]:
    """Find ranks in one collective while others are in another, in both looks.

    Over ring the wrong data may keep them moving. Then only a rank counts that stays at one line
    that no other rank was seen at: in a run that works, all pass there within a step.
    """
    moves = any(s.moved.steps for s in run.standings)
    inside = [s for s in run.standings if _stays_in(s) and (not moves or _alone_at(run, s))]
    families: dict[tuple[str, str], list[Standing]] = {}
    for each in run.standings:
        found = each.now.collective
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
    lines = ", ".join(f"{s.label} at {_at(s)}" for s in run.standings if s.now.line)
    yield _make(
        run,
        "out-of-step",
        blamed,
        f"{each_in}; they are out of step: {_places(blamed)} {are(blamed)} the {many} to look at"
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
        if each.now.collective is not None:
            key = f"{each.now.collective.op} ({each.now.collective.backend})"
            found.setdefault(key, []).append(each)
    return found


def _fast_synch(run: Run) -> Iterator[Verdict]:
    if not any(_fast(s) for s in run.standings):
        return
    who = [s for s in run.standings if _fast(s) and not s.moved.steps and _wedged(run, s)]
    if not who:
        return
    full = [
        f"{name}: GPU busy {run.host(name).gpu[1]:.0f} %"
        for name in dict.fromkeys(s.rank.found.host for s in who)
        if run.host(name).gpu[1] is not None
    ]
    yield _make(
        run,
        "fast-synch",
        who,
        _joined(
            run,
            f"{_places(who)} {are(who)} wedged between GPU and CPU with MLX_METAL_FAST_SYNCH set",
        ),
        "start without MLX_METAL_FAST_SYNCH; a GPU that stays at 100 % without a process needs a"
        " restart of its Mac",
        *full,
    )


def _fast(each: Standing) -> bool:
    return each.rank.found.variables.get("MLX_METAL_FAST_SYNCH", "0").strip() not in ("", "0")


def _wedged(run: Run, each: Standing) -> bool:
    gpu = run.host(each.rank.found.host).gpu
    full = all(percent is not None and percent >= GPU_FULL for percent in gpu)
    return each.both("fence") or (full and each.both("fence", "eval"))


def _behind(run: Run) -> Iterator[Verdict]:
    """Find who is elsewhere while the others stand in a collective."""
    waits = [s for s in run.standings if s.waits]
    others = [s for s in run.standings if not s.waits and s.now.kind in _ELSEWHERE]
    if not waits or not others or any(s.moved.steps for s in run.standings) or idle(run):
        return
    for kind, places, todo in _REASONS:
        who = [s for s in others if s.now.kind in places]
        if who:
            yield _make(run, kind, who, _elsewhere(run, who), todo, *_progress(who))


_ELSEWHERE = ("load", "eval", "fence", "message", "request", "python")
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
    ("behind", ("eval", "fence", "python"), "look at that line: the others wait until it is done"),
)


def idle(run: Run) -> bool:
    """Whether all wait for a request that did not come: nobody is connected to who serves."""
    serving = [s for s in run.standings if s.both("request")]
    resting = all(s.waits or s.both("request", "message") for s in run.standings)
    return resting and bool(serving) and not any(clients(run, s) for s in serving)


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
        f"{s.who} is not in a collective: it is {_doing(s)}{' at ' + _at(s) if s.now.line else ''}"
        for s in who
    )
    many = "are the ones" if len(who) > 1 else "is the one"
    slow = "; it moves between the samples, so it may come" if _progress(who) else ""
    return f"{_joined(run, each)} {_since(run)}; {names(who)} {many} to look at{slow}"


def _doing(each: Standing) -> str:
    return {
        "load": "loading weights",
        "eval": "in mx.eval",
        "fence": "in the hand-over between GPU and CPU",
        "message": "waiting for a message that is no collective",
        "request": "waiting for a request",
        "python": "asleep in Python" if each.now.active is False else "busy in Python",
    }[each.now.kind]


def _progress(who: Sequence[Standing]) -> list[str]:
    return [f"{s.label}: {text}" for s in who for text in s.moved.own]


def _stalled(run: Run) -> Iterator[Verdict]:
    """All stand in the same collective: what should arrive does not."""
    if not run.standings or not all(s.waits for s in run.standings) or run.missing:
        return
    if len({_inside(s) for s in run.standings}) > 1 and any(
        s.now.collective is None for s in run.standings
    ):
        return
    if any(s.now.collective is None for s in run.standings) and not _silent(run):
        return
    families = {s.now.collective.family for s in run.standings if s.now.collective}
    if len(families) > 1:
        return
    gone = f"; no rank was found on {fold(_empty(run))}" if _empty(run) else ""
    yield _make(
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


def _swap(run: Run, blamed: set[str]) -> tuple[Verdict, ...]:
    """A host that swaps explains why its rank is behind."""
    found = []
    for name in blamed:
        rate = swap_rate(run.host(name).memory)
        if rate is not None and rate >= SWAP_BYTES_PER_S:
            who = [s for s in run.standings if s.rank.found.host == name]
            found.append(
                _make(
                    run,
                    "swap",
                    who,
                    f"{name} swaps {size(rate)}/s, which is where {names(who)} spends its time",
                    "free memory on that host, or give its rank a smaller part of the model",
                )
            )
    return tuple(found)


def swap_rate(memory: tuple[Memory | None, Memory | None]) -> float | None:
    """Give the bytes per second that a host swapped between the looks, in and out."""
    first, second = memory
    if first is None or second is None or first.swapped is None or second.swapped is None:
        return None
    seconds = second.at_s - first.at_s
    return (second.swapped - first.swapped) / seconds if seconds > 0 else None


def _places(who: Sequence[Standing]) -> str:
    return ", ".join(s.who for s in who)


def _line_of(who: Sequence[Standing]) -> str:
    lines = [_at(s) for s in who if s.now.line]
    return f" at {', '.join(lines)}" if lines else ""


CAUSES: Sequence[Callable[[Run], Iterator[Verdict]]] = (
    _kernel,
    _stopped,
    _gone,
    _init,
    _fast_synch,
)
"""What explains where all others are: with one of these, nobody else is accused."""

FROM_PLACES: Sequence[Callable[[Run], Iterator[Verdict]]] = (_out_of_step, _behind, _stalled)
