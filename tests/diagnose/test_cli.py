"""`mlxdiag diagnose` as a process: where it reads, what it asks, exit codes, memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlxdiag.cli.options import DiagnoseFormat
from mlxdiag.render import FORMATS
from tests.diagnose.logs import HEAD, ended, killed, raised
from tests.model import CASES, write_recording
from tests.test_cli import environment
from tests.test_reports import validator

DOMAIN = "[jaccl] Couldn't allocate protection domain"
LOG = HEAD + raised("[jaccl] Recv failed with errno=2") + raised(DOMAIN, "[rank 2] ") + ended(2)


def run(
    *words: str, stdin: bytes = b"", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        [sys.executable, "-m", "mlxdiag", "diagnose", *words],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=environment(PYTHONPATH=os.getcwd()),  # noqa: PTH109
        timeout=120,
        check=False,
    )
    return subprocess.CompletedProcess(
        ran.args, ran.returncode, ran.stdout.decode(), ran.stderr.decode()
    )


def test_a_log_a_line_and_stdin_give_the_same_cause(tmp_path: Path) -> None:
    (tmp_path / "launch.log").write_text(LOG)
    for words, stdin in (
        (("launch.log",), b""),
        (("-",), LOG.encode()),
        ((), LOG.encode()),
        (("--text", f"[rank 2] {DOMAIN}"), b"never read"),
    ):
        ran = run(*words, "-f", "json", stdin=stdin, cwd=tmp_path)
        assert (ran.returncode, ran.stderr) == (1, "")
        found = json.loads(ran.stdout)
        validator().validate(found)
        (cause,) = found["diagnosis"]["causes"]
        assert (cause["id"], cause["rank"], cause["host"]) == ("jaccl-protection-domain", 2, None)
        assert (found["hosts"], found["checks"], found["started_at"]) == ([], [], "")


def test_with_a_recording_it_goes_on_to_the_port_and_is_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "rank2.err").write_text(raised(DOMAIN))
    write_recording(CASES["incident"](), tmp_path / "night")
    ran = run("rank2.err", "--replay", "night", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (1, "")
    said = " ".join(ran.stdout.split())
    assert "rank 2 is macstudio3 by the order of the inventory" in said
    assert "its cell for macstudio2 is rdma_en3; that port, en3, is PORT_DOWN" in said
    assert run("rank2.err", "--replay", "night", cwd=tmp_path).stdout == ran.stdout


def test_only_the_log_is_read_where_no_cluster_is_named(tmp_path: Path) -> None:
    (tmp_path / "inventory.yaml").write_text("hosts: [a.invalid]\n")
    ran = run("--text", DOMAIN, cwd=tmp_path)
    assert "no host was asked" in ran.stdout
    assert "a.invalid" not in ran.stdout


@pytest.mark.parametrize(
    ("words", "stdin", "code", "says"),
    [
        (("--text", "all is well"), b"", 3, "nothing in it is known"),
        ((), b"", 3, "the log is empty"),
        (("nowhere.log",), b"", 2, "nowhere.log: cannot be read"),
        ((".",), b"", 2, "cannot be read"),
        (("--hostfile", "x.json"), b"", 2, "--hostfile goes with"),
        (("--save", "x"), b"", 2, "--save goes with"),
        (("-f", "junit"), b"", 2, "junit"),
        (("--replay", "nowhere"), b"", 2, "nowhere"),
        (("--text", killed(0)), b"", 3, "only echoes"),
    ],
)
def test_exit_codes(
    words: tuple[str, ...], stdin: bytes, code: int, says: str, tmp_path: Path
) -> None:
    ran = run(*words, stdin=stdin, cwd=tmp_path)
    assert ran.returncode == code
    assert says in " ".join((ran.stdout + ran.stderr).split())
    assert "Traceback" not in ran.stderr


def test_the_formats_are_some_of_those_of_a_report() -> None:
    assert {form.value for form in DiagnoseFormat} < set(FORMATS)


MEGABYTES = 30
STREAM = f"""
import sys
block = b"".join(
    b"2026-01-30 22:10:%02d,123 INFO step %d loss 0.1 [ring] Attempt 1 waiting 9 ms (error: 61 )\\n"
    % (n % 60, n) if n % 50 == 0 else b"step %d tokens/s 12.8 and some more words to read\\n" % n
    for n in range(20000)
)
for n in range({MEGABYTES} * 2**20 // len(block) + 1):
    sys.stdout.buffer.write(block)
sys.stdout.buffer.write(b"[rank 3] RuntimeError: {DOMAIN}\\n")
"""


def test_a_long_stream_takes_no_more_memory_than_a_short_one() -> None:
    """The bound is less than the stream: it is not held, whatever the interpreter takes itself."""
    limit = "import resource, sys; from mlxdiag.cli import main\ntry:\n    main()\nfinally:\n    "
    limit += "sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))"

    def peak(source: list[str]) -> tuple[int, str]:
        argv = [sys.executable, "-c", limit, "diagnose", "-", "-f", "short"]
        with subprocess.Popen(source, stdout=subprocess.PIPE) as writer:
            ran = subprocess.run(
                argv, stdin=writer.stdout, capture_output=True, text=True, timeout=240, check=False
            )
        assert ran.returncode == 1, ran.stderr
        unit = 1 if sys.platform == "darwin" else 1024
        return int(ran.stderr) * unit, ran.stdout

    short, _ = peak([sys.executable, "-c", f'print("[rank 3] {DOMAIN}")'])
    long, said = peak([sys.executable, "-c", STREAM])
    assert said.startswith("FAIL: rank 3: the port is down")
    assert long - short < MEGABYTES * 2**20 / 2
