"""Suspect: which rank an error is of, and by what that is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlxdiag.diagnose.order import Diagnosis
from mlxdiag.diagnose.reading import Sighting

EXITS = frozenset(
    {
        "launch-exit",
        "launch-exit-255",
        "launch-exit-127",
        "launch-exit-killed",
        "launch-exit-signal",
    }
)
"""What mlx.launch says of a rank that ended by itself, and badly."""


@dataclass(frozen=True)
class Suspect:
    """A rank, or a host by the name that the log has for it; `how` says by what it is known.

    Not `sure`: the rank is the likely one, and another is possible.
    """

    rank: int | None = None
    host: str | None = None
    how: str = ""
    sure: bool = True


def suspect(said: Sighting, diagnosis: Diagnosis) -> Suspect:
    """Tell whom an error is of; nobody where the logs do not say it."""
    if said.about_rank is not None:
        return Suspect(said.about_rank, None, "by the message itself")
    of = said.speaker
    if of.rank is not None or of.host is not None:
        return Suspect(of.rank, of.host, of.how)
    if said.host is not None:
        return Suspect(None, said.host, "by the message itself")
    if said.entry.id == "jaccl-bind":
        return Suspect(0, None, "by the message itself: only rank 0 listens")
    return _by_launcher(said, diagnosis)


def _by_launcher(said: Sighting, diagnosis: Diagnosis) -> Suspect:
    exits = _exits(diagnosis, said)
    if len(exits) != 1:
        return Suspect()
    echo = any(_beside(said, e) and _raised(e) for e in diagnosis.echoes)
    how = "from mlx.launch, which saw no other rank end with an error"
    more = "; an echo in the log may be its word, too" if echo else ""
    return Suspect(exits.pop(), None, how + more, sure=not echo)


def _raised(echo: Sighting) -> bool:
    """Whether a rank may have ended with this echo, as it may have with a cause."""
    return echo.entry.by != "mlx.launch"


def _beside(said: Sighting, other: Sighting) -> bool:
    """Whether both are of one run in one log."""
    return (said.speaker.source, said.run) == (other.speaker.source, other.run)


def _exits(diagnosis: Diagnosis, said: Sighting) -> set[int]:
    everything: Iterable[Sighting] = (*diagnosis.causes, *diagnosis.later, *diagnosis.notices)
    return {
        each.about_rank
        for each in everything
        if each.entry.id in EXITS and _beside(said, each) and each.about_rank is not None
    }
