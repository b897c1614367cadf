"""The gate over OpenSSH's own daemon: modelled Macs whose ranks are real ones of MLX's ring.

The cables of these hosts have loopback addresses, so that the ring really goes over them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.model import ModelCluster, write_simhost
from tests.model.cases import mesh, studios
from tests.probe.world import NO_RANKS
from tests.simhosts import UNAVAILABLE, SimHosts
from tests.test_cli import environment, run

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(bool(UNAVAILABLE or NO_RANKS), reason=UNAVAILABLE or NO_RANKS)

SERVER = "import json, os; print('SERVER', json.dumps(dict(os.environ))); raise SystemExit(7)"
LAME = f"""#!/bin/sh
case "$*" in *'s=b"".join'*) echo "no room for a rank" >&2; exit 9;; esac
exec {sys.executable} "$@"
"""


@dataclass
class Lab:
    """Two Macs with a cable. `run` is a preflight that would start a server."""

    sim: SimHosts
    folder: Path

    def inventory(self, python: str = sys.executable, **expect: object) -> None:
        """Write one; `python` is that of the last host."""
        hosts = [{"name": name, "python": sys.executable} for name in self.sim.addresses]
        hosts[-1]["python"] = python
        text = yaml.safe_dump({"hosts": hosts, "expect": expect} if expect else {"hosts": hosts})
        (self.folder / "inventory.yaml").write_text(text)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        env = environment(HOME=str(self.sim.home), PYTHONPATH=str(ROOT))
        env.pop("SSH_AUTH_SOCK", None)
        server = ("--", sys.executable, "-c", SERVER)
        return run("preflight", *words, "-f", "short", *server, cwd=self.folder, env=env)

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "r.json").read_text())
        return found


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimHosts]:
    folder, macs = tmp_path_factory.mktemp("hosts"), studios(2)
    ends = (("127.77.1.1/30",), ("127.77.1.2/30",))
    cables = tuple(replace(cable, addresses=ends) for cable in mesh(macs))
    write_simhost(ModelCluster("lab", macs, cables), folder)
    with SimHosts({mac.name: folder / mac.name for mac in macs}) as made:
        yield made


@pytest.fixture
def lab(sim: SimHosts, tmp_path: Path) -> Iterator[Lab]:
    yield Lab(sim, tmp_path)
    assert sim.wait_gone() == []


def told(ran: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Give the environment that the server was started with."""
    found: dict[str, str] = json.loads(ran.stdout.partition("SERVER ")[2])
    return found


def stages(report: dict[str, Any]) -> dict[str, str]:
    return {stage["name"]: stage["status"] for stage in report["preflight"]["stages"]}


def test_standard_launches_over_the_cables_and_becomes_the_server(lab: Lab) -> None:
    lab.inventory(thresholds={"ring_latency_us": 5e6, "ring_algbw_gb_per_s": 1e-4})
    ran = lab.run("--require", "ring", "--report-out", "r.json", "--save", "gate.tar.gz")
    assert ran.returncode == 7, (ran.stdout, ran.stderr)
    env = told(ran)
    assert env["BACKEND"] == "ring"
    hosts = json.loads(Path(env["HOSTFILE"]).read_text())["hosts"]
    assert [host["ips"] for host in hosts] == [["127.77.1.1"], ["127.77.1.2"]]
    report = lab.report()
    assert set(stages(report).values()) <= {"ok", "failed"}  # jobs: those of other tests
    assert stages(report)["collective"] == "ok"
    assert [probe["passed"] for probe in report["probes"]] == [True, True]
    held = {c["id"]: c["status"] for c in report["checks"] if c["area"] == "probes"}
    assert (held["probes-latency"], held["probes-bandwidth"]) == ("pass", "pass")
    again = run("preflight", "--replay", "gate.tar.gz", "-f", "json", cwd=lab.folder)
    assert json.loads(again.stdout) == report


def test_full_measures_the_cables_and_says_what_was_given_up(lab: Lab) -> None:
    lab.inventory()
    ran = lab.run("--level", "full", "--require", "any", "--report-out", "r.json")
    assert ran.returncode == 7, (ran.stdout, ran.stderr)
    assert told(ran)["BACKEND"] == "ring"
    report = lab.report()
    assert report["preflight"]["given_up"] == ["jaccl", "jaccl-ring"]
    reasons = {each["backend"]: each["reason"] for each in report["preflight"]["candidates"]}
    assert "has no jaccl" in reasons["jaccl"]
    parts = [probe["part"] for probe in report["probes"]]
    assert parts[:3] == ["whole"] * 3
    assert set(parts[3:]) == {"pair"}
    (pairs,) = report["pairs"]
    assert (pairs["backend"], len(pairs["links"])) == ("ring", 1)
    assert len({row["size"] for row in report["probes"][0]["rows"]}) == 11
    jsonschema.validate(report, json.loads(run("schema").stdout))


def test_a_collective_that_fails_starts_no_server_and_no_pair(lab: Lab) -> None:
    lame = lab.folder / "python"
    lame.write_text(LAME)
    lame.chmod(0o755)
    lab.inventory(python=str(lame))
    ran = lab.run("--level", "full", "--require", "ring", "--report-out", "r.json")
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "SERVER" not in ran.stdout
    report = lab.report()
    found = stages(report)
    assert (found["hostfile"], found["collective"], found["verdict"]) == ("ok", "failed", "failed")
    (reason,) = [each["reason"] for each in report["preflight"]["candidates"]]
    assert reason == "its collective failed: rank 1 (macstudio2) did not start"
    assert "no room for a rank" in report["probes"][0]["blame"]["evidence"]
    assert {probe["part"] for probe in report["probes"]} == {"whole"}
