"""A scene on a stage: its hosts behind a real sshd, and both tools run on it once."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scenes import Scene
from mlxdiag import facts, recording, survey
from mlxdiag.capture import ACCESS, Capture, Outcome
from mlxdiag.recording import Recording
from tests.checks.surveyed import HOST
from tests.hang.model import Rank, recorded
from tests.simhosts import SimHosts

BIN = Path(sys.executable).parent
MLX = BIN / "mlx.distributed_config"
COMMANDS = (*facts.COMMANDS, *survey.COMMANDS)
LIMIT_S = 300.0


@dataclass(frozen=True)
class Said:
    """What MLX's tool said: its exit code, its stderr, and the backend of the file it wrote."""

    exit_code: int
    stderr: str
    backend: str = ""


@dataclass(frozen=True)
class Heard:
    """What both tools said of a scene; the report is mlxdiag's JSON. Machine's names are gone."""

    mlx: Said
    command: str
    report: Mapping[str, Any]


def perform(scene: Scene) -> Heard:
    """Start the hosts of a scene and run MLX's tool, then mlxdiag."""
    folder = Path(tempfile.mkdtemp(prefix="mlxdiag-compare-"))
    try:
        made = scene.made()
        with _hosts(scene, made, folder) as sim:
            _write_client(scene, made, folder, sim)
            return Heard(_mlx(scene, made, folder, sim), *_mlxdiag(scene, folder, sim))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def diagnose(text: str) -> Mapping[str, Any]:
    """Ask mlxdiag about one line of a log."""
    return _report(_run([*_ours("diagnose"), "--text", text], Path.cwd(), dict(os.environ)).stdout)


def hang(ranks: Sequence[Rank | None]) -> Mapping[str, Any]:
    """Ask mlxdiag about the recorded ranks of a job."""
    folder = Path(tempfile.mkdtemp(prefix="mlxdiag-compare-"))
    try:
        recording.save(recorded(ranks), folder / "hang.tar.gz")
        words = [*_ours("hang"), "--replay", "hang.tar.gz"]
        return _report(_run(words, folder, dict(os.environ)).stdout)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _hosts(scene: Scene, made: Recording, folder: Path) -> Iterator[SimHosts]:
    own, place = folder / "hosts", folder / "sim"
    for host, captures in made.hosts.items():
        (own / host).mkdir(parents=True)
        for name, capture in captures.items():
            if name != ACCESS:
                _write_stand_in(own / host / name, capture)
    if scene.start_s:
        (own / HOST / "mlx_runtime.delay").write_text(f"{scene.start_s}\n")
    place.mkdir()
    folders = {host.name: own / host.name for host in made.inventory.hosts}
    lines = _slow_keys(place, scene.key_s) if scene.key_s else ()
    with SimHosts(folders, COMMANDS, folder=place, sshd_lines=lines) as sim:
        if scene.unknown_key:
            sim.set_known(sim.known_line(name) for name in folders if name != HOST)
        if scene.noisy:
            greet = f"case $PATH in */{HOST}:*) echo Welcome to {HOST};; esac\n"
            (sim.remote_home / ".bashrc").write_text(greet)
        yield sim


def _slow_keys(place: Path, seconds: float) -> tuple[str, ...]:
    look_up = f"sleep {seconds}; cat {place}/authorized_keys"
    return (
        "AuthorizedKeysFile none",
        f'AuthorizedKeysCommand /bin/sh -c "{look_up}"',
        "AuthorizedKeysCommandUser root",
    )


def _write_stand_in(stem: Path, capture: Capture) -> None:
    if capture.outcome is Outcome.TIMEOUT:
        stem.with_name(f"{stem.name}.hang").touch()
    elif capture.outcome is Outcome.EXITED:
        stem.with_name(f"{stem.name}.out").write_bytes(capture.stdout)
        stem.with_name(f"{stem.name}.err").write_bytes(capture.stderr)
        stem.with_name(f"{stem.name}.status").write_text(f"{capture.exit_status}\n")
    else:
        assert capture.outcome is Outcome.MISSING, (stem.name, capture.outcome)


def _write_client(scene: Scene, made: Recording, folder: Path, sim: SimHosts) -> None:
    refused = "echo sudo: a password is required >&2; exit 1"
    for host in made.inventory.hosts:
        _write_sh(sim.folder / "bin" / host.name / "ipconfig", f"echo {host.ip}")
        _write_sh(sim.folder / "bin" / host.name / "sudo", refused)
    # OpenSSH looks for its configuration where the user lives, not where HOME says
    (folder / "bin").mkdir()
    ssh = shlex.quote(str(shutil.which("ssh")))
    _write_sh(folder / "bin" / "ssh", f'exec {ssh} -n -F {sim.ssh}/config "$@"')
    (folder / "inventory.yaml").write_text(_inventory(made, sim))
    if scene.file:
        (folder / "hosts.json").write_text(scene.file())


def _inventory(made: Recording, sim: SimHosts) -> str:
    hosts = "".join(
        f"  - name: {h.name}\n    ip: {h.ip}\n    python: {sim.folder}/bin/{h.name}/python3\n"
        for h in made.inventory.hosts
    )
    expect = made.inventory.expect
    said = {"backend": expect.backend, "topology": expect.topology}
    lines = "".join(f"  {key}: {value}\n" for key, value in said.items() if value)
    return f"cluster: compared\nhosts:\n{hosts}" + (f"expect:\n{lines}" if lines else "")


def _write_sh(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def _mlx(scene: Scene, made: Recording, folder: Path, sim: SimHosts) -> Said:
    names = [host.name for host in made.inventory.hosts]
    out, backend = folder / "out.json", made.inventory.expect.backend
    words = ["--hostfile", "hosts.json"] if scene.file else ["--hosts", ",".join(names)]
    words += ["--backend", backend] if backend in ("ring", "jaccl", "jaccl-ring") else []
    words += ["--auto-setup"] if scene.auto_setup else []
    words = [str(MLX), "--over", "thunderbolt", *words, "--output-hostfile", str(out)]
    ran = _run(words, folder, _environment(folder, sim), "\n" * len(names))
    wrote = json.loads(out.read_text())["backend"] if out.exists() else ""
    return Said(ran.returncode, _plain(ran.stderr, folder, sim), wrote)


def _mlxdiag(scene: Scene, folder: Path, sim: SimHosts) -> tuple[str, Mapping[str, Any]]:
    verb = ("hostfile", "check", "hosts.json") if scene.file else ("check",)
    words = [*_ours(*verb), "-i", "inventory.yaml"]
    ran = _run(words, folder, _environment(folder, sim))
    if not ran.stdout:
        raise RuntimeError(f"mlxdiag {verb}: {ran.returncode}: {ran.stderr}")
    return " ".join(verb[:2]), _report(_plain(ran.stdout, folder, sim))


def _ours(*verb: str) -> list[str]:
    return [sys.executable, "-m", "mlxdiag", *verb, "-f", "json"]


def _report(text: str) -> Mapping[str, Any]:
    report: Mapping[str, Any] = json.loads(text)
    return report


def _environment(folder: Path, sim: SimHosts) -> dict[str, str]:
    path = f"{folder}/bin:{os.environ['PATH']}"
    own = {"HOME": str(sim.home), "PATH": path, "LC_ALL": "C.UTF-8"}
    return {k: v for k, v in os.environ.items() if k != "SSH_AUTH_SOCK"} | own


def _run(
    words: list[str], cwd: Path, environment: Mapping[str, str], answers: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=cwd,
        env=environment,
        input=answers,
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT_S,
        check=False,
    )


def _plain(text: str, folder: Path, sim: SimHosts) -> str:
    """Take away what another run has otherwise: names of the machine, and measured times."""
    for name, address in sim.addresses.items():
        for spelled in (f"[{address}]:{sim.port}", f"{address}:{sim.port}", address):
            text = text.replace(spelled, name)
    text = text.replace(str(sim.home), "~").replace(f"{folder}/", "").replace(str(sim.port), "22")
    return re.sub(r"\d+\.\d+ s\b", "several s", text)
