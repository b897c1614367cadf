"""Order: what several logs say -> which error was first, which are echoes, and what is not known.

mlx.launch gathers what ranks print every 0.1 s, rank by rank (launch.py), so within its log an
echo may stand above its cause: what a message is counts before where it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from mlxdiag.checks.environment import SKEW_S
from mlxdiag.diagnose.entry import Role
from mlxdiag.diagnose.nearest import Near, nearest, of_any
from mlxdiag.diagnose.reading import Reading, Sighting, Unknown

By = Literal["one", "same", "lines", "time", "unknown", "none"]
"""How the first error was found: there is one; all say the same; by lines of one log; by times of
several; several that cannot be ordered; there is none."""

HALF_DAY_S = 43200.0

SHOWN = 8
"""Errors that nobody knows, of those that are shown with what comes near."""


@dataclass(frozen=True)
class Strange:
    """An error that nobody knows, and what comes near. `before`: it stands before the cause."""

    said: Unknown
    near: tuple[Near, ...]
    before: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """What the logs say. `causes` are one, or several that say the same or cannot be ordered.

    `later` are errors of ranks' own that came after, or of a lesser kind, or of an earlier run of
    the same log; `strange` is not known.
    """

    logs: tuple[Reading, ...]
    causes: tuple[Sighting, ...]
    by: By
    later: tuple[Sighting, ...] = ()
    echoes: tuple[Sighting, ...] = ()
    notices: tuple[Sighting, ...] = ()
    strange: tuple[Strange, ...] = ()
    near: tuple[Near, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there was no text."""
        return all(log.empty for log in self.logs)

    @property
    def runs(self) -> int:
        """How many runs the log with the most of them is of."""
        return max((log.runs for log in self.logs), default=1)

    @property
    def no_retry(self) -> bool:
        """Whether to try again may do harm."""
        return any(said.entry.no_retry for said in (*self.causes, *self.later))

    @property
    def grave(self) -> bool:
        """Whether a process ended with an error that nobody knows."""
        return any(strange.said.grave for strange in self.strange)


def diagnose(logs: Sequence[Reading]) -> Diagnosis:
    """Order what the logs say."""
    own = {role: _of(logs, role) for role in Role}
    strangers = [said for log in logs for said in log.unknown]
    pool = _last(logs, own[Role.CAUSE])
    if not pool and not any(said.grave for said in strangers):
        pool = _last(logs, own[Role.SYMPTOM])
    causes, by = _first(pool)
    kept = {id(said) for said in causes}
    errors = (*own[Role.CAUSE], *own[Role.SYMPTOM])
    silent = not strangers and not errors and not own[Role.ECHO]
    edges = [said.text for log in logs for said in log.edges]
    return Diagnosis(
        logs=tuple(logs),
        causes=causes,
        by=by,
        later=tuple(said for said in errors if id(said) not in kept),
        echoes=own[Role.ECHO],
        notices=own[Role.NOTICE],
        strange=_strange(strangers, causes),
        near=of_any(edges) if silent else (),
    )


def _of(logs: Iterable[Reading], role: Role) -> tuple[Sighting, ...]:
    return tuple(said for log in logs for said in log.sightings if said.entry.role is role)


def _last(logs: Iterable[Reading], said: Iterable[Sighting]) -> tuple[Sighting, ...]:
    """Keep what is of the last run of its log: another run ended by another error."""
    last = {log.name: log.runs - 1 for log in logs}
    return tuple(each for each in said if each.run == last.get(each.speaker.source, each.run))


def _first(pool: Sequence[Sighting]) -> tuple[tuple[Sighting, ...], By]:
    """Find the first, and who else says the same."""
    if not pool:
        return (), "none"
    if len({_what(said) for said in pool}) == 1:
        return tuple(pool), "one" if len(pool) == 1 else "same"
    heads: dict[str, Sighting] = {}
    for said in pool:
        heads.setdefault(said.speaker.source, said)
    if len(heads) == 1:
        return _same(pool, next(iter(heads.values()))), "lines"
    if len({_what(said) for said in heads.values()}) == 1:
        return _same(pool, next(iter(heads.values()))), "same"
    first = _earliest(tuple(heads.values()))
    return (tuple(heads.values()), "unknown") if first is None else (_same(pool, first), "time")


def _what(said: Sighting) -> tuple[str, int | None]:
    return said.entry.id, said.number


def _same(pool: Iterable[Sighting], first: Sighting) -> tuple[Sighting, ...]:
    return (first, *(s for s in pool if s is not first and _what(s) == _what(first)))


def _earliest(heads: Sequence[Sighting]) -> Sighting | None:
    """Find the one whose time is before all others; None where the times do not say so."""
    stamps = [said.when for said in heads]
    if None in stamps or len({stamp.kind for stamp in stamps if stamp}) != 1:
        return None
    timed = sorted((stamp.seconds, n) for n, stamp in enumerate(stamps) if stamp)
    (first, number), (second, _), (last, _) = timed[0], timed[1], timed[-1]
    if second - first < SKEW_S:
        return None
    wraps = stamps[number] is not None and stamps[number].kind == "day"  # type: ignore[union-attr]
    return None if wraps and last - first > HALF_DAY_S else heads[number]


def _strange(said: Sequence[Unknown], causes: Sequence[Sighting]) -> tuple[Strange, ...]:
    """Take those that end a process first, and say which stand before the cause in its log."""
    graver = sorted(said, key=lambda each: not each.grave)
    shown = graver[:SHOWN]
    return tuple(Strange(each, nearest(each.text), _before(each, causes)) for each in shown)


def _before(said: Unknown, causes: Sequence[Sighting]) -> bool:
    places = {cause.speaker.source: cause.line for cause in reversed(causes)}
    line = places.get(said.speaker.source)
    return said.grave and line is not None and 0 < said.line < line
