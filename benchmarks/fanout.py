"""What fan-out costs, beside its floor and its peers: python -m benchmarks.fanout [--quick].

For every size one simulated cluster is started, and the contestants take turns on it. Needs what
the tests need (docs/performance.md), and `clush` if that is to be compared.
"""

from __future__ import annotations

import argparse
import compileall
import ctypes
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.page import HEAD, Target, machine, write
from benchmarks.ring import TIGHT, Ring, script, simulated
from tests.simhosts import UNAVAILABLE

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
SIZES = (4, 16, 64, 256, 1000)
FANOUT = 64
REPEAT = {4: 15, 16: 9, 64: 15, 256: 5, 1000: 1}
WARM = 64
"""Up to this size one more round comes first, which does not count."""

SLOW = "system_profiler_thunderbolt", 2.0
HELP_REPEAT = 25
MARK = "<!-- benchmarks.fanout -->"
"""Twice in a document, around the tables."""


@dataclass(frozen=True)
class Sample:
    """One process from exec to exit, its children counted; `both_s` adds the hosts' side."""

    wall_s: float
    cpu_s: float
    both_s: float
    peak_mb: float


@dataclass(frozen=True)
class Samples:
    """All runs of one contestant."""

    runs: tuple[Sample, ...]

    @cached_property
    def walls(self) -> list[float]:
        """Give the wall times, sorted."""
        return sorted(run.wall_s for run in self.runs)

    @cached_property
    def median(self) -> Sample:
        """Give the median of each number."""
        columns = ("wall_s", "cpu_s", "both_s", "peak_mb")
        return Sample(*(statistics.median(getattr(r, name) for r in self.runs) for name in columns))


Words = Callable[[Ring], list[str]]
Verify = Callable[[Ring, bytes], str]


@dataclass(frozen=True)
class Contestant:
    """One way to ask all hosts. `verify` says what is wrong with its stdout, or nothing."""

    name: str
    words: Words
    verify: Verify
    most: int = 1_000_000
    why_most: str = ""
    fewer: int = 1
    missing: str = ""
    answers: str = ""


def _mlxdiag(ring: Ring) -> list[str]:
    return [str(BIN / "mlxdiag"), "ports", "-i", f"{ring.folder}/inventory.yaml", "-f", "json"]


def _verify_mlxdiag(ring: Ring, out: bytes) -> str:
    report = json.loads(out)
    reached = sum(host["reachable"] for host in report["hosts"])
    unknown = sum(check["status"] == "unknown" for check in report["checks"])
    links = len(report["links"])
    expected = (len(ring.names), 0, len(ring.names))
    return "" if (reached, unknown, links) == expected else f"{reached=} {unknown=} {links=}"


def _floor(ring: Ring) -> list[str]:
    return [sys.executable, "-I", str(HERE / "floor.py"), f"{ring.folder}/floor.json", str(FANOUT)]


def _verify_floor(ring: Ring, out: bytes) -> str:
    return "" if int(out) == ring.nbytes else f"{int(out)} bytes, not {ring.nbytes}"


def _verify_bytes(ring: Ring, out: bytes) -> str:
    return "" if len(out) >= ring.nbytes else f"{len(out)} bytes, not {ring.nbytes}"


def _clush(ring: Ring) -> list[str]:
    options = f"-F {ring.config} {TIGHT}"
    return ["clush", "-S", "-n", "-f", str(FANOUT), "-o", options, *_where(ring), script()]


def _where(ring: Ring) -> list[str]:
    return ["-w", f"macstudio[1-{len(ring.names)}]"]


def _mlx(ring: Ring) -> list[str]:
    hostfile = ring.folder / "hostfile.json"
    hostfile.unlink(missing_ok=True)
    tool = [str(BIN / "mlx.distributed_config"), "--over", "thunderbolt"]
    return [*tool, "--hosts", ",".join(ring.names), "--output-hostfile", str(hostfile)]


def _verify_mlx(ring: Ring, _out: bytes) -> str:
    found = json.loads((ring.folder / "hostfile.json").read_text())
    right = found["backend"] == "jaccl-ring" and len(found["hosts"]) == len(ring.names)
    return "" if right else f"{found['backend']} of {len(found['hosts'])}"


CONTESTANTS = (
    Contestant("floor", _floor, _verify_floor),
    Contestant("mlxdiag", _mlxdiag, _verify_mlxdiag),
    Contestant(
        "clush",
        _clush,
        _verify_bytes,
        missing="" if shutil.which("clush") else "not installed: apt-get install clustershell",
    ),
    Contestant(
        "ssh loop",
        lambda ring: [f"{ring.folder}/serial"],
        _verify_bytes,
        most=64,
        why_most="serial: a minute and more",
        fewer=3,
    ),
    Contestant(
        "mlx.distributed_config",
        _mlx,
        _verify_mlx,
        most=16,
        why_most="serial: four ssh a host, one after another",
        fewer=3,
        missing="" if (BIN / "mlx.distributed_config").exists() else "mlx is not installed",
        answers="\n",
    ),
)


class Wrong(Exception):
    """A contestant did not do what it was asked."""


def measure(contestant: Contestant, ring: Ring) -> Sample:
    """Run one contestant once, its work verified and the hosts idle before and after."""
    result, out, err = (ring.folder / name for name in ("result.json", "stdout", "stderr"))
    words = contestant.words(ring)
    path = f"{ring.folder}/bin:{os.environ['PATH']}"
    environment = {**os.environ, "HOME": str(ring.sim.home), "PATH": path, "LC_ALL": "C.UTF-8"}
    environment.pop("SSH_AUTH_SOCK", None)
    ring.idle()
    before = _both_sides_s(ring)
    with out.open("wb") as stdout, err.open("wb") as stderr:
        subprocess.run(
            [sys.executable, "-I", "-S", str(HERE / "meter.py"), str(result), *words],
            input=contestant.answers.encode() * len(ring.names),
            stdout=stdout,
            stderr=stderr,
            env=environment,
            check=True,
        )
    ring.idle()
    both = _both_sides_s(ring) - before
    said = json.loads(result.read_text())
    wrong = f"exit status {said['status']}" if said["status"] else ""
    if wrong := wrong or contestant.verify(ring, out.read_bytes()):
        raise Wrong(f"{contestant.name}: {wrong}: {err.read_text('utf-8', 'replace')[-2000:]}")
    return Sample(said["wall_s"], said["cpu_s"], both, said["peak_kib"] * 1024 / 1e6)


def _adopt_orphans() -> None:
    """Have the processes that a session leaves behind become our children: they are counted."""
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def _both_sides_s(ring: Ring) -> float:
    """Read the CPU time so far of all clients and of all that the daemons started."""
    daemons = set(ring.daemons)
    while (gone := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
        assert gone.si_pid not in daemons, "an sshd has ended"
        os.waitpid(gone.si_pid, 0)
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    theirs = 0
    for pid in daemons:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        theirs += sum(map(int, fields[11:15]))
    return ours.ru_utime + ours.ru_stime + theirs / os.sysconf("SC_CLK_TCK")


def take_turns(ring: Ring, contestants: tuple[Contestant, ...], repeat: int) -> dict[str, Samples]:
    """Measure everybody in every round; who fails once is out."""
    found: dict[str, list[Sample]] = {each.name: [] for each in contestants}
    warm = len(ring.names) <= WARM
    for turn in range(-warm, repeat):
        for each in contestants:
            if each.name not in found or turn % each.fewer:
                continue
            try:
                sample = measure(each, ring)
            except Wrong as wrong:
                _note(f"  {wrong}")
                del found[each.name]
                continue
            _note(f"  {turn} {each.name}: {sample}")
            if turn >= 0:
                found[each.name].append(sample)
    return {name: Samples(tuple(runs)) for name, runs in found.items()}


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


Results = dict[int, dict[str, Samples]]


def run_sizes(sizes: list[int], repeat: int | None) -> Results:
    """Measure every size on a cluster of its own."""
    results: Results = {}
    for size in sizes:
        _note(f"{size} hosts")
        able = tuple(c for c in CONTESTANTS if not c.missing and size <= c.most)
        with simulated(size) as ring:
            rounds = repeat or next(r for n, r in REPEAT.items() if size <= n or n == SIZES[-1])
            results[size] = take_turns(ring, able, rounds)
        _note("\n".join(size_table({size: results[size]})))
    return results


def run_slow(repeat: int) -> dict[str, Samples]:
    """Measure four hosts of which every one has a slow command."""
    _note(f"4 hosts, {SLOW[0]} takes {SLOW[1]} s")
    with simulated(4, SLOW) as ring:
        return take_turns(ring, CONTESTANTS[:2], repeat)


def run_help(repeat: int) -> dict[str, list[float]]:
    """Measure `mlxdiag --help` beside the import of typer, by turns."""
    _note("mlxdiag --help")
    words = {
        "import typer": [sys.executable, "-c", "import typer"],
        "mlxdiag --help": [str(BIN / "mlxdiag"), "--help"],
    }
    found: dict[str, list[float]] = {name: [] for name in words}
    for turn in range(repeat + 1):
        for name, command in words.items():
            start = time.monotonic()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if turn:
                found[name].append(time.monotonic() - start)
    return found


def size_table(results: Results) -> list[str]:
    """Write one row per size and contestant; ratios are of medians, to the floor's."""
    rows = [
        "| hosts | | wall, s (least to most, runs) | to floor: median, least"
        " | CPU, s: client, both sides | peak, MB |",
        "|--:|:--|--:|--:|--:|--:|",
    ]
    for size, by_name in results.items():
        for each in CONTESTANTS:
            if each.name in by_name:
                rows.append(_row(size, each.name, by_name[each.name], by_name["floor"]))
            else:
                why = each.missing or (each.why_most if size > each.most else "it failed")
                rows.append(f"| {size} | {each.name} | n/a: {why} | | | |")
    return rows


def _row(size: int, name: str, samples: Samples, floor: Samples) -> str:
    m, least = samples.median, samples.walls[0]
    spread = f"{least:.2f} to {samples.walls[-1]:.2f}, {len(samples.runs)}"
    ratios = f"{m.wall_s / floor.median.wall_s:.2f}, {least / floor.walls[0]:.2f}"
    cpu = f"{m.cpu_s:.2f}, {m.both_s:.2f}"
    return f"| {size} | {name} | {m.wall_s:.2f} ({spread}) | {ratios} | {cpu} | {m.peak_mb:.0f} |"


def _at_most(what: str, found: float, limit: float, unit: str = "") -> Target:
    return Target(what, f"at most {limit:g}{unit}", f"{found:.2f}{unit}", found <= limit)


def size_targets(results: Results) -> list[Target]:
    """Compare with what is wanted of every size that was measured."""
    targets: list[Target] = []
    for size, by_name in results.items():
        ours = by_name["mlxdiag"].median
        to_floor = ours.wall_s / by_name["floor"].median.wall_s
        if size in (64, 256):
            targets.append(_at_most(f"wall to the floor's, {size} hosts", to_floor, 1.3))
        if "clush" in by_name:
            limit = 0.7 if size == 64 else 1.0
            to_clush = ours.wall_s / by_name["clush"].median.wall_s
            targets.append(_at_most(f"wall to clush's, {size} hosts", to_clush, limit))
        room = 100 + 0.5 * size
        targets.append(_at_most(f"peak memory, {size} hosts", ours.peak_mb, room, " MB"))
    most = max(results)
    if 64 in results and most > 64:
        per_host = {n: found["mlxdiag"].median.cpu_s / n for n, found in results.items()}
        what = f"client's CPU per host, {most} hosts to 64"
        targets.append(_at_most(what, per_host[most] / per_host[64], 1.1))
    return targets


def other_targets(slow: dict[str, Samples], helps: dict[str, list[float]]) -> list[Target]:
    """Compare the slow command and the help with what is wanted."""
    over = {name: samples.median.wall_s - SLOW[1] for name, samples in slow.items()}
    medians = {name: statistics.median(times) for name, times in helps.items()}
    started = medians["mlxdiag --help"] / medians["import typer"]
    return [
        _at_most("wall beyond the slowest command, 4 hosts", over["mlxdiag"], 0.5, " s"),
        _at_most("`mlxdiag --help` to `import typer`", started, 1.5),
    ]


def document(results: Results, slow: dict[str, Samples], helps: dict[str, list[float]]) -> str:
    """Write both tables in Markdown."""
    targets = [*size_targets(results), *other_targets(slow, helps)]
    over = slow["floor"].median.wall_s - SLOW[1]
    medians = {name: statistics.median(times) * 1000 for name, times in helps.items()}
    per_host = "; ".join(
        f"{size}: {m.wall_s / size * 1000:.1f} and {m.cpu_s / size * 1000:.1f} ms"
        for size, m in ((size, by_name["mlxdiag"].median) for size, by_name in results.items())
    )
    lines = [
        f"{machine()}, fan-out {FANOUT}.",
        "",
        *size_table(results),
        "",
        *HEAD,
        *(target.row for target in targets),
        "",
        f"mlxdiag's wall and CPU per host: {per_host}.",
        f"The floor's wall beyond the slowest command of 4 hosts: {over:.2f} s.",
        "; ".join(f"`{name}`: {found:.0f} ms" for name, found in medians.items()) + ".",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and print or write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fanout", description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="such as 4,16,64")
    parser.add_argument("--repeat", type=int, help="rounds per size (default: fewer for large)")
    parser.add_argument("--quick", action="store_true", help="4 and 16 hosts, three rounds")
    parser.add_argument(
        "--markdown", type=Path, help="write the tables to this file, or between its marks"
    )
    asked = parser.parse_args()
    if UNAVAILABLE or platform.system() != "Linux":
        parser.exit(2, f"cannot measure here: {UNAVAILABLE or 'needs Linux'}\n")
    sizes = [4, 16] if asked.quick else [int(size) for size in asked.sizes.split(",")]
    if min(sizes) < 3:
        parser.error("a ring has at least 3 hosts")
    _adopt_orphans()
    compileall.compile_dir(str(HERE.parent / "mlxdiag"), quiet=1)
    repeat = asked.repeat or (3 if asked.quick else None)
    results = run_sizes(sizes, repeat)
    slow, helps = run_slow(repeat or REPEAT[4]), run_help(HELP_REPEAT)
    text = document(results, slow, helps)
    if asked.markdown:
        write(asked.markdown, MARK, text)
    print(text, end="")


if __name__ == "__main__":
    main()
