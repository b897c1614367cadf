"""Every kind of event on modelled clusters: told once, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import get_args

import pytest

from mlxdiag.watch.changes import Event, Kind
from mlxdiag.watch.moment import Moments
from mlxdiag.watch.state import State, Timeline
from tests.model.cases import changed
from tests.watch import faults
from tests.watch.faults import Told
from tests.watch.lab import Scene

HOST = "macstudio1"
FAULTS = [(f"{n} {fault.name}", n) for n, fault in enumerate(faults.every(faults.eight(), HOST))]


@dataclass
class Watched:
    """A scene that is looked at again and again."""

    scene: Scene
    timeline: Timeline = field(default_factory=Timeline)

    def __post_init__(self) -> None:
        self.moments = Moments(self.scene.inventory())

    def look(self, times: int = 1, missing: tuple[str, ...] = ()) -> list[Event]:
        """Look so many times at what there is; give all that was told."""
        told: list[Event] = []
        for _ in range(times):
            self.at = f"2026-01-30T10:{self.timeline.moment:02}:00Z"
            _, seen = self.moments.look(self.scene.captures(missing), self.at, 0.0)
            told += self.timeline.take(self.at, seen)
        return told

    def state(self, what: str, subject: str) -> State:
        state = self.timeline.of(what, subject)
        assert state is not None
        return state


def told(events: list[Event]) -> Told:
    return tuple(sorted((event.kind, event.subject) for event in events))


@pytest.fixture
def watched() -> Watched:
    found = Watched(faults.eight())
    assert found.look(2) == []
    return found


@pytest.mark.parametrize("number", [n for _, n in FAULTS], ids=[name for name, _ in FAULTS])
def test_each_fault_and_its_repair_are_told_once(watched: Watched, number: int) -> None:
    fault = list(faults.every(watched.scene, HOST))[number]
    watched.scene = fault.broken(watched.scene)
    assert told(watched.look(4)) == tuple(sorted(fault.on_break))
    watched.scene = fault.mended(watched.scene)
    assert told(watched.look(4)) == tuple(sorted(fault.on_mend))


@pytest.mark.parametrize("number", [n for _, n in FAULTS], ids=[name for name, _ in FAULTS])
def test_a_fault_that_reaches_the_hosts_one_after_the_other_is_told_once(
    watched: Watched, number: int
) -> None:
    fault = list(faults.every(watched.scene, HOST))[number]
    got: list[Event] = []
    for change in (fault.broken, fault.mended):
        before, after = watched.scene, change(watched.scene)
        for first in (HOST,):
            watched.scene = _half(before, after, first)
            got += watched.look()
        watched.scene = after
        got += watched.look(4)
    assert told(got) == tuple(sorted((*fault.on_break, *fault.on_mend)))


def _half(before: Scene, after: Scene, first: str) -> Scene:
    """Make a moment in which one host is asked after the change and the others were before it."""
    return _Mixed(after.cluster, after.ranks, after.wired_gib, after.boots, after.away).of(
        before, first
    )


class _Mixed(Scene):
    def of(self, before: Scene, first: str) -> Scene:
        mixed = {**before.captures(), first: self.captures()[first]}
        object.__setattr__(self, "captures", lambda _missing=(): mixed)
        return self


def test_what_is_not_known_is_no_event(watched: Watched) -> None:
    commands = ("ifconfig", "system_profiler_thunderbolt", "neighbours", "vm_stat")
    for command in (*commands, "networksetup_hardwareports", "sysctl"):
        assert watched.look(3, missing=(command,)) == []
        assert watched.look(3) == []


def test_verbs_that_hang_are_told_per_host_and_not_per_link(watched: Watched) -> None:
    assert told(watched.look(3, missing=("ibv_devinfo",))) == tuple(
        ("rdma-hangs", host) for host in watched.scene.hosts
    )
    assert told(watched.look(3)) == tuple(("rdma-answers", host) for host in watched.scene.hosts)


def test_software_and_a_port_without_a_device(watched: Watched) -> None:
    cluster = changed(watched.scene.cluster, HOST, macos="26.4", lost_devices=frozenset({6}))
    watched.scene = replace(watched.scene, cluster=cluster)
    found = told(watched.look(3))
    assert found == (("port-changed", f"{HOST} en7"), ("software-changed", HOST))


def test_the_wiring_of_a_host_that_is_away_is_not_known_and_not_gone(watched: Watched) -> None:
    fault = faults.away(watched.scene, HOST)
    watched.scene = fault.broken(watched.scene)
    watched.look(3)
    name = faults.link(watched.scene, watched.scene.cluster.cables[0])
    assert not watched.state("cable", name).known
    assert not watched.state("port", f"{HOST} en4").known
    assert watched.state("port", "macstudio2 en3").known


def test_what_changed_while_a_host_was_away_is_told_when_it_is_back(watched: Watched) -> None:
    gone = faults.away(watched.scene, HOST)
    watched.scene = gone.broken(watched.scene)
    watched.look(2)
    end = (HOST, 3)
    down = faults.port_down(watched.scene, end)
    watched.scene = gone.mended(down.broken(watched.scene))
    events = watched.look(3)
    assert told(events) == (("host-back", HOST), ("port-down", faults.label(watched.scene, end)))
    assert events[-1].last_seen == "2026-01-30T10:01:00Z"


def test_since_when_and_how_often(watched: Watched) -> None:
    fault = faults.port_down(watched.scene, (HOST, 3))
    subject = faults.label(watched.scene, (HOST, 3))
    assert not watched.state("port", subject).exact
    for _ in range(3):
        watched.scene = fault.broken(watched.scene)
        (event,) = watched.look(2)
        watched.scene = fault.mended(watched.scene)
        watched.look(2)
    state = watched.state("port", subject)
    assert (event.flaps, state.flaps, state.exact, state.was) == (3, 3, True, "PORT_DOWN")
    assert "3 times now" in event.text
    assert state.since == "2026-01-30T10:12:00Z"


def test_a_first_look_is_no_event() -> None:
    scene = faults.eight()
    for fault in (faults.pulled(scene, 1), faults.leaked(scene, "macstudio5")):
        scene = fault.broken(scene)
    assert Watched(scene).look(5) == []


def test_a_host_that_is_there_later_brings_no_news_of_what_it_had() -> None:
    scene = replace(faults.eight(), away=frozenset({HOST}))
    late = Watched(scene)
    assert late.look(2) == []
    late.scene = faults.eight()
    assert told(late.look(3)) == (("host-back", HOST),)


def test_a_link_that_no_port_explains_is_told_itself(watched: Watched) -> None:
    end = (HOST, 3)
    cluster = replace(watched.scene.cluster, late_ipv4=frozenset({end}))
    name = faults.link(watched.scene, watched.scene.cluster.cables[0])
    watched.scene = replace(watched.scene, cluster=cluster)
    assert told(watched.look(3)) == (("link-changed", name),)


def test_what_explains_a_link_may_have_been_told_while_it_was_out_of_sight(
    watched: Watched,
) -> None:
    off, garbled = faults.switched(watched.scene, HOST), faults.garbled(watched.scene, "macstudio2")
    got: list[Event] = []
    for change in (off.broken, garbled.broken, off.mended, garbled.mended):
        watched.scene = change(watched.scene)
        got += watched.look(5)
    assert told(got) == (("rdma-switch", HOST), ("rdma-switch", HOST))


def test_a_rank_that_is_gone_leaves_nothing_behind(watched: Watched) -> None:
    size = len(watched.timeline.states)
    for _ in range(20):
        fault = faults.rank_died(watched.scene, HOST)
        for change in (fault.broken, fault.mended):
            watched.scene = change(watched.scene)
            watched.look()
    assert len(watched.timeline.states) == size


def test_facts_that_said_the_same_are_not_read_again(watched: Watched) -> None:
    assert watched.moments.read == 8
    report = watched.moments.report
    watched.look()
    assert watched.moments.read == 8
    assert report is not None
    assert watched.moments.report is not None
    assert watched.moments.report.findings is report.findings
    watched.scene = faults.port_down(watched.scene, (HOST, 3)).broken(watched.scene)
    before = watched.moments._facts[HOST]
    watched.look()
    after = watched.moments._facts[HOST]
    assert watched.moments.read == 9
    assert after.thunderbolt is before.thunderbolt
    assert after.ibv_devinfo is not before.ibv_devinfo


def test_every_kind_is_tried() -> None:
    kinds = {"link-changed", "software-changed", "port-changed"}
    kinds |= {"rdma-hangs", "rdma-answers"}
    made = faults.every(faults.eight(), HOST)
    kinds |= {kind for fault in made for kind, _ in (*fault.on_break, *fault.on_mend)}
    assert kinds == set(get_args(Kind))
