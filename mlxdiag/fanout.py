"""Fan-out: every host at once up to a limit, each over its transport; inventory order kept."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from typing import TYPE_CHECKING

from mlxdiag.capture import ACCESS, Capture, Captures, Outcome
from mlxdiag.transport import shell
from mlxdiag.transport.local import LocalTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlxdiag.capture import Command
    from mlxdiag.inventory import Host
    from mlxdiag.transport import Transport
    from mlxdiag.transport.ssh import SshTransport

FANOUT = 64
"""How many hosts are talked to at once, unless told otherwise."""


class State(StrEnum):
    """Where a host is, for a line of progress."""

    CONNECTING = "connecting"
    COLLECTING = "collecting"
    DONE = "done"
    FAILED = "failed"


def transport_choice() -> Callable[[Host], LocalTransport | SshTransport]:
    """Give the choice that a run makes per host: one transport of each kind, ssh only if needed."""
    local = LocalTransport()

    @cache
    def ssh() -> SshTransport:
        from mlxdiag.transport.ssh import SshTransport  # noqa: PLC0415  a local run needs no asyncssh

        return SshTransport()

    return lambda host: local if host.connection == "local" else ssh()


async def gather(
    hosts: Sequence[Host],
    commands: Sequence[Command],
    *,
    commands_of: Callable[[Host], Sequence[Command]] | None = None,
    fanout: int = FANOUT,
    transport_for: Callable[[Host], Transport] | None = None,
    on_state: Callable[[str, State], None] = lambda _name, _state: None,
    on_host: Callable[[Host, Captures], None] = lambda _host, _captures: None,
    stop: asyncio.Event | None = None,
) -> dict[str, dict[str, Capture]]:
    """Collect from all hosts, keyed by host name; `on_host` gets each host's as soon as it is done.

    `commands_of` stands in place of `commands` where hosts are not asked the same.

    Setting `stop`, or cancelling the task, ends the run early: connections are closed, so that
    nothing stays on any host, what was captured is kept, and the rest is INTERRUPTED. A cancelled
    gather returns all the same: it has taken the cancellation for an answer.
    """
    choose, places = transport_for or transport_choice(), asyncio.Semaphore(fanout)
    start = time.monotonic()
    asked = commands_of or (lambda _host: commands)
    runs = [_Run(h, asked(h), {}, lambda: time.monotonic() - start, on_state) for h in hosts]
    tasks = [asyncio.ensure_future(run.go(choose, places, on_host)) for run in runs]
    await _until_done(tasks, stop)
    return {run.host.name: run.whole for run in runs}


async def _until_done(tasks: Sequence[asyncio.Future[None]], stop: asyncio.Event | None) -> None:
    """Wait for all tasks or the end of patience; what is left is cancelled and waited for."""
    stopped = asyncio.ensure_future((stop or asyncio.Event()).wait())
    everything = asyncio.gather(*tasks, return_exceptions=True)
    try:
        await asyncio.wait((everything, stopped), return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        if current := asyncio.current_task():
            current.uncancel()
    finally:
        stopped.cancel()
        for task in tasks:
            task.cancel()
    for result in await everything:
        if isinstance(result, Exception):
            raise result


@dataclass
class _Run:
    host: Host
    commands: Sequence[Command]
    captures: dict[str, Capture]
    clock: Callable[[], float]
    on_state: Callable[[str, State], None]

    async def go(
        self,
        choose: Callable[[Host], Transport],
        places: asyncio.Semaphore,
        on_host: Callable[[Host, Captures], None],
    ) -> None:
        async with places:
            self.on_state(self.host.name, State.CONNECTING)
            watched = _Watched(self)
            await choose(self.host).collect(self.host, self.commands, watched, self.clock)
            self.on_state(self.host.name, State.DONE if self.reached else State.FAILED)
        on_host(self.host, self.whole)

    @property
    def reached(self) -> bool:
        access = self.captures.get(ACCESS)
        return access is not None and access.outcome is Outcome.EXITED

    @cached_property
    def whole(self) -> dict[str, Capture]:
        """Give access first, then the commands as they were asked; asked for once all is over."""
        self._fill()
        names = (ACCESS, *(command.name for command in self.commands))
        return {name: self.captures[name] for name in names if name in self.captures}

    def _fill(self) -> None:
        """Say of what did not end that it was interrupted; unreached hosts have no commands."""
        if ACCESS not in self.captures:
            self._interrupted(ACCESS, ("ssh", self.host.address))
        if self.reached:
            for command in self.commands:
                if command.name not in self.captures:
                    self._interrupted(command.name, shell.argv(command, self.host.python))

    def _interrupted(self, name: str, argv: tuple[str, ...]) -> None:
        self.captures[name] = Capture(name, argv, Outcome.INTERRUPTED, started_s=self.clock())


class _Watched(dict[str, Capture]):
    """The captures of a run; the first one with good news moves its state on."""

    def __init__(self, run: _Run) -> None:
        super().__init__()
        self._run = run
        run.captures = self

    def __setitem__(self, name: str, capture: Capture) -> None:
        super().__setitem__(name, capture)
        if name == ACCESS and capture.outcome is Outcome.EXITED:
            self._run.on_state(self._run.host.name, State.COLLECTING)
