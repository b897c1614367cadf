"""What `mlxdiag hang` does with hosts: find the ranks, look at them twice. Read-only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mlxdiag import live, processes
from mlxdiag.capture import ACCESS, Captures, Command, Outcome
from mlxdiag.ending import Noted
from mlxdiag.facts import ioreg_accelerator
from mlxdiag.fanout import FANOUT
from mlxdiag.hang import questions
from mlxdiag.hang.asked import Asked, Options
from mlxdiag.hang.find import Found, Ground, ground, ranks, with_number
from mlxdiag.hang.keep import hidden, kept
from mlxdiag.hang.rounds import FIRST, SECOND, of
from mlxdiag.hang.seen import UNENDING
from mlxdiag.inventory import Inventory
from mlxdiag.readings import Gap, fact_of
from mlxdiag.recording import Recording

Say = Callable[[str], None]
OPTIONS = Options()


def examine(
    inventory: Inventory,
    options: Options = OPTIONS,
    *,
    fanout: int = FANOUT,
    timeout_s: float | None = None,
    say: Say = lambda _line: None,
) -> Recording:
    """Find the ranks of a run and look at each twice; read-only, nothing stays on a host.

    The recording has `hang` set and is judged by `mlxdiag.hang.judge.judge`; a host that does not
    answer is an outcome in it, never an exception. Takes about `options.interval_s` and 5 s more.
    Raises InventoryError for a pattern that is none, or that any Python meets.
    """
    asked = options.about(inventory)
    if asked.pattern is not None:
        processes.compiled(asked.pattern)
    return _Examination(inventory, asked, fanout, timeout_s, say).run()


@dataclass
class _Examination:
    inventory: Inventory
    asked: Asked
    fanout: int
    timeout_s: float | None
    say: Say

    def run(self) -> Recording:
        began = time.monotonic()
        found = self._all(began, Noted())
        return replace(found, duration_s=round(time.monotonic() - began, 3))

    def _all(self, began: float, noted: Noted) -> Recording:
        with noted:
            self.say("looking for ranks")
            found = self._round(began, dict.fromkeys(self._names, questions.find()))
            noted.arm()
            grounds = [ground(h.name, found.hosts[h.name]) for h in self.inventory.hosts]
            chosen, _ = ranks(grounds, self.asked)
            wanted = {one.host: _wanted(one, chosen) for one in grounds}
            found = _ended(self._keep(found, wanted), noted)
            if not chosen or found.ended != "complete":
                return found
            self.say(f"{len(chosen)} ranks; first look")
            return self._looks(found, chosen, wanted, began, noted)

    @property
    def _names(self) -> list[str]:
        return [host.name for host in self.inventory.hosts]

    def _looks(
        self,
        found: Recording,
        chosen: tuple[Found, ...],
        wanted: Mapping[str, set[int]],
        began: float,
        noted: Noted,
    ) -> Recording:
        of_host = {n: [f for f in chosen if f.host == n] for n in self._names}
        reached = [n for n, c in found.hosts.items() if c[ACCESS].outcome is Outcome.EXITED]
        asks = {n: questions.look(FIRST, of_host[n]) for n in reached}
        due = time.monotonic() + self.asked.interval_s
        found = self._more(found, self._keep(self._round(began, asks), wanted))
        noted.arm()
        found = _ended(found, noted)
        if found.ended == "complete":
            self.say(f"second look in {max(0.0, due - time.monotonic()):.0f} s")
            _pause(due, noted, self._left(began))
        if noted.how != "complete":
            return replace(found, ended=noted.how)
        if found.ended != "complete":
            return found
        asks = {
            n: questions.look(SECOND, of_host[n], macmon_too=_no_gpu(n, found.hosts[n]))
            for n in reached
        }
        found = self._more(found, self._keep(self._round(began, asks), wanted))
        noted.arm()
        return _ended(found, noted)

    def _round(self, began: float, asks: Mapping[str, tuple[Command, ...]]) -> Recording:
        hosts = tuple(h for h in self.inventory.hosts if h.name in asks)
        start = time.monotonic() - began
        said = live.record(
            replace(self.inventory, hosts=hosts),
            commands_of=lambda host: asks[host.name],
            fanout=self.fanout,
            timeout_s=self._left(began),
        )
        moved = {name: _later(hidden(captures), start) for name, captures in said.hosts.items()}
        return replace(
            said,
            inventory=self.inventory,
            hosts={n: moved.get(n, {}) for n in self._names},
            hang=self.asked,
        )

    def _more(self, found: Recording, more: Recording) -> Recording:
        """Add a round to what there is; each host's access is that of its last round."""
        hosts = {name: {**found.hosts[name], **more.hosts[name]} for name in self._names}
        return replace(found, hosts=hosts, ended=more.ended)

    def _keep(self, found: Recording, wanted: Mapping[str, set[int]]) -> Recording:
        hosts = {name: kept(captures, wanted[name]) for name, captures in found.hosts.items()}
        return replace(found, hosts=hosts)

    def _left(self, began: float) -> float | None:
        if self.timeout_s is None:
            return None
        return max(0.0, self.timeout_s - (time.monotonic() - began))


def _ended(found: Recording, noted: Noted) -> Recording:
    """Take over what ended the run between two rounds, where the round itself was not ended."""
    return replace(found, ended=noted.how) if found.ended == "complete" else found


def _later(captures: Captures, start: float) -> Captures:
    """Count the times of a round from the start of the run."""
    return {n: replace(c, started_s=c.started_s + start) for n, c in captures.items()}


def _wanted(one: Ground, chosen: tuple[Found, ...]) -> set[int]:
    """Name the processes to keep: the ranks, whom they come from, whom the kernel holds.

    What has the number of a rank is kept, too: a rank that is not met is not missing.
    """
    mine = {f.pid for f in (*chosen, *with_number((one,))) if f.host == one.host}
    if isinstance(one.processes, Gap):
        return mine
    parents = {p.pid: p.parent for p in one.processes}
    above = {a for pid in mine for a in processes.ancestors(pid, parents)}
    return mine | above | {p.pid for p in one.processes if p.state in UNENDING}


def _no_gpu(name: str, captures: Captures) -> bool:
    busy = of(FIRST, ioreg_accelerator.COMMAND.name)
    said = fact_of(name, captures, busy, ioreg_accelerator.parse)
    on_mac = busy in captures and captures[busy].outcome is not Outcome.MISSING
    return on_mac and (isinstance(said, Gap) or said.percent is None)


def _pause(due: float, noted: Noted, left: float | None) -> None:
    """Wait in short naps: a signal between two rounds is noted, not raised."""
    end = due if left is None else min(due, time.monotonic() + left)
    while noted.how == "complete" and time.monotonic() < end:
        time.sleep(min(0.1, max(0.0, end - time.monotonic())))
