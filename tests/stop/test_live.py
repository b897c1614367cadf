"""`mlxdiag stop` against real processes behind a real sshd, and on this machine."""

from __future__ import annotations

import json
import os
import pty
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.probe.conftest import world
from tests.simhosts import UNAVAILABLE, SimHosts

__all__ = ["world"]

SCRIPT = Path(__file__).parent / "served.py"
pytestmark = [
    pytest.mark.skipif(bool(UNAVAILABLE), reason=UNAVAILABLE),
    pytest.mark.usefixtures("world"),
    pytest.mark.xdist_group("ranks"),
]


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimHosts]:
    with SimHosts({"mac1": tmp_path_factory.mktemp("mac1")}, ()) as made:
        yield made


@pytest.fixture
def token() -> str:
    return secrets.token_hex(6)


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    children: list[subprocess.Popen[str]] = []
    yield children
    for child in children:
        child.kill()
        child.communicate()


def serve(
    started: list[subprocess.Popen[str]], token: str, *more: str, by: tuple[str, ...] = ()
) -> subprocess.Popen[str]:
    """Start a server of our own; it is nobody's zombie, for its parent waits for it."""
    words = [*by, sys.executable, str(SCRIPT), token, *more]
    speaks = not by or by[0] == "setpriv"
    out = subprocess.PIPE if speaks else subprocess.DEVNULL
    child = subprocess.Popen(words, stdout=out, stderr=subprocess.DEVNULL, text=True)
    started.append(child)
    if child.stdout is not None:
        assert child.stdout.readline() == "ready\n"
    return child


def inventory(sim: SimHosts, tmp_path: Path, token: str) -> Path:
    host = sim.host("mac1")
    path = tmp_path / "inventory.yaml"
    path.write_text(
        f"hosts:\n  - name: mac1\n    address: {host.address}\n    port: {host.port}\n"
        f"    user: {host.user}\n    identity_file: {host.identity_file}\n"
        f"server:\n  pattern: served[.]py {token}\n"
    )
    return path


def stop(
    sim: SimHosts, *words: str, stdin: int = subprocess.DEVNULL
) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "mlxdiag", "stop", *words]
    there = {**os.environ, "HOME": str(sim.home)}
    return subprocess.run(
        argv, capture_output=True, text=True, check=False, env=there, stdin=stdin, timeout=60
    )


def test_one_that_goes_and_those_that_only_look_like_it(
    sim: SimHosts, tmp_path: Path, token: str, started: list[subprocess.Popen[str]]
) -> None:
    ours = serve(started, token)
    looks = [
        serve(started, token, by=("tail", "-f", "/dev/null")),
        serve(started, token, by=("sh", "-c", "kill -STOP $$")),
        serve(started, "another"),
    ]
    ran = stop(sim, "-i", str(inventory(sim, tmp_path, token)), "--yes", "--grace", "10s")
    assert ran.returncode == 0, ran
    assert f"mac1  pid {ours.pid}  root" in ran.stdout
    assert ran.stdout.endswith(f"mac1 pid {ours.pid}: went after SIGTERM\nCLEAN: nothing is left\n")
    assert f"mac1 pid {ours.pid}: went after SIGTERM (" in ran.stderr
    assert ours.wait(5) == -signal.SIGTERM
    assert [child.poll() for child in looks] == [None, None, None]
    assert sim.wait_gone() == []


def test_one_that_ignores_sigterm_and_goes_by_force(
    sim: SimHosts, tmp_path: Path, token: str, started: list[subprocess.Popen[str]]
) -> None:
    ours = serve(started, token, "stubborn")
    words = ["-i", str(inventory(sim, tmp_path, token)), "--yes", "--grace", "0.4s"]
    ran = stop(sim, *words)
    assert ran.returncode == 1, ran
    assert "a second SIGTERM" in ran.stderr
    assert f"left on mac1: pid {ours.pid}: " in ran.stdout
    assert "ends with --force (SIGKILL), but" in ran.stdout
    assert ours.poll() is None
    ran = stop(sim, *words, "--force")
    assert ran.returncode == 0, ran
    assert "SIGKILL, which may leak wired memory" in ran.stderr
    assert ours.wait(5) == -signal.SIGKILL


def test_what_it_started_is_left(
    token: str, sim: SimHosts, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    ours = serve(started, token, "child")
    below = subprocess.run(["pgrep", "-P", str(ours.pid)], capture_output=True, check=True)
    child = int(below.stdout)
    try:
        ran = stop(sim, "-i", str(inventory(sim, tmp_path, token)), "--yes", "--grace", "10s")
        assert ran.returncode == 1, ran
        assert f"left on mac1: pid {child}: sleep 600 (the server had started it)" in ran.stdout
    finally:
        os.kill(child, signal.SIGKILL)


def test_nothing_is_sent_without_an_answer_or_by_a_dry_run(
    sim: SimHosts, tmp_path: Path, token: str, started: list[subprocess.Popen[str]]
) -> None:
    ours = serve(started, token)
    words = ["-i", str(inventory(sim, tmp_path, token))]
    ran = stop(sim, *words)
    assert ran.returncode == 2
    assert "say --yes, or --dry-run" in ran.stderr
    dry = stop(sim, *words, "--dry-run", "--yes")
    assert (dry.returncode, f"pid {ours.pid}" in dry.stdout) == (0, True)
    assert ours.poll() is None
    for answer, code in ((b"n\n", 1), (b"y\n", 0)):
        here, there = pty.openpty()
        os.write(here, answer)
        ran = stop(sim, *words, "--grace", "10s", stdin=there)
        os.close(here)
        os.close(there)
        assert ran.returncode == code, ran
        assert "send SIGTERM to 1 process on 1 host?" in ran.stderr
        assert (ours.poll() is None) == (code == 1)


def test_as_json_and_without_its_key(
    sim: SimHosts, tmp_path: Path, token: str, started: list[subprocess.Popen[str]]
) -> None:
    ours = serve(started, token, "stubborn", "--api-key", "sk-1234567890")
    words = ["-i", str(inventory(sim, tmp_path, token)), "--yes", "-f", "json"]
    dry = stop(sim, *words, "--dry-run")
    stays = stop(sim, *words, "--grace", "0.4s")
    short = stop(sim, *words, "--grace", "60s", "--timeout", "4")
    went = stop(sim, *words, "--grace", "0.4s", "--force")
    said = [json.loads(ran.stdout) for ran in (dry, stays, short, went)]
    assert [(one["verdict"], one["exit_code"]) for one in said] == [
        ("found", 0), ("left", 1), ("short", 124), ("clean", 0),
    ]  # fmt: skip
    assert [ran.returncode for ran in (dry, stays, short, went)] == [0, 1, 124, 0]
    assert [[(t["pid"], t["fate"]) for t in one["targets"]] for one in (said[0], *said[1::2])] == [
        [(ours.pid, None)],
        [(ours.pid, "stays")],
        [(ours.pid, "went after SIGKILL")],
    ]
    assert said[1]["targets"][0]["command"].endswith(f"{token} stubborn --api-key ***")
    everything = "".join(ran.stdout + ran.stderr for ran in (dry, stays, short, went))
    everything += stop(sim, *words[:-2], "--dry-run").stdout
    assert "sk-123" not in everything
    assert sim.wait_gone() == []


def test_ctrl_c_at_the_question_is_130_and_no_answer_is_no(
    sim: SimHosts, tmp_path: Path, token: str, started: list[subprocess.Popen[str]]
) -> None:
    ours = serve(started, token)
    words = ["stop", "-i", str(inventory(sim, tmp_path, token)), "-f", "json"]
    for number, expected in ((signal.SIGINT, (130, "short")), (None, (1, "declined"))):
        here, there = pty.openpty()
        child = subprocess.Popen(
            [sys.executable, "-m", "mlxdiag", *words],
            env={**os.environ, "HOME": str(sim.home)},
            stdin=there,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert child.stderr is not None
        asked = b""
        while b"[y/N]" not in asked:
            more = os.read(child.stderr.fileno(), 4096)
            assert more, asked
            asked += more
        if number is None:
            os.write(here, b"\x04")
        else:
            child.send_signal(number)
        out, _ = child.communicate(timeout=20)
        os.close(here)
        os.close(there)
        said = json.loads(out)
        assert (child.returncode, said["verdict"]) == expected
        assert said["targets"][0]["fate"] is None
        assert ours.poll() is None


def test_without_a_pattern_and_with_one_for_any_python_it_is_refused(sim: SimHosts) -> None:
    for words in (("--local",), ("--local", "--pattern", "python"), ("--local", "--pattern", "")):
        ran = stop(sim, *words, "--yes")
        assert ran.returncode == 2, ran
        assert "pattern" in ran.stderr


def test_a_host_that_does_not_answer_is_not_clean(tmp_path: Path, sim: SimHosts) -> None:
    path = tmp_path / "inventory.yaml"
    path.write_text("hosts:\n  - {name: gone, address: 127.0.0.1, port: 1}\n")
    ran = stop(sim, "-i", str(path), "--pattern", "served[.]py nobody", "--yes")
    assert ran.returncode == 3
    assert ran.stdout.endswith("UNKNOWN: not every host answered\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_ended_in_the_wait_nothing_of_ours_stays(
    sim: SimHosts, tmp_path: Path, token: str, started: list[subprocess.Popen[str]], number: int
) -> None:
    ours = serve(started, token, "stubborn")
    words = ["stop", "-i", str(inventory(sim, tmp_path, token)), "--yes", "--grace", "60s"]
    there = {**os.environ, "HOME": str(sim.home)}
    argv = [sys.executable, "-m", "mlxdiag", *words]
    child = subprocess.Popen(argv, env=there, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + 20
    while not any(f" TERM 300 {ours.pid}=" in process.words for process in sim.survivors()):
        assert time.monotonic() < end
        time.sleep(0.05)
    child.send_signal(number)
    out, _ = child.communicate(timeout=20)
    assert child.returncode == (130 if number == signal.SIGINT else -number)
    assert sim.wait_gone() == []
    assert ours.poll() is None
    if number == signal.SIGINT:
        assert b"STOPPED SHORT: interrupted" in out


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="util-linux is not installed")
def test_as_an_ordinary_user_on_this_machine(
    sim: SimHosts, token: str, started: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    user = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    roots, own = serve(started, token), serve(started, token, by=user)
    argv = [*user, sys.executable, "-m", "mlxdiag", "stop", "--local", "--yes", "--grace", "3s"]
    there = {**os.environ, "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        [*argv, "--pattern", f"served[.]py {token}"],
        capture_output=True,
        text=True,
        check=False,
        env=there,
        timeout=60,
    )
    del sim
    assert ran.returncode == 1, ran
    assert f"pid {roots.pid}: refused: it is another user's" in ran.stdout
    assert f"pid {own.pid}: went after SIGTERM" in ran.stdout
    assert (roots.poll(), own.wait(5)) == (None, -signal.SIGTERM)
