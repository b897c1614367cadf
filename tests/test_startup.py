"""What a start costs: nothing is imported that the words on the command line do not need."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlxdiag.cli.lazy import SUMMARIES

ROOT = Path(__file__).parents[1]
HEAVY = {
    "asyncio",
    "asyncssh",
    "cryptography",
    "httpx",
    "igraph",
    "jinja2",
    "mlx",
    "numpy",
    "rich",
    "yaml",
}
SHOW = """
import sys
before = set(sys.modules)
from mlxdiag.cli import main
try:
    main()
except SystemExit:
    pass
print("\\n" + " ".join(sorted(set(sys.modules) - before)))
"""


def modules(*words: str) -> set[str]:
    argv = [sys.executable, "-c", SHOW, *words]
    ran = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=ROOT)
    return set(ran.stdout.splitlines()[-1].split())


def imported(*words: str) -> set[str]:
    return {name.partition(".")[0] for name in modules(*words)}


HELP = (
    ("--help",),
    ("ports", "--help"),
    ("diagnose", "--help"),
    ("server", "--help"),
    ("watch", "--help"),
    ("history", "--help"),
    ("--version",),
    ("schema",),
    ("schema", "event"),
)


@pytest.mark.parametrize("words", HELP)
def test_help_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    assert imported(*words) & HEAVY == set()


def test_the_help_imports_no_command_and_a_command_no_other() -> None:
    def loaded(*words: str) -> set[str]:
        names = {name for name in modules(*words) if name.startswith("mlxdiag.cli.")}
        return {name.rpartition(".")[2] for name in names} & set(SUMMARIES)

    assert loaded("--help") == loaded("--version") == set()
    assert loaded("ports", "--help") == {"ports"}
    assert loaded("history", "import", "--help") == {"history"}


def test_nothing_is_left_to_collect_at_the_end() -> None:
    text = (
        "import atexit, gc, mlxdiag.cli;"
        "atexit.register(lambda: print(gc.get_count()[0] < gc.get_freeze_count()));"
        "mlxdiag.cli.main()"
    )
    argv = [sys.executable, "-c", text, "--version"]
    ran = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.endswith("True\n")


PLAIN = ("json", "short", "junit", "markdown", "github", "prometheus", "nagios", "dot")


@pytest.mark.parametrize("form", PLAIN)
def test_a_replay_imports_no_ssh_and_no_table(form: str) -> None:
    assert imported("demo", "-f", form) & HEAVY <= {"igraph", "numpy", "yaml"}


@pytest.mark.parametrize("form", PLAIN)
def test_a_report_without_launches_imports_nothing_of_probes(form: str) -> None:
    loaded = {name for name in modules("demo", "-f", form) if name.startswith("mlxdiag")}
    assert "mlxdiag.report" in loaded
    assert not [name for name in loaded if name.startswith(("mlxdiag.probe.", "mlxdiag.backends"))]


def test_a_table_imports_no_ssh_and_no_other_format() -> None:
    found = imported("demo")
    assert found & HEAVY <= {"igraph", "numpy", "rich", "yaml"}
    assert not found & {"markupsafe", "xml"}


def test_reading_a_log_imports_no_ssh_no_graphs_and_no_table() -> None:
    assert imported("diagnose", "--text", "[jaccl] x", "-f", "json") & HEAVY <= {"yaml"}


def test_only_the_page_imports_what_fills_it() -> None:
    assert "jinja2" in imported("demo", "-f", "html", "-o", os.devnull)


def test_a_ring_and_a_full_mesh_need_no_graph_library() -> None:
    text = (
        "import sys; from mlxdiag.ringsearch import search;"
        "assert search(4, [(0, 2), (2, 1), (1, 3), (3, 0)]).order == (0, 2, 1, 3);"
        "assert search(3, [(0, 1), (0, 2), (1, 2)]).order == (0, 1, 2);"
        "assert 'igraph' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", text], check=True, cwd=ROOT)


def test_the_set_up_can_be_read_by_old_pythons() -> None:
    source = (ROOT / "bootstrap.py").read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 6))
    there = {
        alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names
    }
    assert there <= {"hashlib", "os", "shutil", "subprocess", "sys"}
