"""The host we stand on: the collector's program as a child in a session of its own, without ssh."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from mlxdiag.capture import ACCESS, Capture, Outcome
from mlxdiag.transport import shell
from mlxdiag.transport.collection import Collection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlxdiag.capture import Command
    from mlxdiag.inventory import Host

END_S = 2.0
"""How long the program may take to end once its stdin has closed."""


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
        if self.collection:
            self.collection.lost("the shell ended")
        if not self.exited.done():
            self.exited.set_result(None)

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


async def _start(child: _Child, program: shell.Program) -> asyncio.SubprocessTransport:
    transport, _ = await asyncio.get_running_loop().subprocess_exec(
        lambda: child, "/bin/sh", "-c", program.text, start_new_session=True
    )
    return transport


async def _end(child: _Child, transport: asyncio.SubprocessTransport) -> None:
    """Wait for the lifeline to have done its work; a second cancellation cuts the wait short."""
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(child.exited), END_S)
    transport.close()
