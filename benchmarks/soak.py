"""Whether `mlxdiag watch` misses or invents anything: python -m benchmarks.soak --minutes 30.

Eight simulated hosts behind real sshds; faults at random, from a seed, up to three at a time on
hosts of their own. Every event that a fault must give has to come, once, within two periods, and no
other. Beside that: what the watch costs in CPU, whether its memory grows, whether two ibv_devinfo
ever ran at once on a host, and what is left on the hosts at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from mlxdiag.watch.due import ASKED
from tests.simhosts import UNAVAILABLE, SimHosts
from tests.watch import faults, lab
from tests.watch.faults import Fault, Told

PERIODS = 2.0
AT_ONCE = 3
REST = (2.2, 4.0)
"""A fault lasts so many periods at least, and its hosts rest so long after it was mended."""

TICKS = os.sysconf("SC_CLK_TCK")
WARM_S = 120.0
"""Memory counts from here on."""


@dataclass
class Wanted:
    """An event that has to come; `at` is when its cause was complete on the hosts."""

    kind: str
    subject: str
    at: float
    why: str


@dataclass
class Score:
    """What came of it. Latencies in periods."""

    latencies: list[float] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    steps: Counter[str] = field(default_factory=Counter)
    twice: int = 0
    left: list[str] = field(default_factory=list)
    status: int | None = None
    rounds: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    memory_kib: list[tuple[float, int]] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was wrong."""
        wrong = (self.missing, self.late, self.invented, self.left, self.twice)
        return not any(wrong) and self.status == 143 and bool(self.latencies)


@dataclass
class Active:
    """A fault at work, or one that was mended and whose hosts still rest."""

    fault: Fault
    since: float
    broken: bool = True


class Soak:
    """One run. `say` is told what goes on."""

    def __init__(self, folder: Path, every_s: float, seed: int) -> None:
        self.folder, self.every_s = folder, every_s
        self.random = random.Random(seed)  # a seed makes it repeatable
        self.scene = faults.eight()
        self.score = Score()
        self.wanted: list[Wanted] = []
        self.active: list[Active] = []
        self.heard: deque[tuple[float, dict[str, object]]] = deque()

    def run(self, seconds: float) -> Score:
        """Watch the hosts for so long, with faults until shortly before the end."""
        hosts = self.folder / "hosts"
        lab.write(self.scene, hosts)
        named = {name: hosts / name for name in self.scene.hosts}
        with SimHosts(named, ASKED, folder=self.folder / "sim", apart=True) as sim:
            self._guard(sim)
            with self._watching(sim) as watch:
                self._until_heard("watch-began")
                began, calm = time.monotonic(), (REST[1] + PERIODS + 1) * self.every_s
                while (now := time.monotonic()) < began + seconds:
                    if now < began + seconds - calm:
                        self._step(sim, now)
                    elif any(one.broken for one in self.active):
                        self._mend_one(sim, now)
                    self._listen()
                    self._measure(watch.pid, now - began)
                    time.sleep(0.05)
                self._finish(watch, sim, time.monotonic() - began)
        return self.score

    def _guard(self, sim: SimHosts) -> None:
        """Let ibv_devinfo take its time and say when another one runs on its host."""
        for name in self.scene.hosts:
            own = self.folder / "hosts" / name
            script = sim.folder / "bin" / name / "ibv_devinfo"
            script.write_text(
                f"#!/bin/sh\nexec 9>{own}/lock\nflock -n 9 || echo >>{own}/twice\n"
                f"sleep 0.05\nexec cat {own}/ibv_devinfo.out\n"
            )

    @contextmanager
    def _watching(self, sim: SimHosts) -> Iterator[subprocess.Popen[bytes]]:
        listed = "".join(f"  - {name}\n" for name in self.scene.hosts)
        (self.folder / "inventory.yaml").write_text(f"cluster: soak\nhosts:\n{listed}")
        env = {**os.environ, "HOME": str(sim.home), "XDG_STATE_HOME": str(self.folder / "state")}
        env.pop("SSH_AUTH_SOCK", None)
        words = ["watch", "-i", str(self.folder / "inventory.yaml"), "--json-lines"]
        words += ["--every", f"{self.every_s}s", "--wiring-every", f"{self.every_s}s"]
        words += ["--save", str(self.folder / "latest.tar.gz"), "--prometheus-port", "0"]
        argv = [sys.executable, "-m", "mlxdiag", *words]
        with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE) as watch:
            Thread(target=self._read, args=(watch,), daemon=True).start()
            try:
                yield watch
            finally:
                watch.kill()

    def _read(self, watch: subprocess.Popen[bytes]) -> None:
        assert watch.stdout is not None
        for line in watch.stdout:
            self.heard.append((time.monotonic(), json.loads(line)))

    def _until_heard(self, kind: str, within_s: float = 60.0) -> None:
        end = time.monotonic() + within_s
        while not any(event["kind"] == kind for _, event in list(self.heard)):
            assert time.monotonic() < end, f"no {kind}"
            time.sleep(0.05)
        self.heard.clear()

    def _step(self, sim: SimHosts, now: float) -> None:
        """Begin a fault, mend one, or do nothing: at random, and never beside another's hosts."""
        rest = self.random.uniform(*REST) * self.every_s
        self.active = [a for a in self.active if a.broken or now - a.since < rest]
        if any(now - one.since > rest for one in self.active if one.broken):
            self._mend_one(sim, now)
        busy = {host for one in self.active for host in one.fault.hosts}
        if sum(one.broken for one in self.active) < AT_ONCE and self.random.random() < 0.05:
            host = self.random.choice(self.scene.hosts)
            fault = self.random.choice(list(faults.every(self.scene, host)))
            if not busy & set(fault.hosts):
                self._apply(sim, fault, broken=True)
                self.active.append(Active(fault, time.monotonic()))

    def _mend_one(self, sim: SimHosts, now: float) -> None:
        one = min((a for a in self.active if a.broken), key=lambda a: a.since)
        if now - one.since < REST[0] * self.every_s:
            return
        self._apply(sim, one.fault, broken=False)
        one.broken, one.since = False, time.monotonic()

    def _apply(self, sim: SimHosts, fault: Fault, *, broken: bool) -> None:
        """Bring about a change; a host goes before its files change, and comes back after."""
        before, change = self.scene, fault.broken if broken else fault.mended
        self.scene = change(before)
        for host in sorted(self.scene.away - before.away):
            sim.stop_host(host)
        lab.write(self.scene, self.folder / "hosts", before)
        for host in sorted(before.away - self.scene.away):
            sim.start_host(host)
        if fault.cut and broken:
            sim.cut(fault.hosts[0])
        self.score.steps[f"{fault.name}, {'broken' if broken else 'mended'}"] += 1
        self._want(fault.on_break if broken else fault.on_mend, fault.name)

    def _want(self, told: Told, why: str) -> None:
        now = time.monotonic()
        self.wanted += [Wanted(kind, subject, now, why) for kind, subject in told]

    def _listen(self) -> None:
        while self.heard:
            at, event = self.heard.popleft()
            match = (
                w for w in self.wanted if (w.kind, w.subject) == (event["kind"], event["subject"])
            )
            wanted = next(match, None)
            if wanted is None:
                self.score.invented.append(json.dumps(event, sort_keys=True))
                continue
            self.wanted.remove(wanted)
            periods = (at - wanted.at) / self.every_s
            self.score.latencies.append(periods)
            if periods > PERIODS:
                self.score.late.append(f"{wanted}: {periods:.2f} periods")
        limit = time.monotonic() - 3 * PERIODS * self.every_s
        lost = [wanted for wanted in self.wanted if wanted.at < limit]
        self.score.missing += map(str, lost)
        self.wanted = [wanted for wanted in self.wanted if wanted.at >= limit]

    def _measure(self, pid: int, elapsed: float) -> None:
        taken = self.score.memory_kib
        if not taken or elapsed - taken[-1][0] > 10:
            taken.append((elapsed, _memory_kib(pid)))

    def _finish(self, watch: subprocess.Popen[bytes], sim: SimHosts, wall_s: float) -> None:
        time.sleep(self.every_s)
        self._listen()
        self.score.missing += map(str, self.wanted)
        self.score.cpu_s, self.score.wall_s = _cpu_s(watch.pid), wall_s
        watch.send_signal(signal.SIGTERM)
        self.score.status = watch.wait(30)
        self.score.rounds = round(wall_s / self.every_s)
        self.score.left = [str(process) for process in sim.wait_gone(10)]
        marks = (self.folder / "hosts").glob("*/twice")
        self.score.twice = sum(len(mark.read_text()) for mark in marks)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _memory_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def report(score: Score, every_s: float) -> str:
    """Say in lines what came of it."""
    warm = [kib for at, kib in score.memory_kib if at >= min(WARM_S, score.wall_s / 3)]
    per_round = score.cpu_s / max(1, score.rounds)
    lines = [
        f"steps: {sum(score.steps.values())}",
        *(f"  {count:4} {name}" for name, count in sorted(score.steps.items())),
        f"events wanted and told: {len(score.latencies)}; missing {len(score.missing)},"
        f" late {len(score.late)}, invented {len(score.invented)}",
    ]
    if score.latencies:
        most, middle = max(score.latencies), statistics.median(score.latencies)
        lines += [f"latency in periods of {every_s:g} s: median {middle:.2f}, most {most:.2f}"]
    lines += [
        f"two ibv_devinfo at once on a host: {score.twice}",
        f"left on the hosts: {len(score.left)}; exit status {score.status}",
        f"CPU: {score.cpu_s:.1f} s in {score.wall_s:.0f} s, {score.rounds} rounds:"
        f" {1000 * per_round:.0f} ms a round, {per_round / 10:.2%} of a core at 10 s",
        f"memory: {warm[0] / 1024:.1f} MB at first, {warm[-1] / 1024:.1f} MB in the end,"
        f" {max(warm) / 1024:.1f} MB at most",
    ]
    for name in ("missing", "late", "invented", "left"):
        lines += [f"{name}: {text}" for text in getattr(score, name)]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run it and print what came of it; 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=5.0, help="seconds of a period")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if UNAVAILABLE:
        print(UNAVAILABLE)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="mlxdiag-soak-"))
    try:
        score = Soak(folder, asked.every, asked.seed).run(asked.minutes * 60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(report(score, asked.every), end="")
    return 0 if score.clean else 1


if __name__ == "__main__":
    sys.exit(main())
