"""What a probe adds to what it measures: `python -m benchmarks.probe`.

Overhead: ranks under supervisor, lease and heartbeat beside bare ranks (benchmarks/bare.py).
Link: busbw of two ranks beside iperf3, in turns, over a link shaped to 1 Gbit/s between two network
namespaces. Start: until every rank of 2, 4 and 8 has beaten, over real sshd, beside bare ranks.
Linux, as root; all of it on loopback and in namespaces of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.page import HEAD, Target, machine, write
from mlxdiag.backends import ring
from mlxdiag.capture import Command
from mlxdiag.fanout import transport_choice
from mlxdiag.inventory import Host
from mlxdiag.probe import choose, gang, launch
from mlxdiag.probe.judge import Probe, judge, quantile
from mlxdiag.probe.plan import Plan, Settings
from tests.simhosts import UNAVAILABLE, SimHosts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlxdiag.probe.said import Event

MARK = "<!-- benchmarks.probe -->"
MIB = 1 << 20
ITERATIONS = {4: 4000, 16 * MIB: 30}
LINK_SIZES = {1_000_000: "1 MB", MIB: "1 MiB"}
"""Two sizes next to each other: MLX 0.32.4 fills a slow link at the first and not at the second,
with nothing of ours around it, as the bare ranks show."""

LINK_ITERATIONS, LINK_RATE = 200, "1gbit"
IPERF_S = 4
COUNTS = (2, 4, 8)
HERE = Host("localhost", "127.0.0.1", python=sys.executable, connection="local")


# --- overhead ------------------------------------------------------------------------------------


def bare(
    hosts: Sequence[str], iterations: Mapping[int, int], namespaces: Sequence[str] = ()
) -> dict[int, int]:
    """Run bare ranks; give per size the median of the slowest rank, in nanoseconds."""
    inside = [["ip", "netns", "exec", name] for name in namespaces] or [[] for _ in hosts]
    port = launch.port(len(hosts))
    listing = [[f"{address}:{port + rank}"] for rank, address in enumerate(hosts)]
    asked = json.dumps({"backend": "ring", "iterations": iterations, "warmup": Settings().warmup})
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(listing, file)
        file.flush()
        ranks = [
            subprocess.Popen(
                [*inside[rank], sys.executable, "-m", "benchmarks.bare", asked],
                env={**os.environ, "MLX_RANK": str(rank), "MLX_HOSTFILE": file.name},
                stdout=subprocess.PIPE,
            )
            for rank in range(len(hosts))
        ]
        said = [json.loads(rank.communicate(timeout=120)[0]) for rank in ranks]
    return {
        size: max(quantile(one[str(size)], 0.5) for one in said) for size in iterations
    }  # fmt: skip


def probed(plan: Plan) -> Probe:
    """Launch as `mlxdiag probe` does; raise if it did not go all the way."""
    found = judge(plan, asyncio.run(gang.run(plan, transport_choice())))
    if not found.passed or found.run.left:
        raise RuntimeError(f"the probe failed: {found.blame} {found.run.left}")
    return found


def local_plan(size: int, iterations: int) -> Plan:
    """Plan two ranks of this machine that time one size."""
    settings = Settings(sizes=(size,), iterations=iterations)
    made = choose.on_machine(ring.BACKEND, 2, HERE, launch.port(2), launch.nonce(), settings)
    if not isinstance(made, Plan):
        raise TypeError(made.reason)
    return made


@dataclass(frozen=True)
class Turns:
    """Two contestants that took turns: what each measured, a number a launch."""

    floor: tuple[float, ...]
    ours: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Ours to the floor's, by medians."""
        return statistics.median(self.ours) / statistics.median(self.floor)


def spread(numbers: Sequence[float]) -> str:
    """Say median, least and most."""
    return f"{statistics.median(numbers):.4g} ({min(numbers):.4g} to {max(numbers):.4g})"


def _bare_us(size: int, iterations: int) -> float:
    return bare(["127.0.0.1"] * 2, {size: iterations})[size] / 1000


def _probed_us(size: int, iterations: int) -> float:
    return probed(local_plan(size, iterations)).rows[0].p50_us


def overhead(rounds: int) -> dict[int, Turns]:
    """Measure both in turns, the first of a round changing; the first round does not count."""
    found: dict[int, tuple[list[float], list[float]]] = {size: ([], []) for size in ITERATIONS}
    for number in range(rounds + 1):
        for size, iterations in ITERATIONS.items():
            turns = [
                (0, partial(_bare_us, size, iterations)),
                (1, partial(_probed_us, size, iterations)),
            ]
            for which, run in turns[:: 1 if number % 2 else -1]:
                took = run()
                if number:
                    found[size][which].append(took)
        _note(f"overhead: round {number} of {rounds}")
    return {size: Turns(tuple(floor), tuple(ours)) for size, (floor, ours) in found.items()}


# --- link ----------------------------------------------------------------------------------------


@contextmanager
def shaped_pair(rate: str) -> Iterator[tuple[str, str]]:
    """Join two namespaces of our own by one link that lets `rate` through in each direction."""
    word = secrets.token_hex(3)
    names = (f"bench-{word}-a", f"bench-{word}-b")
    with ExitStack() as stack:
        for name in names:
            _run("ip", "netns", "add", name)
            stack.callback(_run, "ip", "netns", "del", name)
        ends = [f"v{word}{letter}" for letter in "ab"]
        _run("ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for place, (name, end) in enumerate(zip(names, ends, strict=True), 1):
            _run("ip", "link", "set", end, "netns", name)
            inside = ("ip", "netns", "exec", name)
            _run(*inside, "ip", "address", "add", f"10.231.0.{place}/24", "dev", end)
            _run(*inside, "ip", "link", "set", "lo", "up")
            _run(*inside, "ip", "link", "set", end, "up")
            shape = ("rate", rate, "burst", "256kb", "latency", "50ms")
            _run(*inside, "tc", "qdisc", "add", "dev", end, "root", "tbf", *shape)
        yield names


@dataclass(frozen=True)
class Link:
    """GB/s in one direction while both are busy, a number a round: iperf3, bare ranks, ours."""

    iperf: tuple[float, ...]
    bare: Mapping[int, tuple[float, ...]]
    ours: Mapping[int, tuple[float, ...]]

    def ratio(self, size: int) -> float:
        """Ours to iperf3's, by medians."""
        return statistics.median(self.ours[size]) / statistics.median(self.iperf)


def link(rounds: int) -> Link:
    """Measure all three in turns over one shaped link; busbw of two ranks is size / time."""
    floor: list[float] = []
    bares: dict[int, list[float]] = {size: [] for size in LINK_SIZES}
    ours: dict[int, list[float]] = {size: [] for size in LINK_SIZES}
    with shaped_pair(LINK_RATE) as names, tempfile.TemporaryDirectory() as folder:
        hosts = [_inside(name, Path(folder), place) for place, name in enumerate(names, 1)]
        addresses = [host.address for host in hosts]
        for number in range(rounds):
            floor.append(_iperf(names))
            for size in LINK_SIZES:
                took = bare(addresses, {size: LINK_ITERATIONS}, names)[size]
                bares[size].append(size / took)
                planned = ring.ranks(hosts, [[one] for one in addresses], launch.port(2))
                settings = Settings(sizes=(size,), iterations=LINK_ITERATIONS)
                plan = Plan("ring", "ring", planned, launch.nonce(), settings)
                ours[size].append(probed(plan).rows[0].busbw_gb_per_s)
            _note(f"link: round {number + 1} of {rounds}")
    return Link(
        tuple(floor),
        {size: tuple(found) for size, found in bares.items()},
        {size: tuple(found) for size, found in ours.items()},
    )


def _inside(namespace: str, folder: Path, place: int) -> Host:
    """Give a host whose interpreter starts in a namespace."""
    python = folder / namespace
    python.write_text(f'#!/bin/sh\nexec ip netns exec {namespace} {sys.executable} "$@"\n')
    python.chmod(0o755)
    return Host(namespace, f"10.231.0.{place}", python=str(python), connection="local")


def _iperf(names: tuple[str, str]) -> float:
    """Mean of what arrived in both directions, in GB/s of payload."""
    server = subprocess.Popen(
        ["ip", "netns", "exec", names[0], "iperf3", "--server", "--one-off"],
        stdout=subprocess.DEVNULL,
    )
    try:
        time.sleep(0.5)
        asked = ("iperf3", "--client", "10.231.0.1", "--bidir", "--time", str(IPERF_S), "--json")
        told = json.loads(_run("ip", "netns", "exec", names[1], *asked))["end"]
    finally:
        server.kill()
        server.wait()
    both = (told["sum_received"], told["sum_received_bidir_reverse"])
    return statistics.mean(float(one["bits_per_second"]) for one in both) / 8e9


# --- start ---------------------------------------------------------------------------------------


def starts(rounds: int) -> dict[int, tuple[Turns, float]]:
    """Per count, in seconds: bare ranks to their exit; ours until all joined; until all beat."""
    found = {}
    for count in COUNTS:
        floor, joined, beaten = [], [], []
        with _simulated(count) as hosts:
            for _ in range(rounds):
                start = time.monotonic()
                bare(["127.0.0.1"] * count, {4: 1})
                floor.append(time.monotonic() - start)
                at = _start(hosts)
                joined.append(at["joined"])
                beaten.append(at["beat"])
        _note(f"start: {count} ranks")
        found[count] = (Turns(tuple(floor), tuple(joined)), statistics.median(beaten))
    return found


@contextmanager
def _simulated(count: int) -> Iterator[list[Host]]:
    """Run sshd on `count` loopback addresses; the client's home is theirs meanwhile."""
    home = os.environ["HOME"]
    with tempfile.TemporaryDirectory() as folder:
        folders = {f"mac{n}": Path(folder) / "hosts" / f"mac{n}" for n in range(count)}
        for each in folders.values():
            each.mkdir(parents=True)
        hello = (Command("hello", ("hello",)),)
        with SimHosts(folders, hello, folder=Path(folder) / "sim") as sim:
            os.environ["HOME"] = str(sim.home)
            try:
                yield [replace(host, python=sys.executable) for host in sim.hosts()]
            finally:
                os.environ["HOME"] = home


def _start(hosts: Sequence[Host]) -> dict[str, float]:
    """Launch until every rank has beaten, and end it: seconds to the last first event of a kind."""
    first: dict[str, dict[int, float]] = {"joined": {}, "beat": {}}

    async def run() -> None:
        stop = asyncio.Event()

        def on_event(rank: int, event: Event) -> None:
            if event["ev"] in first:
                first[event["ev"]].setdefault(rank, event["at"])
            if len(first["beat"]) == len(hosts):
                stop.set()

        planned = ring.ranks(hosts, [[h.address] for h in hosts], launch.port(len(hosts)))
        settings = Settings(sizes=(4,), iterations=10_000_000, check=False)
        plan = Plan("ring", "ring", planned, launch.nonce(), settings)
        await gang.run(plan, transport_choice(), stop=stop, on_event=on_event)

    asyncio.run(run())
    return {kind: max(ranks.values()) for kind, ranks in first.items()}


# --- page ----------------------------------------------------------------------------------------


def document(
    over: Mapping[int, Turns], wire: Link, begun: Mapping[int, tuple[Turns, float]]
) -> str:
    """Write the tables in Markdown."""
    small, large = over[4].ratio, over[16 * MIB].ratio
    targets = (
        Target("p50 at 4 B to the bare loop's", "at most 1.03", f"{small:.3f}", small <= 1.03),
        Target("p50 at 16 MiB to the bare loop's", "at most 1.03", f"{large:.3f}", large <= 1.03),
        *(
            Target(
                f"busbw at {name} to iperf3's, 1 Gbit/s", "0.95 to 1.05", f"{wire.ratio(size):.3f}",
                abs(wire.ratio(size) - 1) <= 0.05,
            )
            for size, name in LINK_SIZES.items()
        ),
    )  # fmt: skip
    runs = len(over[4].ours)
    lines = [
        f"{machine()}.",
        "",
        f"| ring, 2 ranks: median (least to most), {runs} launches | bare | mlxdiag | ratio |",
        "|:--|--:|--:|--:|",
        *(
            f"| p50 at {'4 B' if size == 4 else '16 MiB'}, us | {spread(turns.floor)}"
            f" | {spread(turns.ours)} | {turns.ratio:.3f} |"
            for size, turns in over.items()
        ),
        "",
        f"| 1 Gbit/s, GB/s one way, {len(wire.iperf)} runs | iperf3 --bidir | bare | mlxdiag"
        " | to iperf3's |",
        "|:--|--:|--:|--:|--:|",
        *(
            f"| {name} | {spread(wire.iperf)} | {spread(wire.bare[size])}"
            f" | {spread(wire.ours[size])} | {wire.ratio(size):.3f} |"
            for size, name in LINK_SIZES.items()
        ),
        "",
        "| start, s | bare ranks, to exit | ours over ssh, all joined | all have beaten |",
        "|:--|--:|--:|--:|",
        *(
            f"| {count} ranks | {spread(turns.floor)} | {spread(turns.ours)} | {beat:.3g} |"
            for count, (turns, beat) in begun.items()
        ),
        "",
        *HEAD,
        *(target.row for target in targets),
    ]
    return "\n".join(lines) + "\n"


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Measure, and print or write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.probe", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="launches of each (default 15)")
    parser.add_argument(
        "--markdown", type=Path, help="write the tables to this file, or between its marks"
    )
    asked = parser.parse_args()
    missing = [name for name in ("ip", "tc", "iperf3") if not shutil.which(name)]
    if UNAVAILABLE or missing or platform.system() != "Linux":
        why = UNAVAILABLE or ", ".join(missing) or "needs Linux"
        parser.exit(2, f"cannot measure here: {why}\n")
    few = max(2, asked.rounds // 3)
    text = document(overhead(asked.rounds), link(few), starts(few))
    if asked.markdown:
        write(asked.markdown, MARK, text)
    print(text, end="")


if __name__ == "__main__":
    main()
