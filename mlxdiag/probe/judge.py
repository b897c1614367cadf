"""Judge: what the ranks said -> who is to blame, what was measured. Pure, so a recording re-judges.

Rules of blame, the strongest first (seen with real ranks of ring on Linux; jaccl is quoted):
a rank that reports a wrong sum names the guilty, one that meets a stranger the stranger's place; a
rank whose process ended before it spoke; a rank ended by a signal or by an error of its own
(`connection to a peer was lost`, `Recv failed` are echoes of another); a rank that does not answer
when it is told to end; at a deadline, a rank that is stopped, or in an earlier phase; a rank
without a heartbeat while others have one is frozen; among ranks that go on the one that comes late;
else the one that has come to the fewest collectives did not arrive; all at the same one means the
data between them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlxdiag.backends import BACKENDS
from mlxdiag.backends.backend import Word
from mlxdiag.probe import complete, latecomer, linkrate
from mlxdiag.probe.errnos import named
from mlxdiag.probe.linkrate import Case, Rate
from mlxdiag.probe.plan import ELEMENT_BYTES, Plan
from mlxdiag.probe.said import Event, GangRun, RankLog, samples
from mlxdiag.probe.surroundings import RankHost, notes, one_machine, surroundings

OWN_ENDS = ("exited", "signalled")
"""Reasons of an `exit` that are not ours: the rank's own end, or a signal to its supervisor."""

ALARM = 14
"""A rank's own alarm: it was late, which says nothing about whose fault that is."""

LISTEN_S = 7.0
"""When the last try to connect to jaccl's rank 0 is made, counted from the rank's own init."""

STILL_S = 10.0
"""Without a heartbeat for so long in between, a rank has cost the others their deadline."""

SILENT_S = 3.0
"""Without a heartbeat for so long, while others have one: frozen, or its host is gone."""


@dataclass(frozen=True)
class Blame:
    """Which ranks are the cause (empty: nobody in particular), what they did, on what evidence."""

    ranks: tuple[int, ...]
    text: str
    evidence: str = ""


@dataclass(frozen=True)
class Row:
    """One size. Times in microseconds over all samples of the slowest rank (by its median).

    `algbw_gb_per_s` and `busbw_gb_per_s` are 1e9 bytes per second (nccl-tests' definitions).
    `wrong` is a count, or None where nothing was checked.
    """

    size: int
    samples: int
    min_us: float
    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float
    algbw_gb_per_s: float
    busbw_gb_per_s: float
    wrong: int | None
    slowest: int
    link: Rate


@dataclass(frozen=True)
class SoakSize:
    """One size of a soak: collectives that every rank compared, the longest, and whose it was."""

    size: int
    ops: int
    worst_us: float
    slowest: int


@dataclass(frozen=True)
class Soak:
    """What a soak has done, also one that was ended early. Seconds; `ops` are those of all ranks.

    `elements` and `wrong` are summed over ranks, of which each compares its own results. `gaps`
    counts pauses, of which `longest_gap_s` is the longest.
    """

    wanted_s: float
    seconds: float
    ops: int
    elements: int
    wrong: int
    gaps: int
    longest_gap_s: float
    sizes: tuple[SoakSize, ...]


@dataclass(frozen=True)
class Probe:
    """One launch, judged. `rows` is empty unless every rank went all the way.

    `hosts` is in rank order; `soak` is what a soak has done, also where somebody is to blame;
    `late` says which rank all others wait for.
    """

    plan: Plan
    run: GangRun
    blame: Blame | None
    rows: tuple[Row, ...]
    hosts: tuple[RankHost, ...] = ()
    soak: Soak | None = None
    late: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the collectives ran, on every rank, and their results were right."""
        return self.blame is None and self.run.end == "done"

    @property
    def notes(self) -> tuple[str, ...]:
        """What limits the meaning of the numbers."""
        return (*notes(self.plan, self.hosts), *self.late)


def judge(plan: Plan, run: GangRun) -> Probe:
    """Blame first; only a run that nobody spoilt has numbers."""
    if _away(plan, run):
        run = replace(run, end="interrupted")
    blame = _blame(plan, run)
    rows = () if blame else _rows(plan, run)
    late = () if blame else (*latecomer.notes(plan, run), *latecomer.pauses(plan, run))
    return Probe(plan, run, blame, rows, surroundings(run), _soak(plan, run), late)


def _blame(plan: Plan, run: GangRun) -> Blame | None:
    for look in (_wrong, _stranger):
        if (found := look(run)) is not None:
            return found
    if run.end == "interrupted":
        away = f"interrupted: mlxdiag itself did not run for {run.away_s:.0f} s"
        return Blame((), away if _away(plan, run) else "interrupted")
    accuse = BACKENDS[plan.backend].accuse
    if accuse is not None and (told := accuse(plan, run)) is not None:
        return Blame(*told)
    if run.end == "deadline":
        return _at_deadline(plan, run)
    if run.end == "done":
        lacks = complete.lacking(plan, run)
        return Blame(*lacks) if lacks else None
    return _first_failure(plan, run)


def _away(plan: Plan, run: GangRun) -> bool:
    """Whether ranks ended because we were stopped or asleep: that says nothing about the hosts."""
    leases = [log for log in run.logs if (log.last("exit") or {}).get("why") == "lease"]
    return bool(run.away_s and leases) and not any(_own_error(plan, log) for log in run.logs)


def _wrong(run: GangRun) -> Blame | None:
    """Wrong data: the ranks whose bits were wrong, as every rank that saw it agrees.

    A sum or a gather is the same for all. Where some found it right, what was given was right: then
    those are named who got it wrong. A block that is wrong for all but its own rank is that one's.
    """
    failed = {log.rank: log.last("fail") or {} for log in run.logs}
    seen = {rank: event for rank, event in failed.items() if event.get("kind") == "wrong"}
    if not seen:
        return None
    first = next(iter(seen.values()))
    op = first.get("op")
    evidence = f"{first['text']} (on rank {', '.join(map(str, seen))})"
    guilty = tuple(sorted({rank for event in seen.values() for rank in event["guilty"]}))
    ours = max(event.get("begun", 0) for event in seen.values())
    own = guilty if op == "all_gather" else ()
    right = [g.rank for g in run.logs if g.rank not in (*seen, *own) and _passed(g, ours)]
    if right and op != "send":
        which = ", ".join(map(str, right))
        if len(seen) > 1:  # in a ring the next ranks only got what the first handed on
            told = f"rank {', '.join(map(str, seen))} got wrong data, rank {which} the right"
            return Blame((), told, evidence)
        return Blame(tuple(seen), f"got wrong data where rank {which} got the right", evidence)
    if all(event.get("own") for event in seen.values()):
        return Blame(tuple(seen), "got wrong data", evidence)
    if not guilty:
        return Blame((), "data arrived wrong, and not known whose", evidence)
    sums = op == "all_sum"
    text = "its part of a sum is wrong" if sums else "its data arrived wrong"
    return Blame(guilty, text, evidence)


def _passed(log: RankLog, begun: int) -> bool:
    """Whether a rank is through with comparing a collective: it came to a later one, or is done."""
    return log.last("done") is not None or _begun(log) > begun


def _stranger(run: GangRun) -> Blame | None:
    """Somebody else in a rank's place: who noticed is not to blame, where he sits is."""
    seen = [e for log in run.logs for e in log.events if e.get("kind") == "identity"]
    if not seen:
        return None
    places = tuple(sorted({event["peer"] for event in seen}))
    return Blame(places, "is not who answers in its place", seen[0]["text"])


def _first_failure(plan: Plan, run: GangRun) -> Blame:
    silent = [log for log in run.logs if log.last("spawn") is None]
    if lost := [log for log in silent if log.lost]:
        return _unstarted(lost)
    own = [error for log in run.logs if (error := _own_error(plan, log))]
    alarmed = [e for e in own if _alarmed(e.log)]
    if own and len(alarmed) == len(own):
        return _at_deadline(plan, run)
    if own:
        return _culprit(plan, run, own)
    if silent:
        return _unstarted(silent)
    return _unheard(plan, run) or _mute(run) or _early(run) or _echoes(plan, run)


def _unheard(plan: Plan, run: GangRun) -> Blame | None:
    """Name whom no word of ours reached for as long as a lease, though all were sent one."""
    unheard = tuple(log.rank for log in run.logs if (log.last("exit") or {}).get("why") == "lease")
    if not unheard:
        return None
    if 1 < len(unheard) == len(run.logs):
        return Blame((), f"no host heard mlxdiag for {plan.lease_s:.0f} s: the way from it to all")
    return Blame(unheard, f"heard nothing of mlxdiag for {plan.lease_s:.0f} s: the way to its host")


def _alarmed(log: RankLog) -> bool:
    """Whether its own alarm ended it: that comes after its deadline, somebody's signal before."""
    ended, entered = log.last("exit") or {}, log.last("phase")
    if ended.get("signal") != ALARM:
        return False
    return entered is None or bool(ended["at"] - entered["at"] >= entered["deadline_s"])


def _early(run: GangRun) -> Blame | None:
    early = tuple(log.rank for log in run.logs if log.last("done"))
    if not early:
        return None
    return Blame(early, "was done before the others: it took part in fewer collectives")


def _unstarted(silent: Sequence[RankLog]) -> Blame:
    why = silent[0].lost or "no word of the kernel"
    noise = _tail("".join(silent[0].noise))
    return Blame(tuple(log.rank for log in silent), "did not start", f"{why} {noise}".strip())


def _echoes(plan: Plan, run: GangRun) -> Blame:
    """Nobody says more than that another has gone: name the first, if its place means anything."""
    ended = [log for log in run.logs if log.last("exit") or log.lost]
    first = min(ended, key=_ended_at, default=None)
    if first is not None and first.last("fail") and _phase(first) == "init":
        blame = Blame((), "only echoes of another's end, in init", _stderr(first))
        return _explained(plan, blame)
    return Blame(() if first is None else (first.rank,), "ended first", _stderr(first))


@dataclass(frozen=True)
class _Own:
    """How a rank failed by itself, and the message in it if it is a known one."""

    log: RankLog
    text: str
    word: Word | None = None


def _culprit(plan: Plan, run: GangRun, own: Sequence[_Own]) -> Blame:
    """Choose the first; that rank 0 was not there counts only where nothing else is said."""
    first = min(own, key=lambda e: (bool(e.word and e.word.first), _ended_at(e.log)))
    blame = _explained(plan, Blame((first.log.rank,), first.text, _stderr(first.log)))
    if not (first.word and first.word.first):
        return blame
    blame = replace(blame, evidence=_lines(_coordinator(plan), blame.evidence))
    zero = run.logs[0]
    came, tried = _entered(zero, "init"), _entered(first.log, "init")
    if came is None:
        return replace(blame, ranks=(0,), text=f"was not there for the others: in {_phase(zero)}")
    if tried is not None and came - tried > LISTEN_S:
        late = f"came to init {came - tried:.0f} s after rank {first.log.rank}: too late for it"
        return replace(blame, ranks=(0,), text=late)
    if len(own) == len(run.logs) - 1 > 1:
        return replace(blame, ranks=(0,), text="listens, and no other rank reaches it")
    return replace(blame, ranks=tuple(e.log.rank for e in own))


def _own_error(plan: Plan, log: RankLog) -> _Own | None:
    """Say how a rank failed by itself; None if it did not, or only echoes another's end."""
    if log.lost:
        return _Own(log, f"was lost: {log.lost}")
    failed = log.last("fail")
    if failed is not None:
        said = named(failed["text"], str((log.last("mlx") or {}).get("os", "")))
        word = BACKENDS[plan.backend].word(said)
        if failed["kind"] == "exception" and word and word.echo:
            return None
        return _Own(log, f"failed in {failed['phase']}: {said}", word)
    ended = log.last("exit")
    if ended is None or ended["why"] not in OWN_ENDS or (ended["status"] == 0 and log.last("done")):
        return None
    how = (
        f"was ended by signal {ended['signal']}"
        if ended["signal"]
        else (f"exited with status {ended['status']}")
    )
    return _Own(log, f"{how} in {_phase(log)}")


def _explained(plan: Plan, blame: Blame) -> Blame:
    """Add what the backend knows of a text, and where the devices are that it is about."""
    word = BACKENDS[plan.backend].word(blame.text)
    if word is None:
        return blame
    text = f"{blame.text} ({word.means})"
    places = _places(plan, blame.ranks[0], blame.text) if word.device and blame.ranks else []
    if len(places) == 1:
        return replace(blame, text=f"{text}: {places[0]}")
    listed = _lines("at one of these:", *places) if places else ""
    return replace(blame, text=text, evidence=_lines(listed, blame.evidence))


DEVICE = re.compile(r"\brdma_\w+")


def _places(plan: Plan, rank: int, text: str) -> list[str]:
    """Say where a rank's cables are: that of a device in the text, or all of the plan."""
    found: list[tuple[str, str]] = []
    for wire in plan.wires:
        if rank in wire.ranks:
            near = wire.ranks.index(rank)
            far = plan.ranks[wire.ranks[1 - near]].host.name
            place = f"{wire.ports[near]}, cable to {far} {wire.ports[1 - near]}"
            found.append((wire.devices[near], place))
    said = DEVICE.findall(text)
    return [place for device, place in found if device in said] or [p for _, p in found]


def _coordinator(plan: Plan) -> str:
    address = plan.ranks[0].env.get("MLX_JACCL_COORDINATOR")
    return f"coordinator: {address} on {plan.ranks[0].host.name}" if address else ""


def _at_deadline(plan: Plan, run: GangRun) -> Blame:
    """Nobody failed, and somebody is missing: compare what all of them last said."""
    late = [log for log in run.logs if log.rank in run.overdue]
    for look in (_silent, _mute, _stopped, _behind, _frozen):
        if (found := look(run)) is not None:
            blame = Blame(found.ranks, found.text, found.evidence or _stacks(late))
            return _explained(plan, blame)
    if run.phase in ALONE:
        ranks = tuple(log.rank for log in (late if run.phase == "ready" else run.logs))
        return Blame(ranks, f"did not come out of {run.phase} in time", _stacks(late))
    if run.phase == "init":
        return _explained(plan, _in_init(plan, run, _lines(_states(run), _stacks(late))))
    blame = _in_collectives(plan, run)
    return replace(blame, evidence=_stacks(late))


def _in_collectives(plan: Plan, run: GangRun) -> Blame:
    """Compare how many each has come to; ranks that go on are only asked who waits for whom."""
    if any(_moves(log) for log in run.logs):
        if (found := latecomer.accused(run)) is not None:
            return Blame((found[0],), found[1])
        if (still := latecomer.stood_still(run)) is not None and still[1] > STILL_S:
            return Blame((still[0],), f"stood still for {still[1]:.0f} s, then went on")
        seconds = plan.deadlines_s.get(run.phase, 0)
        return Blame(
            (), f"the ranks go on, too slowly for the {seconds:.0f} s that {run.phase} has"
        )
    begun = {log.rank: _begun(log) for log in run.logs}
    least = min(begun.values())
    if least < max(begun.values()):
        guilty = tuple(rank for rank, count in begun.items() if count == least)
        if inside := _inside(run, guilty):
            who = f"data for rank {', '.join(map(str, inside))} is lost"
            lost = f"{who}: still in collective {least}, which others are through with"
            return Blame((), lost)
        return Blame(guilty, f"did not arrive at collective {least + 1}")
    return Blame((), f"all ranks wait in collective {least}: no data passes")


def _in_init(plan: Plan, run: GangRun, evidence: str) -> Blame:
    """All wait, or one computes all the time: where the backend knows of such an end."""
    busy = [log for log in run.logs if _is_busy(log)]
    spins = Blame(tuple(log.rank for log in busy), "computes inside init, for ever", evidence)
    if len(busy) == 1 and BACKENDS[plan.backend].word(spins.text):
        return spins
    return Blame((), "all ranks wait inside init", evidence)


def _is_busy(log: RankLog) -> bool:
    """Whether ps counted much processor time since init: what a rank does right now says less."""
    said, began = log.last("state"), _entered(log, "init")
    if said is None or began is None:
        return False
    waited_s: float = said["at"] - began
    return _cpu_s(str(said.get("cpu", ""))) > BUSY_SHARE * waited_s


def _cpu_s(column: str) -> float:
    """Read ps' TIME in seconds: 1:02.50 (macOS), 00:01:02 or 1-00:01:02 (Linux); 0 if neither."""
    match = CPU_TIME.fullmatch(column)
    if match is None:
        return 0.0
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


CPU_TIME = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")
BUSY_SHARE = 0.2
"""Of the time in init: a rank that spins takes all that its host has left, one that waits none."""


def _silent(run: GangRun) -> Blame | None:
    silent = [log for log in run.logs if log.last("spawn") is None]
    if not silent:
        return None
    noise = _tail("".join(silent[0].noise))
    return Blame(tuple(log.rank for log in silent), "did not start in time", noise)


def _mute(run: GangRun) -> Blame | None:
    """Name who did not even say how it ended, when all were told to end and others said so."""
    mute = tuple(log.rank for log in run.logs if log.last("exit") is None)
    if not mute or len(mute) == len(run.logs):
        return None
    if stood := tuple(log.rank for log in run.logs if log.rank in mute and log.last("stood")):
        return Blame(stood, "its supervisor is stopped (SIGSTOP, or a debugger)")
    return Blame(
        mute, "does not answer any more: it or its host is stopped, or the way there is gone"
    )


def _stopped(run: GangRun) -> Blame | None:
    for letter, text in STATES.items():
        stopped = [log for log in run.logs if _state(log).startswith(letter)]
        if stopped and len(stopped) < len(run.logs):
            return Blame(tuple(log.rank for log in stopped), f"{text} in {_phase(stopped[0])}")
    return None


def _behind(run: GangRun) -> Blame | None:
    """Name who is in an earlier phase than others, up to the one that ends with all together."""
    place = {log.rank: PHASES.index(_phase(log)) for log in run.logs}
    first = min(place.values())
    if first == max(place.values()) or first >= PHASES.index("identity"):
        return None
    ranks = tuple(rank for rank, phase in place.items() if phase == first)
    return Blame(ranks, f"still in {PHASES[first]} when the others had passed it")


def _frozen(run: GangRun) -> Blame | None:
    if run.phase in (*ALONE, "init"):
        return None
    beats = {log.rank: _heard(log) for log in run.logs}
    latest = max(beats.values())
    ranks = tuple(rank for rank, at in beats.items() if latest - at > SILENT_S)
    return Blame(ranks, "frozen: no heartbeat while the others have one") if ranks else None


STATES = {
    "T": "is stopped (SIGSTOP, or a debugger)",
    "U": "waits inside the kernel",
    "D": "waits inside the kernel",
}
"""First letter of ps' STAT at the end; everything else is a process that could go on."""


def _state(log: RankLog) -> str:
    return str((log.last("state") or {}).get("stat", ""))


def _states(run: GangRun) -> str:
    found = [f"rank {log.rank} {stat}" for log in run.logs if (stat := _state(log))]
    return f"ps: {', '.join(found)}" if found else ""


def _lines(*texts: str) -> str:
    return "\n".join(filter(None, texts))


PHASES = (
    "spawn",
    "import",
    "ready",
    "init",
    "identity",
    "check",
    "measure",
    "pairs",
    "soak",
    "done",
)


ALONE = ("spawn", "import", "ready")
"""Here a rank waits for no other rank: who is late is late by himself, and there are no beats."""


def _heard(log: RankLog) -> float:
    own = [e["at"] for e in log.events if e["ev"] not in ("stderr", "exit", "stood")]
    return max(own, default=0.0)


def _begun(log: RankLog) -> int:
    """Count the collectives that a rank came to: done ones are equal while all wait for one."""
    return max((e.get("begun", 0) for e in log.events), default=0)


def _inside(run: GangRun, ranks: Sequence[int]) -> tuple[int, ...]:
    """Of ranks that came to the fewest collectives, those that the last one still holds.

    Who did not arrive at the next one is through with it, as the others are.
    """
    through = {log.rank: max((e.get("seq", 0) for e in log.events), default=0) for log in run.logs}
    return tuple(rank for rank in ranks if through[rank] < max(through.values()))


def _moves(log: RankLog) -> bool:
    """Whether it came to another collective between its last two heartbeats."""
    counts = [e["begun"] for e in log.events if e["ev"] == "beat"][-2:]
    return len(set(counts)) > 1


def _phase(log: RankLog) -> str:
    if log.last("done"):
        return "done"
    event = log.last("phase")
    return str(event["phase"]) if event else "spawn"


def _entered(log: RankLog, phase: str) -> float | None:
    """Seconds of the run at which it came to a phase."""
    found = (e["at"] for e in log.events if e["ev"] == "phase" and e["phase"] == phase)
    return next(found, None)


def _ended_at(log: RankLog) -> float:
    ends = [e["at"] for e in log.events if e["ev"] in ("fail", "exit")]
    return min(ends, default=float("inf"))


def _stderr(log: RankLog | None) -> str:
    if log is None:
        return ""
    return _tail("".join(e["text"] for e in log.events if e["ev"] == "stderr"))


def _stacks(logs: Sequence[RankLog]) -> str:
    return next((text for log in logs if (text := _stderr(log))), "")


def _tail(text: str, lines: int = 6) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])


def _rows(plan: Plan, run: GangRun) -> tuple[Row, ...]:
    by_size = samples(run)
    checked = all(log.last("checked") for log in run.logs)
    complete = {size: found for size, found in by_size.items() if len(found) == len(plan.ranks)}
    return tuple(_row(plan, run, size, found, checked) for size, found in sorted(complete.items()))


def _row(
    plan: Plan, run: GangRun, size: int, found: list[tuple[int, list[int]]], checked: bool
) -> Row:
    rank, samples = max(found, key=lambda pair: quantile(pair[1], 0.5))
    p50 = quantile(samples, 0.5)
    n = len(plan.ranks)
    moved = size * n if plan.settings.op == "all_gather" else size
    factor = {"all_sum": 2 * (n - 1) / n, "all_gather": (n - 1) / n, "send": 1.0}
    algbw = moved / p50
    busbw = algbw * factor[plan.settings.op]
    return Row(
        size=size,
        samples=len(samples),
        min_us=min(samples) / 1000,
        p50_us=p50 / 1000,
        p90_us=quantile(samples, 0.9) / 1000,
        p99_us=quantile(samples, 0.99) / 1000,
        max_us=max(samples) / 1000,
        algbw_gb_per_s=algbw,
        busbw_gb_per_s=busbw,
        wrong=0 if checked else None,
        slowest=rank,
        link=_link(plan, run, size, algbw, busbw),
    )


def _link(plan: Plan, run: GangRun, size: int, algbw: float, busbw: float) -> Rate:
    chosen, shared = plan.settings, one_machine(plan)
    if shared:
        return Rate(None, reason=f"{shared}: there is no link")
    cables = Counter(wire.ranks for wire in plan.wires)
    if len(set(cables.values())) > 1:
        return Rate(None, reason="the pairs have different numbers of cables")
    case = Case(
        backend=plan.backend,
        op=chosen.op,
        dtype=chosen.dtype,
        element=ELEMENT_BYTES[chosen.dtype],
        size=size,
        ranks=len(plan.ranks),
        versions=[host.mlx for host in surroundings(run)],
        wires=next(iter(cables.values()), 0),
        connections=chosen.connections,
    )
    return linkrate.rate(case, algbw, busbw)


def _soak(plan: Plan, run: GangRun) -> Soak | None:
    """Take the latest word of every rank; none where one has not come so far.

    How long it went on is rank 0's word: by its clock alone it ends.
    """
    said = [(log.rank, log.last("soak")) for log in run.logs]
    found = [(rank, event) for rank, event in said if event is not None]
    if plan.settings.soak_s is None or not found or len(found) < len(plan.ranks):
        return None
    sizes = sorted({int(size) for _, event in found for size in event["sizes"]})
    return Soak(
        wanted_s=plan.settings.soak_s,
        seconds=found[0][1]["seconds"],
        ops=min(event["ops"] for _, event in found),
        elements=sum(event["elements"] for _, event in found),
        wrong=sum(event["wrong"] for _, event in found),
        gaps=min(event["gaps"] for _, event in found),
        longest_gap_s=max(event["longest_gap_s"] for _, event in found),
        sizes=tuple(_soak_size(size, found) for size in sizes),
    )


def _soak_size(size: int, found: Sequence[tuple[int, Event]]) -> SoakSize:
    counts = [(rank, event["sizes"].get(str(size), (0, 0))) for rank, event in found]
    rank, (_, worst_ns) = max(counts, key=lambda pair: pair[1][1])
    return SoakSize(size, min(ops for _, (ops, _) in counts), worst_ns / 1000, rank)


def quantile(samples: Sequence[int], share: float) -> int:
    """Nearest rank, as nccl-tests does: below 100 samples the p99 is the maximum."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 100) * len(ordered) // 100) - 1))]
