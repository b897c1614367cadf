"""No key leaves a host or stands in a recording: command lines and variables."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from mlxdiag import live
from mlxdiag.facts import environment, ps
from mlxdiag.hang import command
from mlxdiag.hang.asked import Options
from mlxdiag.hang.judge import judge
from mlxdiag.recording import Recording
from tests.hang.model import SERVER, recorded
from tests.hang.test_judge import WAITS

LINE = "812 1 {user} S 0.0 10 Fri Jan 30 20:14:05 2026 00:10 0:01.00 {arguments}\n"
KEYS = "--api-key sk-live-1 --token=sk-live-2 API_KEY=sk-live-3"


def test_command_lines_of_a_look_have_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    made = recorded([WAITS, WAITS])
    hosts = {
        host: {
            name: replace(c, stdout=c.stdout.replace(SERVER.encode(), f"{SERVER} {KEYS}".encode()))
            for name, c in captures.items()
        }
        for host, captures in made.hosts.items()
    }

    def ask(*_: object, **__: object) -> Recording:
        return replace(made, hosts=hosts, hang=None)

    monkeypatch.setattr(live, "record", ask)
    found = command.examine(made.inventory, Options("serve[.]py", None, 0.01))
    said = [c.stdout for captures in found.hosts.values() for c in captures.values()]
    assert any(b"--api-key *** --token=*** API_KEY=***" in text for text in said)
    assert not any(b"sk-live" in text for text in said)
    ranks = judge(found).ranks
    assert len(ranks) == 2
    assert all("--api-key ***" in row.command for row in ranks)
    assert ranks[0].python  # lines of functions stay as they are


def test_a_user_who_is_called_like_a_key_stays() -> None:
    line = LINE.format(user="monkey", arguments="python3 serve.py --api-key sk-live-1")
    (process,) = ps.parse(ps.hidden(line.encode()))
    assert (process.user, process.stat) == ("monkey", "S")
    assert process.arguments == "python3 serve.py --api-key ***"
    bare = LINE.format(user="monkey", arguments="").encode()
    assert ps.parse(ps.hidden(bare)) == ps.parse(bare)
    assert ps.hidden(b"ps: --token sk-live-1\n") == b"ps: --token ***\n"


def test_only_named_variables_are_asked_for() -> None:
    """As awk and grep on the host do it."""
    names = ("MLX_API_KEY", "JACCL_TOKEN", "OPENAI_API_KEY", "MLX_RANK_KEY")
    line = " ".join(["812 python3", *(f"{name}=sk-live" for name in names), "MLX_RANK=2"])
    program = environment.PS.argv[2].partition("| ")[2]
    ran = subprocess.run(
        ["sh", "-c", program], input=line + "\n", capture_output=True, text=True, check=True
    )
    assert environment.parse_ps(ran.stdout.encode())[0].values == {"MLX_RANK": "2"}


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_only_named_variables_are_read_from_proc() -> None:
    told = {"MLX_API_KEY": "sk-live", "JACCL_TOKEN": "sk-live", "JACCL_RANK": "2"}
    child = subprocess.Popen(["sleep", "60"], env={"PATH": "/usr/bin:/bin", **told})
    try:
        ran = subprocess.run(environment.PROC.argv, capture_output=True, check=True, timeout=30)
    finally:
        child.kill()
        child.wait()
    assert b"sk-live" not in ran.stdout
    found = {each.pid: each.values for each in environment.parse_proc(ran.stdout)}
    assert found[child.pid] == {"JACCL_RANK": "2"}
