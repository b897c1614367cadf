"""The command line as a process: exit codes, what goes to which stream, colour, completion."""

from __future__ import annotations

import errno
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from click import Command, Context, Group
from typer.main import get_command

from mlxdiag import __version__, cli
from mlxdiag.cli.lazy import SUMMARIES
from mlxdiag.cli.options import Format
from mlxdiag.render import FORMATS
from tests.model import CASES, write_recording

SCRIPT = Path(sys.executable).with_name("mlxdiag")
ESCAPE = b"\x1b"
VERDICT = "FAIL: 0 of 6 links"

Replay = Callable[[str], str]


def environment(**more: str) -> dict[str, str]:
    """Give our own environment without what a developer may have set, and with `more`."""
    unwanted = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LANG", "TERM", "PYTHONIOENCODING")
    kept = {k: v for k, v in os.environ.items() if k not in unwanted and not k.startswith("LC_")}
    return {**kept, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", **more}


def run(
    *words: str, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlxdiag", *words],
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        cwd=cwd,
        env=env or environment(),
        timeout=60,
        check=False,
    )


def on_terminal(*words: str, env: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Run with a terminal for stdout; give the exit code and what the terminal got."""
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "mlxdiag", *words]
    with subprocess.Popen(argv, stdout=theirs, env=env or environment()) as process:
        os.close(theirs)
        got = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    return process.returncode, got


def _read(terminal: int) -> bytes:
    """Read; Linux says EIO, and macOS nothing, when the other side has closed."""
    try:
        return os.read(terminal, 1 << 16)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return b""


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """Give a case's recording as a path, written once."""
    folder = tmp_path_factory.mktemp("recordings")

    def path(case: str) -> str:
        if not (folder / case).exists():
            write_recording(CASES[case](), folder / case)
        return str(folder / case)

    return path


def test_version() -> None:
    assert run("--version").stdout == f"mlxdiag {__version__}\n"


def test_the_script_is_the_module() -> None:
    said = subprocess.run([SCRIPT, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout == run("--version").stdout


def commands() -> dict[str, Command]:
    root = get_command(cli.app)
    assert isinstance(root, Group)
    with Context(root) as context:
        found = {name: root.get_command(context, name) for name in root.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


WORDS = [(), *((name,) for name in SUMMARIES)]
WORDS += [("history", "import"), ("hostfile", "write"), ("hostfile", "check")]


@pytest.mark.parametrize("words", WORDS)
def test_help(words: tuple[str, ...]) -> None:
    ran = run(*words, "--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Usage: " in ran.stdout
    assert run(*words, "-h").stdout == ran.stdout
    if words and words[0] != "schema":
        assert "Exit codes: " in ran.stdout
        assert "--install-completion" not in ran.stdout


def test_every_command_is_listed_and_tested() -> None:
    paths = (Path(__file__).parents[1] / "mlxdiag" / "cli").glob("*.py")
    modules = {path.stem for path in paths if "app = typer.Typer(" in path.read_text()}
    assert modules - {"__init__"} == set(SUMMARIES) == set(commands())
    groups = {
        (name, each)
        for name, c in commands().items()
        if isinstance(c, Group)
        for each in c.commands
    }
    assert groups == {words for words in WORDS if len(words) == 2}


def test_the_help_says_every_summary_whole() -> None:
    said = run("--help", env=environment(COLUMNS="80")).stdout
    lines = said.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split(maxsplit=1) for line in lines] == [[*each] for each in SUMMARIES.items()]


@pytest.mark.parametrize(
    ("word", "said"),
    [("chek", "No such command 'chek'. Did you mean 'check' or 'schema'?"), ("zzz", "'zzz'.")],
)
def test_a_word_that_is_no_command(word: str, said: str) -> None:
    ran = run(word)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.endswith(f"{said}\n")


def test_every_option_is_in_the_contract() -> None:
    page = (Path(__file__).parents[1] / "docs" / "contract.md").read_text(encoding="utf-8")
    parts = [part for part in page.split("\n## ") if part.startswith("Options of ")]
    for name, command in commands().items():
        own = command.commands.values() if isinstance(command, Group) else [command]
        heads = ("`ports`", f"`{name}`")
        said = "".join(p for p in parts if any(h in p.partition("\n")[0] for h in heads))
        known = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", said)) | {"--help", "-h"}
        known |= {f"--{word.removeprefix('--no-')}" for word in known if word.startswith("--no-")}
        words = {o for each in own for p in each.params for o in (*p.opts, *p.secondary_opts)}
        assert {word for word in words if word.startswith("-")} <= known, name


def test_the_formats_are_those_of_render() -> None:
    assert {choice.value for choice in Format} == set(FORMATS)


def test_without_words_the_help_is_shown() -> None:
    ran = run()
    assert ran.returncode == 2
    assert "Usage: " in ran.stdout + ran.stderr
    assert "ports" in ran.stdout + ran.stderr


def test_demo_finds_the_fault() -> None:
    ran = run("demo")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "macstudio1: all 3 cabled ports are PORT_DOWN" in ran.stdout
    assert VERDICT in ran.stdout


def test_demo_is_the_incident(replay: Replay) -> None:
    assert (
        run("demo", "-f", "json").stdout
        == run("ports", "--replay", replay("incident"), "-f", "json").stdout
    )


def test_only_and_skip_choose_findings(replay: Replay) -> None:
    said = run("ports", "--replay", replay("incident"), "-f", "json", "--only", "rdma")
    areas = {check["area"] for check in json.loads(said.stdout)["checks"]}
    assert areas == {"rdma"}
    said = run("ports", "--replay", replay("incident"), "-f", "json", "--skip", "rdma")
    assert "rdma" not in {check["area"] for check in json.loads(said.stdout)["checks"]}


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "missing inventory": (("-i", "nowhere.yaml"), r"nowhere\.yaml: cannot be read"),
    "no default inventory": ((), r"inventory\.yaml: cannot be read"),
    "wrong inventory": (("-i", "wrong.yaml"), r"wrong\.yaml:2: .*usr.*did you mean.*user"),
    "wrong list of hosts": (("--hosts", "a,b[2-1]"), r"--hosts"),
    "inventory and hosts": (("-i", "wrong.yaml", "--hosts", "a"), r"not both"),
    "unknown option": (("--replya", "x"), r"No such option"),
    "unknown format": (("-f", "jsn"), r"jsn"),
    "timeout of nothing": (("--timeout", "0"), r"0"),
    "misspelt check": (("--only", "rdma-port-activ"), r"did you mean 'rdma-port-active'"),
    "no such check": (("--skip", "zzz"), r"'zzz' is no check and no area"),
    "replay of nothing": (("--replay", "nowhere"), r"nowhere: cannot be read"),
    "replay of no recording": (("--replay", "."), r"not a recording"),
    "replay of another file": (("--replay", "wrong.yaml"), r"wrong\.yaml: cannot be read"),
    "replay with inventory": (("--replay", ".", "-i", "x"), r"leave out -i"),
    "save to what exists": (("--hosts", "a.invalid", "--save", "."), r"exists already"),
    "save to no folder": (("--hosts", "a.invalid", "--save", "no/where"), r"does not exist"),
}


@pytest.mark.parametrize("asked", REFUSED)
def test_refused(tmp_path: Path, asked: str) -> None:
    words, why = REFUSED[asked]
    (tmp_path / "wrong.yaml").write_text("hosts: [a]\ndefaults: {usr: sam}\n")
    ran = run("ports", *words, cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert re.search(why, ran.stderr)
    assert "Traceback" not in ran.stderr


def test_a_place_to_save_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "i.yaml").write_text("hosts: [{name: a, connection: local}]\n")
    code = (
        "import mlxdiag.live as live, sys; live.record = lambda *a, **k: sys.exit(99);"
        " from mlxdiag.cli import main; main()"
    )
    words = ("ports", "-i", "i.yaml", "--save")
    for place, status in (("file", 2), ("new", 99)):
        argv = [sys.executable, "-c", code, *words, place]
        ran = subprocess.run(
            argv, cwd=tmp_path, env=environment(), check=False, capture_output=True
        )
        assert ran.returncode == status


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    ran = run("demo", "-o", str(tmp_path / "no" / "report.txt"))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "cannot be written: No such file or directory" in ran.stderr


def test_json_is_what_the_schema_says(replay: Replay) -> None:
    ran = run("ports", "--replay", replay("incident"), "-f", "json")
    document = json.loads(ran.stdout)
    jsonschema.validate(document, json.loads(run("schema").stdout))
    assert (document["exit_code"], document["verdict"]) == (ran.returncode, "fail")


@pytest.mark.parametrize("name", ["table", "short", "json"])
def test_a_report_in_a_file_leaves_the_verdict_on_stdout(tmp_path: Path, name: str) -> None:
    ran = run("demo", "-f", name, "-o", str(tmp_path / "report"))
    assert ran.returncode == 0
    assert ran.stdout.startswith(VERDICT)
    assert ran.stdout.count("\n") == 1
    written = (tmp_path / "report").read_text(encoding="utf-8")
    assert written == run("demo", "-f", name, env=environment(COLUMNS="100")).stdout


def test_a_recording_is_copied_by_save(tmp_path: Path, replay: Replay) -> None:
    live = run("ports", "--replay", replay("incident"), "--save", str(tmp_path / "copy.tar.gz"))
    assert live.stdout == run("ports", "--replay", str(tmp_path / "copy.tar.gz")).stdout
    assert live.returncode == 1


def test_head_gets_its_line() -> None:
    line = f"'{sys.executable}' -m mlxdiag demo | head -n 1"
    ran = subprocess.run(["sh", "-c", line], capture_output=True, env=environment(), check=True)
    assert ran.stdout.startswith(b"mlxdiag ports  incident")
    assert ran.stderr == b""


def test_a_terminal_has_colour_and_a_pipe_has_not() -> None:
    code, seen = on_terminal("demo")
    assert code == 0
    assert ESCAPE + b"[" in seen
    assert "\x1b" not in run("demo").stdout


@pytest.mark.parametrize(
    ("words", "more"),
    [
        (("--no-color",), {}),
        ((), {"NO_COLOR": "1"}),
        ((), {"TERM": "dumb"}),
        (("-f", "json"), {}),
    ],
)
def test_plain_on_a_terminal(words: tuple[str, ...], more: dict[str, str]) -> None:
    code, seen = on_terminal("demo", *words, env=environment(**more))
    assert code == 0
    assert VERDICT.encode() in seen or b'"verdict": "fail"' in seen
    assert ESCAPE not in seen


def test_colour_changes_nothing_but_colour() -> None:
    same = environment(COLUMNS="100")
    _, coloured = on_terminal("demo", env=same)
    bare = re.sub(rb"\x1b\[[0-9;]*m", b"", coloured).decode()
    lines = [line.rstrip() for line in bare.splitlines()]
    assert lines == run("demo", env=same).stdout.splitlines()


@pytest.mark.parametrize("words", [(), ("-v",), ("-f", "short"), ("-f", "json")])
def test_an_output_that_is_not_utf_8_gets_ascii(words: tuple[str, ...]) -> None:
    ran = run("demo", *words, env=environment(PYTHONIOENCODING="ascii"))
    assert ran.returncode == 0
    assert ran.stdout.isascii()


@pytest.mark.parametrize("more", [{"LC_ALL": "C"}, {"LC_ALL": "", "LANG": "C"}])
def test_the_c_locale_gets_ascii(more: dict[str, str]) -> None:
    assert run("demo", env=environment(**more)).stdout.isascii()


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_the_table_keeps_to_the_width(columns: int) -> None:
    lines = run("demo", env=environment(COLUMNS=str(columns))).stdout.splitlines()
    assert max(map(len, lines)) <= max(columns, 80)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell: str) -> None:
    script = _complete(f"source_{shell}")
    assert "mlxdiag" in script
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=script, text=True, check=True)


def test_completion_of_a_command_and_an_option() -> None:
    assert _complete("complete_bash", COMP_WORDS="mlxdiag po", COMP_CWORD="1") == "ports\n"
    words = {"COMP_WORDS": "mlxdiag ports --repl", "COMP_CWORD": "2"}
    assert _complete("complete_bash", **words) == "--replay\n"


def _complete(how: str, **more: str) -> str:
    env = environment(_MLXDIAG_COMPLETE=how, **more)
    ran = subprocess.run([SCRIPT], env=env, capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    return ran.stdout


def test_the_readme_shows_what_the_demo_prints() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("```text\n")[2]
    ran = run("demo", env=environment(COLUMNS="96", LC_ALL="C.UTF-8"))
    assert shown.partition("\n```")[0] == ran.stdout.rstrip()


# Formats for machines: files by rename, summaries of workflows, a plugin's codes.


def test_a_report_is_renamed_into_its_place(replay: Replay, tmp_path: Path) -> None:
    target = tmp_path / "mlxdiag.prom"
    target.write_text("old")
    target.chmod(0o604)
    before = target.stat().st_ino
    link = tmp_path / "link.prom"
    link.symlink_to(target)
    ran = run("ports", "--replay", replay("clean-mesh-4"), "-f", "prometheus", "-o", str(link))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert target.read_text().startswith("# HELP mlxdiag_info ")
    assert target.stat().st_ino != before
    assert target.stat().st_mode & 0o777 == 0o604
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.prom", "mlxdiag.prom"]


def test_what_is_no_plain_file_is_written_to_as_it_is(replay: Replay, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["cat", str(fifo)], stdout=subprocess.PIPE, text=True) as reader:
        ran = run("ports", "--replay", replay("clean-mesh-4"), "-f", "dot", "-o", str(fifo))
        said, _ = reader.communicate(timeout=30)
    assert ran.returncode == 0
    assert said.startswith("graph ")
    assert fifo.is_fifo()


@pytest.mark.parametrize(
    ("form", "there"), [("markdown", True), ("github", True), ("short", False)]
)
def test_the_summary_of_a_workflow_is_added_to(form: str, there: bool, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    ran = run("demo", "-f", form, env=environment(GITHUB_STEP_SUMMARY=str(summary)))
    assert (ran.returncode, ran.stderr) == (0, "")
    markdown = run("demo", "-f", "markdown").stdout
    assert summary.read_text() == "before\n" + (markdown if there else "")


def test_a_summary_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    env = environment(GITHUB_STEP_SUMMARY=str(tmp_path))
    ran = run("demo", "-f", "markdown", env=env)
    assert ran.returncode == 2
    assert f"{tmp_path}: cannot be written" in ran.stderr


@pytest.mark.parametrize(
    ("case", "code", "state"),
    [
        ("clean-mesh-4", 0, "OK"),
        ("slow-cable", 1, "WARNING"),
        ("incident", 2, "CRITICAL"),
        ("unreachable-host", 3, "UNKNOWN"),
    ],
)
def test_exit_codes_of_a_plugin(replay: Replay, case: str, code: int, state: str) -> None:
    ran = run("ports", "--replay", replay(case), "--format=nagios")
    assert (ran.returncode, ran.stderr) == (code, "")
    assert ran.stdout.startswith(f"MLXDIAG {state} - ")
    assert ran.stdout.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("ports", "-f", "nagios", "-i", "/nowhere/inventory.yaml"),
        ("ports", "-f", "nagios", "--no-such-option"),
        ("ports", "-fnagios", "--only", "nonsense"),
        ("no-such-command", "--format", "nagios"),
    ],
)
def test_a_plugin_that_cannot_do_its_work_is_unknown(words: tuple[str, ...]) -> None:
    ran = run(*words)
    assert ran.returncode == 3
    assert re.fullmatch(r"MLXDIAG UNKNOWN - .+\n", ran.stdout)
    assert "Traceback" not in ran.stderr


def test_a_plugin_that_breaks_is_unknown_and_says_where() -> None:
    code = (
        "import mlxdiag.cli as cli\n"
        "def broken(**_): raise ZeroDivisionError('no | reason')\n"
        "cli.app = broken\n"
        "cli.main()\n"
    )
    argv = [sys.executable, "-c", code, "ports", "-f", "nagios"]
    ran = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=False)
    assert ran.returncode == 3
    assert ran.stdout == "MLXDIAG UNKNOWN - mlxdiag broke: ZeroDivisionError: no / reason\n"
    assert "Traceback" in ran.stderr


def test_help_says_what_a_plugin_exits_with() -> None:
    said = " ".join(run("ports", "--help").stdout.split())
    assert "0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN" in said


@pytest.mark.parametrize(
    ("command", "said"),
    [("bundle", "0 the archive is written"), ("explain", "0 it is explained")],
)
def test_a_command_that_judges_nothing_has_exit_codes_of_its_own(command: str, said: str) -> None:
    text = " ".join(run(command, "--help").stdout.split())
    assert said in text
    assert "1 a check failed" not in text
