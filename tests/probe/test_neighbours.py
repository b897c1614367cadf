"""What counts as an MLX job on a host, and that ps is really asked."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from mlxdiag import live
from mlxdiag.capture import ACCESS, Capture, Outcome
from mlxdiag.inventory import Host, Inventory
from mlxdiag.probe import neighbours
from mlxdiag.probe.neighbours import found, lines

JOBS = [
    "/opt/homebrew/bin/python3.12 /opt/mlx/bin/mlx.launch --hostfile h.json train.py",
    "/opt/mlx/bin/mlx.launch -n 2 x.py",
    "python -m mlx_lm.server --port 8080",
    "python -m mlx_lm generate --model x",
    "/opt/mlx/bin/python /opt/mlx/bin/mlx_lm.generate --model x",
    "mlx_lm.chat",
    "/opt/mlx/bin/mlx_lm chat",
    "python /opt/mlx/lib/python3.12/site-packages/mlx_lm/server.py",
    "python3 -u -W ignore -m mlx._distributed_utils.launch",
    "zsh -c export MLX_RANK=1; MLX_IBV_DEVICES=/tmp/x exec python train.py",
    "env MLX_RANK=0 python train.py",
    "env JACCL_RANK=0 python train.py",
    '/bin/sh -c "MLX_JACCL_COORDINATOR=10.0.0.1:32323" python',
    'python3 -c import os;exec(compile(s,"mlxdiag-kernel","exec"))',
]
OTHERS = [
    "python",
    "/opt/mlx/bin/python train.py",
    "python -m http.server",
    "-zsh",
    "ssh -tt macstudio2 MLX_RANK=1 exec python train.py",
    "/usr/sbin/sshd-session: user@notty MLX_RANK=1",
    "grep MLX_RANK=",
    "rg mlx_lm.server",
    "vim /opt/mlx/lib/python3.12/site-packages/mlx_lm/server.py",
    "ps -A -ww -o pid= -o args=",
    "/opt/mlx/bin/python /opt/mlx/bin/mlxdiag probe --backend jaccl -i mlx_lm.yaml",
    "python -m mlxdiag probe --backend jaccl -i mlx_lm.yaml",
    "mlxdiag probe -i mlx_lm.yaml",
    "python -m pip install mlx_lm",
    "tail -f mlx_lm.server",
    "python train.py --note MY_MLX_RANK=3",
    "mlx.launcher",
]


@pytest.mark.parametrize("arguments", JOBS)
def test_jobs(arguments: str) -> None:
    assert lines(f"  812 {arguments}\n".encode()) == (f"812 {arguments}",)


@pytest.mark.parametrize("arguments", OTHERS)
def test_others(arguments: str) -> None:
    assert lines(f"  812 {arguments}\n".encode()) == ()


def test_whatever_ps_prints_is_read() -> None:
    odd = b"\xff\xfe\n\n 12\nPID ARGS\n x y\n 7 python -m mlx_lm.server \xff\n"
    assert lines(odd) == ("7 python -m mlx_lm.server \ufffd",)


def said(stdout: bytes = b"", **other: object) -> Capture:
    told = {"outcome": Outcome.EXITED, "exit_status": 0, "stdout": stdout, **other}
    return Capture("neighbours", ("ps",), **told)  # type: ignore[arg-type]


def test_a_long_command_line_is_cut() -> None:
    (job,) = found({"a": {"neighbours": said(b"7 mlx_lm.chat " + b"x" * 500)}})["a"] or ()
    assert job == "pid 7: mlx_lm.chat " + "x" * (neighbours.SHOWN - len("mlx_lm.chat "))


@pytest.mark.parametrize(
    "capture",
    [
        None,
        said(outcome=Outcome.TIMEOUT, exit_status=None),
        said(exit_status=1),
        said(outcome=Outcome.MISSING, exit_status=None),
    ],
)
def test_no_answer_is_not_no_job(capture: Capture | None) -> None:
    assert found({"a": {"neighbours": capture} if capture else {}}) == {"a": None}
    assert found({"a": {"neighbours": said()}}) == {"a": ()}


@pytest.mark.skipif(sys.platform != "linux", reason="needs a ps like that of procps")
def test_a_real_job_is_found_by_a_real_ps_and_nobody_elses_line_is_kept() -> None:
    here = Inventory("here", (Host("here", "127.0.0.1", connection="local"),))
    shell = ["/bin/sh", "-c", "read line; : MLX_RANK=7"]
    with subprocess.Popen(shell, stdin=subprocess.PIPE) as job:
        recording = neighbours.ask(here, None)
        assert job.stdin is not None
        job.stdin.close()
    assert set(recording.hosts["here"]) == {"neighbours"}
    jobs = found(recording.hosts)["here"]
    assert jobs is not None
    assert f"pid {job.pid}: {' '.join(shell)}" in jobs
    kept = recording.hosts["here"]["neighbours"].stdout
    assert len(kept.splitlines()) == len(jobs)


def test_a_host_that_is_not_reached_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Inventory("here", (Host("here", "127.0.0.1", connection="local"),))
    whole = live.record(here, commands=())
    lost = Capture(ACCESS, ("ssh", "here"), Outcome.REFUSED, detail="nobody listens")
    monkeypatch.setattr(
        live, "record", lambda *_a, **_k: replace(whole, hosts={"here": {ACCESS: lost}})
    )
    said_now = neighbours.ask(here, None).hosts
    assert said_now["here"]["neighbours"].reason == "refused: nobody listens"
    assert found(said_now) == {"here": None}


def test_keys_are_neither_kept_nor_shown() -> None:
    line = (
        b" 77 python3 -m mlx_lm.server --api-key sk-1234567890 --hf-token=hf_secret99 --port 80\n"
    )
    said = {
        "access": Capture("access", (), Outcome.EXITED, 0),
        "neighbours": Capture("neighbours", ("ps",), Outcome.EXITED, 0, stdout=line),
    }
    kept = neighbours.kept(said)
    shown = "77 python3 -m mlx_lm.server --api-key *** --hf-token=*** --port 80"
    assert kept["neighbours"].stdout == f"{shown}\n".encode()
    assert neighbours.found({"here": kept}) == {"here": (f"pid {shown.replace(' ', ': ', 1)}",)}
