"""Hang: findings about ranks that were looked at twice. Asked of the conclusion, not of facts."""

from __future__ import annotations

from mlxdiag.finding import (
    Check,
    Confidence,
    Evidence,
    Finding,
    Fix,
    FixKind,
    Severity,
    Status,
    Subject,
)
from mlxdiag.hang.verdict import FROM_PLACES, LOOK_AGAIN, Hang, HostRow, Kind, Verdict


def _none(text: str) -> Fix:
    return Fix(FixKind.NONE, text)


ANSWERED = Check(
    "hang-host-answers",
    "the host says what runs on it",
    Severity.ERROR,
    "host",
    _none("repair the access to the host; `mlxdiag ports` says how"),
    (),
    "A host that does not say what runs on it may have the rank that the others wait for.",
)
FOUND = Check(
    "hang-ranks-found",
    "the ranks of one run are found",
    Severity.ERROR,
    "cluster",
    _none("say how the command lines of the ranks look: `server.pattern`, or --pattern"),
    (),
    "Where no rank is found nothing is known, and nothing is said to be well.",
)
MOVING = Check(
    "hang-moving",
    "the ranks move between two looks, or all wait for a request",
    Severity.ERROR,
    "cluster",
    _none("look again with a longer --interval; native stacks of another user's ranks need root"),
    (),
    "A rank that waits waits for ever: neither ring nor jaccl has a timeout.",
)


def _pattern(
    kind: Kind,
    title: str,
    fix: Fix,
    why: str,
    confidence: Confidence = Confidence.CONFIRMED,
) -> Check:
    return Check(f"hang-{kind}", title, Severity.ERROR, "host", fix, (), why, confidence)


PATTERNS: dict[Kind, Check] = {
    check.id.removeprefix("hang-"): check  # type: ignore[misc]
    for check in (
        _pattern(
            "kernel",
            "no rank waits in the kernel where no signal reaches it",
            Fix(FixKind.REBOOT, "restart the host; start no verbs program on it before"),
            "A verbs call may wait in the driver for ever after a process with queue pairs "
            "was killed.",
            Confidence.SINGLE,
        ),
        _pattern(
            "rank-stopped",
            "no rank is stopped",
            Fix(FixKind.RUN, "let it go on with `kill -CONT`"),
            "A stopped rank keeps its sockets open, so that the others cannot tell it from a "
            "slow one.",
        ),
        _pattern(
            "rank-gone",
            "every rank of the run is there",
            Fix(FixKind.RUN, "read that rank's log; stop the others and start anew"),
            "With jaccl nobody notices a rank that has ended: the others poll for ever at "
            "100 % CPU.",
        ),
        _pattern(
            "init-twice",
            "no rank is inside a second init",
            _none("call mx.distributed.init once and pass its group on"),
            "A second init of another backend waits for ranks that have long gone on.",
            Confidence.INFERRED,
        ),
        _pattern(
            "init-waits",
            "no rank waits inside init",
            _none("compare MLX_RANK, hostfile and versions on every host"),
            "The accept of init has no timeout: one rank that is missing leaves the others in it.",
        ),
        _pattern(
            "fast-synch",
            "no rank is wedged in the fence between GPU and CPU",
            Fix(FixKind.RUN, "start without MLX_METAL_FAST_SYNCH"),
            "The fence between CPU and GPU that this variable switches on can wait for ever "
            "(mlx 3142).",
            Confidence.SEVERAL,
        ),
        _pattern(
            "out-of-step",
            "the ranks are in the same collective",
            _none("have every rank call the same collectives in the same order"),
            "MLX matches collectives by their order alone; nothing checks that they are the same.",
        ),
        _pattern(
            "loading",
            "no rank loads while the others wait",
            Fix(FixKind.WAIT, "wait; or load layer by layer, before the first collective"),
            "One mx.eval of a whole model takes minutes, in which the rank joins no collective.",
            Confidence.INFERRED,
        ),
        _pattern(
            "control",
            "no rank waits for a message while the others wait in a collective",
            _none("find out who should have sent that message"),
            "A server's own messages between ranks have no place in the order of collectives.",
            Confidence.INFERRED,
        ),
        _pattern(
            "behind",
            "no rank is elsewhere while the others wait in a collective",
            _none("look at the line that the rank is at"),
            "A collective ends for nobody before the last rank has come to it.",
        ),
        _pattern(
            "swap",
            "no rank's host swaps",
            Fix(FixKind.RUN, "free memory on that host, or give its rank less of the model"),
            "A model that does not fit is read from disk again for every token.",
            Confidence.INFERRED,
        ),
        _pattern(
            "stalled",
            "what one rank sends arrives at the others",
            Fix(FixKind.RUN, "look at cables and ports", "mlxdiag ports", here=True),
            "Over UC queue pairs and over a cable that was pulled, what is lost is never "
            "sent again.",
            Confidence.SEVERAL,
        ),
    )
}
CHECKS = (ANSWERED, FOUND, *PATTERNS.values(), MOVING)


def findings(hang: Hang) -> tuple[Finding, ...]:
    """Say of every host whether it answered, of the run whether it moves, and of each pattern.

    A pattern that is not there passes only where it was looked for and something is known of the
    run: what is read off places is not looked for where a cause explains all of them.
    """
    met = {verdict.kind: _met(verdict) for verdict in hang.verdicts}
    cause = next(iter(met.values()), None)
    explains = next((f for kind, f in met.items() if kind not in {*FROM_PLACES, "swap"}), None)
    patterns = (met.get(kind) or _absent(kind, hang, explains) for kind in PATTERNS)
    return (*map(_answered, hang.hosts), _found(hang), *patterns, _moving(hang, cause))


def _answered(row: HostRow) -> Finding:
    subject = Subject("host", row.host)
    if not row.gaps:
        return Finding(ANSWERED, subject, Status.PASS)
    seen = Evidence("ps", "; ".join(row.gaps), "a list of its processes")
    return Finding(ANSWERED, subject, Status.UNKNOWN, seen)


def _found(hang: Hang) -> Finding:
    subject = Subject("cluster")
    if hang.ranks:
        return Finding(FOUND, subject, Status.PASS)
    return Finding(FOUND, subject, Status.UNKNOWN, Evidence("ps", hang.said, "a rank"))


def _moving(hang: Hang, cause: Finding | None) -> Finding:
    subject = Subject("cluster")
    if hang.state in ("moving", "idle"):
        return Finding(MOVING, subject, Status.PASS, reason=hang.said)
    seen = Evidence("two looks", hang.said, "progress")
    status = Status.FAIL if hang.state == "hung" else Status.UNKNOWN
    return Finding(MOVING, subject, status, seen, blocked_by=cause)


def _met(verdict: Verdict) -> Finding:
    check = PATTERNS[verdict.kind]
    host = verdict.hosts[0] if len(verdict.hosts) == 1 else None
    subject = Subject("host", host) if host else Subject("cluster")
    kind = FixKind.WAIT if verdict.todo.startswith(LOOK_AGAIN) else check.fix.kind
    fix = Fix(kind, verdict.todo, check.fix.command, check.fix.here)
    seen = Evidence("two looks", verdict.text, check.title, fix)
    return Finding(check, subject, Status.FAIL, seen)


def _absent(kind: Kind, hang: Hang, explains: Finding | None) -> Finding:
    check, subject = PATTERNS[kind], Subject("cluster")
    if kind in FROM_PLACES and explains is not None:
        return Finding(check, subject, Status.SKIP, blocked_by=explains)
    reason = _unseen(kind, hang)
    status = Status.SKIP if reason else Status.PASS
    return Finding(check, subject, status, reason=reason)


def _unseen(kind: Kind, hang: Hang) -> str:
    """Say why a pattern was not looked for, empty where it was."""
    if hang.state == "unknown":
        return "nothing is known of the run"
    blind = [row.host for row in hang.hosts if row.ranks and row.swap_bytes_per_s is None]
    if kind == "swap" and blind:
        return f"{', '.join(blind)} did not say twice how much it swapped"
    return ""
