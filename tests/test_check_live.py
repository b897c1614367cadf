"""`mlxdiag check` against hosts behind a real sshd, and what it keeps of what they say."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlxdiag import facts, recording, survey
from mlxdiag.capture import ACCESS, Outcome
from tests.model import CASES, write_simhost
from tests.model import survey as said
from tests.simhosts import UNAVAILABLE, SimHosts
from tests.test_cli import environment, run

pytestmark = pytest.mark.skipif(bool(UNAVAILABLE), reason=UNAVAILABLE)

NAMES = ("macstudio1", "macstudio2", "macstudio3", "macstudio4")
ALL = ("--hosts", "macstudio[1-4]")
KEY = "sk-not-for-anybody"
RUNNING = said.ps(
    f"  812     1 S    02-03:04:05 /opt/mlx/bin/python -m mlx_lm.server --api-key {KEY}",
    f"  900     1 S          03:04 /usr/bin/curl -H Bearer:{KEY} https://example.org",
)


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimHosts]:
    """Four Macs that are well, but for a job that was left on the last one."""
    folder = tmp_path_factory.mktemp("check")
    write_simhost(replace(CASES["clean-mesh-4"](), surveyed=True), folder)
    (folder / NAMES[3] / "processes.out").write_bytes(RUNNING.stdout)
    commands = (*facts.COMMANDS, *survey.COMMANDS)
    with SimHosts({name: folder / name for name in NAMES}, commands) as hosts:
        yield hosts


def check(sim: SimHosts, cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = environment(HOME=str(sim.home), COLUMNS="100")
    env.pop("SSH_AUTH_SOCK", None)
    return run("check", *words, cwd=cwd, env=env)


def failed(ran: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in json.loads(ran.stdout)["checks"]:
        if finding["status"] in ("fail", "unknown"):
            found.setdefault(finding["id"], []).append(finding["subject"]["host"])
    return found


def test_a_live_run_finds_what_there_is_and_its_replay_is_the_same(
    sim: SimHosts, tmp_path: Path
) -> None:
    live = check(sim, tmp_path, *ALL, "-f", "json", "--save", "night")
    assert live.stderr == ""
    assert failed(live) == {"resources-ranks": ["macstudio4"]}
    again = check(sim, tmp_path, "--replay", "night", "-f", "json")
    assert (again.returncode, again.stdout) == (live.returncode, live.stdout)


def test_what_others_run_is_not_kept_and_no_argument_is_shown(
    sim: SimHosts, tmp_path: Path
) -> None:
    ran = check(sim, tmp_path, *ALL, "-f", "html", "-o", "r.html", "--save", "night")
    assert "1 warning" in ran.stdout
    kept = recording.load(tmp_path / "night").hosts["macstudio4"]["processes"].stdout
    assert kept.count(b"\n") == 2
    assert b"curl" not in kept
    assert KEY.encode() not in kept
    page = (tmp_path / "r.html").read_text()
    assert "pid 812 (python), for 2 d 3 h" in page
    assert KEY not in page
    assert "--api-key" not in page


def test_quick_leaves_out_what_takes_long(sim: SimHosts, tmp_path: Path) -> None:
    check(sim, tmp_path, *ALL, "--level", "quick", "--save", "night")
    captures = recording.load(tmp_path / "night").hosts["macstudio1"]
    assert {n for n, c in captures.items() if c.outcome is Outcome.LEFT_OUT} == survey.LONG


def test_a_login_that_talks_is_heard(sim: SimHosts, tmp_path: Path) -> None:
    profile = sim.remote_home / ".bashrc"
    profile.write_text("echo Welcome to the cluster\n")
    try:
        ran = check(sim, tmp_path, *ALL, "-f", "json", "--only", "access", "--save", "night")
    finally:
        profile.unlink()
    assert failed(ran) == {"access-quiet": list(NAMES)}
    access = recording.load(tmp_path / "night").hosts["macstudio1"][ACCESS]
    assert access.stderr == b"Welcome to the cluster\n"
    assert access.outcome is Outcome.EXITED
