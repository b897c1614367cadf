"""Due: which commands a host is asked in a round, so that what is slow is asked seldom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlxdiag.capture import Capture, Captures, Command, Outcome
from mlxdiag.facts import (
    COMMANDS,
    ibv_devices,
    ibv_devinfo,
    mlx_runtime,
    networksetup_hardwareports,
    networksetup_serviceorder,
    rdma_ctl,
    sw_vers,
    system_profiler_thunderbolt,
    vm_stat,
)
from mlxdiag.probe import neighbours

WIRING_S = 60.0
"""system_profiler takes seconds of a Mac's time: no more often, unless asked."""

SELDOM_S = 600.0
WEDGED_S = 600.0
"""A verbs command that had to be ended is left alone for so long, or until its host restarts."""

LATE = 2
"""A fact is shown for so many rounds beyond the time when it should have been asked again."""

EARLY = 0.6
"""A round may come so much of a period early: half a period where something is to be seen again."""

VERBS = frozenset({ibv_devices.COMMAND.name, ibv_devinfo.COMMAND.name})
WIRING = frozenset(
    {
        system_profiler_thunderbolt.COMMAND.name,
        networksetup_hardwareports.COMMAND.name,
        networksetup_serviceorder.COMMAND.name,
        rdma_ctl.COMMAND.name,
        ibv_devices.COMMAND.name,
    }
)
SELDOM = frozenset({sw_vers.COMMAND.name, mlx_runtime.COMMAND.name})
ASKED: tuple[Command, ...] = (neighbours.COMMAND, vm_stat.COMMAND, *COMMANDS)
"""The vitals come first: the verbs are the last in line, so that one that hangs holds up nobody."""


@dataclass(frozen=True)
class Pace:
    """Seconds between two rounds, and between two looks at the wiring."""

    every_s: float = 10.0
    wiring_s: float = WIRING_S

    def interval_s(self, name: str) -> float:
        """Say how often a command is asked."""
        if name in WIRING:
            return max(self.every_s, self.wiring_s)
        return max(self.every_s, SELDOM_S) if name in SELDOM else self.every_s

    def due(
        self, now: float, asked: Mapping[str, float], captures: Captures
    ) -> tuple[Command, ...]:
        """List the commands to ask now; a round that comes a little early is taken as on time."""
        wedged = any(_hung(captures.get(name)) for name in VERBS)
        return tuple(c for c in ASKED if self._is_due(c.name, now, asked, wedged=wedged))

    def _is_due(self, name: str, now: float, asked: Mapping[str, float], *, wedged: bool) -> bool:
        if name not in asked:
            return True
        wait_s = max(self.interval_s(name), WEDGED_S if wedged and name in VERBS else 0.0)
        slack_s = 0.0 if wait_s > self.every_s else EARLY * self.every_s
        return now - asked[name] >= wait_s - slack_s

    def current(self, now: float, captures: Captures) -> dict[str, Capture]:
        """Keep what is young enough to be shown as it is now; what is not says how old it is."""
        return {name: self._young(now, capture) for name, capture in captures.items()}

    def _young(self, now: float, capture: Capture) -> Capture:
        age_s = now - capture.started_s - capture.seconds
        lasting = capture.command in VERBS and _hung(capture)
        if lasting or age_s <= self.most_s(capture.command):
            return capture
        detail = f"no answer since {age_s:.0f} s"
        return Capture(capture.command, capture.argv, Outcome.NOT_RECORDED, detail=detail)

    def most_s(self, name: str) -> float:
        """Say how old a fact may become."""
        return self.interval_s(name) + LATE * self.every_s + 5


def _hung(capture: Capture | None) -> bool:
    return capture is not None and capture.outcome is Outcome.TIMEOUT
