"""Store: what watches and recordings saw, in one SQLite file of the user's; bounded in size.

A session is one watch, or one recording that was imported. A span is a value of a topic from when
it was first seen until it was last seen in that session; an open one lasts as long as its session.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlxdiag.errors import MlxdiagError
from mlxdiag.statefolder import state_folder
from mlxdiag.watch.changes import Event
from mlxdiag.watch.state import State
from mlxdiag.watch.topics import Topic

VERSION = 1
KEEP_DAYS = 90
MOST_SPANS = 200_000
"""About 30 MB; beyond it the oldest sessions go."""

BUSY_S = 5.0
BUSY_WATCH_S = 0.5
"""Seconds to wait for another writer; a watch stands still meanwhile, and tries again later."""

_TABLES = """
CREATE TABLE IF NOT EXISTS session (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, cluster TEXT NOT NULL, began TEXT NOT NULL,
    seen TEXT NOT NULL, every_s REAL, digest TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS span (
    id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES session(id) ON DELETE CASCADE,
    what TEXT NOT NULL, subject TEXT NOT NULL, value TEXT NOT NULL, began TEXT NOT NULL, seen TEXT);
CREATE TABLE IF NOT EXISTS event (
    session INTEGER NOT NULL REFERENCES session(id) ON DELETE CASCADE, at TEXT NOT NULL,
    kind TEXT NOT NULL, subject TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,
    last_seen TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS span_of ON span (session);
CREATE INDEX IF NOT EXISTS event_of ON event (session);
"""


@dataclass(frozen=True)
class Session:
    """One watch or one recording. `every_s` is None for a recording. Times are UTC."""

    id: int
    source: str
    cluster: str
    began: str
    seen: str
    every_s: float | None


@dataclass(frozen=True)
class Span:
    """A value of a topic, from `began` until `seen` at least, in one session."""

    what: str
    subject: str
    value: str
    began: str
    seen: str
    session: int


def state_file() -> Path:
    """Say where it is, where the user names no other; raise MlxdiagError without a home folder."""
    try:
        return state_folder() / "history.sqlite"
    except RuntimeError as error:
        raise MlxdiagError(f"no place for the history: {error}; name one with --store") from error


class Store:
    """The file, open. Raises MlxdiagError, naming it, for whatever is wrong with it."""

    def __init__(self, path: Path, *, create: bool = True, busy_s: float = BUSY_S) -> None:
        if not create and not path.exists():
            raise MlxdiagError(
                f"{path}: there is no history yet: `mlxdiag watch` writes it,"
                " and `mlxdiag history import` takes in recordings of --save"
            )
        self.path = path
        with self._named():
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.touch(mode=0o600)
            self._db = sqlite3.connect(path, timeout=busy_s, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def begin(
        self, source: str, cluster: str, at: str, every_s: float | None, digest: str | None = None
    ) -> int | None:
        """Begin a session; None if what has this digest is there already."""
        with self._named():
            found = self._db.execute(
                "INSERT OR IGNORE INTO session (source, cluster, began, seen, every_s, digest)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (source, cluster, at, at, every_s, digest),
            )
            return found.lastrowid if found.rowcount else None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write all that is written in the block, or nothing."""
        with self._named():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def open_span(self, session: int, topic: Topic, state: State) -> int:
        """Begin a span."""
        found = self._db.execute(
            "INSERT INTO span (session, what, subject, value, began) VALUES (?, ?, ?, ?, ?)",
            (session, topic.what, topic.subject, state.value, state.last_seen),
        )
        return int(found.lastrowid or 0)

    def end_span(self, span: int, seen: str) -> None:
        """End a span: from now on the topic has another value, or is not known."""
        self._db.execute("UPDATE span SET seen = ? WHERE id = ?", (seen, span))

    def add_events(self, session: int, events: Iterable[Event]) -> None:
        """Keep what was told."""
        self._db.executemany(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(session, e.at, e.kind, e.subject, e.before, e.after, e.last_seen) for e in events],
        )

    def touch(self, session: int, at: str) -> None:
        """Say that the session's open spans hold until now."""
        self._db.execute("UPDATE session SET seen = ? WHERE id = ?", (at, session))

    def sessions(self) -> dict[int, Session]:
        """List the sessions, the oldest first."""
        with self._named():
            rows = self._db.execute(
                "SELECT id, source, cluster, began, seen, every_s FROM session ORDER BY began, id"
            )
            return {row[0]: Session(*row) for row in rows}

    def spans(self) -> tuple[Span, ...]:
        """List all spans by the time at which they began."""
        with self._named():
            rows = self._db.execute(
                "SELECT what, subject, value, span.began, coalesce(span.seen, session.seen),"
                " session FROM span JOIN session ON session.id = span.session"
                " ORDER BY span.began, span.id"
            )
            return tuple(Span(*row) for row in rows)

    def events(self) -> tuple[tuple[str, str, str, str, str, str], ...]:
        """List what was told: at, kind, subject, before, after, last seen; the oldest first."""
        with self._named():
            return tuple(
                self._db.execute(
                    "SELECT at, kind, subject, before, after, last_seen FROM event"
                    " ORDER BY at, rowid"
                )
            )

    def retain(self, oldest: str, most_spans: int = MOST_SPANS, keep: int | None = None) -> None:
        """Drop sessions that ended before a time, then the oldest until the rest is small enough.

        `keep` is a session under way: of that one, spans and events that ended before are dropped.
        """
        with self.together():
            self._db.execute("DELETE FROM session WHERE seen < ? AND id IS NOT ?", (oldest, keep))
            self._db.execute("DELETE FROM span WHERE seen < ?", (oldest,))
            self._db.execute("DELETE FROM event WHERE at < ?", (oldest,))
            for table, most in (("span", most_spans), ("event", most_spans)):
                self._shorten(table, most)

    def _shorten(self, table: str, most: int) -> None:
        """Keep the newest rows; open spans stay, there is one a topic."""
        ended = " WHERE seen IS NOT NULL" if table == "span" else ""
        count = self._db.execute(f"SELECT count(*) FROM {table}{ended}").fetchone()[0]  # noqa: S608
        if count > most:
            self._db.execute(
                f"DELETE FROM {table} WHERE rowid IN"  # noqa: S608  # names of ours
                f" (SELECT rowid FROM {table}{ended} ORDER BY rowid LIMIT ?)",
                (count - most,),
            )

    def _prepare(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise MlxdiagError(f"{self.path}: written by another mlxdiag: version {version}")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_TABLES)
        self._db.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise MlxdiagError(f"{self.path}: the history cannot be used: {error}") from error


@dataclass
class Keeper:
    """Writes the states of one session: only what changed, and when it was last seen."""

    store: Store
    session: int

    def __post_init__(self) -> None:
        """Begin with no span open."""
        self._open: dict[Topic, tuple[int, str, str]] = {}

    def take(self, at: str, states: Mapping[Topic, State], events: Iterable[Event]) -> None:
        """Write what became of the states at a moment."""
        with self.store.together():
            for topic in [topic for topic in self._open if topic not in states]:
                span, _, seen = self._open.pop(topic)
                self.store.end_span(span, seen)
            for topic, state in states.items():
                self._one(topic, state)
            self.store.add_events(self.session, events)
            self.store.touch(self.session, at)

    def _one(self, topic: Topic, state: State) -> None:
        span = self._open.get(topic)
        if span is not None and (not state.known or span[1] != state.value):
            self.store.end_span(span[0], span[2])
            span = self._open.pop(topic, None) and None
        if state.known:
            number = span[0] if span else self.store.open_span(self.session, topic, state)
            self._open[topic] = (number, state.value, state.last_seen)
