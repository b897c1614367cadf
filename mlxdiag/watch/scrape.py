"""Scrape: the metrics over HTTP, for a Prometheus; GET /metrics and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from mlxdiag.errors import MlxdiagError
from mlxdiag.recording import Ended
from mlxdiag.watch.loop import Now
from mlxdiag.watch.metrics import Metrics

HEAD_BYTES = 8 << 10
PATIENCE_S = 5.0
MOST = 16
"""Connections at once; one more is closed."""

TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Scrape:
    """Listens at `address` and `port`; 0 takes any that is free, and `note` is told which."""

    address: str
    port: int
    note: Callable[[str], None]
    metrics: Metrics = field(default_factory=Metrics)
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def take(self, now: Now) -> bool:
        """Take in a moment."""
        self.metrics.take(now)
        return True

    async def begin(self) -> None:
        """Open the port; raise MlxdiagError where that is not possible."""
        try:
            self._server = await asyncio.start_server(
                self._serve, self.address, self.port, limit=HEAD_BYTES
            )
        except OSError as error:
            where = f"{self.address} port {self.port}"
            raise MlxdiagError(f"--prometheus-port: {where}: {error.strerror}") from error
        self.port = self._server.sockets[0].getsockname()[1]
        host = f"[{self.address}]" if ":" in self.address else self.address
        self.note(f"metrics at http://{host}:{self.port}/metrics")

    async def close(self, ended: Ended) -> None:
        """Close the port and whoever is still connected."""
        del ended
        if self._server is None:
            return
        self._server.close()
        for writer in self._open:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= MOST:
            writer.close()
            return
        self._open.add(writer)
        try:
            with suppress(TimeoutError, OSError):
                await asyncio.wait_for(self._answer(reader, writer), PATIENCE_S)
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.write(_response("400 Bad Request", "not a request\n"))
        else:
            writer.write(self._page(head.partition(b"\r\n")[0].split()))
        await writer.drain()

    def _page(self, words: list[bytes]) -> bytes:
        method, path = words[:2] if len(words) == 3 else (b"", b"")
        if method not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed", "GET /metrics\n")
        if path.partition(b"?")[0] != b"/metrics":
            return _response("404 Not Found", "GET /metrics\n")
        return _response("200 OK", self.metrics.text(), head_only=method == b"HEAD")


def _response(status: str, text: str, *, head_only: bool = False) -> bytes:
    body = text.encode()
    lines = (
        f"HTTP/1.1 {status}",
        f"Content-Type: {TYPE}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    head = "".join(f"{line}\r\n" for line in lines) + "\r\n"
    return head.encode() + (b"" if head_only else body)
