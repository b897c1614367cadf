"""What a person at a terminal sees: the line while it runs, and the curve at the end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass

import pytest

from tests.probe.test_cli import LONG, ROOT
from tests.probe.world import NO_RANKS, World

pytestmark = pytest.mark.skipif(bool(NO_RANKS), reason=NO_RANKS)

ARGV = ("probe", "--local", "2", "-b", "4", "-e", "64K", "-f", "16", "--iters", "5")
COLOR = re.compile(r"\x1b\[[0-9;]*m")
MOVES = re.compile(r"\x1b\[\?25[lh]|\x1b\[2K|\x1b\[1A|\r|\n")


@dataclass(frozen=True)
class Seen:
    """What came to the terminal, and what to the pipe beside it."""

    code: int
    screen: str
    pipe: str


def watched(*argv: str, both: bool = False, module: str = "mlxdiag", **env: str) -> Seen:
    """Run with stderr on a terminal of 80 columns, and stdout too if `both`."""
    near, far = pty.openpty()
    fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", module, *argv],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=far if both else subprocess.PIPE,
        stderr=far,
        env={**clean, "TERM": "xterm", "LANG": "C.UTF-8", **env},
    )
    os.close(far)
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(near, 1 << 16)
        except OSError:  # Linux says so when the last writer has gone
            break
        if not part:
            break
        parts.append(part)
    os.close(near)
    out, _ = process.communicate(timeout=60)
    screen = b"".join(parts).decode()
    return Seen(process.returncode, screen, (out or b"").decode())


def left(screen: str) -> list[str]:
    """Play what came on a screen of endless height; give the lines that stay."""
    lines, at = [""], 0
    for part in re.split(f"({MOVES.pattern})", COLOR.sub("", screen)):
        if part == "\n":
            at += 1
            lines += [""] * (at + 1 - len(lines))
        elif part == "\x1b[1A":
            at -= 1
        elif part == "\x1b[2K":
            lines[at] = ""
        elif not MOVES.fullmatch(part):
            lines[at] += part
    return [line for line in lines if line.strip()]


def test_a_line_says_what_is_under_way_and_goes_at_the_end(world: World) -> None:
    seen = watched(*ARGV, "--repeat", "2")
    assert seen.code == 0
    plain = COLOR.sub("", seen.screen)
    assert "ring  launch 1 of 2  " in plain
    assert "ring  launch 2 of 2  " in plain
    assert left(seen.screen) == []
    assert seen.pipe.endswith("PASS: ring ok, ring ok\n")
    assert "\x1b" not in seen.pipe
    assert "CURVE" not in seen.pipe
    assert world.left() == []


def test_ctrl_c_leaves_a_clean_line(world: World) -> None:
    seen = watched("SIGINT", "beat", "probe", *LONG, module="tests.probe.driver")
    assert seen.code == 130
    assert "launch 1 of 1" in seen.screen
    assert left(seen.screen) == []
    assert seen.screen.rindex("\x1b[?25h") > seen.screen.rindex("\x1b[?25l"), "no cursor"
    assert seen.pipe.splitlines()[-1] == "UNKNOWN: ring interrupted"
    assert world.left() == []


@pytest.mark.usefixtures("world")
def test_a_terminal_gets_a_curve() -> None:
    seen = watched(*ARGV, both=True)
    assert seen.code == 0
    lines = left(seen.screen)
    at = next(n for n, line in enumerate(lines) if line.startswith("CURVE"))
    assert "┌" in lines[at + 1]
    assert "4 B" in lines[-2]
    assert "16 KiB" in lines[-2]
    assert lines[-1] == "PASS: ring ok"
    assert max(map(len, lines)) <= 80
    assert "\x1b[32m" in seen.screen[seen.screen.index("CURVE") :]


@pytest.mark.usefixtures("world")
def test_without_colour_and_unicode_the_curve_is_plain_ascii() -> None:
    seen = watched(*ARGV, both=True, NO_COLOR="1", LANG="C", LC_ALL="C")
    report = seen.screen[seen.screen.index("mlxdiag probe") :]
    assert "CURVE" in report
    assert COLOR.search(report) is None
    assert report.isascii()
    assert "** ring" in report


@pytest.mark.usefixtures("world")
def test_a_dumb_terminal_gets_no_curve() -> None:
    seen = watched(*ARGV, both=True, TERM="dumb")
    assert "CURVE" not in seen.screen
    assert "PASS: ring ok" in seen.screen
