"""What `mlxdiag preflight` does with hosts: ask, launch what decides, ask again while waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from mlxdiag import live
from mlxdiag.backends import BACKENDS
from mlxdiag.ending import Noted
from mlxdiag.facts import COMMANDS
from mlxdiag.fanout import FANOUT
from mlxdiag.inventory import Inventory
from mlxdiag.preflight import listeners
from mlxdiag.preflight.asked import Asked
from mlxdiag.preflight.candidates import Candidate, candidates, ground, to_launch
from mlxdiag.preflight.status import Status
from mlxdiag.probe import command as probes
from mlxdiag.probe import neighbours, pairwise
from mlxdiag.probe.judge import judge
from mlxdiag.probe.plan import Plan
from mlxdiag.probe.said import GangRun
from mlxdiag.progress import progress
from mlxdiag.recording import Recording
from mlxdiag.report import Report

PAUSE_S = 10.0
"""Between two looks at the hosts."""

Launched = tuple[Plan, GangRun]


@dataclass(frozen=True)
class Gate:
    """One preflight of live hosts. `timeout_s` is for all of it, waiting included."""

    inventory: Inventory
    asked: Asked
    fanout: int = FANOUT
    timeout_s: float | None = None
    wait_s: float = 0.0
    clock: Callable[[], float] = time.monotonic

    def run(
        self, judged: Callable[[Recording], Report], status: Status
    ) -> tuple[Recording, Report]:
        """Look until it holds, or the wait is over; give the last recording and its report.

        A launch of RDMA that failed is in every later recording, so it is not tried again.
        """
        began, noted = self.clock(), Noted()
        failed: tuple[Launched, ...] = ()
        with noted:
            while True:
                found = self._look(began, failed, noted)
                report = judged(found)
                failed = tuple(each for each in found.probes if _spends(each))
                left = began + self.wait_s - self.clock()
                if report.exit_code == 0 or found.ended != "complete" or _hopeless(report):
                    return found, report
                if left <= 0:
                    return found, report
                noted.how = status.pause(report, min(PAUSE_S, left), left, self._left(began))
                if noted.how != "complete":
                    found = replace(found, ended=noted.how)
                    return found, judged(found)

    def _look(self, began: float, failed: tuple[Launched, ...], noted: Noted) -> Recording:
        """Ask the hosts once, and launch what decides."""
        found = replace(self._facts(began), probes=failed, preflight=self.asked)
        noted.arm()
        while found.ended == "complete":
            base = ground(found)
            ran = [judge(plan, run) for plan, run in found.probes]
            name = to_launch(candidates(base.site, ran, self.asked), self.asked)
            if noted.how != "complete":
                return replace(found, ended=noted.how)
            if name is None:
                break
            level = self.asked.probe_level(self.inventory.expect.thresholds)
            launched = len(found.probes)
            for wish in _wishes(name, level, pairs=self.asked.level == "full"):
                plans = probes.over_site(base.site, found, wish)
                left = self._left(began)
                more = probes.launch(plans, None if left is None else left + found.duration_s)
                noted.arm()
                done = (*found.probes, *more.probes)
                found = replace(more, probes=done, preflight=self.asked, refusals=())
                if found.ended != "complete" or any(run.end != "done" for _, run in more.probes):
                    break
            if len(found.probes) == launched:
                break
        return found

    def _facts(self, began: float) -> Recording:
        ports = self.asked.ports(self.inventory.hosts)
        questions = (*COMMANDS, *listeners.commands(ports), neighbours.COMMAND)
        with progress([host.name for host in self.inventory.hosts]) as on_state:
            said = live.record(
                self.inventory,
                commands=questions,
                fanout=self.fanout,
                timeout_s=self._left(began),
                on_state=on_state,
            )
        hosts = {
            name: {**listeners.kept(captures, ports), **neighbours.kept(captures)}
            for name, captures in said.hosts.items()
        }
        return replace(said, hosts=hosts)

    def _left(self, began: float) -> float | None:
        if self.timeout_s is None:
            return None
        return max(0.0, self.timeout_s - (self.clock() - began))


def _spends(launched: Launched) -> bool:
    plan, run = launched
    return plan.fragile and run.end != "done"


def _hopeless(report: Report) -> bool:
    """Whether waiting cannot help: all that would do was launched over RDMA, and failed."""
    able: Sequence[Candidate] = report.preflight.candidates if report.preflight else ()
    return all(c.launched and not c.holds and BACKENDS[c.backend].fragile for c in able)


def _wishes(backend: str, level: str, *, pairs: bool) -> Iterator[probes.Wish]:
    """Wish for a launch of all, and with `pairs` for one of every cable: together where that is."""
    whole = probes.Wish(
        backend=backend,
        op="all_sum",
        begin=None,
        end=None,
        factor=4,
        iterations=None,
        warmup=5,
        check=True,
        repeat=None,
        level=level,
    )
    if not pairs:
        yield whole
    elif pairwise.within_a_group(BACKENDS[backend]):
        yield replace(whole, pairs="cabled")
    else:
        yield from (whole, replace(whole, pairs="cabled"))
