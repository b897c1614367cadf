"""The three streams we are started with: closed ones must not become somebody else's."""

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


def check() -> None:
    """Put /dev/null where stdin or stderr is closed; raise MlxdiagError where stdout is.

    The next file or connection would get the descriptor that is free. An open stdout is put
    behind Stdout, also for what typer writes.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free: this one
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # for good
    if sys.stdout is None:
        raise MlxdiagError("stdout is closed: nobody would read the report")
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
        raise MlxdiagError(f"stdout: cannot be written: {error.strerror}") from error


def _drop() -> None:
    """Send what is left to nowhere, so that nothing tries again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
