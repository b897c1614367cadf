"""Served: findings about the user's server, from what it answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlxdiag.checks.server import (
    ANSWERS,
    EMPTY,
    FIRST_TOKEN,
    HEALTH,
    MODELS,
    PARALLEL,
    REACHABLE,
    REPEAT,
    SPEED,
    STREAM,
)
from mlxdiag.finding import Check, Evidence, Finding, Fix, FixKind, Status, Subject
from mlxdiag.server.answer import Answer, Fault
from mlxdiag.server.baseline import ROOM
from mlxdiag.server.body import shown
from mlxdiag.server.course import ABSENT, KEY, PATHS, is_listed
from mlxdiag.server.exchange import NO_CONNECTION, Exchange
from mlxdiag.server.judge import Served

SOURCE = "http"
IN_TIME = "an answer with its end, in {0:g} s"

LATER = Fix(FixKind.RUN, "run it to its end")
"""What to do where a request was not sent, or not waited for."""

FIXES: Mapping[Fault, Fix] = {
    "connection": Fix(FixKind.RUN, "see that the server runs; its log says why it went away"),
    "slow": Fix(
        FixKind.NONE, "give it more time (--deadline), or fewer tokens (--max-tokens), and compare"
    ),
    "interrupted": LATER,
    "busy": Fix(FixKind.WAIT, "the server lives and is full: look again when it is less busy"),
    "key": Fix(
        FixKind.SETTINGS, "name the variable that holds its key: server.key_env in inventory.yaml"
    ),
    "model": Fix(FixKind.SETTINGS, "name a model that it has: server.model, or --model"),
    "redirect": Fix(FixKind.SETTINGS, "give the address that it leads to: server.url, or --url"),
    "status": Fix(FixKind.NONE, "look at the log of the server: it answered with an error"),
    "garbage": Fix(
        FixKind.SETTINGS, "see that it is the API of OpenAI that answers at this address"
    ),
    "cut": Fix(FixKind.RUN, "look at the log of the server: a rank or the server itself went away"),
}
"""What to do about each fault but a hang, which has the check's own fix."""

UNNAMED = Fix(
    FixKind.SETTINGS,
    "the server wants the name of the model that it runs; name it: server.model, or --model",
)
WANTS_NAME = frozenset({400, 404, 422})
"""Statuses with which a request without a model is refused."""

UNKNOWN_FAULTS = frozenset({"busy", "interrupted"})
"""These say nothing about the health of the server."""

TLS = Fix(
    FixKind.SETTINGS, "http or https in its address as the server has it, and a trusted certificate"
)
NAME = Fix(
    FixKind.SETTINGS, "name its address: server.url, or --url; ssh's aliases do not count here"
)


def findings(served: Served) -> tuple[Finding, ...]:
    """Judge a look at a server; what was not sent is a skip with the reason, and its cause."""
    reach = _reach(served)
    models = _listed(served, reach)
    cause = next((f for f in (models, reach) if f.status is not Status.PASS), None)
    cause = cause if cause and cause.status in (Status.FAIL, Status.UNKNOWN) else None
    first = _answered(ANSWERS, served, 1, cause)
    bad = _bad(first) or cause
    more: list[Finding] = []
    worst = bad
    for number in range(2, served.asked.requests + 1):
        more.append(_answered(REPEAT, served, number, worst))
        worst = worst or _bad(more[-1])
    return (
        reach,
        models,
        *_well(served, reach),
        first,
        *more,
        _words(served, bad),
        _streamed(served, bad),
        *_held(served, bad),
        *_at_once(served, worst),
    )


def _subject(name: str) -> Subject:
    return Subject("cluster", interface=name)


def _where(served: Served) -> str:
    return served.asked.url.partition("://")[2]


def _fail(
    check: Check,
    subject: Subject,
    evidence: Evidence,
    cause: Finding | None = None,
    status: Status = Status.FAIL,
) -> Finding:
    """Make a finding; a cause that is not known explains no failure."""
    if cause is not None and cause.status is Status.UNKNOWN and status is Status.FAIL:
        cause = None
    return Finding(check, subject, status, evidence, blocked_by=cause)


def _reach(served: Served) -> Finding:
    subject = _subject(_where(served))
    every = (*served.paths, *(a.exchange for a in (*served.alone, *served.together)))
    expected = "an answer over HTTP"
    heard = next((e for e in every if e.headers_s is not None), None)
    if heard is not None:
        return Finding(REACHABLE, subject, Status.PASS)
    if not every or all(e.end == "interrupted" for e in every):
        said = "the run was ended before it answered"
        return _fail(REACHABLE, subject, Evidence(SOURCE, said, expected), status=Status.UNKNOWN)
    first = next(e for e in every if e.end != "interrupted")
    fix = {"tls": TLS, "unresolved": NAME}.get(first.end) or _of_ranks(served)
    shown_so = f"; {served.hang.conclusion}" if served.hang else ""
    said = f"{_silence(first)}{shown_so}"
    return _fail(REACHABLE, subject, Evidence(SOURCE, said, expected, fix))


def _silence(first: Exchange) -> str:
    """Say how a server was silent that never sent the head of an answer."""
    if first.end == "deadline":
        met = "connected, and not a byte" if first.connected_s is not None else "no connection"
        return f"{met} in {first.seconds:.1f} s ({first.path})"
    if first.end in NO_CONNECTION:
        return f"{first.end}: {first.detail}"
    return f"{first.detail} ({first.path})"


def _listed(served: Served, reach: Finding) -> Finding:
    asked = served.asked
    subject = _subject(asked.model or "any model")
    found = next((e for e in served.paths if e.what == "models"), None)
    expected = f"{asked.model} among them" if asked.model else "a model to ask for"
    if found is None or found.headers_s is None:
        said = f"{PATHS['models']} was not answered"
        evidence = Evidence(SOURCE, said, expected)
        return Finding(MODELS, subject, Status.UNKNOWN, evidence, blocked_by=_bad(reach))
    if found.status in ABSENT:
        return Finding(MODELS, subject, Status.SKIP, reason=f"no {found.path}: HTTP {found.status}")
    if found.status in KEY:
        said = f"{found.path}: HTTP {found.status}"
        return _fail(MODELS, subject, Evidence(SOURCE, said, expected, FIXES["key"]))
    if served.listed is None:
        return _fail(MODELS, subject, _not_a_list(found, expected), status=Status.UNKNOWN)
    if is_listed(asked, [found]) is False:
        names = shown(", ".join(served.listed) or "none")
        return _fail(MODELS, subject, Evidence(SOURCE, f"it lists {names}", expected))
    return Finding(MODELS, subject, Status.PASS)


def _not_a_list(found: Exchange, expected: str) -> Evidence:
    body = shown(found.body.decode("utf-8", "replace"))
    said = f"{found.path}: HTTP {found.status}, not a list of models: {body or 'nothing'}"
    return Evidence(SOURCE, said, expected, FIXES["garbage"])


def _bad(finding: Finding) -> Finding | None:
    return finding if finding.status in (Status.FAIL, Status.UNKNOWN) else None


def _well(served: Served, reach: Finding) -> Iterator[Finding]:
    for name in ("health", "queue"):
        found = next((e for e in served.paths if e.what == name), None)
        subject = _subject(PATHS[name])
        if found is None:
            skipped = "not asked: the server was not reached"
            yield Finding(HEALTH, subject, Status.SKIP, reason=skipped, blocked_by=_bad(reach))
        elif found.status in ABSENT or found.status in KEY:
            why = "not there" if found.status in ABSENT else "not for everybody"
            yield Finding(HEALTH, subject, Status.SKIP, reason=f"{why}: HTTP {found.status}")
        elif found.status == 200 and found.end == "done":
            yield Finding(HEALTH, subject, Status.PASS)
        else:
            yield _unwell(found, subject)


def _unwell(found: Exchange, subject: Subject) -> Finding:
    body = shown(found.body.decode("utf-8", "replace"))
    said = f"HTTP {found.status}: {body}" if found.status is not None else _silence(found)
    if found.end == "interrupted":
        evidence = Evidence(SOURCE, said, "HTTP 200")
        return _fail(HEALTH, subject, evidence, status=Status.UNKNOWN)
    return _fail(HEALTH, subject, Evidence(SOURCE, said, "HTTP 200"))


def _answered(check: Check, served: Served, number: int, cause: Finding | None) -> Finding:
    subject = _subject(f"request {number}")
    found = next((a for a in served.alone if a.exchange.number == number), None)
    if found is None:
        return _unsent(check, subject, served.unsent, cause)
    return _ended(check, subject, found, served, cause)


def _unsent(check: Check, subject: Subject, why: str, cause: Finding | None) -> Finding:
    """A request that was not sent: skipped where something else is wrong, else not known."""
    reason = f"not sent: {why}"
    if cause is not None:
        return Finding(check, subject, Status.SKIP, reason=reason, blocked_by=cause)
    evidence = Evidence(SOURCE, reason, "an answer", LATER)
    return Finding(check, subject, Status.UNKNOWN, evidence)


def _ended(
    check: Check, subject: Subject, found: Answer, served: Served, cause: Finding | None
) -> Finding:
    if not found.fault:
        return Finding(check, subject, Status.PASS)
    status = Status.UNKNOWN if found.fault in UNKNOWN_FAULTS else Status.FAIL
    expected = IN_TIME.format(served.asked.deadline_s)
    said = f"{found.said}{_beside(found, served)}"
    evidence = Evidence(SOURCE, said, expected, _remedy(found, served))
    return _fail(check, subject, evidence, _follows(found, cause), status)


def _remedy(found: Answer, served: Served) -> Fix | None:
    """Give what is to be done about a fault; None: the check's own."""
    status = found.exchange.status
    if served.model is None and status in WANTS_NAME and "model" in found.said.lower():
        return UNNAMED
    return FIXES.get(found.fault) or _of_ranks(served)


def _of_ranks(served: Served) -> Fix | None:
    """Give what the look at the ranks says is to be done; None: the check's own."""
    todo = served.hang.todo if served.hang else ""
    return Fix(FixKind.RUN, todo) if todo else None


def _follows(found: Answer, cause: Finding | None) -> Finding | None:
    """Whether the cause explains it: no request is sent on its own account after one."""
    return cause if cause is not None and found.fault in ("connection", "model", "key") else None


def _beside(found: Answer, served: Served) -> str:
    """Say with a hang what answered all the same, and what a look at the ranks showed."""
    if found.fault != "hang":
        return ""
    alive = any(e.what == "models" and e.status == 200 for e in served.paths)
    text = f"; {PATHS['models']} answers all the same" if alive else ""
    return f"{text}; {served.hang.conclusion}" if served.hang else text


def _words(served: Served, cause: Finding | None) -> Finding:
    subject = _subject("all requests")
    if not served.good:
        return _moot(EMPTY, subject, cause)
    empty = [a.exchange.name for a in served.good if a.empty]
    if not empty:
        return Finding(EMPTY, subject, Status.PASS)
    said = f"not a word in {', '.join(empty)}, and no error"
    return _fail(EMPTY, subject, Evidence(SOURCE, said, "words"))


def _moot(check: Check, subject: Subject, cause: Finding | None) -> Finding:
    reason = "no request came to its end"
    return Finding(check, subject, Status.SKIP, reason=reason, blocked_by=cause)


def _streamed(served: Served, cause: Finding | None) -> Finding:
    subject = _subject("all requests")
    if not served.good:
        return _moot(STREAM, subject, cause)
    if served.streamed:
        return Finding(STREAM, subject, Status.PASS)
    said = "the answer came in one piece"
    return _fail(STREAM, subject, Evidence(SOURCE, said, "a stream of events"))


def _held(served: Served, cause: Finding | None) -> Iterator[Finding]:
    """Hold both numbers to the inventory's floor, else to the baseline with its room."""
    asked, before = served.asked, served.asked.before
    yield _number(
        FIRST_TOKEN,
        served,
        served.first_token_s,
        asked.first_token_s,
        before.first_token_s if before else None,
        cause,
    )
    yield _number(
        SPEED,
        served,
        served.tokens_per_s,
        asked.tokens_per_s,
        before.tokens_per_s if before else None,
        cause,
    )


def _number(
    check: Check,
    served: Served,
    value: float | None,
    floor: float | None,
    before: float | None,
    cause: Finding | None,
) -> Finding:
    least = check is SPEED
    unit, word = ("tokens/s", "at least") if least else ("s", "at most")
    subject = _subject("median")
    if floor is None and before is None:
        reason = "nothing to hold it to: no floor in the inventory, no --baseline"
        return Finding(check, subject, Status.SKIP, reason=reason)
    if not served.good:
        return _moot(check, subject, cause)
    limit, expected = _limit(served, floor, before, least=least)
    expected = f"{word} {limit:.3g} {unit}{expected}"
    if value is None:
        evidence = Evidence(SOURCE, "not measured: no stream of several pieces", expected)
        return _fail(check, subject, evidence, status=Status.UNKNOWN)
    told = f"{value:.3g} {unit}, median of {len(served.good)}"
    if least:
        told += f"; tokens counted by {_by(served)}"
    good = value >= limit if least else value <= limit
    evidence = Evidence(SOURCE, told, expected, measured=value, limit=limit, unit=unit)
    return Finding(check, subject, Status.PASS if good else Status.FAIL, evidence)


def _limit(
    served: Served, floor: float | None, before: float | None, *, least: bool
) -> tuple[float, str]:
    """Give the number to be held to, and where it is from."""
    if floor is not None or before is None:
        return floor or 0.0, " (inventory)"
    when = served.asked.before.started_at[:10] if served.asked.before else ""
    limit = before * (1 - ROOM) if least else before * (1 + ROOM)
    sign = "-" if least else "+"
    return limit, f" ({before:.3g} on {when}, {sign}{ROOM:.0%})"


def _by(served: Served) -> str:
    return "the server" if served.counted == "usage" else "pieces of text"


def _at_once(served: Served, worst: Finding | None) -> Iterator[Finding]:
    if not served.together:
        subject = _subject("parallel")
        reason = f"not sent: {served.unsent_together}"
        if served.asked.parallel:
            yield _unsent(PARALLEL, subject, served.unsent_together, worst)
        else:
            yield Finding(PARALLEL, subject, Status.SKIP, reason=reason)
        return
    for found in served.together:
        subject = _subject(found.exchange.name)
        if found.empty:
            evidence = Evidence(SOURCE, "not a word, and no error", "words")
            yield _fail(PARALLEL, subject, evidence)
        else:
            yield _ended(PARALLEL, subject, found, served, None)
