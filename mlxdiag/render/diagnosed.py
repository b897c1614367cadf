"""What `mlxdiag diagnose` says, in parts and lines, for the table, Markdown and one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mlxdiag.finding import Fix, FixKind
from mlxdiag.render.advised import Line, Part

if TYPE_CHECKING:
    from mlxdiag.diagnose.join import Case, Cell, Tested
    from mlxdiag.diagnose.judged import Judged
    from mlxdiag.diagnose.nearest import Near
    from mlxdiag.diagnose.order import Diagnosis, Strange
    from mlxdiag.diagnose.reading import Sighting

SHOWN = 12
"""So many lines of a kind are shown; JSON has all."""

MARKS = {"found": "bad", "ruled out": "good", "not known": "unknown", "not tested": "none"}

BRIEF = frozenset({"Cause", "Repair", "Do not try again", "Not known", "Nearest", "Echoes"})
"""Parts that the short format has, too."""

ORDERS = {
    "one": "the only error of a rank's own",
    "same": "several ranks say the same",
    "lines": "the first in the order of the log",
    "time": "the first by the times of the logs, at least 5 s before all others",
    "unknown": "the order across these logs is not known: each has an error of its own",
    "none": "",
}
NO_RETRY = (
    "do not start it again before this is repaired: every failed start of RDMA may leak kernel"
    " resources that only a restart gives back"
)


def headline(judged: Judged) -> str:
    """Say in one line what came of it."""
    found = judged.diagnosis
    if judged.cases:
        who = "; ".join(dict.fromkeys(_who(case) for case in judged.cases[:4] if _who(case)))
        first = judged.cases[0].said
        several = len({(c.said.entry.id, c.said.number) for c in judged.cases}) > 1
        what = "; ".join(dict.fromkeys(c.said.means for c in judged.cases)) if several else ""
        return ": ".join(filter(None, (who, what or first.means)))
    if found.empty:
        return "the log is empty"
    if found.strange:
        return "an error that is not known" + (", and echoes" if found.echoes else "")
    if not found.echoes and found.notices:
        last = found.notices[-1]
        return f"no cause in it; last said: {last.text}: {last.means}"
    if found.echoes:
        return "only echoes: the error of the rank that failed first is not in these logs"
    return "nothing in it is known"


def diagnosed(judged: Judged) -> tuple[Part, ...]:
    """Lay out all that is to be said."""
    found = judged.diagnosis
    parts = (
        *(part for case in judged.cases[:SHOWN] for part in _case(case, judged)),
        Part("Do not try again", "", (Line(NO_RETRY, "bent"),) if found.no_retry else ()),
        Part("Not known", "no entry fits; nearest is a hint only", tuple(_strangers(found))),
        Part("Nearest", "hints only: nothing in the log is known", tuple(_near(found.near))),
        Part("Also failed", _after(found), tuple(_said(found.later))),
        Part("Echoes", "of another rank's failure, not causes", tuple(_said(found.echoes))),
        Part("Also said", "", tuple(_said(found.notices))),
        Part("Read", "", tuple(_logs(found))),
    )
    return tuple(part for part in parts if part.lines)


def _after(found: Diagnosis) -> str:
    if not found.causes:
        return "of an earlier run, or no cause" if found.runs > 1 else "no cause by itself"
    return "after the cause, or of less weight" + (", or of an earlier run" * (found.runs > 1))


def _case(case: Case, judged: Judged) -> Iterator[Part]:
    yield Part("Cause", _order(judged.diagnosis), tuple(_cause(case, judged)))
    yield Part("Look for", "in this order", tuple(map(_tested, case.tested)))
    yield Part("Repair", "", tuple(_repairs(case)))


def _order(found: Diagnosis) -> str:
    """Say how it was found; what any ssh or shell prints is not said to be a rank's."""
    words = ORDERS[found.by]
    said = [each for log in found.logs for each in log.sightings]
    if found.by == "one" and all(each.entry.by in ("ssh", "shell") for each in said):
        words = "the only known error; nothing in the log is MLX's, so it may be of something else"
    if found.runs > 1:
        words += f"; the log is of {found.runs} runs, and this is the last"
    return words


def _cause(case: Case, judged: Judged) -> Iterator[Line]:
    said = case.said
    yield Line(said.text, "bad", _who(case))
    yield Line(_where(said), dim=True)
    yield Line(said.means + _errno(said))
    yield from _host(case, judged)
    for cell in case.cells[:SHOWN]:
        yield Line(told(cell), "none" if cell.sound else "bad")


def _host(case: Case, judged: Judged) -> Iterator[Line]:
    who, host = case.suspect, case.host
    if who.rank is None and who.host is None:
        yield Line("which rank said it, the log does not tell", "unknown")
        return
    source = judged.hostfile or "the inventory"
    if host and who.rank is not None:
        order = f"by the order of {source}"
        yield Line(f"rank {who.rank} is {host} {order}; the rank is known {who.how}")
        return
    if who.rank is not None and judged.ranks and host is None:
        count = f"{judged.ranks} rank{'' if judged.ranks == 1 else 's'}"
        yield Line(f"no host is known for rank {who.rank}: {source} has {count}", "unknown")
    yield Line(f"{_who(case)}: known {who.how}", dim=True)


def told(cell: Cell) -> str:
    """Say what a rank opens for a peer, and what is to say of its port."""
    whose = f"its cell for {cell.peer}" if cell.peer else "the device that it names"
    if cell.device is None:
        return f"{whose} is empty: {cell.said}"
    where = f"; that port, {cell.port}, is" if cell.port else ":"
    return f"{whose} is {cell.device}{where} {cell.said}"


def _errno(said: Sighting) -> str:
    if said.number is None:
        return ""
    return f" (error {said.number}: {said.errno or 'no number of macOS'})"


def _where(said: Sighting) -> str:
    when = f"{said.when.text}, " if said.when else ""
    times = f", {said.count} times" if said.count > 1 else ""
    return f"{when}{said.place}{times}  [{said.entry.id}]"


def _who(case: Case) -> str:
    who = case.suspect
    name = f"rank {who.rank}" if who.rank is not None else who.host or ""
    whole = f"{name} ({case.host})" if case.host and case.host != name else name
    return whole if who.sure else f"likely {whole}"


def _tested(tested: Tested) -> Line:
    asked = f" [{', '.join(tested.likely.checks)}]" if tested.likely.checks else ""
    answer = "" if tested.answer == "not tested" else f"{tested.answer}: "
    return Line(f"{answer}{tested.likely.text}{asked}", MARKS[tested.answer])


def _repairs(case: Case) -> Iterator[Line]:
    """List the repairs of what was found; the general one where nothing was."""
    seen: dict[tuple[str, str | None], list[str]] = {}
    for finding in case.findings:
        root = finding.root
        if root.fix is not None:
            seen.setdefault((_fix(root.fix), root.fix.command), []).append(root.subject.label)
    for (text, command), subjects in list(seen.items())[:SHOWN]:
        yield Line(text, "step", commands=((subjects[0], command),) if command else ())
        yield Line(", ".join(dict.fromkeys(subjects)), dim=True)
    if not seen:
        fix = case.said.entry.fix
        commands = ((case.host or "here", fix.command),) if fix.command else ()
        yield Line(_fix(fix), "step", commands=commands)


def _fix(fix: Fix) -> str:
    return fix.text if fix.kind is FixKind.NONE else f"{fix.kind.value}: {fix.text}"


def _strangers(found: Diagnosis) -> Iterator[Line]:
    for strange in found.strange:
        yield _stranger(strange)
        yield from _near(strange.near)


def _stranger(strange: Strange) -> Line:
    said = strange.said
    times = f", {said.count} times" if said.count > 1 else ""
    first = ", before the cause" if strange.before else ""
    return Line(f"{said.text}  ({said.place}{times}{first})", "unknown")


def _near(found: Sequence[Near]) -> Iterator[Line]:
    for near in found:
        likeness = f"{near.likeness:.0%} alike"
        yield Line(f"{near.entry.says}  [{near.entry.id}], {likeness}", "step", dim=True)


def _said(found: Sequence[Sighting]) -> Iterator[Line]:
    for said in found[:SHOWN]:
        yield Line(f"{said.text}  ({_where(said)}): {said.means}{_errno(said)}", "none")
    if len(found) > SHOWN:
        yield Line(f"and {len(found) - SHOWN} more", dim=True)


def _logs(found: Diagnosis) -> Iterator[Line]:
    for log in found.logs[:SHOWN]:
        more = f"; {log.dropped} further messages not kept" if log.dropped else ""
        yield Line(f"{log.name}: {log.lines} line{'' if log.lines == 1 else 's'}{more}", dim=True)
    if len(found.logs) > SHOWN:
        yield Line(f"and {len(found.logs) - SHOWN} more", dim=True)
