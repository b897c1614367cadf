"""What `mlxdiag stop` does with hosts: list, signal, wait, look at what is left."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlxdiag import live, processes
from mlxdiag.capture import ACCESS, Capture, Captures, Command, Outcome
from mlxdiag.ending import Noted
from mlxdiag.errors import InventoryError, ParseError
from mlxdiag.facts import (
    ioclasscount,
    ioreg_rdma,
    lsof,
    proc_memory,
    proc_stat,
    ps,
    ss,
    swapusage,
    vm_stat,
)
from mlxdiag.hang.rounds import of
from mlxdiag.inventory import Host, Inventory
from mlxdiag.readings import Gap
from mlxdiag.recording import Ended
from mlxdiag.stop import signals
from mlxdiag.stop.remains import Remains, State, Stopped, remains, state
from mlxdiag.stop.signals import Fate, Signal
from mlxdiag.stop.targets import Population, Target, population

Say = Callable[[str], None]

SECOND_S = 10.0
"""How long the second SIGTERM may take, if the first one was given more."""

KILLED_S = 5.0
SETTLE_S = 1.0
TRIES = 3
"""Memory and ports come back a moment after their process has gone."""

_LOOK = (
    proc_stat.COMMAND,  # before ps: should a pid be given away in between, its start is the old one
    ps.COMMAND,
    ss.COMMAND,
    lsof.COMMAND,
    vm_stat.COMMAND,
    swapusage.COMMAND,
    proc_memory.COMMAND,
    ioclasscount.COMMAND,
    ioreg_rdma.COMMAND,
)


@dataclass(frozen=True)
class Stop:
    """What is to be stopped and how; `grace_s` is for the first SIGTERM.

    `until` is when all of it has to be over, by the clock of `deadline`.
    """

    pattern: re.Pattern[str]
    grace_s: float = 30.0
    force: bool = False
    until: float | None = None

    def left_s(self) -> float | None:
        """Give the seconds that are left; None where there is no limit."""
        return None if self.until is None else max(0.0, self.until - time.monotonic())


def deadline(timeout_s: float | None) -> float | None:
    """Give when a command that begins now has to be over."""
    return None if timeout_s is None else time.monotonic() + timeout_s


@dataclass(frozen=True)
class Listed:
    """What runs, per host; a Gap where the host did not say."""

    populations: Mapping[str, Population | Gap]
    states: Mapping[str, State]
    ended: Ended = "complete"

    @property
    def people(self) -> tuple[Population, ...]:
        """What runs on the hosts that said so."""
        return tuple(p for p in self.populations.values() if isinstance(p, Population))

    @property
    def targets(self) -> tuple[Target, ...]:
        """All that is to be stopped, in the order of the hosts."""
        return tuple(target for one in self.people for target in one.targets)

    @property
    def started(self) -> tuple[Target, ...]:
        """What those have started beside."""
        return tuple(target for one in self.people for target in one.started)

    @property
    def lost(self) -> tuple[Gap, ...]:
        """Hosts that did not say what runs on them."""
        return tuple(one for one in self.populations.values() if isinstance(one, Gap))


@dataclass
class Result:
    """What came of it. `fates` by host and pid; the lines are a host and a text each.

    `noted` is what others hold; `free` are ports of the inventory at which nobody listens now.
    """

    fates: dict[tuple[str, int], str] = field(default_factory=dict)
    left: list[tuple[str, str]] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)
    noted: list[tuple[str, str]] = field(default_factory=list)
    free: tuple[int, ...] = ()
    ended: Ended = "complete"


def pattern_of(inventory: Inventory, given: str | None) -> re.Pattern[str]:
    """Take the pattern of the option or of the inventory, or refuse: nothing is guessed here."""
    text = given or inventory.server.pattern
    if not text:
        raise InventoryError(
            "what is the server? say `server: {pattern: ...}` in the inventory, or --pattern with a"
            " regular expression for its command line, such as mlx_lm.server"
        )
    return processes.compiled(text)


def listed(inventory: Inventory, stop: Stop) -> Listed:
    """List the processes that are to be stopped. Read-only."""
    found = _ask(inventory, {h.name: _LOOK for h in inventory.hosts}, "before", stop.left_s())
    return _listed(inventory, found.hosts, "before", stop.pattern, found.ended)


@dataclass
class Run:
    """Stops what was listed. `say` gets a line of progress as soon as there is one."""

    inventory: Inventory
    stop: Stop
    before: Listed
    say: Say
    result: Result = field(default_factory=Result)

    def run(self) -> Result:
        """Send SIGTERM to all at once, again to those that stay, and see what is left."""
        noted = Noted()
        with noted:
            self._waves(noted)
            if self.result.ended == "complete":
                self._look(noted)
        return self.result

    def _waves(self, noted: Noted) -> None:
        ranks = [t for t in self.before.targets if not t.launcher]
        launchers = [t for t in self.before.targets if t.launcher]
        stay = self._wave("TERM", ranks, self.stop.grace_s, noted)
        rest = [*stay, *launchers]
        if rest and self.result.ended == "complete":
            if stay:
                self.say(f"{len(stay)} still there: a second SIGTERM")
            stay = self._wave("TERM", rest, min(self.stop.grace_s, SECOND_S), noted)
        if stay and self.stop.force and self.result.ended == "complete":
            self.say(f"{len(stay)} still there: SIGKILL, which may leak wired memory and domains")
            self._wave("KILL", stay, KILLED_S, noted)

    def _wave(
        self, signal: Signal, targets: Sequence[Target], wait_s: float, noted: Noted
    ) -> list[Target]:
        """Signal all of them at once and give those that stay."""
        if not targets:
            return []
        began = time.monotonic()
        asks: dict[str, tuple[Command, ...]] = {}
        for host in dict.fromkeys(t.host for t in targets):
            own = [t.named for t in targets if t.host == host]
            asks[host] = (signals.command(signal, own, wait_s),)

        def on_host(host: Host, captures: Captures) -> None:
            own = [t for t in targets if t.host == host.name]
            self._heard(captures, own, signal)
            for t in own:
                fate, after = self.result.fates[t.host, t.pid], time.monotonic() - began
                self.say(f"{t.host} pid {t.pid}: {fate} ({after:.1f} s)")

        found = _ask(self.inventory, asks, "", self.stop.left_s(), on_host)
        noted.arm()
        self.result.ended = found.ended if noted.how == "complete" else noted.how
        return [t for t in targets if self.result.fates.get((t.host, t.pid)) == _SAID["stays"]]

    def _heard(self, captures: Captures, targets: Sequence[Target], signal: Signal) -> None:
        fates = _fates(captures)
        for target in targets:
            fate = fates if isinstance(fates, str) else fates.get(target.pid, "not known")
            said = _SAID.get(fate, fate).format(signal=signal)
            self.result.fates[target.host, target.pid] = said

    def _look(self, noted: Noted) -> None:
        """Look at what is left, a few times: what goes by itself does so within a moment."""
        names = [h.name for h in self.inventory.hosts if h.name in self.before.states]
        for attempt in range(TRIES):
            found = _ask(self.inventory, dict.fromkeys(names, _LOOK), "after", self.stop.left_s())
            noted.arm()
            self.result.ended = found.ended if noted.how == "complete" else noted.how
            after = _listed(self.inventory, found.hosts, "after", self.stop.pattern, found.ended)
            self._compare(after)
            if not self.result.left or self.result.ended != "complete" or attempt == TRIES - 1:
                return
            time.sleep(SETTLE_S)

    def _compare(self, after: Listed) -> None:
        held, result = self._held(after), self.result
        result.left = [*self._running(after), *((h, t) for h, one in held for t in one.left)]
        result.unknown = [(gap.host, gap.reason) for gap in after.lost]
        result.unknown += [(host, text) for host, one in held for text in one.unknown]
        result.noted = [(host, text) for host, one in held for text in one.noted]
        watched = dict.fromkeys(port for host, _ in held for port in ports(self.inventory, host))
        result.free = () if result.left or result.unknown else tuple(watched)

    def _running(self, after: Listed) -> list[tuple[str, str]]:
        """List the processes that are there, in lines of a host and a text."""
        were = {(t.host, t.named) for t in self.before.targets}
        said = [
            (t.host, f"{_shown(t)} ({self._fate(t) if (t.host, t.named) in were else _ANEW})")
            for t in after.targets
        ]
        running = {one.host: one.running for one in after.people}
        said += [
            (t.host, f"{_shown(t)} (the server had started it)")
            for t in self.before.started
            if t.named in running.get(t.host, ()) and (t.host, t.named) not in were
        ]
        return said

    def _held(self, after: Listed) -> list[tuple[str, Remains]]:
        """Compare every host that said what runs on it, before and after."""
        running = {one.host: frozenset(n.pid for n in one.running) for one in after.people}
        return [
            (
                host,
                remains(
                    was,
                    after.states[host],
                    Stopped(
                        frozenset(t.pid for t in self.before.targets if t.host == host),
                        ports(self.inventory, host),
                        running[host],
                    ),
                ),
            )
            for host, was in self.before.states.items()
            if host in running
        ]

    def _fate(self, target: Target) -> str:
        return self.result.fates.get((target.host, target.pid), "not signalled")


def ports(inventory: Inventory, host: str) -> tuple[int, ...]:
    """Give the ports that the inventory names: where ranks meet, where the server answers.

    An address that names one of the hosts counts on that host alone.
    """
    server = inventory.server
    answers = re.match(r"https?://(\[[^]/]*\]|[^/:]*):(\d{1,5})(?:/|$)", server.url or "")
    there = [h.name for h in inventory.hosts if answers and answers[1] in (h.name, h.address)]
    url = int(answers[2]) if answers and host in (there or [host]) else None
    return tuple(dict.fromkeys(port for port in (server.port, url) if port))


_ANEW = "new: something starts the server again"
_SAID = {
    "went": "went after SIG{signal}",
    "stays": "stays",
    "refused": "refused: it is another user's",
    "other": "not signalled: the pid is another process now",
}


def _shown(target: Target) -> str:
    return f"pid {target.pid}: {target.command[:100]}"


def _fates(captures: Captures) -> dict[int, Fate] | str:
    access, capture = captures.get(ACCESS), captures.get("signal")
    if capture is None:
        return f"not known: {access.reason if access else 'the host was not asked'}"
    if capture.outcome is not Outcome.EXITED:
        return f"not known: {capture.reason}"
    try:
        return signals.parse(capture.stdout)
    except ParseError as error:
        return f"not known: {error}"


@dataclass(frozen=True)
class _Answers:
    hosts: Mapping[str, Captures]
    ended: Ended


def _ask(
    inventory: Inventory,
    asks: Mapping[str, tuple[Command, ...]],
    look: str,
    timeout_s: float | None,
    on_host: Callable[[Host, Captures], None] = lambda _host, _captures: None,
) -> _Answers:
    hosts = tuple(h for h in inventory.hosts if h.name in asks)
    named = {
        host: tuple(replace(c, name=of(look, c.name)) if look else c for c in commands)
        for host, commands in asks.items()
    }
    said = live.record(
        replace(inventory, hosts=hosts),
        commands_of=lambda host: named[host.name],
        on_host=on_host,
        timeout_s=timeout_s,
    )
    return _Answers(said.hosts, said.ended)


def _listed(
    inventory: Inventory,
    hosts: Mapping[str, Captures],
    look: str,
    pattern: re.Pattern[str],
    ended: Ended,
) -> Listed:
    names = [h.name for h in inventory.hosts if h.name in hosts]
    people = {name: population(name, hosts[name], look, pattern) for name in names}
    states = {name: state(name, hosts[name], look) for name in names if _said(hosts[name], look)}
    return Listed(people, states, ended)


def _said(captures: Mapping[str, Capture], look: str) -> bool:
    return of(look, ps.COMMAND.name) in captures
