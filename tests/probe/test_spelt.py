"""A plan in words and as MLX's hostfile; mlx.launch itself takes what was written."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mlxdiag import cli, hostfile
from mlxdiag.backends import ring
from mlxdiag.inventory import Host
from mlxdiag.probe import command, gang, launch, spelt
from mlxdiag.probe.plan import Plan, RankPlan, Settings
from mlxdiag.transport.local import LocalTransport
from tests.probe.test_cli import SHORT, start
from tests.probe.world import NO_RANKS, World

A = Host("a", "a.local", user="alex", port=2222, identity_file="~/.ssh/k", python="/opt/p/python")
B = Host("b", "10.0.0.2", python="/opt/p/python")


def ring_plan(**settings: object) -> Plan:
    chosen = Settings(sizes=(4, 1 << 20), **settings)  # type: ignore[arg-type]
    addresses = [["10.1.0.1", "10.2.0.1"] * chosen.connections, ["10.1.0.2"] * chosen.connections]
    return Plan("ring", "ring", ring.ranks([A, B], addresses, 20000), "0" * 16, chosen)


def jaccl_plan() -> Plan:
    matrix = [[None, ["rdma_en2", "rdma_en3"]], ["rdma_en4", None]]
    env = {"MLX_JACCL_COORDINATOR": "192.168.0.1:20000", "MLX_JACCL_RING": "1"}
    ranks = tuple(
        RankPlan(n, host, {"MLX_RANK": str(n), **env}, {"MLX_IBV_DEVICES": json.dumps(matrix)})
        for n, host in enumerate((A, B))
    )
    return Plan("jaccl-ring", "jaccl", ranks, "0" * 16)


def test_the_words_hold_all_that_a_rank_is() -> None:
    plan = ring_plan(iterations=7, warmup=3)
    text = spelt.spelt(replace(plan, notes=("mind this",)), gang.line_of)
    assert text.splitlines() == [
        "backend ring, 2 ranks",
        "note: mind this",
        "rank 0: a",
        "  address: a.local (ssh, user alex, port 2222, key ~/.ssh/k)",
        "  python: /opt/p/python",
        "  environment: MLX_RANK=0 MLX_RING_VERBOSE=1",
        '  MLX_HOSTFILE (a file): [["10.1.0.1:20000", "10.2.0.1:20001"], ["10.1.0.2:20002"]]',
        f"  command: {gang.line_of(A)}",
        "rank 1: b",
        "  address: 10.0.0.2 (ssh)",
        "  python: /opt/p/python",
        "  environment: MLX_RANK=1 MLX_RING_VERBOSE=1",
        '  MLX_HOSTFILE (a file): [["10.1.0.1:20000", "10.2.0.1:20001"], ["10.1.0.2:20002"]]',
        f"  command: {gang.line_of(B)}",
        "to every rank: kernel and job over stdin; MLX_* and JACCL_* of its login are taken away",
        "deadlines (s): spawn 20, import 40, ready 10, init 45, identity 10, check 60, measure 60;"
        " without a word for 15 s a rank is ended",
        "all_sum of float32, 3 untimed per size; every element is checked first",
        "sizes (bytes x how often): 4 x 7, 1048576 x 7",
    ]


def test_another_name_for_init_is_said() -> None:
    text = spelt.spelt(jaccl_plan(), gang.line_of)
    assert text.startswith("backend jaccl-ring, 2 ranks (init calls it jaccl)\n")
    assert "nothing is checked" in spelt.spelt(ring_plan(check=False), gang.line_of)
    assert "soak: 90 s" in spelt.spelt(ring_plan(soak_s=90.0), gang.line_of)


@pytest.mark.parametrize("connections", [1, 3])
def test_a_ring_as_hostfile(connections: int) -> None:
    plan = ring_plan(connections=connections)
    made = spelt.hostfile(plan)
    assert made == hostfile.Hostfile(
        "ring",
        (),
        (
            hostfile.HostfileEntry("alex@a.local", ("10.1.0.1", "10.2.0.1")),
            hostfile.HostfileEntry("10.0.0.2", ("10.1.0.2",)),
        ),
    )
    assert hostfile.loads(hostfile.dumps(made), "x") == made
    more = f" --connections-per-ip {connections}" if connections > 1 else ""
    line = spelt.launch_line(plan, "my hosts.json")
    assert line == f"mlx.launch --hostfile 'my hosts.json' --python /opt/p/python{more} SCRIPT"


def test_devices_and_the_address_to_meet_at_as_hostfile() -> None:
    made = spelt.hostfile(jaccl_plan())
    assert made.backend == "jaccl-ring"
    assert [(host.ips, host.rdma) for host in made.hosts] == [
        (("192.168.0.1",), (None, ("rdma_en2", "rdma_en3"))),
        ((), ("rdma_en4", None)),
    ]
    assert hostfile.loads(hostfile.dumps(made), "x") == made


@pytest.mark.parametrize("pythons", [("~/x/python", "~/x/python"), ("/a", "/b"), (None, None)])
def test_interpreters_that_mlx_launch_cannot_be_told(pythons: tuple[str | None, ...]) -> None:
    plan = ring_plan()
    ranks = zip(plan.ranks, pythons, strict=True)
    plan = replace(plan, ranks=tuple(replace(r, host=replace(r.host, python=p)) for r, p in ranks))
    assert spelt.launch_line(plan, "h.json") == "mlx.launch --hostfile h.json SCRIPT"


def test_what_is_repeated_is_spelt_once() -> None:
    wish = command.Wish("ring", "all_sum", None, None, 4, None, 5, check=True, repeat=3)
    assert command.described(command.on_this_machine(2, wish)).count("backend ring") == 1


# The command line.

live = pytest.mark.skipif(bool(NO_RANKS), reason=NO_RANKS)


def test_a_dry_run_never_talks_to_a_host(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: object, **__: object) -> None:
        pytest.fail("something was started")

    monkeypatch.setattr(LocalTransport, "talk", never)
    monkeypatch.setattr(gang, "run", never)
    monkeypatch.setattr(launch, "launch", never)
    monkeypatch.setattr(subprocess, "Popen", never)
    path = str(tmp_path / "h.json")
    monkeypatch.setattr(
        sys, "argv", ["mlxdiag", "probe", *SHORT, "--dry-run", "--write-hostfile", path]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code in (0, None)
    told = capsys.readouterr()
    assert told.out.startswith("backend ring, 2 ranks\n")
    line = f"mlx.launch --hostfile {path} --python {sys.executable} SCRIPT"
    assert told.err == f"mlxdiag: {path}: {line}\n"


@live
def test_a_hostfile_is_written_beside_a_launch_and_never_over_another(
    tmp_path: Path, world: World
) -> None:
    path = tmp_path / "h.json"
    argv = ("probe", "--local", "2", "-b", "4", "--iters", "3", "--write-hostfile", str(path))
    assert start(*argv).returncode == 0
    text = path.read_text()
    made = hostfile.loads(text, str(path))
    assert [(host.ssh, host.ips) for host in made.hosts] == [("127.0.0.1", ("127.0.0.1",))] * 2
    assert start(*argv, "--dry-run").returncode == 0
    assert path.read_text() == text
    path.write_text(text + " ")
    ran = start(*argv)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == f"mlxdiag: {path}: exists already and says something else\n"
    assert path.read_text() == text + " "
    assert world.left() == []


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--local", "2", "--backend", "all", "--write-hostfile", "h"), "wants one backend"),
        (("--replay", "x", "--write-hostfile", "h"), "wants one backend, and no --replay"),
        (("--local", "2", "--write-hostfile", "/no/such/folder/h"), "not a file in a folder"),
        (("--local", "2", "--write-hostfile", "/proc/h"), "cannot be written"),
    ],
)
def test_a_hostfile_that_cannot_be(argv: tuple[str, ...], said: str) -> None:
    ran = start("probe", *argv)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in re.sub(r"\s+", " ", ran.stderr.replace("│", " "))


SCRIPT = """\
import os
import mlx.core as mx
mx.set_default_device(mx.cpu)
group = mx.distributed.init(strict=True, backend="ring")
total = mx.distributed.all_sum(mx.array([1 + group.rank()]), group=group).item()
os.write(1, f"rank {group.rank()} of {group.size()} sum {total}\\n".encode())
"""


@live
def test_mlx_launch_takes_the_hostfile(tmp_path: Path, world: World) -> None:
    """The installed one, on loopback. Ranks that it leaves behind are marked, and ended."""
    path, script = tmp_path / "h.json", tmp_path / "script.py"
    script.write_text(SCRIPT)
    dry = ("--local", "2", "--dry-run", "--write-hostfile", str(path))
    told = start("probe", *dry).stderr
    program, *words = shlex.split(told.rpartition(": ")[2])
    assert (program, words[-1]) == ("mlx.launch", "SCRIPT")
    launcher = "from mlx._distributed_utils.launch import main; main()"
    port = str(launch.port(2))
    argv = [sys.executable, "-c", launcher, "-p", port, *words[:-1], str(script)]
    started = subprocess.Popen(
        argv,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said = started.communicate(timeout=60)[0]
    except subprocess.TimeoutExpired:
        started.send_signal(signal.SIGKILL)
        said = started.communicate()[0]
    finally:
        world.clean()
    assert sorted(line for line in said.splitlines() if line.startswith("rank")) == [
        "rank 0 of 2 sum 3",
        "rank 1 of 2 sum 3",
    ], said
