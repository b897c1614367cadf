"""Probes over real links: hosts are network namespaces, cables are veth pairs, shaped or cut."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mlxdiag.backends import ring
from mlxdiag.probe import choose, gang, launch
from mlxdiag.probe.judge import Probe, judge
from mlxdiag.probe.plan import Plan, Settings
from tests.model import ModelCluster
from tests.model.cases import clean_ring_4
from tests.probe.net import LAN, ROOT, Net, unavailable
from tests.probe.world import DEADLINES, MARK, NO_RANKS, OnEvent, World, at, hostfile
from tests.simhosts import UNAVAILABLE as NO_SSHD

pytestmark = [
    pytest.mark.xdist_group("net"),
    pytest.mark.skipif(bool(NO_RANKS or unavailable()), reason=NO_RANKS or unavailable() or "-"),
]
OVER_SSH = pytest.mark.skipif(bool(NO_SSHD), reason=NO_SSHD or "-")

FEW = ("-b", "4", "-e", "1M", "-f", "262144", "--iters", "3", "--warmup", "1")
LONG = ("-b", "4", "--iters", "10000000", "--no-check")
MIB = 1 << 20

Make = Callable[..., Net]


@pytest.fixture
def make(world: World, tmp_path: Path) -> Iterator[Make]:
    """Make one network; what still runs in it at the end is a failure."""
    made: list[Net] = []

    def build(model: ModelCluster, *, serve: bool = False) -> Net:
        net = Net(model, tmp_path / "net").__enter__()
        made.append(net)
        if serve:
            net.serve(world.token)
        return net

    yield build
    left = world.left()
    for net in made:
        net.__exit__()
    assert left == []


def planned(net: Net, *, deadlines_s: Mapping[str, float] | None = None, **said: Any) -> Plan:  # noqa: ANN401
    """Plan a ring over what the model's facts say; it runs without ssh."""
    settings = Settings(**{"sizes": (4,), "iterations": 5, "warmup": 1, "check": False, **said})
    port = launch.port(len(net.names))
    plan = choose.over_site(ring.BACKEND, net.site(), net.names, port, launch.nonce(), settings)
    assert isinstance(plan, Plan)
    return net.here(plan, **{**DEADLINES, **(deadlines_s or {})})


def launched(net: Net, plan: Plan, on_event: OnEvent = lambda *_: None) -> Probe:
    async def run() -> Probe:
        going = gang.run(plan, lambda _host: net, on_event=on_event)
        return judge(plan, await asyncio.wait_for(going, 90))

    return asyncio.run(run())


def document(out: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(out)
    return told


def replayed(saved: str, *argv: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "mlxdiag", "probe", "--replay", saved, *argv],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "160"},
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def on_cables(net: Net) -> list[int]:
    """Give per cable the bytes of the end that sent more."""
    pairs = [(a, b) for (a, _), (b, _) in (cable.ends for cable in net.model.cables)]
    return [max(net.sent(a, net.end(a, b)), net.sent(b, net.end(b, a))) for a, b in pairs]


def on_lan(net: Net) -> list[int]:
    return [net.sent(name, LAN) for name in net.names]


# Which way the data goes.


def on_the_way(probe: Mapping[str, Any]) -> list[str]:
    """List what is said of the plan: all hosts are one machine, and that may be busy."""
    return [
        note for note in probe["notes"] if not re.search(r": load .* when a launch began", note)
    ]


@OVER_SSH
def test_from_facts_to_ranks_the_ring_is_on_the_cables(make: Make, tmp_path: Path) -> None:
    net = make(clean_ring_4(), serve=True)
    saved = str(tmp_path / "saved")
    code, out, err = net.probe(*FEW, "--format", "json", "--save", saved)
    assert (code, err) == (0, "")
    (probe,) = document(out)["probes"]
    assert (probe["passed"], on_the_way(probe), probe["left"]) == (True, [], [])
    assert [(row["size"], row["wrong"]) for row in probe["rows"]] == [(4, 0), (MIB, 0)]
    assert min(on_cables(net)) > 4 * MIB
    assert max(on_lan(net)) < MIB
    assert replayed(saved, "--format", "json") == out


@OVER_SSH
def test_a_cable_without_an_address_puts_all_on_the_lan(make: Make) -> None:
    model = replace(clean_ring_4(), no_ipv4=frozenset({("macstudio2", 3)}))
    net = make(model, serve=True)
    code, out, err = net.probe(*FEW, "--format", "json")
    assert (code, err) == (0, "")
    (probe,) = document(out)["probes"]
    assert (probe["passed"], on_the_way(probe)) == (True, [ring.NO_CABLES])
    assert min(on_lan(net)) > 4 * MIB
    assert max(on_cables(net)) < 10_000


def test_two_connections_on_every_cable(make: Make) -> None:
    net = make(clean_ring_4())
    plan = planned(net, sizes=(4, MIB), connections=2, deadlines_s={"init": 30.0, "measure": 30.0})
    assert [len(own) for own in hostfile(plan)] == [2] * 4
    assert launched(net, plan).passed
    assert min(on_cables(net)) > MIB


def test_an_address_that_the_host_does_not_have(make: Make) -> None:
    net = make(clean_ring_4())
    plan = planned(net)
    listing = hostfile(plan)
    listing[2] = ["10.219.77.1:20500"]
    files = {"MLX_HOSTFILE": json.dumps(listing)}
    ranks = tuple(replace(rank, files=files) for rank in plan.ranks)
    probe = launched(net, replace(plan, ranks=ranks))
    assert (probe.run.end, probe.run.left) == ("failed", ())
    assert probe.blame is not None
    assert probe.blame.ranks == (2,)
    assert "Couldn't bind socket" in probe.blame.text


# What is cut.


@pytest.mark.parametrize("size", [4, MIB])
def test_a_cable_that_is_cut_in_a_collective(make: Make, size: int) -> None:
    """Nobody is told. Every rank is there and waits, so no rank is named."""
    net = make(clean_ring_4())
    end = net.end("macstudio1", "macstudio2")
    plan = planned(net, sizes=(size,), iterations=1_000_000, deadlines_s={"measure": 6.0})
    probe = launched(net, plan, at(1, "beat", lambda _pid: net.cut("macstudio1", end)))
    assert (probe.run.end, probe.run.phase) == ("deadline", "measure")
    assert probe.run.seconds < 6.0 + 25.0
    assert probe.run.left == ()
    assert probe.blame is not None
    assert probe.blame.ranks == ()
    assert re.search("no data passes|data for rank .* is lost", probe.blame.text)


def until(running: subprocess.Popen[str], moment: str) -> None:
    """Read what the hasty mlxdiag says of its ranks, up to a moment of all of them."""
    assert running.stderr is not None
    came: set[str] = set()
    for line in running.stderr:
        rank, _, what = line.strip().partition(" ")
        came |= {rank} if what == moment else set()
        if len(came) == 4:
            return
    raise AssertionError(f"it ended before all ranks came to {moment!r}")


@OVER_SSH
@pytest.mark.parametrize("whole", [False, True], ids=["its ssh alone", "with its cables"])
def test_a_host_that_is_cut_off_without_a_word(make: Make, world: World, *, whole: bool) -> None:
    """No end of file comes, and nobody can end its rank: the lease does, and nobody can see it."""
    net = make(clean_ring_4(), serve=True)
    argv = ("probe", "-i", str(net.inventory), *LONG, "--format", "json")
    running = net.start(*argv, module="tests.probe.hasty")
    try:
        until(running, "beat")
        net.cut("macstudio3", LAN)
        for other in ("macstudio2", "macstudio4") if whole else ():
            net.cut("macstudio3", net.end("macstudio3", other))
        out, _ = running.communicate(timeout=90)
    finally:
        running.kill()
    told = document(out)
    assert running.returncode == 1
    (probe,) = told["probes"]
    assert (probe["ranks"][2], probe["blame"]["ranks"]) == ("macstudio3", [2])
    assert re.match("was lost: |does not answer any more", probe["blame"]["text"])
    (left,) = probe["left"]
    assert left.startswith("rank 2 on macstudio3: not known: ")
    statuses = {check["id"]: check["status"] for check in told["checks"]}
    assert statuses["probes-collective"] == "fail"
    assert statuses["probes-nothing-left"] == "unknown"
    assert world.left(10.0) == []


@OVER_SSH
def test_a_host_that_is_restarted(make: Make, world: World) -> None:
    """All of it ends at once, and nobody answers on its port any more."""
    net = make(clean_ring_4(), serve=True)
    argv = ("probe", "-i", str(net.inventory), *LONG, "--format", "json")
    running = net.start(*argv, module="tests.probe.hasty")
    try:
        until(running, "beat")
        net.halt("macstudio3")
        out, _ = running.communicate(timeout=90)
    finally:
        running.kill()
    told = document(out)
    assert running.returncode == 1
    (probe,) = told["probes"]
    assert (probe["blame"]["ranks"], probe["blame"]["text"][:10]) == ([2], "was lost: ")
    assert [text.partition(": ")[0] for text in probe["left"]] == ["rank 2 on macstudio3"]
    statuses = {check["id"]: check["status"] for check in told["checks"]}
    assert statuses["probes-nothing-left"] == "unknown"
    assert world.left(10.0) == []


@OVER_SSH
def test_a_controller_that_is_killed_leaves_nothing_on_any_host(make: Make, world: World) -> None:
    net = make(clean_ring_4(), serve=True)
    argv = ("SIGKILL", "beat", "probe", "-i", str(net.inventory), *LONG)
    running = net.start(*argv, module="tests.probe.driver")
    running.communicate(timeout=60)
    assert running.returncode == -signal.SIGKILL
    assert world.left(10.0) == []


# What is slow.

PAIRS = (
    "--pairwise", "-b", "4", "-e", "512K", "-f", "131072", "--warmup", "2", "--iters", "12",
    "--no-check",
)  # fmt: skip


def behind(found: Mapping[str, Any]) -> dict[tuple[str, ...], float]:
    """Give the links that are behind in bandwidth: two cores for four hosts blur the latency."""
    return {
        tuple(link["hosts"]): link["bandwidth_below"]
        for link in found["links"]
        if "bandwidth" in link["behind_in"]
    }


def slow_hosts(found: Mapping[str, Any]) -> set[str]:
    """Take hosts all of whose links are behind in bandwidth, for the same reason."""
    late, names = behind(found), found["slow_hosts"]
    links = [tuple(link["hosts"]) for link in found["links"]]
    return {name for name in names if all(link in late for link in links if name in link)}


@OVER_SSH
def test_a_slow_cable_is_named_with_both_ends(make: Make, tmp_path: Path) -> None:
    net = make(clean_ring_4(), serve=True)
    net.shape_cables("40mbit")
    slow = net.model.cables[1]
    net.shape_cable(slow, "20mbit")
    saved = str(tmp_path / "saved")
    code, out, err = net.probe(*PAIRS, "--format", "json", "--save", saved)
    assert (code, err) == (0, "")
    told = document(out)
    (found,) = told["pairs"]
    assert found["hosts"] == list(net.names)
    assert len(found["links"]) == 4
    assert behind(found) == {("macstudio2", "macstudio3"): pytest.approx(0.5, abs=0.15)}
    assert slow_hosts(found) == set()
    (link,) = [x for x in found["links"] if x["hosts"] == ["macstudio2", "macstudio3"]]
    assert len(link["gb_per_s"]) == 2  # again, alone
    assert link["wires"][0]["ports"] == [
        "receptacle 3 (en4, rdma_en4)", "receptacle 2 (en3, rdma_en3)",
    ]  # fmt: skip
    named = [
        check
        for check in told["checks"]
        if check["id"] == "probes-pair-behind" and "GB/s" in str(check["evidence"])
    ]
    assert [(c["status"], c["severity"], c["subject"]["receptacle"]) for c in named] == [
        ("fail", "warning", 3)
    ]
    assert named[0]["subject"]["far"]["receptacle"] == 2
    assert replayed(saved, "--format", "json") == out
    line = (
        r"! macstudio2 receptacle 3 \(en4, rdma_en4\) - macstudio3 receptacle 2 \(en3, rdma_en3\): "
        r".*GB/s, \d\d%\sbelow\sthe\smedian"
    )
    assert re.search(line, replayed(saved))


@OVER_SSH
def test_a_host_at_half_rate_is_the_host_that_is_named(make: Make) -> None:
    net = make(clean_ring_4(), serve=True)
    net.shape_cables("40mbit")
    for other in ("macstudio2", "macstudio4"):
        net.shape("macstudio3", net.end("macstudio3", other), "20mbit")
    code, out, err = net.probe(*PAIRS, "--format", "json")
    assert (code, err) == (0, "")
    told = document(out)
    (found,) = told["pairs"]
    assert behind(found).keys() == {("macstudio2", "macstudio3"), ("macstudio3", "macstudio4")}
    assert slow_hosts(found) == {"macstudio3"}
    seen = [c["evidence"]["observed"] for c in told["checks"] if "GB/s" in str(c["evidence"])]
    assert len(seen) == 2
    assert all("both links of macstudio3 are behind: the host" in text for text in seen)


@pytest.mark.parametrize("halved", [False, True], ids=["all alike", "one host at half rate"])
def test_a_ring_reports_the_rate_of_its_slowest_link(make: Make, *, halved: bool) -> None:
    """20 Mbit/s are 0.0025 GB/s, of which TCP leaves 95 %; within 15 % beside other load.

    512 KiB of four ranks go one way round (mlx ring.cpp), so busbw is one direction of a link.
    """
    net = make(clean_ring_4())
    net.shape_cables("20mbit")
    for other in ("macstudio2", "macstudio4") if halved else ():
        net.shape("macstudio3", net.end("macstudio3", other), "10mbit")
    plan = planned(net, sizes=(512 << 10,), deadlines_s={"measure": 60.0})
    probe = launched(net, plan)
    assert probe.passed
    (row,) = probe.rows
    link = 0.00125 if halved else 0.0025
    assert row.busbw_gb_per_s == pytest.approx(0.95 * link, rel=0.15)


# As somebody else than root.

NOBODY = 65534


def as_nobody(*argv: str) -> list[str]:
    ids = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    return ["setpriv", *ids, "/bin/sh", "-c", 'exec "$@"', "sh", *argv]


def surroundings() -> dict[str, str]:
    """Say where our modules are to an interpreter that has none of its own."""
    places = [str(ROOT), *(place for place in sys.path if place.endswith("-packages"))]
    return {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONPATH": ":".join(places)}


@cache
def interpreter_of_nobody() -> str:
    """Find an interpreter that an ordinary user may run and that can load mlx; empty if none."""
    for python in dict.fromkeys((sys.executable, "/usr/bin/python3")):
        ask = "import sys, mlx.core, typer, mlxdiag; print(sys.version_info[:2])"
        try:
            ran = subprocess.run(
                as_nobody(python, "-c", ask),
                cwd="/", env=surroundings(), capture_output=True, text=True, check=False,
            )  # fmt: skip
        except OSError:
            return ""
        if ran.returncode == 0:
            return python
    return ""


def start_as_nobody(*argv: str, module: str = "mlxdiag") -> subprocess.CompletedProcess[str]:
    python = interpreter_of_nobody()
    if not python:
        pytest.skip("no interpreter with mlx that an ordinary user may run")
    return subprocess.run(
        as_nobody(python, "-m", module, *argv),
        cwd="/",
        env={**surroundings(), MARK: os.environ[MARK]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_ordinary_user_without_a_home(world: World) -> None:
    ran = start_as_nobody("probe", "--local", "2", "--pairwise", *FEW, "--format", "json")
    assert (ran.returncode, ran.stderr) == (0, "")
    (probe,) = document(ran.stdout)["probes"]
    assert (probe["passed"], probe["left"]) == (True, [])
    assert world.left() == []


@pytest.mark.parametrize("moment", ["init", "beat"])
def test_an_ordinary_users_ranks_end_with_the_controller(world: World, moment: str) -> None:
    argv = ("SIGKILL", moment, "probe", "--local", "2", *LONG)
    ran = start_as_nobody(*argv, module="tests.probe.driver")
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert world.left(8.0) == []


# The world itself.


def test_all_is_gone_afterwards_also_when_it_was_not_finished(world: World, tmp_path: Path) -> None:
    def spaces() -> set[str]:
        ran = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
        return set(ran.stdout.split())

    with Net(clean_ring_4(), tmp_path / "one") as net:
        assert {net.ns(name) for name in net.names} <= spaces()
        sleeps = subprocess.Popen(net.argv("macstudio1", "sleep", "600"))
        comm = Path(f"/proc/{sleeps.pid}/comm")
        while sleeps.poll() is None and comm.read_text() != "sleep\n":
            time.sleep(0.01)
    assert sleeps.wait(5) == -signal.SIGKILL
    assert world.left() == []
    good = clean_ring_4()
    cables = (*good.cables[:3], replace(good.cables[3], addresses=(("no address",), ())))
    half = Net(replace(good, cables=cables), tmp_path / "two")
    with pytest.raises(AssertionError, match="no address"), half:
        pass
    ours = {made.ns(name) for made in (net, half) for name in made.names}
    assert spaces() & ours == set()
