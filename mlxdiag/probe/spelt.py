"""Spelt: a plan in words, for who wants to see it before it runs, and as MLX's hostfile. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator

from mlxdiag.hostfile import Hostfile, HostfileEntry
from mlxdiag.inventory import Host
from mlxdiag.probe.plan import Plan, RankPlan

HERE = "127.0.0.1"
"""What mlx.launch takes for the machine it runs on (mlx/_distributed_utils/launch.py)."""


def spelt(plan: Plan, line_of: Callable[[Host], str]) -> str:
    """Say what each rank is: where, who, what runs there; `line_of` gives a host's command line."""
    return "\n".join(_lines(plan, line_of)) + "\n"


def _lines(plan: Plan, line_of: Callable[[Host], str]) -> Iterator[str]:
    chosen = plan.settings
    named = f" (init calls it {plan.mlx_backend})" if plan.mlx_backend != plan.backend else ""
    yield f"backend {plan.backend}, {len(plan.ranks)} ranks{named}"
    yield from (f"note: {note}" for note in plan.notes)
    for rank in plan.ranks:
        yield from _rank(rank)
        if rank.rank == 0 or not plan.launcher:
            yield f"  command: {line_of(rank.host)}"
    for major, words in plan.launcher.items():
        yield f"rank 0's host then runs, where Open MPI is version {major}:"
        yield f"  {shlex.join(['mpirun', *words])}"
    way = "through mpirun's environment" if plan.launcher else "over stdin"
    yield f"to every rank: kernel and job {way}; MLX_* and JACCL_* of its login are taken away"
    left_out = {"ready": not plan.gated, "soak": not chosen.soak_s, "pairs": not plan.rounds}
    due = [f"{name} {s:g}" for name, s in plan.deadlines_s.items() if not left_out.get(name)]
    deadlines = ", ".join(due)
    yield f"deadlines (s): {deadlines}; without a word for {plan.lease_s:g} s a rank is ended"
    checked = "every element is checked first" if chosen.check else "nothing is checked"
    yield f"{chosen.op} of {chosen.dtype}, {chosen.warmup} untimed per size; {checked}"
    if plan.rounds:
        pairs = "; ".join(", ".join(f"{a}-{b}" for a, b in some) for some in plan.rounds)
        yield f"then pairs of ranks, round by round: {pairs}; of {_listed(plan.pair_sizes)} bytes"
    if chosen.soak_s:
        yield f"soak: {chosen.soak_s:g} s"
    sizes = ", ".join(f"{size} x {chosen.iterations_of(size)}" for size in chosen.sizes)
    yield f"sizes (bytes x how often): {sizes}"


def _listed(sizes: tuple[int, ...]) -> str:
    return ", ".join(map(str, sizes))


def _rank(rank: RankPlan) -> Iterator[str]:
    host = rank.host
    way = {
        "user": host.user,
        "port": host.port,
        "key": host.identity_file,
    }
    said = "".join(f", {what} {value}" for what, value in way.items() if value is not None)
    here = host.connection == "local"
    yield f"rank {rank.rank}: {host.name}"
    yield f"  address: {host.address} ({'this machine' if here else f'ssh{said}'})"
    yield f"  python: {host.python or 'python3'}"
    if rank.env:
        yield f"  environment: {' '.join(f'{name}={value}' for name, value in rank.env.items())}"
    yield from (f"  {name} (a file): {text}" for name, text in rank.files.items())


def hostfile(plan: Plan) -> Hostfile:
    """Write the plan as mlx.launch takes it: what it is told of addresses and devices is the same.

    Ports, connections per address, interpreters, and port and key of ssh have no place in it.
    """
    entries = (
        HostfileEntry(_destination(rank.host), _addresses(rank), _devices(rank))
        for rank in plan.ranks
    )
    name = plan.backend
    for backend in ("ring", "jaccl", "jaccl-ring", "mpi"):
        if backend == name:
            return Hostfile(backend, (), tuple(entries))
    raise AssertionError(name)


def launch_line(plan: Plan, path: str) -> str:
    """Give the words that launch a script over the hostfile as the plan would.

    mlx.launch quotes the interpreter, so one below `~` and several of them cannot be said.
    """
    words = ["mlx.launch", "--hostfile", path]
    pythons = {rank.host.python for rank in plan.ranks}
    named = [python for python in pythons if python and not python.startswith("~")]
    if len(pythons) == len(named) == 1:
        words += ["--python", *named]
    if plan.settings.connections > 1 and plan.backend == "ring":
        words += ["--connections-per-ip", str(plan.settings.connections)]
    return shlex.join([*words, "SCRIPT"])


def _destination(host: Host) -> str:
    if host.connection == "local":
        return HERE
    return f"{host.user}@{host.address}" if host.user else host.address


def _addresses(rank: RankPlan) -> tuple[str, ...]:
    """List where a rank is reached: its ring's addresses, or the one that jaccl meets at."""
    if "MLX_HOSTFILE" in rank.files:
        places = json.loads(rank.files["MLX_HOSTFILE"])[rank.rank]
    elif rank.rank == 0 and "MLX_JACCL_COORDINATOR" in rank.env:
        places = [rank.env["MLX_JACCL_COORDINATOR"]]
    else:
        return (rank.host.ip,) if rank.host.ip else ()
    return tuple(dict.fromkeys(place.rpartition(":")[0] for place in places))


def _devices(rank: RankPlan) -> tuple[str | tuple[str, ...] | None, ...]:
    if "MLX_IBV_DEVICES" not in rank.files:
        return ()
    row = json.loads(rank.files["MLX_IBV_DEVICES"])[rank.rank]
    return tuple(tuple(entry) if isinstance(entry, list) else entry for entry in row)
