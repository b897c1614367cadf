"""What `mlxdiag hang` does with hosts: find the ranks, look at them twice."""

from __future__ import annotations

from mlxdiag.fanout import FANOUT
from mlxdiag.hang.asked import Options
from mlxdiag.hang.verdict import Hang
from mlxdiag.inventory import Inventory
from mlxdiag.recording import Recording


def examine(
    inventory: Inventory,
    options: Options = Options(),
    *,
    fanout: int = FANOUT,
    timeout_s: float | None = None,
) -> Recording:
    """Find the ranks of a run and look at each twice; read-only, nothing stays on a host.

    The recording has `hang` set and is judged by `mlxdiag.hang.judge.judge`; a host that does not
    answer is an outcome in it, never an exception. Takes about `options.interval_s` and 5 s more.
    """
    raise NotImplementedError


def concluded(recording: Recording) -> Hang:
    """Judge a recording of `examine`; pure, the same live and from a replay."""
    raise NotImplementedError
