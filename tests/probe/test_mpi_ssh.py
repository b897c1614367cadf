"""Open MPI over several hosts behind OpenSSH's own daemon: its ssh, its daemons, and their ends."""

from __future__ import annotations

import asyncio
import platform
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mlxdiag.backends import mpi
from mlxdiag.capture import Command
from mlxdiag.fanout import transport_choice
from mlxdiag.probe import gang, launch
from mlxdiag.probe.judge import Blame, Probe, judge
from mlxdiag.probe.plan import Plan, RankPlan, Settings
from mlxdiag.probe.said import LAUNCHER
from tests.probe.mpiruns import MPIRUNS, VERSIONS
from tests.probe.test_mpi import kill, when
from tests.probe.test_ssh import ancestors
from tests.probe.world import DEADLINES, NO_RANKS, OnEvent, at, send
from tests.simhosts import UNAVAILABLE, SimHosts, _signal

pytestmark = pytest.mark.skipif(bool(UNAVAILABLE or NO_RANKS), reason=UNAVAILABLE or NO_RANKS)

NAMES = ("mac0", "mac1", "mac2")
SHORT = Settings(sizes=(4, 4096), iterations=5, warmup=1)
LONG = Settings(sizes=(4,), iterations=10_000_000, warmup=1, check=False)
AGENT = """#!/bin/sh
# mpirun's ssh. Open MPI 5 knows hosts by what they call themselves, so each gets a name.
options=
while [ "${{1#-}}" != "$1" ]; do options="$options $1 $2"; shift 2; done
name=$1; shift
printf '%s' "$*" > {folder}/command.$name
run="hostname $name; exec sh {folder}/command.$name"
exec ssh -F {config} $options "$name" "exec unshare --uts sh -c '$run'"
"""


@pytest.fixture(params=VERSIONS)
def three(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SimHosts]:
    """Give three hosts; mpirun on the first one knows the others by the same ssh configuration."""
    monkeypatch.setattr(gang, "PROGRAMS", (MPIRUNS[request.param],))
    folders = {name: tmp_path / "hosts" / name for name in NAMES}
    for folder in folders.values():
        folder.mkdir(parents=True)
    config = tmp_path / "sim" / "home" / ".ssh" / "config"
    agent = tmp_path / "agent"
    agent.write_text(AGENT.format(folder=tmp_path, config=config))
    agent.chmod(0o755)
    env = {"OMPI_MCA_plm_rsh_agent": f"ssh -F {config}", "PRTE_MCA_plm_ssh_agent": str(agent)}
    hello = (Command("hello", ("hello",)),)
    with SimHosts(folders, hello, folder=tmp_path / "sim", set_env=env) as sim:
        monkeypatch.setenv("HOME", str(sim.home))
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        yield sim
        assert sim.wait_gone(10.0) == []


def plan_of(sim: SimHosts, settings: Settings, called: Sequence[str] = ()) -> Plan:
    hosts = [replace(h, address=h.name, python=sys.executable) for h in sim.hosts()]
    ranks = tuple(RankPlan(rank, host, {}, {}) for rank, host in enumerate(hosts))
    names = [mpi.HERE, *(called or NAMES[1:])]
    plan = Plan("mpi", "mpi", ranks, launch.nonce(), settings, launcher=mpi.words(ranks, names))
    return replace(plan, deadlines_s={**DEADLINES, "spawn": 20.0, "measure": 12.0}, lease_s=4.0)


def launched(plan: Plan, on_event: OnEvent = lambda *_: None) -> Probe:
    async def run() -> Probe:
        going = gang.run(plan, transport_choice(), on_event=on_event)
        return judge(plan, await asyncio.wait_for(going, 90))

    return asyncio.run(run())


def blamed(probe: Probe) -> Blame:
    assert probe.blame is not None
    assert probe.run.left == ()
    return probe.blame


def daemons(probe: Probe) -> set[int]:
    return {(log.last("spawn") or {})["parent"] for log in probe.run.logs}


def test_ranks_on_three_hosts(three: SimHosts) -> None:
    probe = launched(plan_of(three, SHORT))
    assert probe.blame is None
    assert [(row.size, row.samples, row.wrong) for row in probe.rows] == [(4, 5, 0), (4096, 5, 0)]
    assert len(daemons(probe)) == 3
    assert probe.run.left == ()
    assert three.wait_gone() == []


def test_a_rank_that_is_killed(three: SimHosts) -> None:
    blame = blamed(launched(plan_of(three, LONG), at(2, "beat", send(signal.SIGKILL))))
    assert (blame.ranks, blame.text) == ((2,), "was ended by signal 9 in measure")


def test_a_rank_that_is_stopped(three: SimHosts) -> None:
    blame = blamed(launched(plan_of(three, LONG), at(2, "beat", send(signal.SIGSTOP))))
    assert (blame.ranks, blame.text) == ((2,), "is stopped (SIGSTOP, or a debugger) in measure")


def test_a_daemon_that_is_killed(three: SimHosts) -> None:
    blame = blamed(launched(plan_of(three, LONG), when("beat", 1, kill(1, "parent"))))
    assert blame.ranks == (1,)
    assert "its daemon of mpirun was lost" in blame.text or "orphaned" in blame.text


def test_mpirun_that_is_killed(three: SimHosts) -> None:
    blame = blamed(launched(plan_of(three, LONG), when("beat", 1, kill(LAUNCHER, "pid"))))
    assert (blame.ranks, blame.text) == ((0,), "its mpirun was ended by signal 9")


def test_a_first_host_that_is_cut_off(three: SimHosts) -> None:
    """As when the controller is killed: nothing but the end of a connection reaches the host."""

    def cut(spawned: dict[int, dict[str, object]]) -> None:
        above = ancestors(int(str(spawned[LAUNCHER]["supervisor"])))
        for process in three.connections():
            if process.pid in above:
                _signal(process, 9)

    blame = blamed(launched(plan_of(three, LONG), when("beat", 1, cut)))
    assert blame.ranks == (0,)
    assert blame.text.startswith("was lost: ")


def test_a_host_whose_key_is_not_known(three: SimHosts) -> None:
    plan = plan_of(three, SHORT)
    three.set_known(three.known_line(name) for name in ("mac0", "mac2"))
    blame = blamed(launched(plan))
    assert "does not know" in blame.text
    assert blame.ranks in {(1,), ()}


def test_a_host_whose_ssh_is_elsewhere(three: SimHosts) -> None:
    blame = blamed(launched(_at_port(three, plan_of(three, SHORT), 1)))
    assert len(blame.ranks) == 1
    assert blame.ranks[0] in {1, 2}
    assert blame.text.endswith("mpirun's ssh from the first host does not reach it")


def _at_port(sim: SimHosts, plan: Plan, port: int) -> Plan:
    hosts = [replace(r.host, port=port, ip=sim.addresses[r.host.name]) for r in plan.ranks[1:]]
    others = (replace(rank, host=host) for rank, host in zip(plan.ranks[1:], hosts, strict=True))
    ranks = (plan.ranks[0], *others)
    return replace(plan, ranks=ranks, launcher=mpi.words(ranks, [mpi.HERE, *NAMES[1:]]))


def test_a_name_that_the_first_host_does_not_know(three: SimHosts) -> None:
    plan = plan_of(three, SHORT, ("nowhere.invalid", "mac2"))
    host = replace(plan.ranks[1].host, ip="nowhere.invalid")
    plan = replace(plan, ranks=(plan.ranks[0], replace(plan.ranks[1], host=host), plan.ranks[2]))
    blame = blamed(launched(plan))
    assert blame.ranks == (1,)
    assert blame.text.endswith("mpirun's ssh from the first host does not know its name")


def test_a_name_that_the_first_host_takes_for_its_own(three: SimHosts) -> None:
    probe = launched(plan_of(three, SHORT, (platform.node(), "mac2")))
    blame = blamed(probe)
    assert (blame.ranks, blame.text) in {  # Open MPI 5 goes on, 4 does not
        ((1,), "ran on mac0: mpirun took its name for that host"),
        ((), "mpirun takes two of the hosts for one"),
    }
