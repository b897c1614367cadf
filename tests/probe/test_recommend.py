"""`mlxdiag recommend --measure` with real ranks of ring on this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.probe.test_cli import document, start
from tests.probe.world import NO_RANKS, World

pytestmark = pytest.mark.skipif(bool(NO_RANKS), reason=NO_RANKS)


def test_measure_launches_real_ranks_and_leaves_none(world: World, tmp_path: Path) -> None:
    """Two ranks, each of them a host of the inventory whose facts say nothing: this is no Mac."""
    host = f"{{connection: local, ip: 127.0.0.1, python: {json.dumps(sys.executable)}, name: "
    (tmp_path / "i.yaml").write_text(f"hosts:\n  - {host}one}}\n  - {host}two}}\n")
    kept = str(tmp_path / "kept")
    argv = ("-i", str(tmp_path / "i.yaml"), "--measure", "--save", kept, "-f", "json")
    ran = start("recommend", *argv)
    assert (ran.returncode, ran.stderr) == (0, "")
    told = document(ran.stdout)
    (ring,) = [probe for probe in told["probes"] if probe["backend"] == "ring"]
    assert (ring["passed"], [row["size"] for row in ring["rows"]]) == (True, [4, 1 << 20])
    found = told["recommendation"]
    assert (found["backend"], found["basis"]) == ("ring", "measured")
    assert {check["area"] for check in told["checks"]} == {"backend", "probes"}
    assert start("recommend", "--replay", kept, "-f", "json").stdout == ran.stdout
    assert world.left() == []
