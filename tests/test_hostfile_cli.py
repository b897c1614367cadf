"""`mlxdiag hostfile` as a process: what is written where, exit codes, and what mlx.launch takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from mlxdiag import hostfile
from mlxdiag.hostfile import Hostfile
from tests.hostfiles import Taken, at, cell, mlx_launch, needs_mlx, spoilt, told
from tests.model import CASES, write_recording
from tests.test_cli import run

Ran = subprocess.CompletedProcess[str]


def replayed(case: str, tmp_path: Path, *words: str) -> Ran:
    """Run where the files of the test are."""
    folder = tmp_path / "recording"
    if not folder.exists():
        write_recording(CASES[case](), folder)
    return run("hostfile", *words, "--replay", str(folder), cwd=tmp_path)


@pytest.mark.parametrize(
    ("case", "backend", "found"),
    [
        ("clean-mesh-4", "auto", "jaccl"),
        ("clean-ring-4", "auto", "jaccl-ring"),
        ("ethernet-only", "auto", "ring"),
        ("clean-mesh-4", "ring", "ring"),
    ],
)
def test_what_is_written_is_the_file_of_the_wiring(
    case: str, backend: str, found: str, tmp_path: Path
) -> None:
    ran = replayed(case, tmp_path, "write", "--backend", backend)
    assert ran.returncode == 0
    assert hostfile.loads(ran.stdout, "") == told(case, found)
    assert all(line.startswith("mlxdiag: note: ") for line in ran.stderr.splitlines())


@needs_mlx
def test_a_byte_order_mark_is_refused_as_mlx_refuses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "h.json"
    path.write_text(hostfile.dumps(told("clean-mesh-4", "jaccl")), encoding="utf-8-sig")
    assert "Unexpected UTF-8 BOM" in str(mlx_launch(path, monkeypatch, capsys))
    ran = replayed("clean-mesh-4", tmp_path, "check", "h.json")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        "mlxdiag: h.json:1: begins with a byte order mark, at which mlx.launch stops:"
        " save it without\n"
    )


def test_a_file_of_a_megabyte_is_no_hostfile(tmp_path: Path) -> None:
    (tmp_path / "h.json").write_text(" " * (1 << 20) + "[]")
    ran = replayed("clean-mesh-4", tmp_path, "check", "h.json")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "mlxdiag: h.json: larger than 1048576 bytes: not a hostfile\n"


def test_a_file_says_how_it_is_launched_and_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "h.json"
    words = ("write", "--backend", "jaccl", "-o", "h.json")
    ran = replayed("clean-mesh-4", tmp_path, *words)
    assert (ran.returncode, ran.stdout) == (0, "")
    launch = "mlx.launch --hostfile h.json --python /opt/mlx/bin/python SCRIPT"
    assert ran.stderr.splitlines()[-1] == f"mlxdiag: h.json: {launch}"
    text = path.read_text()
    assert hostfile.loads(text, "") == told("clean-mesh-4", "jaccl")
    assert replayed("clean-mesh-4", tmp_path, *words).returncode == 0
    path.write_text("[]")
    ran = replayed("clean-mesh-4", tmp_path, *words)
    assert ran.returncode == 2
    assert ran.stderr.endswith("h.json: exists already and says something else\n")
    assert path.read_text() == "[]"
    path.chmod(0o640)
    assert replayed("clean-mesh-4", tmp_path, *words, "--force").returncode == 0
    assert (path.read_text(), path.stat().st_mode & 0o777) == (text, 0o640)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["h.json", "recording"]


@pytest.mark.parametrize(
    ("case", "backend", "code", "said"),
    [
        ("clean-ring-4", "jaccl", 1, "mlxdiag: no hostfile: jaccl: "),
        ("incident", "jaccl", 1, "mlxdiag: no hostfile: jaccl: "),
        ("unreachable-host", "jaccl", 3, "mlxdiag: no hostfile: jaccl: "),
    ],
)
def test_where_a_backend_cannot_be_used_nothing_is_written(
    case: str, backend: str, code: int, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "h.json"
    ran = replayed(case, tmp_path, "write", "--backend", backend, "-o", str(path))
    assert (ran.returncode, ran.stdout) == (code, "")
    assert ran.stderr.startswith(said)
    assert not path.exists()


def saved(made: Hostfile, tmp_path: Path) -> Path:
    path = tmp_path / "h.json"
    path.write_text(hostfile.dumps(made))
    return path


def test_a_file_that_is_right(tmp_path: Path) -> None:
    saved(told("clean-mesh-4", "jaccl"), tmp_path)
    ran = replayed("clean-mesh-4", tmp_path, "check", "h.json")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[-1].startswith("PASS: h.json; jaccl, 4 ranks;")
    assert "CORRECTED" not in ran.stdout


def test_a_file_that_is_wrong_is_shown_corrected_and_written_only_when_told_to(
    tmp_path: Path,
) -> None:
    right = told("clean-mesh-4", "jaccl")
    path = saved(spoilt(right, cell(0, 1, "rdma_en7"), at(0, ips=("10.0.0.1",))), tmp_path)
    before = path.read_text()
    ran = replayed("clean-mesh-4", tmp_path, "check", "h.json")
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "hostfile-wiring" in ran.stdout
    assert "nothing is seen at the cable of rdma_en7" in ran.stdout
    assert "nobody who was asked holds it" in ran.stdout
    diff = ran.stdout.partition("CORRECTED")[2].splitlines()
    assert [line[:1] for line in diff].count("+") == [line[:1] for line in diff].count("-") == 2
    assert path.read_text() == before

    ran = replayed("clean-mesh-4", tmp_path, "check", "h.json", "--write")
    assert (ran.returncode, ran.stderr) == (1, "mlxdiag: h.json: corrected\n")
    assert hostfile.loads(path.read_text(), "") == right
    assert replayed("clean-mesh-4", tmp_path, "check", "h.json").returncode == 0


def test_json_has_the_file_and_its_correction(tmp_path: Path) -> None:
    saved(spoilt(told("clean-mesh-4", "jaccl"), cell(0, 1, "rdma_en7")), tmp_path)
    ran = replayed("clean-mesh-4", tmp_path, "check", "h.json", "--format", "json")
    document = json.loads(ran.stdout)
    jsonschema.validate(document, json.loads(run("schema").stdout))
    assert document["command"] == "hostfile check"
    held = document["hostfile"]
    assert held["ranks"] == ["macstudio1", "macstudio2", "macstudio3", "macstudio4"]
    assert "+" in held["diff"]
    (bad,) = [c for c in document["checks"] if c["status"] == "fail"]
    assert bad["id"] == "hostfile-wiring"
    assert bad["evidence"]["source"] == "h.json:5: hosts[0].rdma[1]"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", ":1: "),
        ("[]", ":1: no hosts"),
        ('{"hosts": [{"ssh": "a", "ips": 1}]}', "hosts[0].ips"),
    ],
)
def test_what_is_no_hostfile_is_a_usage_error(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "h.json"
    path.write_text(text)
    ran = replayed("clean-mesh-4", tmp_path, "check", "h.json")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr
    ran = replayed("clean-mesh-4", tmp_path, "check", str(tmp_path / "none.json"))
    assert (ran.returncode, ran.stdout) == (2, "")


def test_only_the_checks_of_the_file_can_be_chosen(tmp_path: Path) -> None:
    saved(spoilt(told("clean-mesh-4", "jaccl"), cell(0, 1, "rdma_en7")), tmp_path)
    words = ("check", "h.json", "--format", "short")
    skipped = ("--skip", "hostfile-wiring", "--skip", "hostfile-pairs")
    assert replayed("clean-mesh-4", tmp_path, *words, *skipped).returncode == 0
    assert replayed("clean-mesh-4", tmp_path, *words, *skipped[:2]).returncode == 3
    ran = replayed("clean-mesh-4", tmp_path, *words, "--skip", "hostfile-wirings")
    assert ran.returncode == 2
    assert "hostfile-wiring" in ran.stderr


def test_without_an_inventory_the_hosts_of_the_file_are_asked(tmp_path: Path) -> None:
    """Nobody answers at that port: each host is named, and nothing is taken for right."""
    rows = [{"ssh": f"127.0.0.{n}", "ips": [f"127.0.0.{n}"]} for n in (2, 3)]
    path = tmp_path / "h.json"
    path.write_text(json.dumps({"backend": "ring", "hosts": rows}))
    words = ("check", "h.json", "--timeout", "20", "--format", "json")
    ran = run("hostfile", *words, cwd=tmp_path)
    document = json.loads(ran.stdout)
    assert [host["name"] for host in document["hosts"]] == ["127.0.0.2", "127.0.0.3"]
    assert ran.returncode in (1, 3)
    assert not [
        c for c in document["checks"] if c["id"] == "hostfile-ips" and c["status"] == "pass"
    ]


# The installed MLX.


@needs_mlx
@pytest.mark.parametrize(
    ("case", "backend"),
    [("clean-mesh-4", "jaccl"), ("clean-ring-4", "jaccl-ring"), ("two-cables", "jaccl")],
)
def test_mlx_reads_the_devices_as_they_were_written(
    case: str,
    backend: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "h.json"
    assert replayed(case, tmp_path, "write", "--backend", backend, "-o", str(path)).returncode == 0
    taken = mlx_launch(path, monkeypatch, capsys, "--backend", backend)
    assert isinstance(taken, Taken), taken
    made = told(case, backend)
    assert taken.hosts == tuple(host.ssh for host in made.hosts)
    (matrix,) = [held for name, held in taken.files.items() if "DEVICES" in name]
    assert [len(row) for row in matrix] == [len(made.hosts)] * len(made.hosts)
    wires = [
        [[cell] if isinstance(cell, str) else list(cell or ()) for cell in host.rdma]
        for host in made.hosts
    ]
    assert [[[c] if isinstance(c, str) else list(c or ()) for c in row] for row in matrix] == wires


@needs_mlx
@pytest.mark.parametrize(("case", "port"), [("clean-ring-4", 47310), ("ethernet-only", 47330)])
def test_mlx_launch_runs_a_ring_with_a_written_file(case: str, port: int, tmp_path: Path) -> None:
    """Live: hosts and addresses are put on the loopback of this machine, one for one."""
    ran = replayed(case, tmp_path, "write", "--backend", "ring")
    document = json.loads(ran.stdout)
    for place, host in enumerate(document["hosts"]):
        host["ssh"] = "127.0.0.1"
        host["ips"] = [f"127.0.{place}.{n + 1}" for n in range(len(host["ips"]))]
    path = tmp_path / "h.json"
    path.write_text(json.dumps(document))
    program = tmp_path / "sum.py"
    program.write_text(
        "import mlx.core as mx\n"
        "g = mx.distributed.init(strict=True, backend='ring')\n"
        "s = mx.distributed.all_sum(mx.array([1 << g.rank()]), group=g)\n"
        "print('RANK', g.rank(), g.size(), s.item(), flush=True)\n"
    )
    argv = ["--hostfile", str(path), "--starting-port", str(port), "--python", sys.executable]
    launcher = "from mlx._distributed_utils.launch import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", launcher, *argv, str(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    lines = sorted(line for line in done.stdout.splitlines() if "RANK" in line)
    assert [line[line.index("RANK") :] for line in lines] == [f"RANK {r} 4 15" for r in range(4)], (
        done.stderr
    )
