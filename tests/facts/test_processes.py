"""ps: which processes are read, how they are named, and what is kept of its output."""

from __future__ import annotations

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.facts.processes import Process, kept, parse
from tests.model import survey

SERVER = "/opt/mlx/bin/python -m mlx_lm.server --model m --api-key sk-secret"
BUSY = survey.ps(
    f"  812     1 S    02-03:04:05 {SERVER}",
    "  813   812 S       01:02:03 /opt/mlx/bin/python -m mlx_lm.server --worker",
    "  955   700 U          03:00 ibv_devinfo -d rdma_en4",
    "  960   700 S          03:00 /Applications/LM Studio.app/Contents/MacOS/LM Studio --run",
    "  961   960 S          03:00 /Applications/LM Studio.app/Contents/MacOS/LM Studio",
    "  970   700 S          00:09 vim mlx_lm.server",
    "  980   700 Z          00:09 (python3.12)",
    "  990   700 S          00:09 /bin/zsh -c curl --key sk-other",
    "  995   700 R          10:09 /opt/mlx/bin/python3.12 train.py --mail sk-mine",
    "  996   700 R          10:09 /opt/mlx/bin/python3.12 -m mlxdiag check",
    "  997   700 R          10:09 /opt/x/bin/python /opt/x/bin/mlxdiag check",
).stdout


def by_pid(pid: int) -> Process:
    (found,) = (process for process in parse(BUSY).processes if process.pid == pid)
    return found


def test_only_what_matters_is_read() -> None:
    assert [process.pid for process in parse(BUSY).processes] == [812, 813, 955, 960, 961, 980, 995]


def test_a_process() -> None:
    age = 2 * 86400 + 3 * 3600 + 4 * 60 + 5
    assert by_pid(812) == Process(812, 1, "S", age, "python", job=True)
    assert by_pid(955).stuck
    assert not by_pid(812).stuck


def test_a_job_and_a_holder_count_once_with_what_they_started() -> None:
    assert [process.pid for process in parse(BUSY).jobs] == [812]
    assert [process.pid for process in parse(BUSY).holders] == [960]


def test_any_python_may_use_memory_but_not_our_own() -> None:
    assert [process.pid for process in parse(BUSY).users] == [812, 960, 980, 995]


def test_a_label_has_no_arguments() -> None:
    labels = [process.label for process in parse(BUSY).processes]
    assert labels[0] == "pid 812 (python), for 2 d 3 h"
    assert labels[2] == "pid 955 (ibv_devinfo), for 3 min"
    assert "sk-" not in "".join(labels)


def test_of_the_output_only_their_lines_are_kept() -> None:
    left = kept(BUSY)
    assert parse(left) == parse(BUSY)
    assert left.splitlines()[0] == b"  PID  PPID STAT     ELAPSED COMMAND"
    assert len(left.splitlines()) == 8
    assert left.endswith(b" /opt/mlx/bin/python3.12\n")
    assert b"sk-" not in left


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ("mlx_lm.server --api-key sk-1 --port 8080", "mlx_lm.server --api-key *** --port 8080"),
        ("env HF_TOKEN=hf_1 mlx_lm.server", "env HF_TOKEN=*** mlx_lm.server"),
        ("mlx_lm.server --password=x=y --model m", "mlx_lm.server --password=*** --model m"),
        (
            "mlx_lm.server -H Authorization: Bearer abc",
            "mlx_lm.server -H Authorization: Bearer ***",
        ),
        ("mlx_lm.server --model m", "mlx_lm.server --model m"),
    ],
)
def test_what_looks_like_a_key_is_not_kept(arguments: str, left: str) -> None:
    line = "  812     1 S    02-03:04:05 "
    (_, said) = kept(survey.ps(line + arguments).stdout).decode().splitlines()
    assert said == line + left
    assert len(parse(kept(survey.ps(line + arguments).stdout)).jobs) == 1


def test_nothing_is_left_where_nothing_matters() -> None:
    assert parse(kept(survey.ps().stdout)).processes == ()


def test_what_is_not_understood_is_kept_and_refused() -> None:
    odd = survey.ps("odd").stdout
    assert b"odd" in kept(odd)
    with pytest.raises(ParseError, match="odd"):
        parse(kept(odd))
    assert kept(b"") == b""


@pytest.mark.parametrize(
    "out", [b"", b"\n", b"PID STAT COMMAND\n55143 U    ibv_devinfo -d rdma_en4\n", b"<html>\n"]
)
def test_other_columns_are_refused(out: bytes) -> None:
    with pytest.raises(ParseError):
        parse(out)
