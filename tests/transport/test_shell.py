"""The program as text, and what shells make of it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxdiag import survey
from mlxdiag.capture import Command
from mlxdiag.facts import COMMANDS
from mlxdiag.facts.mlx_runtime import SOURCE
from mlxdiag.transport import shell

NONCE = "z0123456789abcde"
LOGIN_SHELLS = [
    name for name in ("sh", "dash", "bash", "zsh", "fish", "tcsh") if shutil.which(name)
]
NASTY = 'it\'s "$HOME" `id` $(id) \\ \\\\ ! !! 100% ;|&<>*?[a]{b} ~ #\t-x\n\nü'

words = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=40
)


WRITERS = pytest.mark.parametrize("write", [shell.quote, shell.word])


def echoed(word: str, login_shell: str = "sh") -> bytes:
    """Let a shell of the host print a word that was written for it."""
    text = f'Q=$1; L=${{IFS#??}}; printf "%s" {word}'
    program = shell.Program(text, NONCE, (), 1)
    argv = [login_shell, "-c", program.line]
    return subprocess.run(argv, capture_output=True, check=True, timeout=10).stdout


@WRITERS
@settings(max_examples=100, deadline=None)
@given(value=words)
def test_written_words_come_back_as_they_were(write: Callable[[str], str], value: str) -> None:
    assert echoed(write(value)) == value.encode()


@WRITERS
@settings(max_examples=300, deadline=None)
@given(value=words)
def test_written_words_are_safe_inside_single_quotes_of_any_shell(
    write: Callable[[str], str], value: str
) -> None:
    word = write(value)
    assert not set("'!\n") & set(word)
    assert "\\\\" not in word


@pytest.mark.parametrize("login_shell", LOGIN_SHELLS)
@pytest.mark.parametrize("value", [NASTY, SOURCE, "", "-n", "-n 'x'", "\\", "a'b", "!x", "\n", '"'])
@WRITERS
def test_every_login_shell_passes_words_through(
    write: Callable[[str], str], login_shell: str, value: str
) -> None:
    assert echoed(write(value), login_shell) == value.encode()


def test_the_hosts_own_program_is_written_without_a_process() -> None:
    assert "$(" not in shell.word(SOURCE)


@pytest.mark.parametrize(
    ("python", "word"),
    [
        (None, "python3"),
        ("/opt/mlx/bin/python", "/opt/mlx/bin/python"),
        ("~/venv/bin/python", '"$HOME"/venv/bin/python'),
        ("~/", '"$HOME"/'),
        ("~root/x", '"~root/x"'),
        ("$(reboot)", '"$(printf "\\044(reboot)")"'),
        ("python3; reboot", '"python3; reboot"'),
    ],
)
def test_interpreter_expands_home_and_nothing_else(python: str | None, word: str) -> None:
    assert shell.interpreter(python) == word


def test_the_program_is_one_line_that_no_login_shell_reads_into() -> None:
    text = shell.build(COMMANDS, "/it's/$HOME/!/python", NONCE).text
    assert not set("'\n") & set(text)
    assert text.count("!") == text.count("! ")
    assert all(part[0].isdigit() for part in text.split("\\")[1:])
    assert NONCE not in text


@pytest.mark.parametrize("login_shell", LOGIN_SHELLS)
@pytest.mark.parametrize("commands", [COMMANDS, (*COMMANDS, *survey.COMMANDS)])
def test_the_program_parses(login_shell: str, commands: tuple[Command, ...]) -> None:
    text = shell.build(commands, NASTY, NONCE).text
    assert len(text) < 20_000
    argv = [login_shell, "-c", f"/bin/sh -n -c '{text}'"]
    done = subprocess.run(argv, capture_output=True, check=False, timeout=10)
    assert (done.returncode, done.stderr) == (0, b"")


def test_lanes_keep_the_order_of_commands() -> None:
    a, b, c = Command("a", ("a",)), Command("b", ("b",), lane="slow"), Command("c", ("c",))
    assert shell.lanes([a, b, c]) == ((a, c), (b,))


def test_the_interpreter_is_named_in_the_argv_of_captures() -> None:
    command = Command("x", ("{python}", "-c", "1"))
    assert shell.argv(command, None) == ("python3", "-c", "1")
    assert shell.argv(command, "~/p") == ("~/p", "-c", "1")


def test_pgrep_is_asked_for_every_exclusive_program() -> None:
    some = [
        Command("a", ("/opt/x.y", "-v"), exclusive=True),
        Command("b", ("ibv_b",), exclusive=True),
        Command("c", ("c",)),
    ]
    assert shell.busy_pattern(some) == "ibv_b|x[.]y"
