"""Fit: has every host what a rank takes: a Python, in it the same mlx, with the backend? Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from mlxdiag.backends.backend import Backend, Site
from mlxdiag.capture import Outcome
from mlxdiag.cluster import Cluster
from mlxdiag.facts.mlx_runtime import OLDEST, MlxRuntime
from mlxdiag.facts.sw_vers import SwVers
from mlxdiag.hostlist import fold
from mlxdiag.inventory import Host
from mlxdiag.probe.plan import Refusal
from mlxdiag.readings import Gap, HostFacts, known, need

JACCL_MACOS = (26, 2)
"""The first macOS that has RDMA over Thunderbolt, and so the first where mlx has jaccl."""

NAME_IT = "name the one that has mlx as `python:` in the inventory"


def settled(cluster: Cluster) -> Cluster:
    """Give every host the interpreter that was found on it, where the inventory names none."""
    facts = tuple(replace(each, host=_settled(each)) for each in cluster.facts)
    inventory = replace(cluster.inventory, hosts=tuple(each.host for each in facts))
    return replace(cluster, facts=facts, inventory=inventory)


def _settled(facts: HostFacts) -> Host:
    runtime = known(facts.mlx_runtime)
    found = runtime.executable if runtime and facts.host.python is None else ""
    return replace(facts.host, python=found) if found else facts.host


def unfit(backend: Backend, site: Site, order: Sequence[str]) -> Refusal | None:
    """Say what the hosts lack for a backend, and what to type; None if it is nothing.

    A host that did not answer makes it unknown, not impossible.
    """
    hosts = [site.cluster.of(name) for name in order]
    lacks = {facts.host.name: _lacks(backend, facts) for facts in hosts}
    if any(lacks.values()):
        facts = [each.mlx_runtime for each in hosts if lacks[each.host.name]]
        not_known = all(isinstance(fact, Gap) and _open(fact) for fact in facts)
        against = _grouped(order, lacks.__getitem__)
        return Refusal(backend.name, against, None if not_known else False)
    versions = {facts.host.name: str(need(facts.mlx_runtime).mlx) for facts in hosts}
    if len(set(versions.values())) > 1:
        newest = max(versions.values(), key=_numbers)
        listing = _grouped(order, versions.__getitem__)
        what = f"different mlx versions: {listing}; install one: `pip install mlx=={newest}`"
        return Refusal(backend.name, what)
    return None


def notes(site: Site, order: Sequence[str]) -> tuple[str, ...]:
    """Say which interpreters were found, and why those, and whether their versions differ."""
    runtimes = {name: known(site.cluster.of(name).mlx_runtime) for name in order}
    chosen = {n: str(r.chosen) if r and r.chosen else "" for n, r in runtimes.items()}
    minors = {n: _minor(r) if r else "" for n, r in runtimes.items()}
    found = _grouped(order, chosen.__getitem__)
    said = [f"python: {found}"] if found else []
    if len(set(minors.values())) > 1:
        said.append(f"different Pythons: {_grouped(order, minors.__getitem__)}")
    return tuple(said)


def _lacks(backend: Backend, facts: HostFacts) -> str:
    """Say what one host lacks; empty if nothing."""
    runtime = facts.mlx_runtime
    if isinstance(runtime, Gap):
        if _open(runtime):
            return f"not known whether it has mlx: {runtime.reason}"
        asked = facts.host.python or "python3"
        detail = f": {runtime.reason.partition(': ')[2]}" if ": " in runtime.reason else ""
        return f"no Python at {asked}{detail}; {NAME_IT}"
    if runtime.error is not None or runtime.mlx is None:
        return _without_mlx(runtime)
    if runtime.too_old:
        where = f"{runtime.executable} is Python {runtime.python}"
        return f"{where}, a rank needs {OLDEST[0]}.{OLDEST[1]} or later; {NAME_IT}"
    if backend.mlx_name not in runtime.backends:
        return _without_backend(backend, runtime, known(facts.sw_vers))
    return ""


def _open(gap: Gap) -> bool:
    """Whether another attempt may get an answer: all but an interpreter that is not there."""
    return gap.outcome is not Outcome.MISSING


def _without_mlx(runtime: MlxRuntime) -> str:
    why = f" ({runtime.error})" if runtime.error else ""
    looked = "".join(f"; {each}" for each in runtime.looked)
    install = f"`{runtime.executable} -m pip install mlx`"
    return f"no mlx in {runtime.executable}{why}{looked}; {install}, or {NAME_IT}"


def _without_backend(backend: Backend, runtime: MlxRuntime, macos: SwVers | None) -> str:
    wheel = f", wheel {', '.join(runtime.tags)}" if runtime.tags else ""
    if backend.mlx_name == "jaccl" and macos and _numbers(macos.version) < JACCL_MACOS:
        oldest = ".".join(map(str, JACCL_MACOS))
        return f"mlx {runtime.mlx} has no jaccl: macOS is {macos.version}, it needs {oldest}"
    fix = {
        "jaccl": f"; `{runtime.executable} -m pip install --force-reinstall --no-cache-dir mlx"
        " mlx-metal` with a Python and pip recent enough to choose the macosx_26_0 wheel",
        "mpi": "; install Open MPI: `brew install open-mpi`, `apt-get install libopenmpi-dev`",
    }.get(backend.mlx_name, "")
    return f"mlx {runtime.mlx} has no {backend.mlx_name} ({runtime.executable}{wheel}){fix}"


def _minor(runtime: MlxRuntime) -> str:
    return ".".join(map(str, _numbers(runtime.python)[:2]))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


def _grouped(order: Iterable[str], text_of: Callable[[str], str]) -> str:
    """List hosts by what is said of them: `a[1-3]: 0.32.4; a4: 0.31.1`."""
    groups: dict[str, list[str]] = {}
    for name in order:
        if text := text_of(name):
            groups.setdefault(text, []).append(name)
    return "; ".join(f"{fold(names)}: {text}" for text, names in groups.items())
