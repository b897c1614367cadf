"""Untangle: what mpirun printed, cut anywhere -> whole lines by rank. Pure.

mpirun puts a tag before what a rank wrote: Open MPI 4 before every line and every piece of a line
as it read it, Open MPI 5 before whole lines, with a blank behind. Between the pieces of one rank's
line stand those of others. A line without a tag is mpirun's own.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

TAG = re.compile(rb"\[(?:[^\[\]<>\s]{1,200}[,@])?(\d{1,9})\]<std(?:out|err|diag)>: ?")
LONGEST = 256
"""Bytes of a tag, at most: after so many, a bracket is a bracket."""


class Untangler:
    """One stream of mpirun's."""

    def __init__(self) -> None:
        """Begin at the start of a line."""
        self._held = b""
        self._owner: int | None = None
        self._rest: dict[int | None, bytes] = {}

    def feed(self, data: bytes) -> list[tuple[int | None, bytes]]:
        """Take more bytes; return the lines that are whole now and whose they are."""
        data = self._held + data
        self._held = _unfinished(data)
        return self._sorted(data[: len(data) - len(self._held)])

    def end(self) -> list[tuple[int | None, bytes]]:
        """Return what never became a line."""
        lines = self._sorted(self._held)
        lines += [(owner, rest) for owner, rest in self._rest.items() if rest]
        self._held, self._rest = b"", {}
        return lines

    def _sorted(self, data: bytes) -> list[tuple[int | None, bytes]]:
        lines: list[tuple[int | None, bytes]] = []
        at = 0
        for tag in TAG.finditer(data):
            lines += self._take(data[at : tag.start()])
            self._owner, at = int(tag[1]), tag.end()
        return lines + self._take(data[at:])

    def _take(self, text: bytes) -> list[tuple[int | None, bytes]]:
        """Add text of the owner of the moment; behind the end of a line nobody owns what comes."""
        lines: list[tuple[int | None, bytes]] = []
        while text:
            line, newline, text = text.partition(b"\n")
            whole = self._rest.pop(self._owner, b"") + line
            if newline:
                lines.append((self._owner, whole))
                self._owner = None
            elif whole:
                self._rest[self._owner] = whole
        return lines


def _unfinished(data: bytes) -> bytes:
    """Give the end that may be the beginning of a tag, or a tag whose blank may still come."""
    at = data.rfind(b"[")
    tail = data[at:] if at >= 0 else b""
    if not tail or len(tail) > LONGEST or b"\n" in tail:
        return b""
    whole = TAG.match(tail)
    return tail if whole is None or whole.end() == len(tail) else b""


@dataclass(frozen=True)
class Frame:
    """One line of a supervisor under mpirun; `text` is JSON."""

    rank: int
    number: int
    text: bytes


def frame(line: bytes, nonce: str) -> tuple[bytes, Frame | None, bool]:
    """Find a frame in a line: what stood before it, the frame, and whether one was damaged."""
    noise, ours, said = line.partition(nonce.encode() + b":")
    if not ours:
        return line, None, False
    rank, _, rest = said.partition(b":")
    number, _, rest = rest.partition(b":")
    crc, _, text = rest.partition(b":")
    fits = rank.isdigit() and number.isdigit() and crc == b"%08x" % zlib.crc32(text)
    return noise, Frame(int(rank), int(number), text) if fits else None, not fits
