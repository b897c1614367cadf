from __future__ import annotations

import ast
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.facts.mlx_runtime import COMMAND, SOURCE, MlxRuntime, parse
from mlxdiag.transport import pythons

if TYPE_CHECKING:
    from pathlib import Path

READY = (
    b'{"mlxdiag": 1, "python": "3.12.8", "executable": "/opt/env/bin/python", "mlx": "0.32.4", '
    b'"mlx_metal": "0.32.4", "mlx_lm": "0.40.1", "tags": ["py3-none-macosx_26_0_arm64"], '
    b'"backends": ["ring", "jaccl"], "error": null}\n'
)
BARE = (
    b'{"mlxdiag":1,"python":"3.9.6","executable":"/usr/bin/python3","mlx":null,"mlx_metal":null,'
    b'"tags":[],"backends":[],"mlx_lm":null,"error":"ModuleNotFoundError: No module named mlx"}\n'
)
FAKE_CORE = """
__version__ = "0.99.0.dev1"
class distributed:
    @staticmethod
    def is_available(name):
        print("noise from", name)
        return name != "mpi"
"""


def run(*, path: Path | None = None) -> bytes:
    """Run the program for real, beside a directory of modules if there is one."""
    isolated = ["-I"] if path is None else []
    environment = {} if path is None else {"PYTHONPATH": str(path)}
    argv = [sys.executable, *isolated, "-c", SOURCE]
    return subprocess.run(argv, capture_output=True, check=True, env=environment).stdout


def test_everything_there() -> None:
    assert parse(READY) == MlxRuntime(
        python="3.12.8",
        executable="/opt/env/bin/python",
        mlx="0.32.4",
        mlx_metal="0.32.4",
        tags=("py3-none-macosx_26_0_arm64",),
        backends=("ring", "jaccl"),
        mlx_lm="0.40.1",
        error=None,
    )
    assert parse(READY).has_jaccl


def test_nothing_there_is_an_answer_too() -> None:
    bare = parse(BARE)
    assert (bare.mlx, bare.tags, bare.backends, bare.has_jaccl) == (None, (), (), False)
    assert bare.error == "ModuleNotFoundError: No module named mlx"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"[rank 0] bye\n"),
        (b"\xff\xfewarning {}\n", b"\n\n{}"),
        (b"no line end here ", b""),
        (b"{", b"} trailing on the line after"),
    ],
)
def test_noise_around_the_answer(before: bytes, after: bytes) -> None:
    assert parse(before + READY + after) == parse(READY)
    assert parse(before + READY.rstrip() + b" " + after) == parse(READY)


def test_a_path_that_is_not_text_can_still_be_printed() -> None:
    odd = parse(READY.replace(b"/opt/env", b"/opt/\\udcff"))
    assert odd.executable.encode() == b"/opt/?/bin/python"


@pytest.mark.parametrize(
    "out",
    [
        b"",
        b"\n",
        b"{}\n",
        b"Python 3.12.8\n",
        READY[:-20],
        READY.replace(b'"mlxdiag": 1', b'"mlxdiag": 2'),
        READY.replace(b'"mlxdiag": 1, ', b""),
        READY.replace(b'"python": "3.12.8"', b'"python": null'),
        READY.replace(b'"executable": "/opt/env/bin/python", ', b""),
        READY.replace(b'"mlx": "0.32.4"', b'"mlx": 0.32'),
        READY.replace(b'["ring", "jaccl"]', b'"ring jaccl"'),
        READY.replace(b'["ring", "jaccl"]', b"[1]"),
        READY.replace(b'"error": null', b'"error": ' + b"[" * 100_000),
        READY.replace(b'"error": null', b'"error": ' + b"1" * 5000),
        b"dyld[1]: Library not loaded: x\n",
        b"<html>\n",
    ],
)
def test_anything_else_is_refused(out: bytes) -> None:
    with pytest.raises(ParseError):
        parse(out)


def test_no_shell_and_no_template_can_change_the_program() -> None:
    assert not set("'\\{}!`$") & set(SOURCE)
    assert "%" not in SOURCE
    ast.parse(SOURCE, feature_version=(3, 8))
    assert COMMAND.argv == ("{python}", "-c", SOURCE)


def test_the_program_answers_in_one_line_wherever_it_runs() -> None:
    out = run()
    assert out.count(b"\n") == 1
    assert list(json.loads(out)) == [
        "mlxdiag",
        "python",
        "executable",
        "mlx",
        "mlx_metal",
        "mlx_lm",
        "tags",
        "backends",
        "error",
    ]
    assert parse(out).executable


def test_the_program_with_an_mlx_that_prints(tmp_path: Path) -> None:
    (tmp_path / "mlx").mkdir()
    (tmp_path / "mlx" / "core.py").write_text(FAKE_CORE)
    metal = tmp_path / "mlx_metal-9.9.dist-info"
    metal.mkdir()
    (metal / "METADATA").write_text("Name: mlx-metal\nVersion: 9.9\n")
    (metal / "WHEEL").write_text("Wheel-Version: 1.0\nTag: py3-none-macosx_26_0_arm64\n")
    found = parse(run(path=tmp_path))
    assert found.mlx is not None
    assert found.mlx_metal == "9.9"
    assert found.tags == ("py3-none-macosx_26_0_arm64",)
    assert found.backends == ("ring", "jaccl")
    assert found.error is None


@pytest.mark.parametrize(
    ("core", "error"),
    [
        ("raise ImportError('no Metal device')", "ImportError: no Metal device"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        (
            "class distributed:\n is_available = lambda: True",
            "TypeError",
        ),
    ],
)
def test_the_program_with_an_mlx_that_fails(tmp_path: Path, core: str, error: str) -> None:
    (tmp_path / "mlx").mkdir()
    (tmp_path / "mlx" / "core.py").write_text(f"__version__ = '0.1'\n{core}\n")
    found = parse(run(path=tmp_path))
    assert found.error is not None
    assert found.error.startswith(error)
    assert found.backends == ()


def looked(has: str, path: str) -> bytes:
    return f"{pythons.MARK}{has}: a .venv in the login folder: {path}\n".encode()


def test_an_old_recording_says_nothing_of_a_search() -> None:
    assert (parse(READY).chosen, parse(READY).looked) == (None, ())


def test_the_one_that_was_found_and_those_that_were_seen() -> None:
    seen = looked("no mlx", "~/a") + looked("stub", "/b c: d") + looked("mlx", "~/e")
    found = parse(b"noise " + seen + b"noise" + READY)
    assert str(found.chosen) == "~/e: a .venv in the login folder; has mlx 0.32.4"
    assert [(each.path, each.has) for each in found.looked] == [
        ("~/a", "no mlx"),
        ("/b c: d", "Apple's stub; the developer tools are not installed"),
    ]


def test_of_several_answers_it_is_the_first_that_loads() -> None:
    found = parse(looked("mlx", "~/a") + BARE + looked("mlx", "~/b") + looked("mlx", "~/c") + READY)
    assert (found.mlx, found.chosen and found.chosen.path) == ("0.32.4", "~/c")
    assert [(each.path, each.has) for each in found.looked] == [
        ("~/a", "ModuleNotFoundError: No module named mlx"),
        ("~/b", "did not say whether it can import mlx"),
    ]
    failed = parse(looked("mlx", "~/a") + BARE + looked("mlx", "~/b") + BARE)
    assert failed.chosen is not None
    assert failed.chosen.path == "~/a"


def test_one_that_is_seen_twice_is_named_once() -> None:
    found = parse(looked("no mlx", "~/a") + looked("mlx", "~/a") + BARE)
    assert (found.chosen and found.chosen.path, found.looked) == ("~/a", ())


@pytest.mark.parametrize(("words", "status"), [((), 0), (("seek",), pythons.FAILED)])
def test_only_in_a_search_it_fails_without_mlx(
    tmp_path: Path, words: tuple[str, ...], status: int
) -> None:
    (tmp_path / "mlx").mkdir()
    (tmp_path / "mlx" / "core.py").write_text("raise ImportError('no')\n")
    argv = [sys.executable, "-c", SOURCE, *words]
    ran = subprocess.run(argv, capture_output=True, check=False, env={"PYTHONPATH": str(tmp_path)})
    assert ran.returncode == status
    assert parse(ran.stdout).error == "ImportError: no"
