"""Chronicle: spans of many sessions -> the story of each topic: what it is, was, since when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlxdiag.watch.changes import DOWNS, kind_of
from mlxdiag.watch.store import Session, Span
from mlxdiag.watch.topics import Topic


@dataclass(frozen=True)
class Stretch:
    """A value, when it was first seen and when last; in between nothing else was seen."""

    value: str
    began: str
    seen: str


@dataclass(frozen=True)
class Story:
    """All that is known of one topic, the oldest first. There is at least one stretch."""

    what: str
    subject: str
    stretches: tuple[Stretch, ...]

    @property
    def now(self) -> Stretch:
        """What it was when it was seen last."""
        return self.stretches[-1]

    @property
    def before(self) -> Stretch | None:
        """What it was before that; None if it was never seen otherwise."""
        return self.stretches[-2] if len(self.stretches) > 1 else None

    @property
    def lost(self) -> int:
        """How often it was lost: a port went down, a host could not be reached."""
        topic = Topic(self.what, self.subject)
        pairs = zip(self.stretches, self.stretches[1:], strict=False)
        return sum(kind_of(topic, one.value, other.value) in DOWNS for one, other in pairs)

    def since(self, end: str) -> str:
        """Answer `since when`, in one line; what was not seen until `end` says when it was last."""
        now, was = self.now, self.before
        last = f", last seen {now.seen}" if now.seen < end else ""
        if was is None:
            return f"{now.value} since {now.began} at least{last}"
        often = f"; lost {self.lost} times" if self.lost > 1 else ""
        return f"{now.value} since {now.began}, was {was.value} until {was.seen}{last}{often}"


@dataclass(frozen=True)
class Chronicle:
    """What is known of one cluster. `watched` are the times of its sessions, the oldest first."""

    cluster: str
    watched: tuple[Session, ...]
    stories: tuple[Story, ...]

    @property
    def end(self) -> str:
        """When anything was last seen."""
        return max(session.seen for session in self.watched)

    def of(self, what: str) -> Iterable[Story]:
        """List the stories of one kind, by subject."""
        return (story for story in self.stories if story.what == what)

    def about(self, subject: str) -> tuple[Story, ...]:
        """List the stories of one subject."""
        return tuple(story for story in self.stories if story.subject == subject)


def chronicles(
    sessions: Mapping[int, Session], spans: Iterable[Span], only: str = "", since: str = ""
) -> tuple[Chronicle, ...]:
    """Tell the stories of each cluster; `only` keeps subjects with this text.

    `since` (UTC, as text) drops what was last seen before; the value just before stays as `was`.
    """
    points: dict[str, dict[tuple[str, str], list[tuple[str, str]]]] = {}
    for span in spans:
        if only in span.subject:
            found = points.setdefault(sessions[span.session].cluster, {})
            of = found.setdefault((span.what, span.subject), [])
            of += [(span.began, span.value), (span.seen, span.value)]
    return tuple(
        Chronicle(
            cluster,
            tuple(session for session in sessions.values() if session.cluster == cluster),
            tuple(
                story
                for (what, subject), at in sorted(found.items())
                if (story := _story(what, subject, at, since)).now.seen >= since
            ),
        )
        for cluster, found in sorted(points.items())
    )


def _story(what: str, subject: str, points: Sequence[tuple[str, str]], since: str) -> Story:
    """Join what was seen at its times: equal neighbours are one stretch."""
    stretches: list[Stretch] = []
    for at, value in sorted(points, key=lambda point: point[0]):
        if stretches and stretches[-1].value == value:
            stretches[-1] = Stretch(value, stretches[-1].began, at)
        else:
            stretches.append(Stretch(value, at, at))
    old = sum(stretch.seen < since for stretch in stretches)
    return Story(what, subject, tuple(stretches[max(0, old - 1) :]))
