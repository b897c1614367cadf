"""Client: sends one request and keeps what comes back. The only place that speaks HTTP.

httpx, without proxies and .netrc of the environment: the server itself is asked, redirects are not
followed, and every request has a connection of its own, as those of different users have. What is
overdue keeps its connection until `close`, so that the ranks can be looked at while they hang.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from mlxdiag.server.exchange import Chunk, End, Exchange, What
from mlxdiag.server.secret import Secret

KEPT = ("content-type", "location", "retry-after", "server", "www-authenticate")
"""Headers of an answer that are kept; others may hold cookies and say nothing here."""

MOST_BYTES, MOST_CHUNKS = 4 << 20, 1 << 16
"""An answer that is longer is broken off: a short one was asked for."""

DIGITS = 4
"""Times are kept to a tenth of a millisecond."""


@dataclass(frozen=True)
class Call:
    """A request to send: `body` is what is sent as JSON, None makes it a GET."""

    what: What
    number: int
    path: str
    body: Mapping[str, Any] | None = None


@dataclass
class _Heard:
    """What has come so far."""

    connected_s: float | None = None
    headers_s: float | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)
    end: End = "deadline"
    detail: str = ""


class Client:
    """Sends requests to one server, in one event loop."""

    def __init__(self, url: str, secret: Secret, stop: asyncio.Event, began: float) -> None:
        """Send to `url`; `stop` interrupts, `began` is the loop's time at which the run began."""
        self._secret, self._stop, self._began = secret, stop, began
        self._url = url
        self._overdue: list[asyncio.Task[None]] = []
        self._http = httpx.AsyncClient(
            headers={"Accept-Encoding": "identity", **secret.header()},
            verify=_authorities() if url.startswith("https:") else False,
            trust_env=False,
            follow_redirects=False,
            timeout=None,  # noqa: S113  # `send` has the deadline
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    @property
    def stopped(self) -> bool:
        """Whether the run was ended."""
        return self._stop.is_set()

    async def send(self, call: Call, deadline_s: float) -> Exchange:
        """Send a request; give what came until its end, the deadline, or the end of the run."""
        loop = asyncio.get_running_loop()
        heard, start = _Heard(), loop.time()
        task = asyncio.create_task(self._talk(call, heard, start))
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({task, stopped}, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
        seconds = loop.time() - start
        stopped.cancel()
        if task.done():
            task.result()
        else:
            heard.end = "interrupted" if self._stop.is_set() else "deadline"
            self._overdue.append(task)
        return self._exchange(call, heard, start - self._began, seconds)

    async def close(self) -> None:
        """Close all connections."""
        for task in self._overdue:
            task.cancel()
        await asyncio.gather(*self._overdue, return_exceptions=True)
        await self._http.aclose()

    def _exchange(self, call: Call, heard: _Heard, began_s: float, seconds: float) -> Exchange:
        """Freeze what was heard, without the key."""
        hide = self._secret.out_of
        return Exchange(
            what=call.what,
            number=call.number,
            path=call.path,
            began_s=round(began_s, DIGITS),
            seconds=round(seconds, DIGITS),
            end=heard.end,
            detail=hide(heard.detail),
            connected_s=heard.connected_s,
            headers_s=heard.headers_s,
            status=heard.status,
            headers={name: hide(value) for name, value in heard.headers.items()},
            chunks=self._secret.out_of_all(heard.chunks),
        )

    async def _talk(self, call: Call, heard: _Heard, start: float) -> None:
        """Have the conversation; whatever goes wrong with it is an end of it."""
        try:
            await self._read(call, heard, start)
        except httpx.InvalidURL:
            heard.end, heard.detail = "unresolved", "no address that can be asked"
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            heard.end, heard.detail = _ended(error, heard)

    async def _read(self, call: Call, heard: _Heard, start: float) -> None:
        loop = asyncio.get_running_loop()

        def now() -> float:
            return round(loop.time() - start, DIGITS)

        async def trace(name: str, _info: object) -> None:
            if name == "connection.connect_tcp.complete":
                heard.connected_s = now()

        method = "GET" if call.body is None else "POST"
        url, extensions = self._url + call.path, {"trace": trace}
        async with self._http.stream(method, url, json=call.body, extensions=extensions) as answer:
            heard.headers_s, heard.status = now(), answer.status_code
            heard.headers = {name: answer.headers[name] for name in KEPT if name in answer.headers}
            size = 0
            async for raw in answer.aiter_raw():
                heard.chunks.append(Chunk(now(), raw))
                size += len(raw)
                if size > MOST_BYTES or len(heard.chunks) > MOST_CHUNKS:
                    heard.end, heard.detail = "too_long", f"{size} bytes and more to come"
                    return
        heard.end = "done"


def _authorities() -> ssl.SSLContext:
    """Trust whom httpx trusts, and whom the machine does: SSL_CERT_FILE is honoured by OpenSSL."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


def _ended(error: BaseException, heard: _Heard) -> tuple[End, str]:
    """Tell what an error is; texts of the libraries below are not passed on, they vary."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return "tls", _tls(cause)
        if isinstance(cause, socket.gaierror):
            return "unresolved", "no address is known for this name"
    if heard.headers_s is not None:
        return "cut", f"after {sum(len(c.raw) for c in heard.chunks)} bytes of the answer"
    if isinstance(error, httpx.ConnectError):
        return _connect(next((c for c in causes if isinstance(c, OSError) and c.errno), None))
    if isinstance(error, httpx.RemoteProtocolError) and "without sending" not in str(error):
        return "not_http", "what it sent is no HTTP"
    return "closed", "it closed the connection without an answer"


def _tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return "it does not speak TLS" if _plain(error) else f"TLS: {error.reason}"


def _connect(cause: OSError | None) -> tuple[End, str]:
    number = cause.errno if cause else None
    if number == errno.ECONNREFUSED:
        return "refused", "nothing listens there"
    name = errno.errorcode.get(number, str(number)) if number else "no connection"
    return "unreachable", name


def _plain(error: ssl.SSLError) -> bool:
    return error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk from an error to what it came from, groups included."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _causes(each)
    inner = error.__cause__ or error.__context__
    if inner is not None:
        yield from _causes(inner)
