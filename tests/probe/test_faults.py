"""Faults of a launch, one by one: `mlxdiag probe` as a process, ranks that are real.

Each ends within its deadline, names the right host, gives the right exit code, leaves nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.probe.test_cli import ROOT, document, start
from tests.probe.world import NO_RANKS, World, wrapper

pytestmark = pytest.mark.skipif(bool(NO_RANKS), reason=NO_RANKS)

NAMES = ("mac1", "mac2", "mac3")
SHORT = ("-b", "4", "--iters", "5", "--warmup", "1", "--no-check")
LONG = ("-b", "4", "--iters", "10000000", "--no-check")
CHECKED = ("-b", "4", "--iters", "5", "--warmup", "1")
LARGE = ("-b", "16M", "--iters", "100000", "--no-check")


@dataclass(frozen=True)
class Ended:
    """What mlxdiag said; `seconds` is the launch alone."""

    code: int
    told: dict[str, Any]
    seconds: float

    @property
    def probe(self) -> dict[str, Any]:
        probes: list[dict[str, Any]] = self.told["probes"]
        (probe,) = probes
        return probe

    @property
    def blamed(self) -> list[str]:
        """Name the hosts."""
        return [self.probe["ranks"][rank] for rank in self.probe["blame"]["ranks"]]


def inventory(folder: Path, pythons: dict[str, str] | None = None, count: int = 3) -> Path:
    """Write down hosts that are all this machine, each by an address of its own."""
    lines = ["cluster: faults", "defaults: {connection: local}", "hosts:"]
    for number, name in enumerate(NAMES[:count], 1):
        python = (pythons or {}).get(name, sys.executable)
        at = f"127.0.0.{number}"
        lines.append(f"  - {{name: {name}, address: {at}, ip: {at}, python: {python}}}")
    path = folder / "inventory.yaml"
    path.write_text("\n".join([*lines, ""]))
    return path


def probed(fault: str, folder: Path, argv: tuple[str, ...], count: int = 3) -> Ended:
    (folder / "python.empty" / "mlx").mkdir(parents=True)
    (folder / "python.empty" / "mlx" / "__init__.py").touch()
    where = ("-i", str(inventory(folder, count=count)), "--format", "json")
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", "tests.probe.faulty", fault, str(folder), "probe", *where, *argv],
        cwd=ROOT, capture_output=True, text=True, timeout=90, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    seconds = time.monotonic() - began
    assert ran.stderr == ""
    return Ended(ran.returncode, document(ran.stdout), seconds)


RIGHT = "got wrong data where rank 0, 2 got the right"
KILLED = "was ended by signal 9 in "
STOPPED = r"is stopped \(SIGSTOP, or a debugger\) in "


CASES: tuple[tuple[str, tuple[str, ...], str, float], ...] = (
    ("no interpreter", SHORT, "did not start", 20),
    ("a shell that hangs", SHORT, "did not start in time", 30),
    ("a shell that ends", SHORT, "did not start", 20),
    ("a kernel cut short", SHORT, "did not start\nthe process ended", 20),
    ("too few open files", SHORT, "did not start\nthe process ended Traceback", 20),
    ("no mlx", SHORT, "failed in import: ModuleNotFoundError: No module named 'mlx.core'", 20),
    ("killed before init", SHORT, f"{KILLED}(import|ready)", 20),
    ("killed when ready", SHORT, f"{KILLED}(ready|init)", 20),
    ("killed in init", SHORT, f"{KILLED}(init|identity)", 20),
    ("killed in a collective", LONG, f"{KILLED}measure", 25),
    ("killed in a collective", LARGE, f"{KILLED}measure", 25),
    ("another's alarm", LONG, "was ended by signal 14 in measure", 25),
    ("supervisor killed", LONG, "was lost: the process ended", 25),
    ("segmentation fault in import", SHORT, "was ended by signal 11 in import", 20),
    ("leaves without a word", SHORT, "exited with status 0 in measure", 20),
    ("never ready", SHORT, "still in import when the others had passed it", 25),
    ("stopped when ready", SHORT, f"{STOPPED}ready", 25),
    ("stopped in init", SHORT, f"{STOPPED}init", 25),
    ("stopped in a collective", LONG, f"{STOPPED}measure", 30),
    ("too slow", LONG, r"comes late to every collective: it waits \d+%", 30),
    ("more data than planned", SHORT, "timed 0 collectives of 4 B, where 5 are due", 25),
    ("does not arrive", SHORT, "did not arrive at collective 3", 30),
    ("skips a collective", SHORT, "was done before the others: it took part in fewer", 20),
    (
        "one flipped element",
        CHECKED,
        r"its part of a sum is wrong\n.*1 wrong elements, the first at 777 \(on rank 0, 1, 2\)$",
        25,
    ),
    (
        "one element of a result",
        CHECKED,
        rf"{RIGHT}\nall_sum: 1 wrong elements, the first at 77 \(on rank 1\)$",
        25,
    ),
    (
        "a result of another kind",
        CHECKED,
        rf"{RIGHT}\nall_sum: the result is 256 of mlx.core.float32, not 256 of mlx.core.int32",
        25,
    ),
    ("a result of another size", CHECKED, rf"{RIGHT}\nall_sum: the result is 1 of .*, not 256", 25),
    (
        "a result that is no number",
        CHECKED,
        rf"{RIGHT}\nall_sum of float32: 1027 wrong elements, the first at 0",
        25,
    ),
    (
        "one element of the last that is timed",
        CHECKED,
        rf"{RIGHT}\nall_sum of float32, the last of 5 that were timed: 1 wrong elements",
        25,
    ),
    (
        "a hostfile of another size",
        SHORT,
        "failed in import: MLX_HOSTFILE is of 2 ranks, planned 3",
        20,
    ),
    ("a port that is taken", SHORT, "failed in init: .*Couldn't bind socket", 20),
    ("a number that another has", SHORT, "failed in import: MLX_RANK is 0, planned 1", 20),
    (
        "a shell that writes into a line",
        SHORT,
        "failed in import: something else wrote into its output: a line of ours is torn",
        25,
    ),
    (
        "endless lines, then an end",
        SHORT,
        "exited with status 7 in import\n(.+\n)+because$",
        30,
    ),
)
"""Fault, options, what is said of mac2 (and its evidence behind it), seconds for all of it."""


@pytest.mark.parametrize(
    ("fault", "argv", "text", "within_s"),
    CASES,
    ids=[f"{fault}, {argv[1]} B" for fault, argv, _, _ in CASES],
)
def test_the_host_at_fault_is_named(
    fault: str, argv: tuple[str, ...], text: str, within_s: float, tmp_path: Path, world: World
) -> None:
    ended = probed(fault, tmp_path, argv)
    blame = ended.probe["blame"]
    assert re.match(text, f"{blame['text']}\n{blame['evidence']}"), blame
    assert (ended.code, ended.blamed) == (1, ["mac2"])
    assert (ended.probe["passed"], ended.probe["rows"], ended.probe["left"]) == (False, [], [])
    statuses = {check["id"]: check["status"] for check in ended.told["checks"]}
    assert (statuses["probes-collective"], statuses["probes-nothing-left"]) == ("fail", "pass")
    assert ended.seconds < within_s
    assert world.left() == []


@pytest.mark.parametrize(
    "fault",
    [
        "none",
        "late in import",
        "a noisy shell",
        "a shell that writes later",
        "another run's words",
        "endless output",
    ],
)
def test_what_is_no_fault_of_the_launch(fault: str, tmp_path: Path, world: World) -> None:
    """A rank that is later than the others' init allows; what is said that is not ours."""
    ended = probed(fault, tmp_path, CHECKED, count=2)
    assert (ended.code, ended.probe["blame"], ended.probe["left"]) == (0, None, [])
    assert [(row["samples"], row["wrong"]) for row in ended.probe["rows"]] == [(5, 0)]
    assert world.left() == []


def test_a_slow_host_is_in_the_numbers_and_named(tmp_path: Path, world: World) -> None:
    """Two ranks: three would share two cores, and wait for each other anyhow."""
    ended = probed("slow", tmp_path, SHORT, count=2)
    assert (ended.code, ended.probe["blame"]) == (0, None)
    (row,) = ended.probe["rows"]
    assert row["p50_us"] > 50_000
    (late,) = [note for note in ended.probe["notes"] if "comes late" in note]
    assert late.startswith("rank 1 (mac2) comes late to every collective: the others wait ")
    assert world.left() == []


def test_ranks_of_an_earlier_run_are_never_taken_for_ours(tmp_path: Path, world: World) -> None:
    """Linux gives the connection to any of the listeners: it works, or the right place is named."""
    ended = probed("stale ranks on a port", tmp_path, CHECKED)
    blame = ended.probe["blame"]
    if ended.code == 0:
        assert (blame, [row["wrong"] for row in ended.probe["rows"]]) == (None, [0])
        return
    assert (ended.code, ended.blamed) == (1, ["mac1"])
    assert blame["text"] in {
        "is not who answers in its place", "still in init when the others had passed it",
    }  # fmt: skip
    assert ended.probe["left"] == []
    assert world.left() == []


# Before anything is launched.


def lacking(folder: Path, name: str) -> str:
    """Write an interpreter without mlx, or with another version of it."""
    path = folder / "path"
    if name == "no mlx":
        (path / "mlx").mkdir(parents=True)
        (path / "mlx" / "__init__.py").touch()
    else:
        (path / "mlx-0.31.1.dist-info").mkdir(parents=True)
        text = "Metadata-Version: 2.1\nName: mlx\nVersion: 0.31.1\n"
        (path / "mlx-0.31.1.dist-info" / "METADATA").write_text(text)
    return wrapper(folder, f"export PYTHONPATH={path}")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("no interpreter", "mac2: no Python at /no/such/python"),
        ("no mlx", "mac2: no mlx in "),
        ("another version", "mac2: 0.31.1"),
    ],
)
def test_what_a_host_lacks_is_named_before_anything_starts(
    fault: str, said: str, tmp_path: Path, world: World
) -> None:
    python = "/no/such/python" if fault == "no interpreter" else lacking(tmp_path, fault)
    where = inventory(tmp_path, {"mac2": python})
    ran = start("probe", "-i", str(where), *SHORT, "--format", "json")
    told = document(ran.stdout)
    assert (ran.returncode, ran.stderr, told["probes"]) == (1, "", [])
    (allowed,) = [check for check in told["checks"] if check["id"] == "probes-allowed"]
    assert allowed["status"] == "fail"
    assert said in allowed["evidence"]["observed"]
    assert world.left(0.0) == []


# Disk and streams.

FULL = """
mount -t tmpfs -o size=64k tmpfs "$1" || exit 99
dd if=/dev/zero of="$1/fill" bs=1k count=64 2>/dev/null
export TMPDIR="$1" HOME="$1" XDG_STATE_HOME="$1"
folder="$1"
shift
exec "$@"
"""


def on_full_disk(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run mlxdiag where home, state and temporary files are on a disk without room."""
    inside = ["unshare", "-m", "sh", "-c", FULL, "sh", str(folder), sys.executable, "-m", "mlxdiag"]
    ran = subprocess.run(
        [*inside, *argv], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    if ran.returncode == 99 or "unshare" in ran.stderr:
        pytest.skip("no mount of our own here: it takes root")
    return ran


def test_hosts_need_no_room_on_their_disks(tmp_path: Path, world: World) -> None:
    ran = on_full_disk(tmp_path, "probe", "--local", "2", *CHECKED)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("PASS: ring ok\n")
    assert world.left() == []


@pytest.mark.parametrize("option", ["--save", "--output"])
def test_what_finds_no_room_is_said_and_is_no_verdict(
    option: str, tmp_path: Path, world: World
) -> None:
    path = str(tmp_path / "written")
    ran = on_full_disk(tmp_path, "probe", "--local", "2", *SHORT, option, path)
    said = f"mlxdiag: {path}: cannot be written: No space left on device\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", said)
    assert world.left() == []


@pytest.mark.parametrize(
    ("streams", "code", "said"),
    [
        ("<&-", 0, ""),
        ("2>&-", 0, ""),
        ("<&- 2>&-", 0, ""),
        (">&-", 2, "mlxdiag: stdout is closed: nobody would read the report\n"),
        ("<&- >&- 2>&-", 2, ""),
        (">/dev/full", 2, "mlxdiag: stdout: cannot be written: No space left on device\n"),
    ],
)
def test_streams_that_are_closed_or_full(streams: str, code: int, said: str, world: World) -> None:
    line = f'exec {sys.executable} -m mlxdiag "$@" {streams}'
    ran = subprocess.run(
        ["/bin/sh", "-c", line, "sh", "probe", "--local", "2", *CHECKED],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (code, said)
    assert ran.stdout.endswith("PASS: ring ok\n") == (code == 0)
    assert world.left() == []
