"""One server with real ranks for all tests of a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.probe.world import NO_RANKS

ROOT = Path(__file__).parents[2]
KEY = 'sk-planted/7f3a+9b"c41d'
"""A key with all that is escaped somewhere."""


@dataclass(frozen=True)
class Endpoint:
    """Where the server answers, and the processes of its ranks but the first."""

    port: int
    ranks: tuple[int, ...]

    def url(self, fault: str = "ok") -> str:
        return f"http://127.0.0.1:{self.port}/{fault}"


@pytest.fixture(scope="package")
def endpoint() -> Iterator[Endpoint]:
    if NO_RANKS:
        pytest.skip(NO_RANKS)
    argv = [sys.executable, "-m", "tests.server.endpoint"]
    env = {**os.environ, "ENDPOINT_KEY": KEY, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env
    ) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        made = Endpoint(told["port"], tuple(told["ranks"]))
        try:
            yield made
        finally:
            for pid in made.ranks:
                os.kill(pid, signal.SIGCONT)
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(20) == 0
