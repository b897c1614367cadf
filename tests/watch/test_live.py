"""`mlxdiag watch` against real sshds: what breaks is told, what ends it leaves nothing behind."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread

import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.soak import Soak, report
from mlxdiag import recording
from mlxdiag.watch.due import ASKED
from tests.model import CASES
from tests.simhosts import UNAVAILABLE, SimHosts
from tests.test_cli import environment, run
from tests.watch import faults, lab
from tests.watch.lab import Scene

pytestmark = pytest.mark.skipif(bool(UNAVAILABLE), reason=UNAVAILABLE)

PATIENCE_S = 40.0
A, B = "macstudio1", "macstudio2"


@dataclass
class Pair:
    """Two hosts that are there and can be changed."""

    sim: SimHosts
    folder: Path
    scene: Scene

    @property
    def env(self) -> dict[str, str]:
        state = str(self.folder / "state")
        kept = environment(HOME=str(self.sim.home), XDG_STATE_HOME=state)
        kept.pop("SSH_AUTH_SOCK", None)
        return kept

    @property
    def argv(self) -> list[str]:
        words = ["watch", "--hosts", "macstudio[1-2]", "--every", "1s", "--wiring-every", "1s"]
        return [sys.executable, "-m", "mlxdiag", *words]

    def change(self, change: faults.Change) -> None:
        before, self.scene = self.scene, change(self.scene)
        lab.write(self.scene, self.folder / "hosts", before)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    scene = lab.scene(CASES["clean-pair"]())
    lab.write(scene, tmp_path / "hosts")
    named = {name: tmp_path / "hosts" / name for name in scene.hosts}
    with SimHosts(named, ASKED, folder=tmp_path / "sim", apart=True) as sim:
        yield Pair(sim, tmp_path, scene)


@dataclass
class Watching:
    """A watch in a pipe; `lines` are the events that have come."""

    pair: Pair
    words: tuple[str, ...] = ()
    lines: list[dict[str, object]] = field(default_factory=list)

    def __enter__(self) -> Watching:
        with (self.pair.folder / "stderr").open("w") as stderr:
            self.process = subprocess.Popen(
                [*self.pair.argv, "--json-lines", *self.words],
                env=self.pair.env,
                cwd=self.pair.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        self.reader = Thread(target=self._read, daemon=True)
        self.reader.start()
        self.until(lambda: self.kinds == ["watch-began"])
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join(PATIENCE_S)

    @property
    def kinds(self) -> list[object]:
        return [line["kind"] for line in list(self.lines)]

    @property
    def stderr(self) -> str:
        return (self.pair.folder / "stderr").read_text()

    def until(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < end, (self.lines, self.stderr)
            time.sleep(0.05)

    def told(self, kind: str, subject: str) -> None:
        self.until(
            lambda: any((e["kind"], e.get("subject")) == (kind, subject) for e in self.lines)
        )

    def ended(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self.reader.join(PATIENCE_S)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.lines.append(json.loads(line))


def test_what_breaks_is_told_everywhere(pair: Pair) -> None:
    hook = "sh -c 'cat >> told'"
    words = ("--prometheus-port", "0", "--exec-on-change", hook, "--save", "latest.tar.gz")
    down = faults.port_down(pair.scene, (A, 2))
    with Watching(pair, words) as watch:
        pair.change(down.broken)
        watch.told("port-down", f"{A} en3")
        pair.sim.cut(A)
        pair.change(down.mended)
        watch.told("port-up", f"{A} en3")
        pair.sim.stop_host(B)
        watch.told("host-unreachable", B)
        _scraped(watch, {A: 1.0, B: 0.0})
        pair.sim.start_host(B)
        watch.told("host-back", B)
        pair.change(down.broken)
        watch.until(lambda: watch.kinds[-1] == "port-down")
        saved = recording.load(pair.folder / "latest.tar.gz")
        assert b"PORT_DOWN" in saved.hosts[A]["ibv_devinfo"].stdout
        assert watch.ended(signal.SIGTERM) == 143
    assert watch.kinds[1:] == [
        *("port-down", "port-up", "host-unreachable", "host-back", "port-down", "watch-ended")
    ]
    assert [json.loads(x)["kind"] for x in (pair.folder / "told").read_text().splitlines()] == (
        watch.kinds[1:-1]
    )
    assert pair.sim.wait_gone() == []
    assert "Traceback" not in watch.stderr
    asked = run("history", "--only", f"{A} en3", env=pair.env)
    assert re.search(rf"{A} en3: PORT_DOWN since \S+, was PORT_ACTIVE until \S+", asked.stdout)
    assert "lost 2 times" in asked.stdout


def _scraped(watch: Watching, reached: dict[str, float]) -> None:
    where = re.search(r"metrics at (http://127\.0\.0\.1:\d+/metrics)", watch.stderr)
    assert where
    with urllib.request.urlopen(where[1], timeout=10) as answer:  # noqa: S310  # our own
        families = {f.name: f for f in text_string_to_metric_families(answer.read().decode())}
    samples = families["mlxdiag_watch_connected"].samples
    assert {s.labels["host"]: s.value for s in samples} == reached
    assert {s.labels["host"] for s in families["mlxdiag_host_reachable"].samples} == {A, B}


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_whatever_ends_it_leaves_nothing_on_the_hosts(
    pair: Pair, number: signal.Signals, code: int
) -> None:
    for name in (A, B):
        hang = pair.sim.folder / "bin" / name / "ifconfig"
        hang.write_text("#!/bin/sh\nexec sleep 600\n")
    process = subprocess.Popen(pair.argv, env=pair.env, cwd=pair.folder, stdout=subprocess.DEVNULL)
    end = time.monotonic() + PATIENCE_S
    while sum("sleep 600" in p.words for p in pair.sim.survivors()) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == code
    assert pair.sim.wait_gone() == []


def test_between_two_rounds_nothing_of_ours_runs_on_the_hosts(pair: Pair) -> None:
    with Watching(pair, ("--every", "30s", "--wiring-every", "30s")) as watch:
        assert [p for p in pair.sim.wait_gone() if "sshd" not in p.words] == []
        assert len(pair.sim.connections()) >= 2
        assert watch.ended(signal.SIGTERM) == 143


def test_once_and_for_end_with_the_verdict(pair: Pair) -> None:
    argv = pair.argv[3:]
    ran = run(*argv, "--once", cwd=pair.folder, env=pair.env)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("PASS: 1 of 1 links")
    pair.change(faults.port_down(pair.scene, (A, 2)).broken)
    ran = run(*argv, "--for", "2s", "--json-lines", cwd=pair.folder, env=pair.env)
    assert ran.returncode == 1
    last = json.loads(ran.stdout.splitlines()[-1])
    assert (last["kind"], last["ended"]) == ("watch-ended", "complete")


def test_the_host_we_stand_on_is_watched_without_ssh(pair: Pair) -> None:
    listed = f"hosts:\n  - {{name: {A}, connection: local}}\n  - {B}\n"
    (pair.folder / "lab.yaml").write_text(listed)
    path = f"{pair.sim.folder}/bin/{A}:{os.environ['PATH']}"
    env = {**pair.env, "PATH": path, "MLXDIAG_SIM": pair.sim._token}
    argv = ("watch", "-i", "lab.yaml", "--every", "1s", "--for", "3s", "--save", "l.tar.gz")
    ran = run(*argv, cwd=pair.folder, env=env)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("PASS: 1 of 1 links")
    saved = recording.load(pair.folder / "l.tar.gz").hosts[A]
    assert (saved["access"].argv, saved["ifconfig"].started_s > 0.9) == (("local",), True)
    assert pair.sim.wait_gone() == []


def test_a_reader_that_goes_ends_it(pair: Pair) -> None:
    argv = [*pair.argv, "--json-lines"]
    process = subprocess.Popen(argv, env=pair.env, cwd=pair.folder, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        pair.change(faults.port_down(pair.scene, (A, 2)).broken)
        assert process.wait(PATIENCE_S) in (0, 1)
    finally:
        process.kill()
        process.wait()
    assert pair.sim.wait_gone() == []


def test_what_cannot_be_is_refused_before_a_host_is_asked(pair: Pair) -> None:
    argv = pair.argv[3:]
    for words, why in (
        (("--every", "soon"), "not a duration"),
        (("--prometheus-port", "0", "--prometheus-bind", "192.0.2.1"), "--prometheus-port"),
        (("--exec-on-change", "/no/such/program now"), "/no/such/program: no program of that name"),
        (("--exec-on-change", "/etc/passwd"), "/etc/passwd: no program of that name"),
    ):
        ran = run(*argv, *words, cwd=pair.folder, env=pair.env)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert why in ran.stderr


def test_on_a_terminal_it_is_a_view_that_goes_away(pair: Pair) -> None:
    ours, theirs = pty.openpty()
    env = {**pair.env, "COLUMNS": "100", "LINES": "40"}
    argv = pair.argv
    process = subprocess.Popen(argv, env=env, cwd=pair.folder, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = ""
    end = time.monotonic() + PATIENCE_S
    while "round 2" not in seen:
        assert time.monotonic() < end, seen
        seen += _read(ours)
    process.send_signal(signal.SIGINT)
    while text := _read(ours):
        seen += text
    assert process.wait(PATIENCE_S) == 130
    os.close(ours)
    assert "\x1b[?1049h" in seen
    after = seen[seen.rindex("\x1b[?1049l") :]
    assert "PASS: 1 of 1 links" in after
    assert "Traceback" not in seen
    assert pair.sim.wait_gone() == []


def _read(terminal: int) -> str:
    ready, _, _ = select.select([terminal], [], [], PATIENCE_S)
    try:
        return os.read(terminal, 1 << 16).decode("utf-8", "replace") if ready else ""
    except OSError:
        return ""


def test_a_short_soak(tmp_path: Path) -> None:
    """The long one is `python -m benchmarks.soak`; a machine under load may be late here."""
    soak = Soak(tmp_path, 2.0, seed=11)
    score = replace(soak.run(24), late=[])
    assert score.clean, report(score, 2.0)
    assert len(score.latencies) >= 4
