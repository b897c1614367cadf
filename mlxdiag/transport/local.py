"""The host we stand on: the collector's program as a child in a session of its own, without ssh."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from mlxdiag.capture import ACCESS, Capture, Outcome
from mlxdiag.transport import shell
from mlxdiag.transport.collection import Collection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlxdiag.capture import Command
    from mlxdiag.inventory import Host
    from mlxdiag.transport.talk import Ears, Talk

TALK_END_S = 8.0
"""How long a supervisor may take to end its rank: two graces and some."""

END_S = 2.0
"""How long the program may take to end once its stdin has closed."""

DRAIN_S = 0.5
"""How long its last bytes may take behind its end, where a child of it holds the pipes open."""


class _Child(asyncio.SubprocessProtocol):
    """Passes on what the program writes, from the first byte: it may be done before we look."""

    def __init__(self) -> None:
        self.collection: Collection | None = None
        self.exited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stdin: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        child = cast("asyncio.SubprocessTransport", transport)
        self._stdin = cast("asyncio.WriteTransport", child.get_pipe_transport(0))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if self.collection:
            (self.collection.stdout if fd == 1 else self.collection.stderr)(data)

    def process_exited(self) -> None:
        """Know the end, which may be told before what was written until then."""
        asyncio.get_running_loop().call_later(DRAIN_S, self._lost)
        if not self.exited.done():
            self.exited.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the books behind the last byte of both pipes."""
        del exc
        self._lost()

    def _lost(self) -> None:
        if self.collection:
            self.collection.lost("the shell ended")

    def send(self, order: bytes) -> None:
        if self._stdin:
            self._stdin.write(order)

    def cut(self) -> None:
        """Close the lifeline."""
        self.collection = None
        if self._stdin:
            self._stdin.close()


class LocalTransport:
    """Runs the collection as our child."""

    async def collect(
        self,
        host: Host,
        commands: Sequence[Command],
        captures: dict[str, Capture],
        clock: Callable[[], float],
    ) -> None:
        """Fill `captures`; see `mlxdiag.transport.Transport`."""
        captures[ACCESS] = Capture(ACCESS, ("local",), Outcome.EXITED, 0, started_s=clock())
        program = shell.build(commands, host.python, shell.new_nonce())
        child = _Child()
        collection = Collection(program, host.python, captures, clock, child.send)
        child.collection = collection
        transport = await _start(child, program)
        try:
            await collection.finished()
        except asyncio.CancelledError:
            await collection.wind_up()
            raise
        finally:
            child.cut()
            await _end(child, transport)

    async def keep(
        self, host: Host, captures: dict[str, Capture], clock: Callable[[], float]
    ) -> _Kept:
        """Stay where we are; see `mlxdiag.transport.kept.Keeper`."""
        captures[ACCESS] = Capture(ACCESS, ("local",), Outcome.EXITED, 0, started_s=clock())
        return _Kept(self, host)

    async def talk(self, host: Host, line: str, ears: Ears) -> Talk:
        """Start a command line as our child; see `mlxdiag.transport.talk.Talker`."""
        del host
        transport, listener = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Listener(ears), "/bin/sh", "-c", line, start_new_session=True
        )
        return _LocalTalk(transport, listener)


@dataclass
class _Kept:
    """This machine, which is not lost: a child per collection."""

    transport: LocalTransport
    host: Host
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    async def collect(
        self,
        commands: Sequence[Command],
        captures: dict[str, Capture],
        clock: Callable[[], float],
    ) -> None:
        await self.transport.collect(self.host, commands, captures, clock)

    async def close(self) -> None:
        """Leave nothing: every child has ended with its collection."""


class _Listener(asyncio.SubprocessProtocol):
    """Passes on what a talk's process writes, and its end after its last bytes."""

    def __init__(self, ears: Ears) -> None:
        self._ears = ears
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        (self._ears.stdout if fd == 1 else self._ears.stderr)(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.gone.done():
            self.gone.set_result(None)
            self._ears.ended("the process ended", True)


@dataclass
class _LocalTalk:
    """A talk with our own child."""

    transport: asyncio.SubprocessTransport
    listener: _Listener

    def send(self, data: bytes) -> None:
        stdin = cast("asyncio.WriteTransport | None", self.transport.get_pipe_transport(0))
        if stdin is not None and not stdin.is_closing():
            stdin.write(data)

    async def close(self) -> None:
        stdin = self.transport.get_pipe_transport(0)
        if stdin is not None:
            stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self.listener.gone), TALK_END_S)
        self.transport.close()


async def _start(child: _Child, program: shell.Program) -> asyncio.SubprocessTransport:
    transport, _ = await asyncio.get_running_loop().subprocess_exec(
        lambda: child, *program.argv, start_new_session=True
    )
    return transport


async def _end(child: _Child, transport: asyncio.SubprocessTransport) -> None:
    """Wait for the lifeline to have done its work; a second cancellation cuts the wait short."""
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(child.exited), END_S)
    transport.close()
