"""Blocks: the bytes of a log, whatever they are, as blocks of plain text that end with a line."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator

LONGEST = 1 << 16
"""Characters of a line without an end: then it is cut, and goes on in the next one."""

OVERLAP = 512
"""Characters that a cut line repeats, so that no message is lost in the cut."""

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,2048}(?:\x07|\x1b\\)|.)?")
_CONTROL = dict.fromkeys(
    [*range(9), 11, 12, *range(14, 32), *range(127, 160), 0xFEFF, 0xFFFE]
)  # all but tab, line feed and carriage return


def blocks(chunks: Iterable[bytes]) -> Iterator[str]:
    r"""Decode and clean a stream; each block ends with "\n". Nothing is refused.

    UTF-8, or UTF-16 where it begins so; what cannot be decoded becomes U+FFFD. Escape sequences
    and control characters are dropped, and a carriage return ends a line as a line feed does.
    """
    held = ""
    for text in _decoded(chunks):
        whole, end, rest = (held + _lines(text)).rpartition("\n")
        if end:
            yield _clean(whole) + "\n"
        held = rest
        while len(held) > LONGEST:
            yield _clean(held[:LONGEST]) + "\n"
            held = held[LONGEST - OVERLAP :]
    if held:
        yield _clean(held) + "\n"


def _lines(text: str) -> str:
    """Make a progress bar's carriage returns ends of lines; one before a line feed is none."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _clean(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    if "\x1b" in text:
        text = _ESCAPE.sub("", text)
    return text.translate(_CONTROL) if _UNCLEAN.search(text) else text


_UNCLEAN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffe]")


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
