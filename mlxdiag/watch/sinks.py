"""Sinks: where a watch puts what it sees: lines on stdout, the history, a recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlxdiag import __version__, recording
from mlxdiag.errors import MlxdiagError
from mlxdiag.inventory import Inventory
from mlxdiag.recording import Ended, Recording
from mlxdiag.render.style import Style
from mlxdiag.watch import tell, vitals
from mlxdiag.watch.loop import Now
from mlxdiag.watch.store import Keeper, Store

Write = Callable[[str], bool]
"""Writes a text to stdout; false where nobody reads it any more."""

RETAIN_EVERY = 360
"""Moments between two looks at the size of the history."""


@dataclass
class Lines:
    """An event a line: JSON, with a line when the watch begins and one when it ends, or words."""

    write: Write
    json: bool
    style: Style
    _last: Now | None = None
    _count: int = 0

    async def begin(self) -> None:
        """Nothing is to be made ready."""

    async def take(self, now: Now) -> bool:
        """Write what happened."""
        cluster = now.report.cluster.inventory.cluster
        if self._last is None and self.json:
            self.write(tell.line_of(tell.began(now.report, now.at, now.every_s)))
        self._last = now
        self._count += len(now.events)
        for event in now.events:
            text = (
                tell.line_of(tell.document(event, cluster))
                if self.json
                else tell.words(event, self.style)
            )
            if not self.write(text):
                return False
        return True

    async def close(self, ended: Ended) -> None:
        """Write the last line."""
        if self._last is not None and self.json:
            cluster = self._last.report.cluster.inventory.cluster
            how = "complete" if ended == "timeout" else ended
            self.write(tell.line_of(tell.ended(cluster, self._last.at, how, self._count)))


@dataclass
class History:
    """Keeps what was seen. Trouble with the file is a note: the watch goes on without it.

    With each moment it is tried again, as a session of its own: nobody knows what was in between.
    """

    opened: Callable[[], Store]
    oldest: Callable[[], str]
    note: Callable[[str], None]
    _keeper: Keeper | None = None
    _broken: bool = False

    async def begin(self) -> None:
        """Nothing is to be made ready."""

    async def take(self, now: Now) -> bool:
        """Write what became of the topics."""
        try:
            self._write(now)
        except MlxdiagError as error:
            self._drop()
            if not self._broken:
                self.note(f"the history is not written until it can be: {error}")
            self._broken = True
        return True

    async def close(self, ended: Ended) -> None:
        """Close the file."""
        del ended
        self._drop()

    def _write(self, now: Now) -> None:
        keeper = self._keeper = self._keeper or self._begun(now)
        keeper.take(now.at, now.timeline.states, now.events)
        if self._broken:
            self.note("the history is written again")
        self._broken = False
        if now.number % RETAIN_EVERY == 1:
            keeper.store.retain(self.oldest(), keep=keeper.session)

    def _begun(self, now: Now) -> Keeper:
        store = self.opened()
        session = None
        try:
            cluster = now.report.cluster.inventory.cluster
            session = store.begin("watch", cluster, now.at, now.every_s)
        finally:
            if session is None:
                store.close()
        if session is None:
            raise MlxdiagError(f"{store.path}: no session could be begun")
        return Keeper(store, session)

    def _drop(self) -> None:
        if self._keeper is not None:
            self._keeper.store.close()
        self._keeper = None


@dataclass
class Latest:
    """Keeps a recording of the latest state: written when something changed, and at the end."""

    inventory: Inventory
    path: Path
    _last: Now | None = None
    _written: bool = False

    async def begin(self) -> None:
        """Nothing is to be made ready."""

    async def take(self, now: Now) -> bool:
        """Write the file with the first moment, and whenever something changed."""
        self._last = now
        if now.events or not self._written:
            self._write(now, "complete")
        return True

    async def close(self, ended: Ended) -> None:
        """Write the last state."""
        if self._last is not None:
            self._write(self._last, "complete" if ended == "timeout" else ended)

    def _write(self, now: Now, ended: Ended) -> None:
        pattern = self.inventory.server.pattern
        found = Recording(
            self.inventory,
            {name: vitals.kept(told, pattern) for name, told in now.captures.items()},
            now.began,
            now.report.duration_s,
            __version__,
            ended,
        )
        recording.pack(recording.files_of(found), self.path)
        self._written = True
