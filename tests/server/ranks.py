"""Real ranks of MLX's ring on loopback: a token is one all_sum of all of them.

Rank 0 is whoever calls `Ranks`; the others are processes that wait in the collective, as the ranks
of a server do, until rank 0 comes to it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import mlx.core as mx

LAST = 0.0


def collective(number: float) -> float:
    """Add up what every rank brings."""
    total = mx.distributed.all_sum(mx.array([number], dtype=mx.float32), stream=mx.cpu)
    mx.eval(total)
    value = total.item()
    assert isinstance(value, float)
    return value


def follow() -> None:
    """Be another rank: bring nothing, until rank 0 brings nothing either."""
    mx.distributed.init(strict=True, backend="ring")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while collective(0.0) != LAST:
        pass


def become_rank_0(count: int, ports: list[int]) -> None:
    """Start this program anew with the variables of rank 0, unless it has them already."""
    if "MLX_RANK" in os.environ:
        return
    place = Path(tempfile.mkdtemp(prefix="mlxdiag-server-")) / "ring.json"
    place.write_text(json.dumps([[f"127.0.0.1:{port}"] for port in ports]))
    told = {"MLX_HOSTFILE": str(place), "MLX_RANK": "0", "RANKS": str(count)}
    words = [sys.executable, *sys.orig_argv[1:]]
    os.execve(sys.executable, words, {**os.environ, **told})  # noqa: S606


class Ranks:
    """Starts the other ranks and joins them."""

    def __init__(self) -> None:
        self.others = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.server.ranks"],
                env={**os.environ, "MLX_RANK": str(rank)},
                stdout=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
            )
            for rank in range(1, int(os.environ["RANKS"]))
        ]
        self.group = mx.distributed.init(strict=True, backend="ring")
        place = Path(os.environ["MLX_HOSTFILE"])
        for other in self.others:  # each has read the list when it is ready
            assert other.stdout is not None
            other.stdout.readline()
        place.unlink()
        place.parent.rmdir()

    def token(self, number: int) -> int:
        """Compute a token: its number, by way of every rank."""
        return round(collective(number + 1.0)) - 1

    def end(self) -> None:
        """Let every rank go, and see that it has."""
        collective(LAST)
        for other in self.others:
            other.wait(10)


if __name__ == "__main__":
    follow()
