"""What `mlxdiag watch` and `mlxdiag history import` do, once the command line was read."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from mlxdiag import recording
from mlxdiag.errors import MlxdiagError, RecordingError
from mlxdiag.inventory import Inventory
from mlxdiag.recording import Ended, Recording
from mlxdiag.render.style import Style
from mlxdiag.watch.due import WIRING_S, Pace
from mlxdiag.watch.hook import Hook
from mlxdiag.watch.loop import Loop, Sink
from mlxdiag.watch.moment import Moments
from mlxdiag.watch.scrape import Scrape
from mlxdiag.watch.sinks import History, Latest, Lines, Write
from mlxdiag.watch.state import Timeline
from mlxdiag.watch.store import BUSY_WATCH_S, KEEP_DAYS, Keeper, Store, state_file

if TYPE_CHECKING:
    from mlxdiag.report import Report

EARLIEST = "0001-01-01T00:00:00Z"
LEAST_S = 0.5
"""No host is asked more often."""


@dataclass(frozen=True)
class Asked:
    """What the command line asked for; times in seconds. `store` None: the user's own file."""

    every_s: float = 10.0
    wiring_s: float = WIRING_S
    once: bool = False
    for_s: float | None = None
    json: bool = False
    view: bool = False
    port: int | None = None
    bind: str = "127.0.0.1"
    command: str | None = None
    save: Path | None = None
    store: Path | None = None
    keep_days: int = KEEP_DAYS
    fanout: int = 64

    def check(self) -> None:
        """Refuse what cannot be, before any host is asked."""
        if self.every_s < LEAST_S:
            raise MlxdiagError(f"--every: no more often than every {LEAST_S:g} s")
        if self.command is not None:
            argv(self.command)
        if self.save is None:
            return
        if not self.save.name.endswith((".tar.gz", ".tgz")):
            raise RecordingError(f"{self.save}: --save of a watch wants a .tar.gz: it is replaced")
        recording.check_target(self.save)

    def opened(self) -> Store:
        """Open the history for a watch, which waits for no other writer."""
        return Store(self.store or state_file(), busy_s=BUSY_WATCH_S)


def argv(command: str) -> list[str]:
    """Cut a command into words as a shell does; what a host said never becomes one of them."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise MlxdiagError(f"--exec-on-change: {error}") from error
    if not words:
        raise MlxdiagError("--exec-on-change: no command")
    if shutil.which(words[0]) is None:
        raise MlxdiagError(f"--exec-on-change: {words[0]}: no program of that name can be started")
    return words


def watch(
    inventory: Inventory, asked: Asked, style: Style, write: Write, note: Callable[[str], None]
) -> tuple[Ended, Report | None]:
    """Watch until told to end; give how it ended, and the report of the last moment."""
    asked.check()
    shown: Sink
    if asked.view:
        from mlxdiag.watch.view import View  # noqa: PLC0415  # only a terminal needs it

        view = View(style, utc, note)
        shown, note = view, view.take_note
    else:
        shown = Lines(write, asked.json, style)
    sinks: list[Sink] = [History(asked.opened, lambda: days_ago(asked.keep_days), note)]
    if asked.port is not None:
        sinks.append(Scrape(asked.bind, asked.port, note))
    if asked.command is not None:
        sinks.append(Hook(argv(asked.command), note, quiet=asked.view))
    if asked.save is not None:
        sinks.append(Latest(inventory, asked.save))
    sinks.append(shown)
    pace = Pace(asked.every_s, max(asked.wiring_s, asked.every_s))
    loop = Loop(inventory, pace, sinks, asked.fanout, asked.once, asked.for_s)
    ended = asyncio.run(loop.run())
    return ended, loop.report


def take_in(
    paths: Sequence[Path], path: Path | None, keep_days: int, note: Callable[[str], None]
) -> tuple[int, int]:
    """Take recordings into the history; give how many were new, and how many it had already.

    One that says nothing of any host, port or cable adds nothing, nor does one that is older than
    what is kept; `note` is told which.
    """
    loaded = [(each, recording.load(each)) for each in paths]
    store = Store(path or state_file())
    new = known = 0
    oldest = days_ago(keep_days)
    try:
        for each, found in sorted(loaded, key=lambda one: one[1].started_at):
            if not found.hosts or not any(found.hosts.values()):
                note(f"{each}: not taken in: no host said anything in it")
            elif (at := _end_of(found)) < oldest:
                kept = f"{keep_days} days are kept (--keep)"
                note(f"{each}: not taken in: it is of {at[:10]}, and {kept}")
            elif _take_in(store, found):
                new += 1
            else:
                known += 1
        store.retain(oldest)
    finally:
        store.close()
    return new, known


def _take_in(store: Store, found: Recording) -> bool:
    """Take in one moment: the end of the recording, when all that it holds had been said."""
    at = _end_of(found)
    session = store.begin("recording", found.inventory.cluster, at, None, _digest(found))
    if session is None:
        return False
    hosts = {host.name: found.hosts.get(host.name, {}) for host in found.inventory.hosts}
    _, seen = Moments(found.inventory).look(hosts, found.started_at, found.duration_s)
    timeline = Timeline()
    timeline.take(at, seen)
    Keeper(store, session).take(at, timeline.states, ())
    return True


def _end_of(found: Recording) -> str:
    try:
        began = datetime.fromisoformat(found.started_at)
    except ValueError as error:
        raise RecordingError(f"started_at is no time: {found.started_at!r}") from error
    if began.tzinfo is None:
        raise RecordingError(f"started_at has no time zone: {found.started_at!r}")
    try:
        return _spelt(began + timedelta(seconds=found.duration_s))
    except (OverflowError, ValueError) as error:
        raise RecordingError(
            f"no calendar has the time {found.duration_s} s after {found.started_at}"
        ) from error


def _digest(found: Recording) -> str:
    """Tell a recording from others, wherever it lies: when it began, and what was said."""
    told = hashlib.sha256(f"{found.started_at} {found.duration_s}".encode())
    for host, captures in sorted(found.hosts.items()):
        for name, capture in sorted(captures.items()):
            told.update(f"{host} {name} {capture.outcome}".encode())
            told.update(capture.stdout)
    return told.hexdigest()


def utc() -> str:
    """Say what time it is."""
    return _spelt(datetime.now(UTC))


def days_ago(days: float) -> str:
    """Say what time it was; before all of them where no calendar has it."""
    try:
        return _spelt(datetime.now(UTC) - timedelta(days=days))
    except OverflowError:
        return EARLIEST


def _spelt(at: datetime) -> str:
    """Write a time in UTC; strftime pads no year on Linux."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def moment(text: str) -> str:
    """Read `12h`, `7d`, or a date or time (UTC where no zone is said), as a time of the past."""
    ago = re.fullmatch(r"(\d{1,6})([mhd])", text)
    try:
        if ago:
            days = int(ago[1]) / {"m": 1440, "h": 24, "d": 1}[ago[2]]
            return _spelt(datetime.now(UTC) - timedelta(days=days))
        at = datetime.fromisoformat(text)
        return _spelt(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as error:
        raise MlxdiagError(f"--since: {text!r} is no time: 12h, 7d, 2026-01-28") from error
