"""The search for a host's interpreter, run here over homes that hold one or the other."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from shlex import quote

import pytest

from mlxdiag.capture import Capture, Command, Outcome
from mlxdiag.facts.mlx_runtime import COMMAND, MlxRuntime, parse
from mlxdiag.inventory import Host
from mlxdiag.transport import pythons, shell
from mlxdiag.transport.local import LocalTransport

MLX = "__version__ = '1.2'\nclass distributed:\n is_available = staticmethod(lambda name: True)\n"
SHELLS = [name for name in ("sh", "dash", "bash", "zsh", "fish", "tcsh") if shutil.which(name)]


class Home:
    """A login folder, and beside it a PATH and a folder that stands for Homebrew's."""

    def __init__(self, folder: Path) -> None:
        self.path, self.bin, self.brew = folder / "home", folder / "bin", folder / "brew"
        for each in (self.path, self.bin, self.brew):
            each.mkdir()
        self.log = folder / "started"

    def python(self, prefix: Path, *, mlx: str | None = MLX, name: str = "python") -> Path:
        """Write an interpreter that notes its start, and what lies in its site-packages."""
        site = prefix / "lib" / "python3.12" / "site-packages"
        site.mkdir(parents=True, exist_ok=True)
        if mlx is not None:
            (site / "mlx").mkdir(exist_ok=True)
            (site / "mlx" / "core.py").write_text(mlx)
        made = prefix / "bin" / name
        made.parent.mkdir(exist_ok=True)
        self.command(made, f'PYTHONPATH={quote(str(site))} exec -a "$0" {sys.executable} "$@"')
        return made

    def command(self, path: Path, line: str) -> None:
        path.write_text(f'#!/bin/bash\necho "$0" >> {quote(str(self.log))}\n{line}\n')
        path.chmod(0o755)

    def started(self) -> list[str]:
        said = self.log.read_text().split("\n")[:-1] if self.log.exists() else []
        return [line.replace(str(self.path), "~") for line in said]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    made = Home(tmp_path)
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "XDG_DATA_HOME", "UV_TOOL_DIR", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(made.path))
    monkeypatch.setenv("PATH", f"{made.bin}:/usr/bin:/bin")
    monkeypatch.setattr(pythons, "BREW", str(made.brew))
    made.command(made.bin / "python3", f'exec {sys.executable} -S "$@"')  # -S: without any mlx
    return made


def asked(python: str | None = None) -> Capture:
    captures: dict[str, Capture] = {}
    host = Host("here", "here", python=python, connection="local")
    asyncio.run(LocalTransport().collect(host, [COMMAND], captures, time.monotonic))
    return captures[COMMAND.name]


def found() -> MlxRuntime:
    capture = asked()
    assert (capture.outcome, capture.exit_status, capture.stderr) == (Outcome.EXITED, 0, b"")
    return parse(capture.stdout)


PLACES = {
    ".venv": "a .venv in the login folder",
    ".local/share/uv/tools/mlx-lm": "a tool of uv",
    "miniconda3": "a conda installation",
    "miniforge3/envs/llm": "a conda environment",
    "anaconda3": "a conda installation",
    "opt/anaconda3": "a conda installation",
}


@pytest.mark.parametrize("place", PLACES)
def test_each_place_is_found_and_nothing_else_is_started(home: Home, place: str) -> None:
    home.python(home.path / place)
    runtime = found()
    assert runtime.chosen is not None
    assert str(runtime.chosen) == f"~/{place}/bin/python: {PLACES[place]}; has mlx 1.2"
    assert runtime.looked == ()
    assert home.started() == [f"~/{place}/bin/python"]


@pytest.mark.parametrize(
    ("variable", "why"),
    [
        ("VIRTUAL_ENV", "the active virtual environment"),
        ("CONDA_PREFIX", "the active conda environment"),
    ],
)
def test_an_active_environment(
    home: Home, monkeypatch: pytest.MonkeyPatch, variable: str, why: str
) -> None:
    place = home.path / "it's $(my) env"
    home.python(place)
    monkeypatch.setenv(variable, str(place))
    assert str(found().chosen) == f"~/it's $(my) env/bin/python: {why}; has mlx 1.2"


def test_pythons_of_uv_and_of_homebrew(home: Home) -> None:
    home.python(home.path / ".local/share/uv/python/cpython-3.12.1-x", mlx=None, name="python3")
    home.python(home.brew, name="python3.12")
    runtime = found()
    brew = home.brew
    assert str(runtime.chosen) == f"{brew}/bin/python3.12: a Python in {brew}/bin; has mlx 1.2"
    assert list(map(str, runtime.looked)) == [
        "~/.local/share/uv/python/cpython-3.12.1-x/bin/python3: a Python of uv; no mlx"
    ]
    assert home.started() == [f"{brew}/bin/python3.12"]


def test_mlx_in_the_users_own_packages(home: Home) -> None:
    """The kind that `pip install --user` makes, on macOS and elsewhere."""
    for folder in ("Library/Python/3.12/lib/python", ".local/lib/python3.12"):
        home.python(home.brew, mlx=None, name="python3.12")
        site = home.path / folder / "site-packages" / "mlx-0.32.4.dist-info"
        site.mkdir(parents=True)
        found()
        assert home.started()[:1] == [f"{home.brew}/bin/python3.12"]
        home.log.unlink()
        site.rmdir()


def test_the_first_of_several_wins(home: Home) -> None:
    for place in PLACES:
        home.python(home.path / place)
    assert found().chosen is not None
    assert home.started() == ["~/.venv/bin/python"]


def test_those_without_mlx_are_looked_at_and_not_started(home: Home) -> None:
    home.python(home.path / ".venv", mlx=None)
    home.python(home.path / "miniforge3")
    runtime = found()
    assert str(runtime.chosen).startswith("~/miniforge3/bin/python: ")
    assert list(map(str, runtime.looked)) == [
        "~/.venv/bin/python: a .venv in the login folder; no mlx"
    ]
    assert home.started() == ["~/miniforge3/bin/python"]


def test_an_mlx_that_does_not_load_is_passed_over(home: Home) -> None:
    home.python(home.path / ".venv", mlx="raise ImportError('no Metal')")
    home.python(home.path / "miniforge3")
    runtime = found()
    assert str(runtime.chosen).startswith("~/miniforge3/bin/python: ")
    assert list(map(str, runtime.looked)) == [
        "~/.venv/bin/python: a .venv in the login folder; ImportError: no Metal"
    ]


def test_one_that_is_too_old_for_a_rank_is_passed_over(home: Home) -> None:
    home.python(home.path / ".venv")
    older = "import sys, platform\nsys.version_info = (3, 9)\n"
    site = home.path / ".venv" / "lib" / "python3.12" / "site-packages"
    (site / "sitecustomize.py").write_text(f"{older}platform.python_version = lambda: '3.9.18'\n")
    home.python(home.path / "miniforge3")
    runtime = found()
    assert str(runtime.chosen).startswith("~/miniforge3/bin/python: ")
    (passed_over,) = runtime.looked
    assert passed_over.has.endswith(", but is Python 3.9.18")


def test_an_interpreter_that_dies_is_passed_over(home: Home) -> None:
    home.command(home.python(home.path / ".venv"), "kill -SEGV $$")
    home.python(home.path / "miniforge3")
    runtime = found()
    assert str(runtime.chosen).startswith("~/miniforge3/bin/python: ")
    assert [each.has for each in runtime.looked] == ["did not say whether it can import mlx"]


def test_where_none_loads_the_first_says_why(home: Home) -> None:
    home.python(home.path / ".venv", mlx="raise ImportError('no Metal')")
    runtime = found()
    assert (runtime.mlx, runtime.error) == (None, "ImportError: no Metal")
    assert [each.why for each in runtime.looked] == ["python3 on PATH"]
    assert home.started() == ["~/.venv/bin/python", str(home.bin / "python3")]


def test_python3_on_path_is_the_last_and_is_started_in_any_case(home: Home) -> None:
    home.python(home.path / ".venv", mlx=None)
    runtime = found()
    assert runtime.mlx is None
    assert runtime.chosen is not None
    assert (runtime.chosen.path, runtime.chosen.why) == (
        str(home.bin / "python3"),
        "python3 on PATH",
    )
    assert runtime.chosen.has.startswith("ModuleNotFoundError")
    assert [each.path for each in runtime.looked] == ["~/.venv/bin/python"]


def test_no_more_than_a_few_are_started_and_looked_at(home: Home) -> None:
    for number in range(60):
        home.python(home.path / f"miniconda3/envs/e{number:02d}", mlx="raise ImportError")
    found()
    assert len(home.started()) == pythons.STARTS + 1
    shutil.rmtree(home.path / "miniconda3")
    for number in range(60):
        home.python(home.path / f"miniconda3/envs/e{number:02d}", mlx=None)
    assert len(found().looked) == pythons.LOOKS


def no_python3(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a PATH with the shell's tools and no python3: the program adds the system's own."""
    (home.bin / "python3").unlink()
    monkeypatch.setattr(
        shell, "_PROLOGUE", shell._PROLOGUE.replace(":/usr/bin:/bin:/usr/sbin:/sbin", "")
    )
    monkeypatch.setenv("PATH", str(home.bin))
    for tool in ("sh", "bash", "sleep", "cat", "pgrep"):
        (home.bin / tool).symlink_to(f"/bin/{tool}")


def test_without_python3_on_path_another_says_that_it_has_no_mlx(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_python3(home, monkeypatch)
    venv = home.python(home.path / ".venv", mlx=None)
    home.command(venv, f'exec {sys.executable} -S "$@"')
    runtime = found()
    assert runtime.mlx is None
    assert str(runtime.chosen).startswith("~/.venv/bin/python: a .venv in the login folder; Modul")
    assert runtime.looked == ()


def test_no_interpreter_at_all(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    no_python3(home, monkeypatch)
    assert asked().outcome is Outcome.MISSING


@pytest.mark.parametrize("other", [True, False])
def test_apples_stub_is_never_started(
    home: Home, monkeypatch: pytest.MonkeyPatch, other: bool
) -> None:
    select = home.bin / "xcode-select"
    home.command(select, "exit 2")
    monkeypatch.setattr(shell, "XCODE_SELECT", str(select))
    monkeypatch.setattr(shell, "STUB", str(home.bin / "python3"))
    if not other:
        capture = asked()
        assert capture.outcome is Outcome.MISSING
        assert "stub" in capture.detail
    else:
        home.python(home.path / ".venv", mlx=None)
        runtime = found()
        assert [each.has for each in runtime.looked] == [
            "Apple's stub; the developer tools are not installed"
        ]
        assert runtime.chosen is not None
        assert runtime.chosen.path == "~/.venv/bin/python"
    assert str(home.bin / "python3") not in home.started()


def test_the_inventorys_interpreter_is_never_searched_around(home: Home) -> None:
    home.python(home.path / ".venv")
    capture = asked(str(home.bin / "python3"))
    runtime = parse(capture.stdout)
    assert (runtime.mlx, runtime.chosen, runtime.looked) == (None, None, ())
    assert home.started() == [str(home.bin / "python3")]
    assert asked("/no/such/python").outcome is Outcome.MISSING


def test_one_that_hangs_is_ended_in_time_and_nothing_follows(home: Home) -> None:
    home.command(home.python(home.path / ".venv"), "exec sleep 60")
    home.python(home.path / "miniforge3")
    captures: dict[str, Capture] = {}
    command = Command(COMMAND.name, COMMAND.argv, 1.0)
    host = Host("here", "here", connection="local")
    asyncio.run(LocalTransport().collect(host, [command], captures, time.monotonic))
    assert captures[COMMAND.name].outcome is Outcome.TIMEOUT
    assert home.started() == ["~/.venv/bin/python"]


def test_nothing_is_written(home: Home) -> None:
    home.python(home.path / ".venv", mlx=None)
    before = sorted(home.path.rglob("*"))
    found()
    assert sorted(home.path.rglob("*")) == before


@pytest.mark.parametrize("login_shell", SHELLS)
def test_every_login_shell_runs_the_search(home: Home, login_shell: str) -> None:
    home.python(home.path / ".venv", mlx=None)
    home.python(home.path / "miniforge3")
    program = shell.build([COMMAND], None, "z0123456789abcde")
    assert not set("'\n") & set(program.text)
    assert program.text.count("!") == program.text.count("! ")
    assert all(part[0].isdigit() for part in program.text.split("\\")[1:])
    argv = [str(shutil.which(login_shell, path="/usr/bin:/bin")), "-c", program.line]
    pipe = subprocess.PIPE
    ran = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    assert ran.stdout is not None
    assert ran.stdin is not None
    said = b""
    while b" 0z0123456789abcde>" not in said:
        said += os.read(ran.stdout.fileno(), 4096) or pytest.fail(f"ended early: {said!r}")
    ran.stdin.close()
    ran.wait(10)
    ran.stdout.close()
    assert ran.stderr is not None
    ran.stderr.close()
    assert str(parse(said).chosen).startswith("~/miniforge3/bin/python: ")
