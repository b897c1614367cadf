"""State folder: where this machine's user keeps what programs remember."""

from __future__ import annotations

import os
from pathlib import Path


def state_folder() -> Path:
    """Say where ours is: $XDG_STATE_HOME/mlxdiag, which is ~/.local/state/mlxdiag if not set.

    Raises RuntimeError where the user has no home folder.
    """
    base = os.environ.get("XDG_STATE_HOME") or ""
    folder = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return folder / "mlxdiag"
