"""The collector's program, run here: every outcome, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from mlxdiag.capture import ACCESS, Capture, Command, Outcome
from mlxdiag.inventory import Host
from mlxdiag.transport import shell
from mlxdiag.transport.collection import STDOUT_CAP_BYTES
from mlxdiag.transport.local import LocalTransport, _Child

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")

MARK = "MLXDIAG_TEST_LOCAL"


def marked() -> list[str]:
    """List the live processes that inherited this test's mark, us excepted."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            environ, state = (entry / "environ").read_bytes(), (entry / "stat").read_text()
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            continue
        if (
            f"{MARK}={os.getpid()}".encode() in environ
            and f" {os.getpid()} " not in f" {entry.name} "
        ):
            found += [words] if ") Z" not in state else []
    return found


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(MARK, str(os.getpid()))
    yield
    end = time.monotonic() + 2
    while (left := marked()) and time.monotonic() < end:
        time.sleep(0.02)
    assert left == []


def collect(*commands: Command, python: str | None = None) -> dict[str, Capture]:
    captures: dict[str, Capture] = {}
    host = Host("here", "here", python=python, connection="local")
    asyncio.run(LocalTransport().collect(host, commands, captures, time.monotonic))
    assert captures[ACCESS].outcome is Outcome.EXITED
    assert set(captures) == {ACCESS, *(command.name for command in commands)}
    return captures


def sh(name: str, text: str, deadline_s: float = 10.0, lane: str = "main") -> Command:
    return Command(name, ("sh", "-c", text), deadline_s, lane)


def test_stdout_and_stderr_stay_apart_and_exact() -> None:
    every = bytes(range(256)) * 40 + b"\n\n"
    text = (
        "import sys; sys.stdout.buffer.write(bytes(range(256)) * 40 + b'\\n\\n'); "
        "sys.stderr.write('e1\\ne2')"
    )
    got = collect(Command("a", (sys.executable, "-c", text)), sh("b", "printf 'x y'; exit 3"))
    assert (got["a"].outcome, got["a"].exit_status) == (Outcome.EXITED, 0)
    assert (got["a"].stdout, got["a"].stderr) == (every, b"e1\ne2\n")
    assert (got["b"].outcome, got["b"].exit_status, got["b"].stdout) == (Outcome.EXITED, 3, b"x y")
    assert got["b"].argv == ("sh", "-c", "printf 'x y'; exit 3")


def test_missing_commands_and_their_status() -> None:
    got = collect(
        Command("a", ("no-such-command",)),
        sh("b", "exit 127"),
        Command("c", ("{python}",)),
        python="/x/y",
    )
    assert got["a"].outcome is Outcome.MISSING
    assert (got["b"].outcome, got["b"].exit_status) == (Outcome.EXITED, 127)
    assert got["c"].outcome is Outcome.MISSING


@pytest.mark.parametrize("python", ["eval", "exec", "nope; true", "$(true)", "~/nope", ".", "run"])
def test_only_a_file_is_an_interpreter(python: str) -> None:
    got = collect(Command("p", ("{python}", "-c", "touch /tmp/never")), python=python)
    assert got["p"].outcome is Outcome.MISSING


def test_an_interpreter_below_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "it's $x").symlink_to("/bin/echo")
    got = collect(Command("p", ("{python}", "a\nb", "-n")), python="~/it's $x")
    assert got["p"].stdout == b"a\nb -n\n"


def test_a_path_below_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    got = collect(Command("p", ("printf", "%s ", "~/a b/$x", "~root/a", "a~/b")))
    assert got["p"].stdout.decode() == f"{tmp_path}/a b/$x ~root/a a~/b "
    assert got["p"].argv[2] == "~/a b/$x"


@pytest.mark.parametrize(
    ("tools", "outcome"), [("exit 2", Outcome.MISSING), ("exit 0", Outcome.EXITED)]
)
def test_apples_stub_is_run_only_where_its_tools_are(
    tools: str, outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    select = tmp_path / "xcode-select"
    select.write_text(f"#!/bin/sh\n{tools}\n")
    select.chmod(0o755)
    monkeypatch.setattr(shell, "XCODE_SELECT", str(select))
    monkeypatch.setattr(shell, "STUB", "/bin/echo")
    got = collect(Command("p", ("{python}", "x")), python="/bin/echo")["p"]
    assert got.outcome is outcome
    assert ("stub" in got.detail) is (outcome is Outcome.MISSING)


def test_a_command_has_no_stdin_and_the_c_locale() -> None:
    got = collect(sh("a", "cat; echo $LC_ALL"), sh("b", "ls -d /proc/$$/fd/[3-9]"))
    assert got["a"].stdout == b"C\n"
    assert got["b"].stdout == b""


def test_signals_are_told_from_statuses() -> None:
    got = collect(sh("a", "kill -SEGV $$"), sh("b", "exit 128"))
    assert (got["a"].outcome, got["a"].signal, got["a"].exit_status) == (
        Outcome.SIGNALLED,
        11,
        None,
    )
    assert (got["b"].outcome, got["b"].exit_status) == (Outcome.EXITED, 128)


def test_a_late_command_is_ended_and_keeps_what_it_said() -> None:
    got = collect(sh("slow", "echo one; sleep 60", 0.3), sh("next", "echo two"))
    assert (got["slow"].outcome, got["slow"].stdout) == (Outcome.TIMEOUT, b"one\n")
    assert 0.3 <= got["slow"].seconds < 1.0
    assert got["next"].stdout == b"two\n"


def test_a_command_that_ignores_sigterm_is_killed() -> None:
    got = collect(Command("deaf", (sys.executable, "-c", DEAF), 0.4), sh("next", "echo two"))
    assert (got["deaf"].outcome, got["deaf"].detail) == (Outcome.TIMEOUT, "ignored SIGTERM")
    assert got["deaf"].stdout == b"here\n"
    assert got["next"].stdout == b"two\n"


DEAF = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); "
    "print('here', flush=True); time.sleep(60)"
)


def test_floods_are_cut() -> None:
    got = collect(
        sh("out", "cat /dev/zero"),
        sh("err", "head -c 300000 /dev/zero | tr '\\0' e >&2"),
        sh("n", "echo n"),
    )
    assert (got["out"].outcome, len(got["out"].stdout)) == (Outcome.TRUNCATED, STDOUT_CAP_BYTES)
    assert len(got["err"].stderr) == (64 << 10) + 1
    assert got["n"].stdout == b"n\n"


def test_lanes_run_at_once_and_arrive_whole() -> None:
    lanes = [
        sh(f"l{n}", f"sleep 0.4; head -c 90000 /dev/zero; echo {n} >&2", lane=f"l{n}")
        for n in range(4)
    ]
    began = time.monotonic()
    got = collect(*lanes)
    assert time.monotonic() - began < 1.2
    assert all(got[f"l{n}"].stdout == bytes(90000) for n in range(4))
    assert [got[f"l{n}"].stderr for n in range(4)] == [b"0\n", b"1\n", b"2\n", b"3\n"]


def test_a_lane_that_cannot_write_yet_is_not_late() -> None:
    got = collect(sh("front", "sleep 1"), sh("big", "head -c 1000000 /dev/zero", 0.3, "back"))
    assert (got["big"].outcome, len(got["big"].stdout)) == (Outcome.EXITED, 1000000)


def verbs(folder: Path, name: str, text: str, deadline_s: float = 0.4) -> Command:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return Command(name, (str(path),), deadline_s, "verbs", exclusive=True)


def test_after_a_verbs_call_that_hung_no_other_starts(tmp_path: Path) -> None:
    touched = tmp_path / "ran"
    hung = verbs(tmp_path, "vb_hung", "exec sleep 60")
    got = collect(hung, verbs(tmp_path, "vb_next", f"touch {touched}"), sh("q", "echo q"))
    assert got["vb_hung"].outcome is Outcome.TIMEOUT
    assert got["vb_next"].outcome is Outcome.NOT_STARTED
    assert "behind vb_hung" in got["vb_next"].detail
    assert got["q"].stdout == b"q\n"
    assert not touched.exists()


@pytest.mark.parametrize("first", [True, False])
def test_a_verbs_call_is_never_killed(tmp_path: Path, first: bool) -> None:
    pid = tmp_path / "pid"
    text = f"echo $$ >{pid}; trap '' TERM; echo said; exec sleep 60"
    lane = [verbs(tmp_path, "vb_deaf", text, 1.5), verbs(tmp_path, "vb_after", "echo no")]
    quick = sh("q", "sleep 0.2; echo q")
    got = collect(*lane, quick) if first else collect(quick, *lane)
    number = int(pid.read_text())
    os.kill(number, 0)
    os.kill(number, signal.SIGKILL)
    assert got["vb_deaf"].outcome is Outcome.TIMEOUT
    assert got["vb_deaf"].detail == f"still there as pid {number} after SIGTERM"
    assert got["vb_after"].outcome is Outcome.NOT_STARTED
    assert got["q"].stdout == b"q\n"


def test_a_verbs_call_gets_no_company(tmp_path: Path) -> None:
    other = verbs(tmp_path, "vb_other", "sleep 60")
    running = subprocess.Popen(other.argv, start_new_session=True)
    try:
        wait_named("vb_other")
        got = collect(verbs(tmp_path, "vb_mine", "echo no"), other)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    assert {got[n].outcome for n in ("vb_mine", "vb_other")} == {Outcome.NOT_STARTED}
    assert got["vb_mine"].detail == f"already running: pid {running.pid}"


def wait_named(name: str) -> None:
    while not subprocess.run(["pgrep", "-x", name], capture_output=True, check=False).stdout:
        time.sleep(0.01)


def test_a_child_that_holds_the_output_does_not_hold_the_host() -> None:
    got = collect(sh("daemon", "sleep 60 & echo one", 0.3), sh("other", "echo two", lane="back"))
    assert got["daemon"].outcome is Outcome.TIMEOUT
    assert got["other"].stdout == b"two\n"


def test_the_children_of_a_late_command_end_with_it() -> None:
    got = collect(sh("tree", "sleep 61; echo never", 0.3), sh("next", "echo two"))
    assert (got["tree"].outcome, got["tree"].stdout) == (Outcome.TIMEOUT, b"")
    assert got["next"].stdout == b"two\n"


def test_nothing_to_run_is_soon_done() -> None:
    assert list(collect()) == [ACCESS]


def test_cancelling_keeps_what_came_and_leaves_nothing() -> None:
    captures: dict[str, Capture] = {}

    async def run() -> None:
        some = [sh("a", "echo a"), sh("b", "sleep 60"), sh("c", "sleep 60", lane="back")]
        host = Host("here", "here", connection="local")
        task = asyncio.ensure_future(LocalTransport().collect(host, some, captures, time.monotonic))
        while "a" not in captures:  # noqa: ASYNC110  a dict has no event
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert list(captures) == [ACCESS, "a"]


def test_what_was_written_before_the_end_counts_wherever_the_end_is_told() -> None:
    told: list[object] = []

    class Books:
        stdout = stderr = told.append
        lost = told.append

    async def ends() -> None:
        child = _Child()
        child.collection = cast("Any", Books())
        child.process_exited()
        child.pipe_data_received(1, b"the last words")
        child.connection_lost(None)

    asyncio.run(ends())
    assert told == [b"the last words", "the shell ended"]


def test_a_child_that_holds_the_pipes_does_not_hold_the_books(tmp_path: Path) -> None:
    held, began = tmp_path / "pid", time.monotonic()
    got = collect(
        sh("a", f"setsid sleep 60 & echo $! >{held}; sleep 1; kill -KILL 0"), sh("b", "echo b")
    )
    assert time.monotonic() - began < 30
    os.kill(int(held.read_text()), signal.SIGKILL)
    assert [got[n].outcome for n in "ab"] == [Outcome.DISCONNECTED] * 2
    assert got["a"].detail == "the shell ended"


def test_a_program_that_is_ended_from_outside_is_a_lost_connection() -> None:
    got = collect(sh("a", "echo a"), sh("b", "kill -TERM 0; sleep 60"), sh("c", "echo c"))
    assert got["a"].outcome is Outcome.EXITED
    assert [got[n].outcome for n in "bc"] == [Outcome.DISCONNECTED] * 2
