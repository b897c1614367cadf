"""What a controller that is killed leaves: python -m benchmarks.killed --moments 12 --seed 1.

Every command that asks hosts, against simulated ones behind real sshds, of which some commands take
their time. The length of a whole run is taken; then the command is run again and its process, and
no other, is killed at a random moment of every part of that length, and for some parts ended by
SIGINT and SIGTERM. By turns both hosts are reached by ssh, and the first is where we stand.

After each, nothing of ours may run on any host within a few seconds, no session of sshd may be
open, nothing may lie in a host's HOME or TMPDIR, and no output may be there that is not whole.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.page import machine, write
from mlxdiag.probe.plan import LEASE_S
from tests.killed.lab import ALL, RANKS, A, B, Lab, Left, lab
from tests.probe.world import NO_RANKS
from tests.simhosts import UNAVAILABLE

MARK = "<!-- benchmarks.killed -->"
GONE_S = 5.0
"""Within this nothing of a killed controller may run; within the lease where it launches ranks."""

DELAYS = {(A, "system_profiler_thunderbolt"): 1.2, (B, "ifconfig"): 0.4, (B, "ibv_devinfo"): 0.4}
ENDED = {signal.SIGINT: {130, -2}, signal.SIGTERM: {143, -15}, signal.SIGKILL: {-9}}
"""Exit codes of who was ended so. Before Python has our handlers, it is the signal."""


@dataclass(frozen=True)
class Shot:
    """One end of a controller; `met` is how many of its processes ran on the hosts then."""

    number: signal.Signals
    moment_s: float
    local: bool
    met: int
    code: int
    left: Left
    trace: bool


@dataclass
class Score:
    """What came of a command. Lengths are those of whole runs: by ssh, and with a local host."""

    command: str
    lengths_s: tuple[float, float] = (0.0, 0.0)
    codes: set[int] = field(default_factory=set)
    shots: list[Shot] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def take(self, shot: Shot) -> None:
        """Keep a shot, and say what was wrong with it."""
        self.shots.append(shot)
        limit_s = LEASE_S if self.command in RANKS else GONE_S
        where = f"{self.command}, {shot.number.name} at {shot.moment_s:.2f} s"
        where += ", local" if shot.local else ""
        if not shot.left.nothing:
            self.wrong.append(f"{where}: {shot.left}")
        if shot.left.gone_s > limit_s:
            self.wrong.append(f"{where}: gone after {shot.left.gone_s:.1f} s")
        if shot.code not in ENDED[shot.number] | self.codes:
            self.wrong.append(f"{where}: exit code {shot.code}")
        if shot.left.beside and shot.number != signal.SIGKILL:
            self.wrong.append(f"{where}: {shot.left.beside}")
        if shot.trace and shot.code != -shot.number:  # Python's own, while it imports us
            self.wrong.append(f"{where}: a traceback")

    def slowest_s(self, *numbers: signal.Signals) -> float:
        """Give the longest that anything ran on after these signals."""
        return max((s.left.gone_s for s in self.shots if s.number in numbers), default=0.0)


def sweep(hosts: Lab, command: str, moments: int, chance: random.Random) -> Score:
    """Run a command whole, and then end it again and again."""
    score = Score(command)
    lengths = tuple(_whole(hosts, score, local=local) for local in (False, True))
    score.lengths_s = (lengths[0], lengths[1])
    for number, part in _parts(moments):
        local = bool(part % 2)
        moment_s = (part + chance.random()) / moments * score.lengths_s[local]
        while (shot := _shot(hosts, command, number, moment_s, local=local)) is None:
            moment_s *= chance.random()  # it had ended by itself: this run was a shorter one
        score.take(shot)
    own = [child.poll() for child in hosts.own]
    if any(code is not None for code in own):
        score.wrong.append(f"{command}: what is not ours was ended: {own}")
    return score


def _parts(moments: int) -> Iterator[tuple[signal.Signals, int]]:
    """Kill in every part of the run; every fourth is ended by Ctrl-C, every fourth by TERM, too."""
    yield from ((signal.SIGKILL, part) for part in range(moments))
    yield from ((signal.SIGINT, part) for part in range(1, moments, 4))
    yield from ((signal.SIGTERM, part) for part in range(2, moments, 4))


def _whole(hosts: Lab, score: Score, *, local: bool) -> float:
    """Run it to its end; give how long it took, in seconds."""
    with hosts.running(score.command, local=local) as run:
        code = run.process.wait(120)
        length_s = time.monotonic() - run.began
        left = run.left()
        score.codes.add(code)
        if code not in (0, 1, 3) or not left.nothing:
            score.wrong.append(f"{score.command}, whole: {code}, {left}: {run.said()[-500:]}")
    return length_s


def _shot(
    hosts: Lab, command: str, number: signal.Signals, moment_s: float, *, local: bool
) -> Shot | None:
    with hosts.running(command, local=local) as run:
        with suppress(subprocess.TimeoutExpired):  # as it should be
            run.process.wait(max(0.0, run.began + moment_s - time.monotonic()))
        if run.process.poll() is not None:
            return None
        met = len(run.running())
        left = run.ended(number)
        trace = "Traceback" in run.said()
        return Shot(number, moment_s, local, met, run.process.returncode, left, trace)


def swept(commands: Sequence[str], moments: int, seed: int) -> list[Score]:
    """Sweep some commands on hosts of their own."""
    folder = Path(tempfile.mkdtemp(prefix="mlxdiag-killed-"))
    try:
        with lab(folder, delays=DELAYS) as hosts:
            return [_told(hosts, command, moments, seed) for command in commands]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _told(hosts: Lab, command: str, moments: int, seed: int) -> Score:
    score = sweep(hosts, command, moments, random.Random(f"{seed} {command}"))
    print("\n".join((_row(score), *score.wrong)), file=sys.stderr, flush=True)
    return score


def document(scores: Sequence[Score], seed: int) -> str:
    """Write the table, and in words what it adds up to."""
    shots = [shot for score in scores for shot in score.shots]
    kills = sum(shot.number == signal.SIGKILL for shot in shots)
    met = sum(bool(shot.met) for shot in shots)
    beside = sum(bool(shot.left.beside) for shot in shots)
    wrong = [text for score in scores for text in score.wrong]
    lines = [
        f"{machine()}, seed {seed}.",
        "",
        "| command | whole run, s | SIGKILL, SIGINT, SIGTERM | met something on a host"
        " | gone after SIGKILL, s at most | after the others | left |",
        "|:--|--:|--:|--:|--:|--:|--:|",
        *map(_row, scores),
        "",
        f"{len(shots)} ends, {kills} of them by SIGKILL; {met} met processes of ours on a host."
        f" What was left: {len(wrong) or 'nothing'}; {beside} were killed while they wrote a file,"
        " and left `.NAME.PID.tmp` beside its name.",
    ]
    return "\n".join(lines) + "\n"


def _row(score: Score) -> str:
    others = (signal.SIGINT, signal.SIGTERM)
    counts = [sum(s.number == n for s in score.shots) for n in (signal.SIGKILL, *others)]
    return (
        f"| {score.command} | {max(score.lengths_s):.1f} | {', '.join(map(str, counts))}"
        f" | {sum(bool(shot.met) for shot in score.shots)}"
        f" | {score.slowest_s(signal.SIGKILL):.2f} | {score.slowest_s(*others):.2f}"
        f" | {len(score.wrong)} |"
    )


def main() -> int:
    """Sweep, print the table and what was wrong; 0 if nothing was."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.killed", description=__doc__)
    parser.add_argument("--moments", type=int, default=12, help="parts of a run, a SIGKILL in each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="sweeps at once, hosts of their own")
    parser.add_argument("--only", action="append", choices=list(ALL), help="repeatable")
    parser.add_argument("--markdown", type=Path, help="write the table between its marks")
    asked = parser.parse_args()
    if UNAVAILABLE or NO_RANKS:
        parser.exit(2, f"cannot sweep here: {UNAVAILABLE or NO_RANKS}\n")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` ignores it for us all
    commands = asked.only or list(ALL)
    shares = [commands[n :: asked.workers] for n in range(asked.workers)]
    with ThreadPoolExecutor(asked.workers) as pool:
        found = pool.map(lambda share: swept(share, asked.moments, asked.seed), shares)
        swept_ones = [score for some in found for score in some]
    scores = sorted(swept_ones, key=lambda score: commands.index(score.command))
    text = document(scores, asked.seed)
    if asked.markdown:
        write(asked.markdown, MARK, text)
    print(text, end="")
    wrong = [text for score in scores for text in score.wrong]
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
