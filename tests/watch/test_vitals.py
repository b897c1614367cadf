"""What ps and vm_stat say of ranks and wired memory, and what of it is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxdiag.capture import Capture, Captures, Outcome
from mlxdiag.errors import ParseError
from mlxdiag.facts import vm_stat
from mlxdiag.watch import vitals
from mlxdiag.watch.vitals import Vitals

CAPTURE = Path(__file__).parents[2].parent / "shared" / "captures" / "vm_stat__mbp_m4max_128GB.txt"
PS = b"""\
    1 /sbin/launchd
  812 /usr/sbin/sshd -D mlx_lm.server
  900 grep mlx_lm.server
 4000 /opt/venv/bin/python -m mlx_lm.server --model /models/x
 4001 /opt/venv/bin/python3 serve.py --tensor-parallel
 4002 /opt/venv/bin/python3 -m mlxdiag watch --tensor-parallel
 4003 vim serve.py --tensor-parallel
 4004 -zsh -c serve.py --tensor-parallel
"""
WIRED = b"""\
Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                                  3174400.
Pages wired down:                             340000.
"""


def said(name: str, stdout: bytes, outcome: Outcome = Outcome.EXITED) -> Captures:
    return {name: Capture(name, (name,), outcome, 0, stdout=stdout)}


def test_ranks_are_mlx_jobs_and_what_the_inventory_says() -> None:
    ranks = {"4000": "python -m mlx_lm.server"}
    assert vitals.read(said("neighbours", PS)).jobs == ranks
    more = {"4001": "python3 serve.py"}
    found = vitals.read(said("neighbours", PS), r"serve\.py --tensor-parallel")
    assert found.jobs == {**ranks, **more}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("/v/python3 -u -X dev -m mlx_lm.server --api-key sk-1", "python3 -m mlx_lm.server"),
        ("/v/python3 -mserve MLX_RANK=0 --api-key sk-1", "python3 -m serve"),
        ("/v/python3 -uc key('sk-1') MLX_RANK=0", "python3 -c"),
        ("/v/python3.12 /Users/w/serve.py MLX_RANK=0 KEY=sk-1", "python3.12 serve.py"),
        ("/v/python3 -c import\\ mlx;key='sk-1' MLX_RANK=0", "python3 -c"),
        ("/v/bin/mlx_lm.server --model x --api-key sk-1", "mlx_lm.server"),
        ("KEY=a/sk-1 MLX_RANK=0 python serve.py", "KEY"),
        ("/bin/sh -c MLX_RANK=0 KEY=sk-1 python serve.py", "sh"),
        ("/v/python3 -m MLX_RANK=0", "python3 -m MLX_RANK"),
        ("/v/python3 --api-key=sk-1 mlx.launch", "python3 mlx.launch"),
    ],
)
def test_a_rank_is_named_without_its_arguments(arguments: str, told: str) -> None:
    found = vitals.read(said("neighbours", f"  77 {arguments}\n".encode()))
    assert found.jobs == {"77": told}


@pytest.mark.parametrize(
    "arguments",
    [
        "micro serve.py",
        "/usr/bin/micro /Users/w/serve.py",
        "code --goto serve.py",
        "zsh -c serve.py",
    ],
)
def test_what_has_the_file_open_is_no_rank(arguments: str) -> None:
    listed = f"77 {arguments}\n78 /v/python3 /Users/w/serve.py\n".encode()
    assert vitals.read(said("neighbours", listed), r"serve\.py").jobs == {"78": "python3 serve.py"}


def test_what_is_saved_is_what_is_ours_and_reads_the_same() -> None:
    pattern = r"serve\.py --tensor-parallel"
    captures = said("neighbours", PS)
    kept = vitals.kept(captures, pattern)
    assert kept["neighbours"].stdout.count(b"\n") == 2
    assert vitals.read(kept, pattern) == vitals.read(captures, pattern)
    other = said("vm_stat", WIRED)
    assert vitals.kept(other) is other


def test_what_is_saved_has_no_arguments_that_it_is_known_without() -> None:
    said_so = b"77 /v/python3 -m mlx_lm.server --api-key sk-1\n78 /v/python3 serve.py --key sk-1\n"
    captures = said("neighbours", said_so)
    kept = vitals.kept(captures, r"serve\.py")
    assert kept["neighbours"].stdout == b"77 python3 -m mlx_lm.server\n78 python3 serve.py\n"
    assert vitals.read(kept, r"serve\.py") == vitals.read(captures, r"serve\.py")


def test_where_arguments_have_to_stay_their_keys_do_not() -> None:
    pattern = r"serve\.py --tensor-parallel"
    said_so = (
        b"77 /v/python3 serve.py --tensor-parallel --api-key sk-1234567890 --port 80\n"
        b"78 /bin/sh -c HF_TOKEN=hf_secret99 MLX_RANK=0 exec python3 serve.py\n"
    )
    captures = said("neighbours", said_so)
    kept = vitals.kept(captures, pattern)
    assert kept["neighbours"].stdout == (
        b"78 /bin/sh -c HF_TOKEN=*** MLX_RANK=0 exec python3 serve.py\n"
        b"77 /v/python3 serve.py --tensor-parallel --api-key *** --port 80\n"
    )
    assert vitals.read(kept, pattern) == vitals.read(captures, pattern)


def test_wired_memory() -> None:
    assert vitals.read(said("vm_stat", WIRED)).wired_bytes == 340_000 * 16384


@pytest.mark.parametrize(
    "captures",
    [
        {},
        said("vm_stat", b"no such thing"),
        said("vm_stat", b""),
        said("neighbours", PS, Outcome.TIMEOUT),
        {"neighbours": Capture("neighbours", ("ps",), Outcome.EXITED, 1, stdout=PS)},
    ],
)
def test_what_was_not_said_is_not_known(captures: Captures) -> None:
    assert vitals.read(captures) == Vitals(None, None)


def test_no_job_at_all_is_not_the_same_as_not_known() -> None:
    assert vitals.read(said("neighbours", b"1 /sbin/launchd\n")).jobs == {}


@pytest.mark.skipif(not CAPTURE.exists(), reason="the transcripts are kept beside the project")
def test_the_transcript_of_a_mac() -> None:
    assert vm_stat.parse(CAPTURE.read_bytes()).wired_bytes == 315_751 * 16384


@given(st.binary(max_size=300))
def test_any_bytes(out: bytes) -> None:
    vitals.read({**said("neighbours", out), **said("vm_stat", WIRED[:40] + out)}, "serve")
    try:
        vm_stat.parse(out)
    except ParseError:
        return
