"""The table of exit codes in docs/contract.md, each code by processes that end with it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.model import CASES, write_recording
from tests.test_cli import environment, run

ROOT = Path(__file__).parents[1]
FULL = Path("/dev/full")
SHORT = ("-f", "short")


@dataclass(frozen=True)
class Way:
    """A way to an exit code: words, and what stdout begins with and stderr holds."""

    words: tuple[str, ...]
    said: str = ""
    stderr: str = ""


def replay(command: str, case: str, *more: str, said: str = "") -> Way:
    return Way((command, "--replay", case, *more, *SHORT), said)


WAYS: dict[str, tuple[int, Way]] = {
    "all holds": (0, replay("ports", "clean-mesh-4", said="PASS: ")),
    "a warning": (0, replay("ports", "slow-cable", said="PASS: ")),
    "a backend is usable": (0, replay("recommend", "tb4-ring", said="PASS: ")),
    "a demonstration": (0, Way(("demo", *SHORT), "FAIL: ")),
    "a check failed": (1, replay("ports", "incident", said="FAIL: ")),
    "a warning that counts": (1, replay("ports", "slow-cable", "--fail-on", "warning")),
    "what is required does not hold": (
        1,
        replay("preflight", "incident", "--require", "jaccl", said="FAIL: "),
    ),
    "no hostfile": (
        1,
        Way(
            ("hostfile", "write", "--replay", "incident", "--backend", "jaccl"),
            stderr="no hostfile: jaccl: ",
        ),
    ),
    "no such option": (2, Way(("ports", "--replya", "x"), stderr="No such option")),
    "no inventory": (2, Way(("ports",), stderr="inventory.yaml: cannot be read")),
    "no such recording": (2, Way(("ports", "--replay", "nowhere"), stderr="cannot be read")),
    "no such hostfile": (2, Way(("hostfile", "check", "h.json"), stderr="h.json: cannot be read")),
    "no folder for the report": (2, Way(("demo", "-o", "no/where"), stderr="cannot be written")),
    "a host was not reached": (3, replay("ports", "unreachable-host", said="UNKNOWN: ")),
    "nobody said who listens": (3, replay("preflight", "clean-mesh-4", said="UNKNOWN: ")),
    "not known whether to write": (
        3,
        Way(
            ("hostfile", "write", "--replay", "unreachable-host", "--backend", "jaccl"),
            stderr="no hostfile: jaccl: ",
        ),
    ),
    "no check was left": (
        3,
        replay("ports", "clean-mesh-4", "--only", "gid", "--skip", "gid", said="UNKNOWN: "),
    ),
}

BROKEN = """
import mlxdiag.report, mlxdiag.cli
def broken(*_, **__): raise ZeroDivisionError("on purpose")
mlxdiag.report.build = broken
mlxdiag.cli.main()
"""


def a_way(name: str, folder: Path) -> None:
    code, way = WAYS[name]
    for word in way.words:
        if word in CASES:
            write_recording(CASES[word](), folder / word)
    ran = run(*way.words, cwd=folder)
    assert ran.returncode == code, (ran.stdout, ran.stderr)
    assert ran.stdout.startswith(way.said)
    assert way.stderr in ran.stderr
    assert bool(ran.stderr) == bool(way.stderr)
    assert "Traceback" not in ran.stderr


def a_fault_of_ours(folder: Path) -> None:
    ran = process(folder, "demo", program=("-c", BROKEN), stdout=subprocess.PIPE)
    assert (ran.returncode, ran.stdout) == (4, b"")
    assert ran.stderr.endswith(b"ZeroDivisionError: on purpose\n")


def stdout_is_full(folder: Path) -> None:
    for words in (("demo",), ("schema",), ("--version",), ("--help",), ("hostfile", "--help")):
        with FULL.open("wb") as full:
            ran = process(folder, *words, stdout=full.fileno())
        assert ran.returncode == 2, words
        assert ran.stderr == b"mlxdiag: stdout: cannot be written: No space left on device\n"


def a_plugin_has_no_stdout(folder: Path) -> None:
    for place, why in ((">/dev/full", ": cannot be written"), (">&-", " is closed")):
        line = f"exec '{sys.executable}' -m mlxdiag demo -f nagios {place}"
        ran = process(folder, shell=line, stdout=subprocess.PIPE)
        assert (ran.returncode, ran.stdout) == (3, b"")
        assert ran.stderr.startswith(f"mlxdiag: stdout{why}".encode())


def stdout_is_closed(folder: Path) -> None:
    for words in (("demo",), ("ports", "--hosts", "a.invalid", "-f", "json"), ("--version",)):
        line = f"exec '{sys.executable}' -m mlxdiag {' '.join(words)} >&-"
        ran = process(folder, shell=line, stdout=subprocess.PIPE)
        assert ran.returncode == 2, words
        assert ran.stderr.startswith(b"mlxdiag: stdout is closed: ")
        assert ran.stderr.count(b"\n") == 1


def process(
    folder: Path,
    *words: str,
    stdout: int,
    program: tuple[str, ...] = ("-m", "mlxdiag"),
    shell: str = "",
) -> subprocess.CompletedProcess[bytes]:
    argv = ["sh", "-c", shell] if shell else [sys.executable, *program, *words]
    return subprocess.run(
        argv, cwd=folder, env=environment(PYTHONPATH=str(ROOT)), stdin=subprocess.DEVNULL,
        stdout=stdout, stderr=subprocess.PIPE, check=False, timeout=60,
    )  # fmt: skip


def cut_short(number: int | None, code: int, folder: Path) -> None:
    """Ask a host that takes the connection and never says a word; its recording ends alike."""
    more = ("--timeout", "1") if number is None else ()
    with mute(folder) as door, subprocess.Popen(
        [sys.executable, "-m", "mlxdiag", "ports", *SHORT, "--save", "saved", *more],
        cwd=folder, env=environment(PYTHONPATH=str(ROOT)), stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL, text=True,
    ) as ran:  # fmt: skip
        caller, _ = door.accept()
        if number is not None:
            caller.recv(1)
            ran.send_signal(number)
        out, _ = ran.communicate(timeout=30)
        caller.close()
    assert ran.returncode == code
    assert "pending: mute" in out
    again = run("ports", "--replay", "saved", *SHORT, cwd=folder)
    assert (again.returncode, again.stdout) == (code, out)


def mute(folder: Path) -> socket.socket:
    door = socket.create_server(("127.0.0.1", 0))
    door.settimeout(30)
    host = {"name": "mute", "address": "127.0.0.1", "port": door.getsockname()[1]}
    (folder / "inventory.yaml").write_text(yaml.safe_dump({"hosts": [host]}))
    return door


Run = Callable[[Path], None]
ROWS: dict[str, tuple[int, Run]] = {
    **{name: (code, partial(a_way, name)) for name, (code, _) in WAYS.items()},
    "stdout is full": (2, stdout_is_full),
    "stdout is closed": (2, stdout_is_closed),
    "a plugin has no stdout": (3, a_plugin_has_no_stdout),
    "a fault of ours": (4, a_fault_of_ours),
    "--timeout": (124, partial(cut_short, None, 124)),
    "Ctrl-C": (130, partial(cut_short, signal.SIGINT, 130)),
    "terminated": (143, partial(cut_short, signal.SIGTERM, 143)),
}


@pytest.mark.parametrize("name", ROWS)
def test_exit_code(name: str, tmp_path: Path) -> None:
    if "stdout" in name and not FULL.exists():
        pytest.skip("no /dev/full on this system")
    ROWS[name][1](tmp_path)


def test_every_code_of_the_page_has_a_row_and_no_other_has() -> None:
    assert {code for code, _ in ROWS.values()} == documented()


def documented() -> set[int]:
    page = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    text = page.partition("## Exit codes")[2].partition("\n## ")[0]
    found = re.findall(r"^\| ([\d, ]+) \|", text, re.MULTILINE)
    return {int(code) for row in found for code in row.split(", ")}


def test_a_reader_that_has_gone_leaves_the_code_of_the_report(tmp_path: Path) -> None:
    write_recording(CASES["incident"](), tmp_path / "incident")
    for words, code in (
        (("ports", "--replay", "incident", "-f", "json"), 1),
        (("demo",), 0),
        (("schema",), 0),
        (("--help",), 0),
    ):
        reader, writer = os.pipe()
        os.close(reader)
        ran = process(tmp_path, *words, stdout=writer)
        os.close(writer)
        assert (ran.returncode, ran.stderr) == (code, b""), words
