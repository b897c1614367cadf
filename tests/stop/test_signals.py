"""The one program that changes a host: it ends what it is told to, and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.stop import signals
from mlxdiag.stop.signals import Named
from mlxdiag.transport import shell
from tests.transport.test_shell import LOGIN_SHELLS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="starts in ticks: Linux")
SHELLS = [("sh",), ("dash",), ("bash", "--posix"), ("zsh", "--emulate", "sh"), ("ksh",)]
SHELLS = [words for words in SHELLS if shutil.which(words[0])]
"""What `sh` may be; on macOS it is one of bash, dash and zsh."""
NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
ORDINARY = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv"
)


def began(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


@contextmanager
def sleeping(*before: str, stubborn: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process; nobody waits for it before the end, so that it stays as a zombie."""
    text = "trap '' TERM; while :; do sleep 1; done" if stubborn else "exec sleep 600"
    child = subprocess.Popen([*before, "sh", "-c", f"echo; {text}"], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def run(
    signal: signals.Signal, *named: Named, wait_s: float = 2.0, by: tuple[str, ...] = ("sh",)
) -> dict[int, signals.Fate]:
    command = signals.command(signal, named, wait_s)
    argv = [*by, *command.argv[1:]]
    ran = subprocess.run(argv, capture_output=True, timeout=30, check=True)
    assert ran.stderr == b""
    return signals.parse(ran.stdout)


@pytest.mark.parametrize("by", SHELLS)
def test_what_goes_what_is_another_and_what_is_not_there(by: tuple[str, ...]) -> None:
    with sleeping() as ours, sleeping() as other:
        told = [Named(ours.pid, began(ours.pid)), Named(other.pid, "1"), Named(2**22 - 1, "5")]
        fates = run("TERM", *told, by=by)
        assert fates == {ours.pid: "went", other.pid: "other", 2**22 - 1: "went"}
        assert other.poll() is None


def test_what_ignores_sigterm_stays_and_goes_by_sigkill() -> None:
    with sleeping(stubborn=True) as ours:
        named = Named(ours.pid, began(ours.pid))
        assert run("TERM", named, wait_s=0.4) == {ours.pid: "stays"}
        assert ours.poll() is None
        assert run("KILL", named) == {ours.pid: "went"}


@ORDINARY
def test_an_ordinary_user_ends_his_own_and_is_refused_others() -> None:
    with sleeping() as roots, sleeping(*AS_NOBODY) as own:
        told = [Named(roots.pid, began(roots.pid)), Named(own.pid, began(own.pid))]
        fates = run("TERM", *told, wait_s=0.4, by=(*AS_NOBODY, "sh"))
        assert fates == {roots.pid: "refused", own.pid: "went"}
        assert roots.poll() is None


def test_without_proc_the_start_is_that_of_ps(tmp_path: Path) -> None:
    """As on macOS: `ps` of the test answers for pids that /proc here does not have."""
    (tmp_path / "ps").write_text(
        "#!/bin/sh\ncase $5$6 in -p77777777) echo 'Ss   Sat Nov 28 18:15:40 2026    ';;\n"
        "-p88888888) echo 'Z    Sat Nov 28 18:15:40 2026';; *) exit 1;; esac\n"
    )
    (tmp_path / "ps").chmod(0o755)
    told = [
        Named(77777777, "Sat Nov 28 18:15:41 2026"),
        Named(88888888, "Sat Nov 28 18:15:40 2026"),
        Named(99999999, "Sat Nov 28 18:15:40 2026"),
    ]
    command = signals.command("TERM", told, 0.2)
    there = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    ran = subprocess.run(command.argv, capture_output=True, env=there, check=True, timeout=20)
    assert signals.parse(ran.stdout) == {77777777: "other", 88888888: "went", 99999999: "went"}
    same = signals.command("TERM", [Named(77777777, "Sat Nov 28 18:15:40 2026")], 0.2)
    ran = subprocess.run(same.argv, capture_output=True, env=there, check=True, timeout=20)
    assert signals.parse(ran.stdout) == {77777777: "refused"}  # there is no such process to end


@pytest.mark.parametrize("login_shell", LOGIN_SHELLS)
def test_every_login_shell_passes_it_on(login_shell: str) -> None:
    with sleeping() as ours:
        asked = signals.command("TERM", [Named(ours.pid, began(ours.pid))], 2.0)
        program = shell.build([asked], None, "z0123456789abcde")
        argv = [login_shell, "-c", program.line]
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        child = subprocess.Popen(  # closing its stdin ends its whole process group
            argv, stdin=pipe, stdout=pipe, stderr=null, start_new_session=True
        )
        assert child.stdout is not None
        assert child.stdin is not None
        said = b""
        while b"went\n" not in said and (more := os.read(child.stdout.fileno(), 4096)):
            said += more
        child.stdin.close()
        child.wait(timeout=10)
        child.stdout.close()
        assert f"{ours.pid} sent\n{ours.pid} went\n".encode() in said
        assert ours.poll() == -15


def test_the_program_fits_the_rules_of_the_transport() -> None:
    asked = signals.command("TERM", [Named(1, "Sat Nov 28 18:15:40 2026")], 30)
    text = shell.build([asked], None, "z0123456789abcde").text
    assert not set("'\n") & set(text)
    assert not re.search("!(?! )", text)
    assert asked.deadline_s > 30


def test_other_words_are_refused() -> None:
    with pytest.raises(ParseError):
        signals.parse(b"sh: kill: No such process\n")
    assert signals.parse(b"7 refused\n7 went\n") == {7: "went"}
