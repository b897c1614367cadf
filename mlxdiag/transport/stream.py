"""What the program of `shell` prints, cut into events as it arrives in pieces of any size."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

STDERR_CAP_BYTES = 64 << 10
"""How much of a command's stderr is kept."""

_TAIL_BYTES = 256


@dataclass(frozen=True)
class LaneBegins:
    """From here on the bytes are those of this lane."""

    lane: int


@dataclass(frozen=True)
class Bytes:
    """Some stdout of the command at hand."""

    data: bytes


@dataclass(frozen=True)
class Frame:
    """A command of this lane has ended; the bytes since the last frame were its stdout.

    `stderr` ends in one newline, however many there were. `status` is a number, or a word of
    `shell`'s: missing, stub, busy, behind.
    """

    command: str
    stderr: bytes
    status: str


Event = LaneBegins | Bytes | Frame


class Output:
    """The session's stdout: bytes, and the marks that begin a lane and end a command.

    `<nonce>=lane<nonce>>` and `<nonce><name stderr status<nonce>>`.
    """

    def __init__(self, nonce: str) -> None:
        self._nonce = nonce.encode()
        self._close = self._nonce + b">"
        self._buffer = bytearray()
        self._mark = bytearray()
        self._in_mark = False
        self._begun = False
        self.before = b""
        """What the login printed before the first lane, as far as it is kept."""

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield what `data` completes; a login's chatter before the first lane is set apart."""
        self._buffer += data
        while (event := self._next()) is not None:
            if self._begun:
                yield event
            elif isinstance(event, Bytes):
                self.before = (self.before + event.data)[:_TAIL_BYTES]

    def _next(self) -> Event | None:
        return self._read_mark() if self._in_mark else self._read_bytes()

    def _read_bytes(self) -> Event | None:
        at = self._buffer.find(self._nonce)
        if at > 0:
            return Bytes(self._take(at))
        if at == 0:
            self._take(len(self._nonce))
            self._in_mark = True
            return self._read_mark()
        free = len(self._buffer) - self._held(self._nonce)
        return Bytes(self._take(free)) if free else None

    def _read_mark(self) -> Event | None:
        at = self._buffer.find(self._close)
        if at < 0:
            self._keep(self._take(len(self._buffer) - self._held(self._close)))
            return None
        self._keep(self._take(at))
        self._take(len(self._close))
        self._in_mark = False
        mark = bytes(self._mark)
        self._mark.clear()
        return self._event(mark)

    def _event(self, mark: bytes) -> Event:
        if mark[:1] == b"=":
            self._begun = True
            return LaneBegins(int(mark[1:]))
        name, _, rest = mark[1:].partition(b" ")
        stderr, _, status = rest.rpartition(b" ")
        lines = stderr and stderr[:STDERR_CAP_BYTES] + b"\n"
        return Frame(name.decode(), lines, status.decode("ascii", "replace"))

    def _keep(self, data: bytes) -> None:
        """Add to the mark; of a long one, keep the beginning and the status at the end."""
        self._mark += data
        cap = STDERR_CAP_BYTES + _TAIL_BYTES
        if len(self._mark) > cap + _TAIL_BYTES:
            del self._mark[cap:-_TAIL_BYTES]

    def _held(self, word: bytes) -> int:
        """Count the bytes at the end of the buffer that may be the beginning of `word`."""
        longest = min(len(word) - 1, len(self._buffer))
        return next((n for n in range(longest, 0, -1) if self._buffer.endswith(word[:n])), 0)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


@dataclass(frozen=True)
class Told:
    """What the session's stderr tells of a lane; `pids` are those of its shell or its command."""

    lane: int
    what: Literal["lane", "next", "end", "left"]
    pids: tuple[int, ...] = ()


class Control:
    """The session's stderr. Its lines are `<nonce>:lane what pid... <nonce>;`."""

    def __init__(self, nonce: str) -> None:
        mark = re.escape(nonce.encode())
        self._line = re.compile(mark + rb":(\d+) (lane|next|end|left)([\s\d]*)" + mark + b";")
        self._buffer = b""
        self._other = b""

    def feed(self, data: bytes) -> Iterator[Told]:
        """Yield what `data` completes."""
        self._buffer += data
        end = 0
        for line in self._line.finditer(self._buffer):
            self._say(self._buffer[end : line.start()])
            end = line.end()
            what = cast("Literal['lane', 'next', 'end', 'left']", line[2].decode())
            yield Told(int(line[1]), what, tuple(map(int, line[3].split())))
        self._buffer = self._buffer[end:][-STDERR_CAP_BYTES:]

    @property
    def chatter(self) -> str:
        """Give the last line that was not ours: why a login shell gave up, if it did."""
        lines = (self._other + self._buffer).decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    @property
    def before(self) -> bytes:
        """Give what was not ours before the last of our lines, as far as it is kept."""
        return self._other

    def _say(self, data: bytes) -> None:
        self._other = (self._other + data)[-_TAIL_BYTES:]
