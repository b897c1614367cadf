"""Hook: the user's command, started for every event; never by a shell, never two at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from mlxdiag.recording import Ended
from mlxdiag.watch import tell
from mlxdiag.watch.loop import Now

MOST_S = 60.0
"""A command that takes longer is ended, so that the next event is told as well."""

GRACE_S = 2.0
LAST_S = 5.0
"""How long the events that still wait are worked on when the watch ends."""

WAITING = 1000
"""Events that wait for the one at hand; what comes beyond is left out, and said so."""


@dataclass
class Hook:
    """Runs `argv` with the event as JSON on stdin and in MLXDIAG_EVENT.

    It prints to our stderr, and nowhere where it is `quiet`: a view is not to be written over.
    """

    argv: Sequence[str]
    note: Callable[[str], None]
    quiet: bool = False
    _queue: asyncio.Queue[tuple[str, str]] = field(
        default_factory=lambda: asyncio.Queue(maxsize=WAITING)
    )
    _worker: asyncio.Task[None] | None = None
    _left_out: int = 0

    async def begin(self) -> None:
        """Start the worker."""
        self._worker = asyncio.ensure_future(self._work())

    async def take(self, now: Now) -> bool:
        """Queue the events; the watch does not wait for the command."""
        cluster = now.report.cluster.inventory.cluster
        for event in now.events:
            try:
                self._queue.put_nowait((event.kind, tell.line_of(tell.document(event, cluster))))
            except asyncio.QueueFull:
                self._left_out += 1
        return True

    async def close(self, ended: Ended) -> None:
        """Work on what waits for a moment, then end."""
        del ended
        if self._worker is None:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._queue.join(), LAST_S)
        left = self._queue.qsize() + self._left_out
        self._worker.cancel()
        await asyncio.gather(self._worker, return_exceptions=True)
        if left:
            self.note(f"--exec-on-change was not run for {left} events: it takes too long")

    async def _work(self) -> None:
        while True:
            kind, line = await self._queue.get()
            try:
                await self._run(kind, line)
            finally:
                self._queue.task_done()

    async def _run(self, kind: str, line: str) -> None:
        env = {**os.environ, "MLXDIAG_EVENT": line.strip(), "MLXDIAG_EVENT_KIND": kind}
        out = asyncio.subprocess.DEVNULL if self.quiet else sys.stderr.fileno()
        try:
            process = await asyncio.create_subprocess_exec(
                *self.argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=out,
                stderr=out,
                env=env,
                start_new_session=True,
            )
        except OSError as error:
            self.note(f"--exec-on-change: {self.argv[0]}: {error.strerror}")
            return
        try:
            await asyncio.wait_for(process.communicate(line.encode()), MOST_S)
        except TimeoutError:
            self.note(f"--exec-on-change: {self.argv[0]} was ended after {MOST_S:.0f} s")
        finally:
            await _end(process)
        if process.returncode:
            self.note(f"--exec-on-change: {self.argv[0]}: exit status {process.returncode}")


async def _end(process: asyncio.subprocess.Process) -> None:
    """End it and all that it started, if it is still there."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), GRACE_S)
