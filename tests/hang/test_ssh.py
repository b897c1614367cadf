"""`mlxdiag hang` over a real sshd; a controller that is ended leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hang.test_live import ring
from tests.probe.conftest import world
from tests.simhosts import UNAVAILABLE, SimHosts

__all__ = ["world"]

pytestmark = [
    pytest.mark.skipif(bool(UNAVAILABLE), reason=UNAVAILABLE),
    pytest.mark.usefixtures("world"),
    pytest.mark.xdist_group("ranks"),
]


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimHosts]:
    with SimHosts({"mac1": tmp_path_factory.mktemp("mac1")}, ()) as made:
        yield made


def words(sim: SimHosts, pattern: str, *more: str) -> list[str]:
    host = sim.host("mac1")
    path = sim.folder / "inventory.yaml"
    path.write_text(
        f"hosts:\n  - name: mac1\n    address: {host.address}\n    port: {host.port}\n"
        f"    user: {host.user}\n    identity_file: {host.identity_file}\n"
        "  - {name: gone, address: 127.0.0.1, port: 1}\n"
        f"server:\n  pattern: '{pattern}'\n"
    )
    return [sys.executable, "-m", "mlxdiag", "hang", "-i", str(path), *more]


def there(sim: SimHosts) -> dict[str, str]:
    return {**os.environ, "HOME": str(sim.home)}


def test_a_stopped_rank_over_ssh_beside_a_host_that_does_not_answer(
    sim: SimHosts, tmp_path: Path
) -> None:
    with ring(tmp_path, "stopped", size=2) as made:
        made.ranks[1].send_signal(signal.SIGSTOP)
        argv = words(sim, made.pattern, "--interval", "1s", "-f", "json")
        ran = subprocess.run(argv, capture_output=True, check=False, env=there(sim))
    said = json.loads(ran.stdout)
    assert ran.returncode == 1, ran.stderr
    assert [(v["kind"], v["ranks"]) for v in said["hang"]["verdicts"]] == [
        ("rank-stopped", ["rank 1"])
    ]
    assert said["hang"]["hosts"][1]["gaps"]
    assert sim.wait_gone() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ended_while_it_looks_nothing_of_ours_stays(
    sim: SimHosts, tmp_path: Path, number: int
) -> None:
    slow = sim.folder / "bin" / "mac1" / "gdb"
    slow.write_text("#!/bin/sh\nexec sleep 61\n")
    slow.chmod(0o755)
    with ring(tmp_path, "slow", size=2) as made:
        argv = words(sim, made.pattern, "-f", "short")
        pipe = subprocess.PIPE
        with subprocess.Popen(argv, env=there(sim), stdout=pipe, stderr=pipe) as child:
            end = time.monotonic() + 20
            while not any(p.words.strip() == "sleep 61" for p in sim.survivors()):
                if time.monotonic() > end:
                    child.kill()
                    pytest.fail("it did not come to its looks")
                time.sleep(0.05)
            child.send_signal(number)
            out, err = child.communicate(timeout=20)
        assert sim.wait_gone() == []
        assert [rank.poll() for rank in made.ranks] == [None, None]
    slow.unlink()
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}
    assert child.returncode == codes[signal.Signals(number)], err
    assert number == signal.SIGKILL or b"UNKNOWN: " in out


def test_a_timeout_is_124_and_leaves_nothing(sim: SimHosts, tmp_path: Path) -> None:
    with ring(tmp_path, "slow", size=2) as made:
        argv = words(sim, made.pattern, "--interval", "60s", "--timeout", "3", "-f", "short")
        began = time.monotonic()
        ran = subprocess.run(argv, capture_output=True, check=False, env=there(sim))
    assert ran.returncode == 124, ran
    assert time.monotonic() - began < 30
    assert sim.wait_gone() == []
