"""Causes: what explains where all others are. With one of these nobody else is accused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from mlxdiag.hang.frames import SURE, share
from mlxdiag.hang.standing import Run, Standing, joins, meeting
from mlxdiag.hang.verdict import LOOK_AGAIN, Verdict
from mlxdiag.hang.words import (
    are,
    joined,
    lines_of,
    make,
    names,
    placed,
    verb,
)
from mlxdiag.readings import Gap

RESTING = 0.05
"""Share of a core that a process which waits in the kernel stays below."""

GPU_FULL = 95.0
"""A GPU that spins in a fence is busy all the time; one that works rests between steps."""


def _kernel(run: Run) -> Iterator[Verdict]:
    who = [s for s in run.standings if s.both("kernel") and _rests(s)]
    if not who:
        return
    sure = all(_in_verbs(s) for s in who)
    what = "in a call of verbs that no signal ends" if sure else "as a slow read of a disk may, too"
    said = f"{names(who)} {verb(who, 'wait')} in the kernel, {what}"
    others = [
        f"{host.host}: also pid {p.pid}: {p.arguments[:80]}"
        for host in run.seen.hosts
        for p in host.unkillable
        if p.pid not in {s.rank.found.pid for s in who}
    ]
    yield make(
        run,
        "kernel",
        who,
        joined(run, f"{said}; look at {placed(who)}"),
        f"{'' if sure else f'{LOOK_AGAIN}; where it is still there: '}start no verbs program on"
        " that host (they join the wait); only a restart of it helps",
        *others,
    )


def _rests(each: Standing) -> bool:
    """Whether it did nothing between the looks: who reads a disk is often in the kernel, too."""
    works = each.cpu is not None and each.cpu >= RESTING
    return not each.moved.said and not each.moved.took and not works


def _in_verbs(each: Standing) -> bool:
    """Whether stacks of both looks show a call of verbs into the kernel; polling is none."""
    natives = [None if isinstance(look, Gap) else look.native for look in each.rank.looks]
    return all(
        native is not None and not isinstance(native, Gap) and share(native, _VERBS) >= SURE
        for native in natives
    )


_VERBS = re.compile(r"\bibv_(?!poll_cq)|\bIOConnectCall")
"""Of librdma and libibverbs; on macOS each goes to the driver by IOConnectCall*."""


def _stopped(run: Run) -> Iterator[Verdict]:
    who = [s for s in run.standings if s.places[1].kind == "stopped"]
    if who:
        pids = " ".join(str(s.rank.found.pid) for s in who)
        said = f"{placed(who)} {are(who)} stopped (state T)"
        yield make(
            run,
            "rank-stopped",
            who,
            joined(run, said),
            f"let it go on (`kill -CONT {pids}` on its host), and find out who stopped it",
        )


def _gone(run: Run) -> Iterator[Verdict]:
    who = [s for s in run.standings if s.now.kind == "gone"]
    moves = any(s.moved.steps for s in run.standings)  # with the others elsewhere, or with none
    lost = () if moves and not run.alone else run.missing
    if run.seen.lost and lost and not who:
        return  # they may be on a host that did not answer
    if not who and not lost:
        return
    parts = []
    if who:
        parts.append(f"{placed(who)} {'have' if len(who) > 1 else 'has'} ended between the samples")
    if lost:
        label = f"rank{'s' if len(lost) > 1 else ''} {', '.join(map(str, lost))}"
        parts.append(
            f"{label} {'do' if len(lost) > 1 else 'does'} not run on any host that was asked"
        )
    spin = [s for s in run.standings if s.cpu is not None and s.cpu > 0.5 and s.now.kind != "gone"]
    spinning = f"{names(spin)} {verb(spin, 'spin')} for it" if spin else ""
    made = make(
        run,
        "rank-gone",
        who,
        joined(run, "; ".join(filter(None, ("; ".join(parts), spinning)))),
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
        yield make(
            run,
            "init-twice",
            again,
            joined(
                run,
                f"{placed(again)} {are(again)} inside init for a second"
                f" time{lines_of(again)}: the ranks were joined already",
            ),
            "call mx.distributed.init once, and pass its group on; a second one of another backend"
            " waits for ranks that do not come",
        )
        return
    if run.missing and not run.seen.lost:
        return  # who is missing is said already
    steps = tuple(f"{s.label}: {_STEPS.get(s.now.step, 'init')}" for s in inside)
    blamed = inside if past else ()
    yield make(
        run,
        "init-waits",
        blamed,
        joined(
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
    yield make(
        run,
        "fast-synch",
        who,
        joined(
            run,
            f"{placed(who)} {are(who)} wedged between GPU and CPU with MLX_METAL_FAST_SYNCH set",
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
    seen = any(place.kind == "fence" for place in each.places)  # a long prefill is an eval, too
    return each.both("fence") or (full and seen and each.both("fence", "eval"))


CAUSES: Sequence[Callable[[Run], Iterator[Verdict]]] = (
    _kernel,
    _stopped,
    _gone,
    _init,
    _fast_synch,
)
"""What explains where all others are: with one of these, nobody else is accused."""
