"""The gate with real ranks of MLX's ring, a real server in its place, and real exit codes."""

from __future__ import annotations

import json
import os
import plistlib
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mlxdiag import hostfile
from tests.probe.world import NO_RANKS, World
from tests.test_cli import commands, environment, run

ROOT = Path(__file__).parents[2]
live = pytest.mark.skipif(bool(NO_RANKS), reason=NO_RANKS)
SERVER = """
import json, os, signal, socket, sys
told = {name: os.environ[name] for name in ("BACKEND", "HOSTFILE", "MLXDIAG_REPORT")}
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
door = socket.create_server(("127.0.0.1", 0))
told["port"] = door.getsockname()[1]
told["sigpipe"] = signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN
print("SERVER", json.dumps(told), flush=True)
while True:
    door.accept()[0].close()
"""


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Give a folder with an inventory of this machine twice, and a server."""
    hosts = [
        {"name": name, "connection": "local", "ip": "127.0.0.1", "python": sys.executable}
        for name in ("one", "two")
    ]
    (tmp_path / "inventory.yaml").write_text(yaml.safe_dump({"hosts": hosts}))
    (tmp_path / "server.py").write_text(SERVER)
    return tmp_path


def gate(here: Path, *words: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "mlxdiag", "preflight", "--require", "ring", *words]
    return subprocess.Popen(
        [*argv, "--", sys.executable, str(here / "server.py")],
        cwd=here,
        env=environment(PYTHONPATH=str(ROOT)),
        stdout=stdout,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


@live
def test_where_it_holds_the_server_takes_our_place(here: Path, world: World) -> None:
    port = free_port()
    papers = ("--hostfile-out", "h.json", "--report-out", "r.json", "--save-baseline", "b.json")
    with gate(here, "--port", str(port), "-f", "short", *papers) as process:
        assert process.stdout is not None
        told = None
        for line in process.stdout:
            if line.startswith("SERVER "):
                told = json.loads(line.removeprefix("SERVER "))
                break
        assert told is not None
        socket.create_connection(("127.0.0.1", told["port"]), 5).close()
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(10) == 7
    assert (told["BACKEND"], told["sigpipe"]) == ("ring", True)
    assert told["HOSTFILE"] == str(here / "h.json")
    held = hostfile.loads((here / "h.json").read_text(), "")
    assert [host.ips for host in held.hosts] == [("127.0.0.1",)] * 2
    report = json.loads(Path(told["MLXDIAG_REPORT"]).read_text())
    assert (report["verdict"], report["preflight"]["backend"]) == ("pass", "ring")
    assert [probe["passed"] for probe in report["probes"]] == [True]
    assert (here / "b.json").read_text() == (here / "r.json").read_text()
    assert world.left() == []
    again = run(
        "preflight", "--require", "ring", "--level", "quick", "--baseline", "b.json",
        "-f", "table", cwd=here, env=environment(PYTHONPATH=str(ROOT)),
    )  # fmt: skip
    assert "CHANGES" in again.stdout


@live
def test_where_the_port_is_taken_the_server_does_not_start(here: Path, world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        door.settimeout(0.1)
        with gate(here, "--port", str(port), "-f", "json", "--report-out", "r.json") as process:
            out, _ = process.communicate(timeout=60)
        with pytest.raises(TimeoutError):
            door.accept()  # nobody ever connected
    assert process.returncode == 1
    assert "SERVER" not in out
    report = json.loads(out)
    stages = {stage["name"]: stage["status"] for stage in report["preflight"]["stages"]}
    assert stages["rendezvous"] == "failed"
    assert not (here / "h.json").exists()
    assert json.loads((here / "r.json").read_text()) == report
    assert world.left() == []


@live
def test_it_waits_until_it_holds(here: Path) -> None:
    door = socket.create_server(("127.0.0.1", 0))
    port = str(door.getsockname()[1])
    try:
        with gate(here, "--port", port, "--wait", "60s", "-f", "short") as process:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert line.startswith("mlxdiag: waiting: FAIL: ring holds; but")
            door.close()
            assert process.stdout is not None
            for text in process.stdout:
                if text.startswith("SERVER "):
                    break
            else:
                pytest.fail("it did not start")
            process.terminate()
            assert process.wait(10) == 7
    finally:
        door.close()


@live
def test_ctrl_c_while_it_waits(here: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = str(door.getsockname()[1])
        with gate(here, "--port", port, "--wait", "5m", "-f", "short") as process:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("mlxdiag: waiting: ")
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted" in out
    assert "SERVER" not in out


def test_what_cannot_be_started_is_said_before_anybody_is_asked(tmp_path: Path) -> None:
    ran = run("preflight", "--hosts", "a", "--", "no-such-program", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "is no program on this machine" in ran.stderr
    (tmp_path / "plain.sh").write_text("#!/bin/sh\n")
    ran = run("preflight", "--hosts", "a", "--", "./plain.sh", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "'./plain.sh' is not executable" in ran.stderr
    ran = run("preflight", "--hosts", "a", "--", str(tmp_path), cwd=tmp_path)
    assert "is no program on this machine" in ran.stderr
    (tmp_path / "h.json").write_text("mine")
    ran = run("preflight", "--hosts", "a", "--hostfile-out", "h.json", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "it is no hostfile" in ran.stderr
    assert (tmp_path / "h.json").read_text() == "mine"
    ran = run("preflight", "--hosts", "a", "--baseline", "h.json", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "h.json: not a JSON report" in ran.stderr


# What docs/ci.md says to type.


@live
def test_the_lines_of_the_page_run(here: Path) -> None:
    page = (ROOT / "docs" / "ci.md").read_text()
    lines = [
        line
        for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
        for line in block.splitlines()
    ]
    assert len(lines) == 3
    folder = str(Path(sys.executable).parent)
    env = environment(PYTHONPATH=str(ROOT), PATH=f"{folder}:{os.environ['PATH']}")
    for line, code in zip(lines, (0, 0, 0), strict=True):
        quick = line.replace("--wait 5m", "--wait 1s")
        ran = subprocess.run(
            ["sh", "-c", quick], cwd=here, env=env, capture_output=True, text=True, check=False
        )
        assert ran.returncode == code, (line, ran.stdout, ran.stderr)
    assert (here / "preflight.xml").read_text().startswith("<?xml")
    assert (here / "preflight.txt").read_text().startswith("UNKNOWN")


def test_the_launchd_job_is_a_property_list_whose_words_are_taken() -> None:
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    (keys,) = re.findall(r"```xml\n(.*?)```", page, re.DOTALL)
    job = plistlib.loads(f'<plist version="1.0"><dict>{keys}</dict></plist>'.encode())
    assert job["KeepAlive"] == {"SuccessfulExit": False}
    assert job["ThrottleInterval"] >= 600
    program, name, *words = job["ProgramArguments"]
    assert program.startswith("/")
    with commands()[name].make_context(name, words) as context:
        told = {key: value for key, value in context.params.items() if value}
    assert str(told["inventory"]) == "/opt/mlx/inventory.yaml"
    assert (told["wait"], [*told["command"]]) == ("10m", ["/opt/mlx/start-server.sh"])


@live
def test_the_action_runs_as_it_is_written(here: Path) -> None:
    action = yaml.safe_load((ROOT / ".github/actions/preflight/action.yml").read_text())
    (step,) = action["runs"]["steps"]
    inputs = {name: str(each["default"]) for name, each in action["inputs"].items()}
    inputs |= {"require": "ring"}
    told = {
        name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda m: inputs[m[1]], value)
        for name, value in step["env"].items()
    }
    folder = str(Path(sys.executable).parent)
    summary = here / "summary.md"
    env = environment(
        PYTHONPATH=str(ROOT), PATH=f"{folder}:{os.environ['PATH']}",
        GITHUB_STEP_SUMMARY=str(summary), **told,
    )  # fmt: skip
    ran = subprocess.run(
        ["bash", "-e", "-c", step["run"]], cwd=here, env=env, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 0, (ran.stdout, ran.stderr)
    assert "ring holds" in summary.read_text()
    assert hostfile.loads((here / "mlxdiag-hosts.json").read_text(), "").hosts
    assert json.loads((here / "mlxdiag-report.json").read_text())["verdict"] == "pass"
