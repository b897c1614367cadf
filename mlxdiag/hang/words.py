"""Words: ranks, places and lines as a person says them; a verdict made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlxdiag.hang.standing import Run, Standing
from mlxdiag.hang.verdict import Kind, Verdict


def waiting(run: Run) -> str:
    """Say who waits in which collective; empty if nobody does."""
    groups: dict[str, list[Standing]] = {}
    for each in run.standings:
        if each.waits:
            groups.setdefault(inside(each), []).append(each)
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


def inside(each: Standing) -> str:
    """Say which collective a rank is in, or which eval."""
    found = each.now.collective
    if found is not None:
        return f"in {found.op} ({found.backend})"
    return f"in mx.eval at {line_at(each)}" if each.now.line else "in mx.eval"


def line_at(each: Standing) -> str:
    """Write the line as people do: `server.py:412`."""
    line = each.now.line
    if line is None:
        return "an unknown line"
    return f"{line.file}:{line.line}" if line.line is not None else line.file


def since(run: Run) -> str:
    """Say since when: the first look."""
    return f"since the first sample, {run.seconds:.0f} s before" if run.seconds else "at one look"


def joined(run: Run, said: str) -> str:
    """Put who waits before what is said of the others."""
    return "; ".join(filter(None, (waiting(run), said)))


def make(
    run: Run, kind: Kind, who: Iterable[Standing], text: str, todo: str, *evidence: str
) -> Verdict:
    """Make a verdict, with both places of every rank as its evidence."""
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


def placed(who: Sequence[Standing]) -> str:
    """Name ranks with their hosts and processes."""
    return ", ".join(s.who for s in who)


def lines_of(who: Sequence[Standing]) -> str:
    """Name the lines that ranks are at, after `at`; empty if none is known."""
    lines = [line_at(s) for s in who if s.now.line]
    return f" at {', '.join(lines)}" if lines else ""
