"""A request that hangs, with real ranks, and the look at them that it sets off."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
import yaml

from tests.server.conftest import ROOT, Endpoint
from tests.test_cli import environment, run

ENV = environment(PYTHONPATH=str(ROOT))
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc"),
    pytest.mark.xdist_group("ranks"),
]


def test_a_rank_that_stops_is_named_in_the_report_and_its_replay(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    host = {"name": "studio", "address": "127.0.0.1", "connection": "local"}
    server = {"url": endpoint.url(), "pattern": r"tests\.server\.(ranks|endpoint)"}
    (tmp_path / "inventory.yaml").write_text(yaml.safe_dump({"hosts": [host], "server": server}))
    (other,) = endpoint.ranks
    os.kill(other, signal.SIGSTOP)
    try:
        words = ("server", "--deadline", "2", "--save", "night", "-f", "json")
        ran = run(*words, cwd=tmp_path, env=ENV)
    finally:
        os.kill(other, signal.SIGCONT)
    assert (ran.returncode, ran.stderr) == (1, "")
    told = json.loads(ran.stdout)
    (cause,) = [check for check in told["checks"] if check["status"] == "fail"]
    assert cause["id"] == "server-answers"
    assert f"rank 1 (studio, pid {other}) is stopped" in cause["evidence"]["observed"]
    assert f"kill -CONT {other}" in cause["fix"]["text"]
    assert told["server"]["hang"]["conclusion"] in cause["evidence"]["observed"]
    again = run("server", "--replay", "night", "-f", "json", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (1, ran.stdout)
    looked = run("hang", "--replay", "night", "-f", "short", cwd=tmp_path)
    assert looked.returncode == 1
    assert f"rank 1 (studio, pid {other}) is stopped" in looked.stdout
