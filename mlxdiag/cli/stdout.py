"""Stdout: where the report goes; what stands against it is said on stderr, without a traceback."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlxdiag.errors import MlxdiagError


class Stdout(io.TextIOWrapper):
    """A reader that has gone (`| head`) is no failure; what else it answers is the user's to know.

    What its encoding has no sign for is written as an escape.
    """

    def write(self, text: str) -> int:
        """Take a text; raise MlxdiagError where it cannot be written, as on a full disk."""
        with _minded():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """Write what was taken; raise as `write` does."""
        with _minded():
            super().flush()


def take() -> None:
    """Put ours in the place of sys.stdout; refuse a closed one before any host is asked."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # for good
    if sys.stdout is None:
        raise MlxdiagError("stdout is closed; where nobody is to read it, write >/dev/null")
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout = Stdout(
        sys.stdout.buffer, encoding, "backslashreplace", line_buffering=sys.stdout.isatty()
    )


def write(text: str) -> None:
    """Write the report, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


@contextmanager
def _minded() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        _drop()
    except OSError as error:
        _drop()
        raise MlxdiagError(f"stdout cannot be written: {error.strerror}") from error


def _drop() -> None:
    """Send what is left to nowhere, so that nothing tries again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
