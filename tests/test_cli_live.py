"""The command line against hosts behind a real sshd: what is saved, what ends it, what stays."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlxdiag import recording
from mlxdiag.capture import ACCESS, Outcome
from tests.model import CASES, ModelCluster, write_simhost
from tests.simhosts import UNAVAILABLE, SimHosts
from tests.test_cli import environment, run

pytestmark = pytest.mark.skipif(bool(UNAVAILABLE), reason=UNAVAILABLE)

NAMES = ("macstudio1", "macstudio2", "macstudio3", "macstudio4")
ALL = ("--hosts", "macstudio[1-4]")
PATIENCE_S = 30.0


@dataclass
class Lab:
    """Four hosts, and a place for files. `env` makes us the user whom the hosts know."""

    sim: SimHosts
    folder: Path

    @property
    def env(self) -> dict[str, str]:
        kept = environment(HOME=str(self.sim.home), COLUMNS="100")
        kept.pop("SSH_AUTH_SOCK", None)
        return kept

    @property
    def unmeasured_env(self) -> dict[str, str]:
        """Leave coverage out: saving at exit, it shows a signal that comes then as a traceback."""
        return {k: v for k, v in self.env.items() if not k.startswith("COVERAGE")}

    @property
    def local_env(self) -> dict[str, str]:
        """Make this machine macstudio1, and what is started here one of the hosts' processes."""
        path = f"{self.sim.folder}/bin/macstudio1:{os.environ['PATH']}"
        return {**self.env, "PATH": path, "MLXDIAG_SIM": self.sim._token}

    def run(
        self, *words: str, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return run("ports", *words, cwd=self.folder, env=env or self.env)

    def inventory(self, *hosts: str) -> tuple[str, str]:
        (self.folder / "lab.yaml").write_text("hosts:\n" + "".join(f"  - {h}\n" for h in hosts))
        return "-i", "lab.yaml"


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimHosts]:
    with _simulated(CASES["incident"](), tmp_path_factory.mktemp("incident")) as sim:
        yield sim


@pytest.fixture(scope="module")
def wedged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimHosts]:
    """Like `incident`, but ibv_devinfo of macstudio4 never returns."""
    folder = tmp_path_factory.mktemp("wedged")
    write_simhost(CASES["incident"](), folder)
    (folder / "macstudio4" / "ibv_devinfo.hang").write_text("")
    with SimHosts({name: folder / name for name in NAMES}) as sim:
        yield sim


def _simulated(cluster: ModelCluster, folder: Path) -> SimHosts:
    write_simhost(cluster, folder)
    return SimHosts({name: folder / name for name in NAMES})


@pytest.fixture
def lab(incident: SimHosts, tmp_path: Path) -> Lab:
    return Lab(incident, tmp_path)


@pytest.fixture
def stuck(wedged: SimHosts, tmp_path: Path) -> Lab:
    return Lab(wedged, tmp_path)


@pytest.mark.parametrize("name", ["night", "night.tar.gz"])
@pytest.mark.parametrize("form", ["table", "short", "json"])
def test_the_replay_of_a_live_run_is_its_report(lab: Lab, form: str, name: str) -> None:
    live = lab.run(*ALL, "-f", form, "--save", name)
    assert (live.returncode, live.stderr) == (1, "")
    again = lab.run("--replay", name, "-f", form)
    assert (again.returncode, again.stdout, again.stderr) == (1, live.stdout, "")


def test_a_live_run_finds_what_the_demo_finds(lab: Lab) -> None:
    live = lab.run(*ALL, "-f", "json")
    demo = run("demo", "-f", "json")
    seen, shown = json.loads(live.stdout), json.loads(demo.stdout)
    assert seen["matrix"] == shown["matrix"]
    assert seen["links"] == shown["links"]
    assert _failed(seen) == _failed(shown) - {"backend-expected"}


def _failed(document: dict[str, list[dict[str, str]]]) -> set[str]:
    return {check["id"] for check in document["checks"] if check["status"] == "fail"}


def test_one_host_that_refuses_hides_no_other(lab: Lab) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        gone = f"{{name: gone, address: 127.0.0.1, port: {closed.getsockname()[1]}}}"
        words = lab.inventory("macstudio1", gone, "macstudio2")
        ran = lab.run(*words, "-f", "json", "--only", "access", "--save", "night")
    assert ran.returncode == 3
    hosts = json.loads(ran.stdout)["hosts"]
    assert {host["name"]: host["reachable"] for host in hosts} == {
        "macstudio1": True,
        "gone": False,
        "macstudio2": True,
    }
    saved = recording.load(lab.folder / "night")
    assert saved.hosts["gone"][ACCESS].outcome is Outcome.REFUSED
    assert len(saved.hosts["macstudio2"]) == 11


def test_the_host_we_stand_on_needs_no_ssh(lab: Lab) -> None:
    words = lab.inventory("{name: macstudio1, connection: local}", *NAMES[1:])
    ran = lab.run(*words, "-f", "json", "--save", "night", env=lab.local_env)
    assert ran.returncode == 1
    assert (
        json.loads(ran.stdout)["matrix"] == json.loads(lab.run(*ALL, "-f", "json").stdout)["matrix"]
    )
    assert recording.load(lab.folder / "night").hosts["macstudio1"][ACCESS].argv == ("local",)


def test_a_hostfile_is_written_and_checked_over_ssh(lab: Lab) -> None:
    words = ("hostfile", "write", "--backend", "ring", "-o", "h.json", *ALL)
    ran = run(*words, cwd=lab.folder, env=lab.env)
    assert (ran.returncode, ran.stdout) == (0, "")
    ran = run("hostfile", "check", "h.json", *ALL, cwd=lab.folder, env=lab.env)
    assert (ran.returncode, ran.stderr) == (0, "")
    path = lab.folder / "h.json"
    path.write_text(path.read_text().replace('"10.', '"11.', 1))
    ran = run("hostfile", "check", "h.json", *ALL, cwd=lab.folder, env=lab.env)
    assert ran.returncode == 1
    assert "nobody who was asked holds it" in ran.stdout
    ran = run("hostfile", "write", "--backend", "jaccl", *ALL, cwd=lab.folder, env=lab.env)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("mlxdiag: no hostfile: jaccl: ")


def test_a_preflight_over_ssh_says_which_stage_failed(lab: Lab) -> None:
    words = ("preflight", "--level", "quick", "--require", "jaccl", "-f", "json", *ALL)
    ran = run(*words, "--save", "gate", cwd=lab.folder, env=lab.env)
    document = json.loads(ran.stdout)
    stages = {each["name"]: each["status"] for each in document["preflight"]["stages"]}
    assert (ran.returncode, ran.stderr) == (1, "")
    assert (stages["access"], stages["cabling"], stages["rdma"]) == ("ok", "ok", "failed")
    again = run("preflight", "--replay", "gate", "-f", "json", cwd=lab.folder, env=lab.env)
    assert (again.returncode, again.stdout) == (1, ran.stdout)


def test_nothing_on_stderr_unless_it_is_a_terminal(lab: Lab) -> None:
    assert lab.run(*ALL).stderr == ""


def test_the_timeout_gives_what_was_gathered(stuck: Lab) -> None:
    began = time.monotonic()
    ran = stuck.run(*ALL, "--timeout", "3", "-f", "json", "--save", "night")
    assert time.monotonic() - began < PATIENCE_S / 2
    assert ran.returncode == 124
    saved = recording.load(stuck.folder / "night")
    assert saved.ended == "timeout"
    assert _interrupted(saved) == {"macstudio4": {"ibv_devinfo"}}
    assert stuck.sim.wait_gone() == []
    again = stuck.run("--replay", "night", "-f", "json")
    assert (again.returncode, again.stdout) == (124, ran.stdout)


def test_the_timeout_while_connecting(lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        words = lab.inventory("macstudio1", f"{{name: mute, address: 127.0.0.1, port: {port}}}")
        ran = lab.run(*words, "--timeout", "3", "-f", "json")
    assert ran.returncode == 124
    hosts = json.loads(ran.stdout)["hosts"]
    assert [host["reachable"] for host in hosts] == [True, False]


@pytest.mark.parametrize(
    ("number", "code", "ended"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
@pytest.mark.parametrize("form", ["table", "short"])
def test_a_signal_gives_what_was_gathered(
    stuck: Lab, number: signal.Signals, code: int, ended: str, form: str
) -> None:
    words = stuck.inventory("{name: macstudio1, connection: local}", *NAMES[1:])
    with _Watched(
        *words, "-f", form, "--save", "night", env=stuck.local_env, cwd=stuck.folder
    ) as it:
        it.wait_for(
            r"macstudio1 +done(.|\s)*macstudio2 +done(.|\s)*macstudio3 +done(.|\s)*macstudio4 +coll"
        )
        it.process.send_signal(number)
        said = it.ended()
    assert it.process.returncode == code
    assert "Traceback" not in it.seen
    assert ended in said
    pending = next(line for line in said.splitlines() if ended in line)
    assert "macstudio4" in pending
    assert "macstudio3 en3" in said
    assert "PORT_DOWN" in said
    saved = recording.load(stuck.folder / "night")
    assert saved.ended == ended
    assert _interrupted(saved).keys() == {"macstudio4"}
    assert stuck.sim.wait_gone() == []


def test_more_ctrl_c_leaves_nothing_on_any_host(stuck: Lab) -> None:
    with _Watched(*ALL, env=stuck.unmeasured_env, cwd=stuck.folder) as it:
        it.wait_for(r"macstudio4 +coll")
        it.interrupt(times=3)
        it.ended()
    assert it.process.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in it.seen
    assert stuck.sim.wait_gone() == []


def test_more_ctrl_c_does_not_lose_the_report(stuck: Lab) -> None:
    with _Watched(*ALL, env=stuck.unmeasured_env, cwd=stuck.folder) as it:
        it.wait_for(r"macstudio4 +coll")
        it.interrupt(times=3)
        said = it.ended()
    assert it.process.returncode == 130
    assert "interrupted" in said


def test_killed_it_leaves_nothing_on_any_host(stuck: Lab) -> None:
    words = stuck.inventory("{name: macstudio1, connection: local}", *NAMES[1:])
    with _Watched(*words, env=stuck.local_env, cwd=stuck.folder) as it:
        it.wait_for(r"macstudio4 +coll")
        it.process.kill()
        it.ended()
    assert stuck.sim.wait_gone() == []


def test_progress_is_taken_away_in_the_end(lab: Lab) -> None:
    with _Watched(*ALL, env=lab.env, cwd=lab.folder) as it:
        it.wait_for(r"macstudio1 +(wait|connect|collect|done)")
        said = it.ended()
    assert it.process.returncode == 1
    assert "\x1b" not in said
    assert it.seen.rstrip().endswith("\x1b[2K")


def _interrupted(saved: recording.Recording) -> dict[str, set[str]]:
    found = {
        host: {name for name, c in captures.items() if c.outcome is Outcome.INTERRUPTED}
        for host, captures in saved.hosts.items()
    }
    return {host: names for host, names in found.items() if names}


class _Watched:
    """A run whose stderr is a terminal, which says how far it is; `seen` is all that it showed."""

    def __init__(self, *words: str, env: dict[str, str], cwd: Path) -> None:
        self._ours, theirs = pty.openpty()
        argv = [sys.executable, "-m", "mlxdiag", "ports", *words]
        self.process = subprocess.Popen(
            argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs
        )
        os.close(theirs)
        self.seen = ""

    def __enter__(self) -> _Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self._ours)

    def wait_for(self, pattern: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.seen[self.seen.rfind("macstudio1 ") :]):
            assert time.monotonic() < end, self.seen
            assert self._read(0.1) or self.process.poll() is None, self.seen

    def interrupt(self, times: int) -> None:
        for _ in range(times):
            self.process.send_signal(signal.SIGINT)
            time.sleep(0.02)

    def ended(self) -> str:
        """Wait for the end; give stdout."""
        said, _ = self.process.communicate(timeout=PATIENCE_S)
        while self._read(0):
            pass
        return said.decode()

    def _read(self, within_s: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], within_s)
        try:
            got = os.read(self._ours, 1 << 16) if ready else b""
        except OSError:
            return False
        self.seen += got.decode("utf-8", "replace")
        return bool(got)
