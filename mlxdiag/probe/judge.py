"""Judge: what the ranks said -> who is to blame, what was measured. Pure, so a recording re-judges.

Rules of blame, the strongest first (seen with real ranks of ring on Linux; jaccl is quoted):
a rank that reports a wrong sum names the guilty; a rank that never spoke; a rank ended by a signal
or by an error of its own (`connection to a peer was lost`, `Recv failed` are echoes of another);
a rank that does not answer when it is told to end; at a deadline, a rank that is stopped, or in an
earlier phase; a rank without a heartbeat while others have one is frozen; else the one that has
come to the fewest collectives did not arrive; all at the same one means the data between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlxdiag.backends import BACKENDS
from mlxdiag.backends.backend import Word
from mlxdiag.probe.plan import Plan
from mlxdiag.probe.said import GangRun, RankLog

OWN_ENDS = ("exited", "signalled")
"""Reasons of an `exit` that are not ours: the rank's own end, or a signal to its supervisor."""

ALARM = 14
"""A rank's own alarm: it was late, which says nothing about whose fault that is."""

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


@dataclass(frozen=True)
class Probe:
    """One launch, judged. `rows` is empty unless every rank went all the way."""

    plan: Plan
    run: GangRun
    blame: Blame | None
    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        """Whether the collectives ran, on every rank, and their results were right."""
        return self.blame is None and self.run.end == "done"


def judge(plan: Plan, run: GangRun) -> Probe:
    """Blame first; only a run that nobody spoilt has numbers."""
    blame = _blame(plan, run)
    return Probe(plan, run, blame, () if blame else _rows(plan, run))


def _blame(plan: Plan, run: GangRun) -> Blame | None:
    wrong = _wrong(run)
    if wrong is not None:
        return wrong
    if run.end == "interrupted":
        return Blame((), "interrupted")
    if run.end == "deadline":
        return _at_deadline(run)
    if run.end == "done":
        missing = tuple(log.rank for log in run.logs if log.last("done") is None)
        return Blame(missing, "ended without a result") if missing else None
    return _first_failure(plan, run)


def _wrong(run: GangRun) -> Blame | None:
    """Wrong data: the ranks whose bits were wrong, as every rank that saw it agrees."""
    seen = [e for log in run.logs for e in log.events if e["ev"] == "fail" and e["kind"] == "wrong"]
    if not seen:
        return None
    guilty = sorted({rank for event in seen for rank in event["guilty"]})
    return Blame(tuple(guilty), "its data arrived wrong", seen[0]["text"])


def _first_failure(plan: Plan, run: GangRun) -> Blame:
    silent = [log for log in run.logs if log.last("spawn") is None]
    if silent:
        why = silent[0].lost or "no word of the kernel"
        noise = _tail("".join(silent[0].noise))
        return Blame(tuple(log.rank for log in silent), "did not start", f"{why} {noise}".strip())
    own = [(log, text) for log in run.logs if (text := _own_error(plan, log))]
    alarmed = [log for log, _ in own if (log.last("exit") or {}).get("signal") == ALARM]
    if own and len(alarmed) == len(own):
        return _at_deadline(run)
    if own:
        log, text = min(own, key=lambda pair: _ended_at(pair[0]))
        return Blame((log.rank,), *text)
    if (mute := _mute(run)) is not None:
        return mute
    early = tuple(log.rank for log in run.logs if log.last("done"))
    if early:
        return Blame(early, "was done before the others: it took part in fewer collectives")
    ended = [log for log in run.logs if log.last("exit") or log.lost]
    first = min(ended, key=_ended_at, default=None)
    return Blame(() if first is None else (first.rank,), "ended first", _stderr(first))


def _own_error(plan: Plan, log: RankLog) -> tuple[str, str] | None:
    """Say how a rank failed by itself; None if it did not, or only echoes another's end."""
    if log.lost:
        return f"was lost: {log.lost}", _stderr(log)
    failed = log.last("fail")
    if failed is not None:
        word = BACKENDS[plan.backend].word(failed["text"])
        if failed["kind"] == "exception" and word and word.echo:
            return None
        return f"failed in {failed['phase']}: {failed['text']}{_meaning(word)}", _stderr(log)
    ended = log.last("exit")
    if ended is None or ended["why"] not in OWN_ENDS or (ended["status"] == 0 and log.last("done")):
        return None
    how = (
        f"was ended by signal {ended['signal']}"
        if ended["signal"]
        else (f"exited with status {ended['status']}")
    )
    return f"{how} in {_phase(log)}", _stderr(log)


def _meaning(word: Word | None) -> str:
    return f" ({word.means})" if word else ""


def _at_deadline(run: GangRun) -> Blame:
    """Nobody failed, and somebody is missing: compare what all of them last said."""
    late = [log for log in run.logs if log.rank in run.overdue]
    for look in (_silent, _mute, _stopped, _behind, _frozen):
        if (found := look(run)) is not None:
            return Blame(found.ranks, found.text, found.evidence or _stacks(late))
    if run.phase == "init":
        return Blame((), "all ranks wait inside init", _stacks(late))
    if any(_moves(log) for log in run.logs):
        return Blame((), "the ranks go on, too slowly for the deadline", _stacks(late))
    begun = {log.rank: _begun(log) for log in run.logs}
    least = min(begun.values())
    if least < max(begun.values()):
        guilty = tuple(rank for rank, count in begun.items() if count == least)
        if inside := _inside(run, guilty):
            who = f"data for rank {', '.join(map(str, inside))} is lost"
            lost = f"{who}: still in collective {least}, which others are through with"
            return Blame((), lost, _stacks(late))
        return Blame(guilty, f"did not arrive at collective {least + 1}", _stacks(late))
    return Blame((), f"all ranks wait in collective {least}: no data passes", _stacks(late))


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
    return Blame(mute, "does not answer any more: its host, or the way to it, is gone")


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
    if run.phase == "init":
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


PHASES = ("spawn", "import", "init", "identity", "check", "measure", "pairs", "done")


def _heard(log: RankLog) -> float:
    own = [e["at"] for e in log.events if e["ev"] not in ("stderr", "exit")]
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
    by_size: dict[int, list[tuple[int, list[int]]]] = {}
    for log in run.logs:
        for event in log.events:
            if event["ev"] == "samples":
                by_size.setdefault(event["size"], []).append((log.rank, event["ns"]))
    checked = all(log.last("checked") for log in run.logs)
    complete = {size: found for size, found in by_size.items() if len(found) == len(plan.ranks)}
    return tuple(_row(plan, size, found, checked) for size, found in sorted(complete.items()))


def _row(plan: Plan, size: int, found: list[tuple[int, list[int]]], checked: bool) -> Row:
    rank, samples = max(found, key=lambda pair: quantile(pair[1], 0.5))
    p50 = quantile(samples, 0.5)
    n = len(plan.ranks)
    moved = size * n if plan.settings.op == "all_gather" else size
    factor = {"all_sum": 2 * (n - 1) / n, "all_gather": (n - 1) / n, "send": 1.0}
    algbw = moved / p50
    return Row(
        size=size,
        samples=len(samples),
        min_us=min(samples) / 1000,
        p50_us=p50 / 1000,
        p90_us=quantile(samples, 0.9) / 1000,
        p99_us=quantile(samples, 0.99) / 1000,
        max_us=max(samples) / 1000,
        algbw_gb_per_s=algbw,
        busbw_gb_per_s=algbw * factor[plan.settings.op],
        wrong=0 if checked else None,
        slowest=rank,
    )


def quantile(samples: Sequence[int], share: float) -> int:
    """Nearest rank, as nccl-tests does: below 100 samples the p99 is the maximum."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 100) * len(ordered) // 100) - 1))]
