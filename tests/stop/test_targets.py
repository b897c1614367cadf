"""Which processes are the server: by their own arguments, and nothing that only speaks of it."""

from __future__ import annotations

import pytest

from mlxdiag import processes
from mlxdiag.capture import ACCESS, Capture, Captures, Outcome
from mlxdiag.errors import InventoryError
from mlxdiag.facts import ps
from mlxdiag.facts.ps import Process
from mlxdiag.inventory import Host, Inventory, Server
from mlxdiag.readings import Gap
from mlxdiag.stop.command import pattern_of
from mlxdiag.stop.targets import population

SERVER = processes.compiled(r"openai_cluster_server")
FRAMEWORK = (
    "/Library/Frameworks/Python.framework/Versions/3.13/Resources/Python.app/Contents/MacOS/Python"
)


def process(arguments: str, stat: str = "S", pid: int = 812, parent: int = 1) -> Process:
    return Process(
        pid, parent, "alex", stat, 0.0, 0, "Fri Jan 30 20:14:05 2026", 1.0, 1.0, arguments
    )


@pytest.mark.parametrize(
    "arguments",
    [
        "python3 openai_cluster_server.py --port 8080",
        "/opt/homebrew/bin/python3.13 -u /Users/alex/openai_cluster_server.py",
        "python -m openai_cluster_server",
        f"{FRAMEWORK} openai_cluster_server.py",
        "/usr/local/bin/openai_cluster_server --model Kimi",
        "python3 -Xdev -W ignore -um openai_cluster_server --port 8080",
        "python3 -mopenai_cluster_server",
        "python3 -bb --check-hash-based-pycs=never openai_cluster_server.py",
        "/Users/alex/.venv/bin/python /Users/alex/.venv/bin/openai_cluster_server",
    ],
)
def test_the_server_is_met(arguments: str) -> None:
    assert processes.met(process(arguments), SERVER)


@pytest.mark.parametrize(
    "arguments",
    [
        "vim openai_cluster_server.py",
        "/Applications/Zed.app/Contents/MacOS/zed openai_cluster_server.py",
        "emacs -nw openai_cluster_server.py",
        "grep -r openai_cluster_server .",
        "pgrep -f openai_cluster_server",
        "pkill -TERM -f openai_cluster_server",
        "tail -f openai_cluster_server.log",
        "ssh macstudio2.local cd /Users/alex; MLX_RANK=1 python3 openai_cluster_server.py",
        "ssh -tt macstudio2 python openai_cluster_server.py",
        "sshd: alex@notty openai_cluster_server",
        "-zsh openai_cluster_server",
        "bash -c MLX_RANK=0 python3 openai_cluster_server.py",
        "sh /Users/alex/scripts/run_openai_cluster_server.sh",
        "sudo python3 openai_cluster_server.py",
        "tmux new -s openai_cluster_server",
        "caffeinate -i python3 openai_cluster_server.py",
        "python3 /opt/homebrew/bin/mlx.launch --hosts a,b openai_cluster_server.py",
        "/usr/bin/python3 /opt/homebrew/bin/mlxdiag stop --pattern openai_cluster_server",
        "python -m mlxdiag hang --pattern openai_cluster_server",
        "/opt/openai_cluster_server/bin/uv run another.py",
        "/opt/openai_cluster_server/bin/bash",
        "python3 server.py",
        "python3 tail_logs.py /var/log/openai_cluster_server.log",
        "supervisord -c /etc/openai_cluster_server.conf",
        "/usr/bin/python3 -Es /usr/bin/supervisord -c /etc/openai_cluster_server.conf",
        "python3 -m pip install openai_cluster_server",
        "python3 -um pip install openai_cluster_server",
        "python3 -mpip install openai_cluster_server",
        "python3 -W ignore tail_logs.py openai_cluster_server",
        "python3 -c print(9) openai_cluster_server",
        "python3",
        "/opt/openai_cluster_server-1.0/bin/rsync -a",
        "/home/openai_cluster_server/bin/python3 another.py",
        "",
    ],
)
def test_what_only_speaks_of_it_is_not(arguments: str) -> None:
    assert not processes.met(process(arguments), SERVER)


def test_a_program_is_met_by_its_name_or_its_whole_path() -> None:
    tool = process("/opt/lab/bin/serve --port 8080")
    assert processes.met(tool, processes.compiled("serve"))
    assert processes.met(tool, processes.compiled("/opt/.*/serve"))
    assert not processes.met(tool, processes.compiled("opt/lab"))


def test_a_pattern_may_go_on_behind_the_script() -> None:
    both = processes.compiled("serve[.]py --port 8080")
    assert processes.met(process("python3 /srv/serve.py --port 8080"), both)
    assert not processes.met(process("python3 note.py serve.py --port 8080"), both)


def test_a_zombie_is_nobody() -> None:
    assert not processes.met(process("python3 openai_cluster_server.py", "Z"), SERVER)


@pytest.mark.parametrize(
    "text", ["python", "python3", "[Pp]ython", "", ".", ".*", r"\d", "bin/python3", "^/", "(", "3"]
)
def test_a_pattern_that_meets_any_python_is_refused(text: str) -> None:
    with pytest.raises(InventoryError):
        processes.compiled(text)


def test_without_a_pattern_nothing_is_guessed() -> None:
    hosts = (Host("a", "a"),)
    with pytest.raises(InventoryError, match="what is the server"):
        pattern_of(Inventory("lab", hosts), None)
    told = Inventory("lab", hosts, server=Server(pattern="serve[.]py"))
    assert pattern_of(told, None).pattern == "serve[.]py"
    assert pattern_of(told, "other[.]py").pattern == "other[.]py"


ASKING = " ".join(ps.COMMAND.argv)
LISTING = [
    (1, 0, "/sbin/launchd"),
    (10, 1, "-zsh"),
    (11, 10, "python3 openai_cluster_server.py --that-runs-us"),
    (12, 11, "sh -c ..."),
    (13, 12, ASKING),
    (20, 1, "python3 /opt/homebrew/bin/mlx.launch openai_cluster_server.py"),
    (21, 20, "python3 openai_cluster_server.py"),
    (22, 21, "python3 -c from multiprocessing.resource_tracker import main;main(5)"),
    (23, 1, "vim openai_cluster_server.py"),
]


def said(listing: list[tuple[int, int, str]]) -> Captures:
    text = "".join(
        f"{pid} {parent} alex S 0.0 10 Fri Jan 30 20:14:05 2026 00:10 0:01.00 {arguments}\n"
        for pid, parent, arguments in listing
    )
    return {
        ACCESS: Capture(ACCESS, (), Outcome.EXITED, 0),
        "before_ps": Capture("before_ps", (), Outcome.EXITED, 0, stdout=text.encode()),
    }


def test_a_host_with_the_server_its_launcher_its_worker_and_us() -> None:
    found = population("mac", said(LISTING), "before", SERVER)
    assert not isinstance(found, Gap)
    assert [(t.pid, t.launcher) for t in found.targets] == [(21, False), (20, True)]
    assert [t.pid for t in found.started] == [22]
    assert found.targets[0].named.word == "21=Fri Jan 30 20:14:05 2026"


def test_a_server_that_runs_mlxdiag_is_to_be_stopped() -> None:
    watches = (24, 21, "/usr/bin/python3 /opt/homebrew/bin/mlxdiag watch")
    found = population("mac", said([*LISTING, watches]), "before", SERVER)
    assert not isinstance(found, Gap)
    assert [t.pid for t in found.targets] == [21, 20]
    assert [t.pid for t in found.started] == [22]


def test_a_host_that_did_not_answer_is_a_gap() -> None:
    lost = {ACCESS: Capture(ACCESS, (), Outcome.NO_ROUTE, detail="no route to host")}
    assert isinstance(population("mac", lost, "before", SERVER), Gap)
