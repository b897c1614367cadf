"""The three streams we are started with: closed ones must not become somebody else's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mlxdiag.errors import MlxdiagError


def check() -> None:
    """Put /dev/null where stdin or stderr is closed; raise MlxdiagError where stdout is.

    The next file or connection would get the descriptor that is free.
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
