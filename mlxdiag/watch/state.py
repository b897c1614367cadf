"""State: moments in their order -> events; of every topic its value, since when, how often lost.

No clock: a moment's time comes with it, as UTC text, and is kept as it came.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mlxdiag.watch.changes import DOWNS, HOST_KINDS, Event, kind_of, rounds_to_settle
from mlxdiag.watch.topics import GONE, Seen, Topic

EXPLAINED_WITHIN = 2
"""Moments: what happened to an end of a link so shortly before is why the link changed."""

VANISHING = frozenset({"cable", "rank"})
"""What is gone when it is not seen; everything else is then not known."""


@dataclass
class State:
    """What a topic is now. `since` is when that was first seen; `exact`: it was seen to change.

    `moment` counts the moment at which it was last seen so.
    """

    value: str
    since: str
    last_seen: str
    exact: bool = False
    was: str | None = None
    flaps: int = 0
    known: bool = True
    moment: int = 0


@dataclass
class _Pending:
    """A value that has not been seen often enough to count."""

    value: str
    at: str
    moment: int
    seen: int = 1


@dataclass
class Timeline:
    """The states of all topics. What is gone for good, as a rank, is forgotten once it was told."""

    states: dict[Topic, State] = field(default_factory=dict)
    moment: int = 0
    _pending: dict[Topic, _Pending] = field(default_factory=dict)
    _events: dict[str, int] = field(default_factory=dict)
    _wired: set[str] = field(default_factory=set)
    _counted: set[str] = field(default_factory=set)
    _mute: frozenset[str] = frozenset()

    def take(self, at: str, seen: Seen) -> tuple[Event, ...]:
        """Take in one moment; give what changed with it, each change once."""
        self.moment += 1
        values = {**self._absent(seen), **seen.values}
        order = sorted(values, key=lambda topic: topic.what == "link")
        found: list[Event] = []
        for topic in order:
            value = values[topic]
            if value is None:
                self._lost_sight(topic)
            elif event := self._take(at, topic, value):
                found.append(event)
                self._note(event, topic)
        hosts = {host for topic in values for host in topic.hosts}
        self._wired |= hosts - seen.blind
        self._counted |= hosts - seen.mute
        self._mute = seen.mute
        return tuple(self._told(found))

    def of(self, what: str, subject: str) -> State | None:
        """Give the state of a topic, if it has ever been seen."""
        return self.states.get(Topic(what, subject))

    def ranks(self, host: str) -> int | None:
        """Count the ranks of a host; None where it did not say now."""
        if host in self._mute:
            return None
        return sum(topic.what == "rank" and host in topic.hosts for topic in self.states)

    @property
    def unsettled(self) -> bool:
        """Whether something has to be seen once more before it counts: look again soon."""
        return any(
            topic.what != "link" or not self._explained(topic, pending)
            for topic, pending in self._pending.items()
        )

    def _absent(self, seen: Seen) -> Mapping[Topic, str | None]:
        """Say of what is not seen now whether it is gone or only out of sight."""
        out_of_sight = {"cable": seen.blind, "rank": seen.mute}
        return {
            topic: GONE
            if topic.what in VANISHING and not out_of_sight[topic.what] & set(topic.hosts)
            else None
            for topic in self.states
            if topic not in seen.values
        }

    def _lost_sight(self, topic: Topic) -> None:
        self._pending.pop(topic, None)
        if topic in self.states:
            self.states[topic].known = False

    def _take(self, at: str, topic: Topic, value: str) -> Event | None:
        state = self.states.get(topic)
        if state is None:
            return self._first(at, topic, value)
        if value == state.value:
            self._pending.pop(topic, None)
            state.last_seen, state.known, state.moment = at, True, self.moment
            return None
        since = self._settled(at, topic, value)
        return None if since is None else self._change(since, topic, state, value)

    def _first(self, at: str, topic: Topic, value: str) -> Event | None:
        """Begin a topic; a cable or a rank where there was none before is an event."""
        known = {"cable": self._wired, "rank": self._counted}.get(topic.what, set())
        self.states[topic] = State(value, at, at, moment=self.moment)
        if topic.what not in VANISHING or not known.issuperset(topic.hosts):
            return None
        self.states[topic].value = GONE
        return self._change(at, topic, self.states[topic], value)

    def _settled(self, at: str, topic: Topic, value: str) -> str | None:
        """Give when a value came up, once it has been seen often enough."""
        pending = self._pending.get(topic)
        if pending is None or pending.value != value:
            pending = self._pending[topic] = _Pending(value, at, self.moment)
        else:
            pending.seen += 1
        if pending.seen < rounds_to_settle(topic, value):
            return None
        return pending.at

    def _change(self, since: str, topic: Topic, state: State, value: str) -> Event | None:
        pending = self._pending.pop(topic, None)
        kind = kind_of(topic, state.value, value)
        before, last_seen = state.value, state.last_seen
        if kind is None and topic.what in ("boot", "reachable"):
            state.value, state.last_seen, state.known = value, since, True
            return None
        explained = pending is not None and self._explained(topic, pending)
        state.moment = self.moment
        state.was, state.value, state.since, state.last_seen = before, value, since, since
        state.exact = state.known = True
        if kind in DOWNS:
            state.flaps += 1
        if kind is None or (topic.what == "link" and explained):
            return None
        flaps = state.flaps
        return Event(since, kind, topic.subject, before, value, last_seen, topic.hosts, flaps)

    def _explained(self, topic: Topic, pending: _Pending) -> bool:
        """Whether something that was told happened to an end of this link since it was as before.

        It may have been out of sight for long.
        """
        ends = (*topic.hosts, *topic.ports)
        last = max((self._events.get(end, 0) for end in ends), default=0)
        before = min(pending.moment, self.states[topic].moment + 1)
        return last >= max(1, before - EXPLAINED_WITHIN)

    def _note(self, event: Event, topic: Topic) -> None:
        touched = topic.hosts if event.kind in HOST_KINDS else topic.ports
        self._events.update(dict.fromkeys(touched, self.moment))
        if topic.what == "rank" and event.after == GONE:
            del self.states[topic]

    def _told(self, found: list[Event]) -> Iterator[Event]:
        """Leave out the ranks that a restart of their host has ended: the restart is told."""
        rebooted = {event.subject for event in found if event.kind == "host-rebooted"}
        for event in found:
            if event.kind != "rank-died" or not rebooted & set(event.hosts):
                yield event
