"""Blocks: the bytes of a log, whatever they are, as blocks of plain text that end with a line."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator

HELD = 1 << 16
"""Characters of a line without an end: then it is cut, and goes on in the next one."""

LONGEST = 1 << 12
"""Characters of a line that are looked at as one; of a longer one, piece by piece."""

OVERLAP = 512
"""Characters that a cut line repeats, so that no message is lost in the cut."""

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,2048}(?:\x07|\x1b\\)|.)?")
_CONTROL = dict.fromkeys([*range(9), *range(12, 32), *range(127, 160), 0xFEFF, 0xFFFE])
_UNCLEAN = re.compile("[\x00-\x08\x0c-\x1f\x7f-\x9f\ufeff\ufffe]")
"""All but tab, line feed, and what stands for a carriage return."""

REDRAWN = "\v"
"""Stands for a carriage return without a line feed, which draws a line again."""


def blocks(chunks: Iterable[bytes]) -> Iterator[str]:
    r"""Decode and clean a stream; each block ends with "\n". Nothing is refused.

    UTF-8, or UTF-16 where it begins so; what cannot be decoded becomes U+FFFD. Escape sequences
    and control characters are dropped. A progress bar's carriage returns become REDRAWN.
    """
    held = ""
    for text in _decoded(chunks):
        whole, end, rest = (held + text).rpartition("\n")
        if end:
            yield _clean(whole) + "\n"
        held = rest
        while len(held) > HELD:
            yield _clean(held[:HELD]) + "\n"
            held = held[HELD - OVERLAP :]
    if held:
        yield _clean(held) + "\n"


def split(text: str) -> list[str]:
    """Cut a block into its lines, and these where they were drawn again."""
    return text.replace(REDRAWN, "\n").split("\n")


def pieces(line: str) -> list[str]:
    """Cut a long line into pieces that overlap: patterns take time by the square of its length."""
    if len(line) <= LONGEST:
        return [line]
    return [line[at : at + LONGEST] for at in range(0, len(line), LONGEST - OVERLAP)]


def _clean(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").removesuffix("\r").replace("\r", REDRAWN)
    if "\x1b" in text:
        text = _ESCAPE.sub("", text)
    return text.translate(_CONTROL) if _UNCLEAN.search(text) else text


def _decoded(chunks: Iterable[bytes]) -> Iterator[str]:
    decoder: codecs.IncrementalDecoder | None = None
    for chunk in chunks:
        if decoder is None and chunk:
            decoder = codecs.getincrementaldecoder(encoding(chunk[:4096]))(errors="replace")
        if decoder is not None:
            yield decoder.decode(chunk)
    if decoder is not None:
        yield decoder.decode(b"", final=True)


def encoding(start: bytes) -> str:
    """Guess the encoding from how the text begins: every other byte of UTF-16 English is 0."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    half = len(start) // 2
    for name, zeros, letters in (("utf-16-le", 1, 0), ("utf-16-be", 0, 1)):
        if half > 3 and start[zeros::2].count(0) > 0.8 * half > 5 * start[letters::2].count(0):
            return name
    return "utf-8"
