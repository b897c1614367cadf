"""Who may import whom: one table, held against the source. docs/architecture.md has it in words."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mlxdiag"

FACTS = {
    f"facts.{command}"
    for command in (
        "ibv_devices",
        "ibv_devinfo",
        "ifconfig",
        "mlx_runtime",
        "networksetup_hardwareports",
        "networksetup_serviceorder",
        "rdma_ctl",
        "sw_vers",
        "sysctl",
        "system_profiler_thunderbolt",
    )
}
PARSER = {"capture", "errors"}

MAY_IMPORT: dict[str, set[str]] = {
    "mlxdiag": set(),
    "__main__": {"cli"},
    "advice": {
        "checks.versions",
        "cluster",
        "finding",
        "ladder",
        "measured",
        "readings",
        "recommend",
        "subset",
        "unlock",
    },
    "alarm": set(),
    "backends": {
        "backends.backend",
        "backends.jaccl",
        "backends.jaccl_ring",
        "backends.mpi",
        "backends.ring",
    },
    "backends.backend": {
        "cluster",
        "inventory",
        "ladder",
        "ports",
        "probe.plan",
        "probe.said",
        "readings",
        "recommend",
        "topology",
    },
    "backends.jaccl": {
        "backends.backend",
        "backends.jaccl_words",
        "inventory",
        "probe.plan",
        "readings",
        "recommend",
        "topology",
    },
    "backends.jaccl_ring": {
        "backends.backend",
        "backends.jaccl",
        "backends.jaccl_words",
        "inventory",
        "probe.plan",
    },
    "backends.jaccl_words": {"backends.backend"},
    "backends.mpi": {
        "backends.backend",
        "inventory",
        "probe.plan",
        "probe.said",
        "readings",
        "transport.shell",
    },
    "backends.ring": {"backends.backend", "inventory", "probe.plan", "readings", "topology"},
    "capture": set(),
    "catalogue": {
        "checks",
        "checks.gate",
        "checks.hostfile",
        "checks.probes",
        "finding",
        "recommend",
    },
    "checks": {
        "checks.access",
        "checks.cabling",
        "checks.gid",
        "checks.hardware",
        "checks.network",
        "checks.rdma",
        "checks.subject",
        "checks.versions",
        "cluster",
        "errors",
        "finding",
        "readings",
        "topology",
    },
    "checks.access": {
        "capture",
        "cluster",
        "facts.mlx_runtime",
        "facts.rdma_ctl",
        "finding",
        "readings",
    },
    "checks.address": {"checks.subject", "cluster", "readings"},
    "checks.cabling": {
        "checks.subject",
        "cluster",
        "errors",
        "finding",
        "ports",
        "readings",
        "topology",
    },
    "checks.gid": {"checks.address", "checks.subject", "cluster", "finding", "readings"},
    "checks.gate": {"finding", "readings"},
    "checks.hardware": {"checks.subject", "cluster", "errors", "finding", "ports", "readings"},
    "checks.network": {
        "checks.address",
        "checks.subject",
        "cluster",
        "finding",
        "ports",
        "readings",
        "topology",
    },
    "checks.entries": {"cluster", "facts.ifconfig", "hostfile", "readings"},
    "checks.hostfile": {
        "checks.entries",
        "cluster",
        "errors",
        "finding",
        "hostfile",
        "ports",
        "readings",
        "topology",
    },
    "checks.probes": {
        "checks.speed",
        "finding",
        "inventory",
        "probe.judge",
        "probe.matrix",
        "probe.plan",
    },
    "checks.rdma": {
        "capture",
        "checks.subject",
        "cluster",
        "errors",
        "finding",
        "ports",
        "readings",
    },
    "checks.speed": {
        "finding",
        "inventory",
        "probe.judge",
        "probe.summary",
        "probe.surroundings",
        "probe.thresholds",
    },
    "checks.subject": {"cluster", "finding", "inventory", "ports", "topology"},
    "checks.versions": {"capture", "checks.subject", "cluster", "errors", "finding", "readings"},
    "cli": {
        "cli.demo",
        "cli.hostfile",
        "cli.options",
        "cli.ports",
        "cli.preflight",
        "cli.probe",
        "cli.recommend",
        "cli.schema",
        "cli.stdout",
        "errors",
        "mlxdiag",
        "render.nagios",
        "render.style",
    },
    "cli.demo": {"cli.options", "cli.stages", "recording"},
    "cli.hostfile": {
        "checks.access",
        "checks.hostfile",
        "cli.options",
        "cli.stages",
        "cli.stdout",
        "files",
        "finding",
        "hostcheck",
        "hostfile",
        "hostwrite",
        "inventory",
        "mlxdiag",
        "probe.spelt",
        "readings",
    },
    "cli.options": set(),
    "cli.ports": {"cli.options", "cli.stages", "readings"},
    "cli.preflight": {
        "catalogue",
        "cli.options",
        "cli.stages",
        "inventory",
        "preflight.asked",
        "preflight.baseline",
        "preflight.command",
        "preflight.handover",
        "preflight.status",
        "probe.command",
        "recording",
        "render",
        "render.style",
        "report",
    },
    "cli.probe": {
        "cli.options",
        "cli.stages",
        "cli.stdout",
        "files",
        "probe.command",
        "recording",
    },
    "cli.recommend": {"cli.options", "cli.stages", "finding", "readings"},
    "cli.schema": {"cli.stdout"},
    "cli.stages": {
        "advice",
        "capture",
        "checks",
        "cli.options",
        "cli.stdout",
        "errors",
        "fanout",
        "files",
        "finding",
        "inventory",
        "live",
        "measured",
        "mlxdiag",
        "probe.command",
        "progress",
        "readings",
        "recommend",
        "recording",
        "render",
        "render.json",
        "render.short",
        "render.style",
        "report",
    },
    "cli.stdout": {"errors"},
    "cluster": {"capture", "inventory", "ports", "readings", "topology"},
    "ending": {"recording"},
    "errors": set(),
    "facts": {"capture"} | FACTS,
    "facts.ibv_devices": PARSER,
    "facts.ibv_devinfo": PARSER,
    "facts.ifconfig": PARSER,
    "facts.mlx_runtime": PARSER,
    "facts.networksetup_hardwareports": PARSER,
    "facts.networksetup_serviceorder": PARSER,
    "facts.rdma_ctl": PARSER,
    "facts.sw_vers": PARSER,
    "facts.sysctl": PARSER,
    "facts.system_profiler_thunderbolt": PARSER,
    "fanout": {
        "capture",
        "inventory",
        "transport",
        "transport.local",
        "transport.shell",
        "transport.ssh",
    },
    "files": {"errors"},
    "finding": {"ports", "topology"},
    "hostcheck": {
        "checks.entries",
        "checks.hostfile",
        "finding",
        "hostedit",
        "hostfile",
        "hostwrite",
        "inventory",
        "readings",
        "recording",
        "report",
    },
    "hostedit": {"errors", "hostfile"},
    "hostfile": {"errors"},
    "hostlist": {"errors"},
    "hostwrite": {
        "backends",
        "backends.backend",
        "checks.entries",
        "checks.hostfile",
        "finding",
        "hostfile",
        "probe.choose",
        "probe.fit",
        "probe.plan",
        "probe.spelt",
        "report",
    },
    "inventory": {"errors", "hostfile", "hostlist", "quantity"},
    "ladder": {"checks.network", "finding", "ports", "readings", "topology"},
    "live": {
        "capture",
        "ending",
        "facts",
        "fanout",
        "inventory",
        "mlxdiag",
        "recording",
    },
    "measured": {"errors"},
    "ports": {
        "facts.ibv_devinfo",
        "facts.ifconfig",
        "facts.system_profiler_thunderbolt",
        "readings",
    },
    "preflight": set(),
    "preflight.asked": {"errors", "finding", "inventory", "recording"},
    "preflight.baseline": {"errors"},
    "preflight.candidates": {
        "backends",
        "backends.backend",
        "checks",
        "cluster",
        "finding",
        "ladder",
        "preflight.asked",
        "probe.choose",
        "probe.fit",
        "probe.judge",
        "probe.neighbours",
        "probe.plan",
        "readings",
        "recommend",
        "recording",
    },
    "preflight.command": {
        "backends",
        "ending",
        "facts",
        "fanout",
        "inventory",
        "live",
        "preflight.asked",
        "preflight.candidates",
        "preflight.listeners",
        "preflight.status",
        "probe.command",
        "probe.judge",
        "probe.neighbours",
        "probe.pairwise",
        "probe.plan",
        "probe.said",
        "progress",
        "recording",
        "report",
    },
    "preflight.handover": {"errors", "files", "hostfile", "preflight.judge", "probe.spelt"},
    "preflight.judge": {
        "checks",
        "checks.gate",
        "checks.probes",
        "checks.speed",
        "finding",
        "inventory",
        "preflight.asked",
        "preflight.candidates",
        "preflight.listeners",
        "preflight.stages",
        "probe.judge",
        "probe.matrix",
        "probe.plan",
    },
    "preflight.listeners": {"capture", "errors", "readings"},
    "preflight.stages": {"finding"},
    "preflight.status": {
        "ending",
        "recording",
        "render.short",
        "render.sizes",
        "render.style",
        "report",
    },
    "probe": set(),
    "probe.attempts": {"cluster", "inventory", "probe.plan", "readings"},
    "probe.choose": {
        "backends.backend",
        "inventory",
        "probe.fit",
        "probe.plan",
    },
    "probe.command": {
        "backends",
        "backends.backend",
        "checks",
        "cluster",
        "errors",
        "hostfile",
        "inventory",
        "ladder",
        "live",
        "probe.attempts",
        "probe.choose",
        "probe.fit",
        "probe.gang",
        "probe.judge",
        "probe.launch",
        "probe.matrix",
        "probe.neighbours",
        "probe.pairwise",
        "probe.plan",
        "probe.said",
        "probe.spelt",
        "probe.watch",
        "progress",
        "recommend",
        "recording",
    },
    "probe.fit": {
        "backends.backend",
        "capture",
        "cluster",
        "facts.mlx_runtime",
        "facts.sw_vers",
        "hostlist",
        "inventory",
        "probe.plan",
        "readings",
    },
    "probe.errnos": set(),
    "probe.gang": {
        "inventory",
        "probe.plan",
        "probe.said",
        "probe.untangle",
        "transport.shell",
        "transport.talk",
    },
    "probe.judge": {
        "backends",
        "backends.backend",
        "probe.errnos",
        "probe.linkrate",
        "probe.plan",
        "probe.said",
        "probe.surroundings",
    },
    "probe.kernel": set(),
    "probe.launch": {
        "ending",
        "fanout",
        "inventory",
        "mlxdiag",
        "probe.gang",
        "probe.plan",
        "probe.said",
        "recording",
    },
    "probe.matrix": {"probe.judge", "probe.plan"},
    "probe.neighbours": {"capture", "inventory", "live", "recording"},
    "probe.pairs": set(),
    "probe.pairwise": {
        "backends.backend",
        "finding",
        "inventory",
        "ladder",
        "probe.choose",
        "probe.pairs",
        "probe.plan",
    },
    "probe.plan": {"inventory"},
    "probe.record": {
        "errors",
        "inventory",
        "probe.plan",
        "probe.said",
    },
    "probe.linkrate": set(),
    "probe.said": set(),
    "probe.spelt": {"hostfile", "inventory", "probe.plan"},
    "probe.summary": {"probe.judge", "probe.surroundings"},
    "probe.surroundings": {"probe.plan", "probe.said"},
    "probe.thresholds": {"quantity"},
    "probe.watch": {"probe.plan", "probe.said", "render.sizes"},
    "probe.untangle": set(),
    "progress": {"fanout", "live"},
    "quantity": set(),
    "readings": {"capture", "errors", "inventory"} | FACTS,
    "recommend": {"cluster", "finding", "ladder", "measured", "readings", "topology"},
    "recording": {
        "capture",
        "errors",
        "inventory",
        "preflight.asked",
        "probe.plan",
        "probe.record",
        "probe.said",
    },
    "render": {
        "render.dot",
        "render.github",
        "render.html",
        "render.json",
        "render.junit",
        "render.markdown",
        "render.nagios",
        "render.prometheus",
        "render.short",
        "render.style",
        "render.table",
        "report",
    },
    "render.advised": {"advice", "hostlist", "report", "unlock"},
    "render.backends": {
        "recommend",
        "render.layout",
        "render.rows",
        "render.style",
        "report",
    },
    "render.cells": {"finding", "ladder", "ports", "readings", "report"},
    "render.curve": {"render.sizes", "render.style"},
    "render.curves": {
        "probe.judge",
        "render.sizes",
    },
    "render.dot": {
        "ladder",
        "readings",
        "render.cells",
        "render.rows",
        "render.short",
        "render.style",
        "render.verdicts",
        "report",
    },
    "render.drawing": {
        "ports",
        "readings",
        "render.cells",
        "render.rows",
        "render.verdicts",
        "report",
    },
    "render.fold": {"finding", "hostlist", "report"},
    "render.github": {
        "finding",
        "render.fold",
        "render.short",
        "render.style",
        "report",
    },
    "render.html": {
        "finding",
        "render.advised",
        "render.cells",
        "render.curves",
        "render.drawing",
        "render.fold",
        "render.json",
        "render.launches",
        "render.measured",
        "render.raw",
        "render.rows",
        "render.short",
        "render.sizes",
        "render.staged",
        "render.style",
        "render.verdicts",
        "report",
    },
    "render.json": {
        "advice",
        "finding",
        "ladder",
        "measured",
        "ports",
        "preflight.baseline",
        "probe.judge",
        "probe.matrix",
        "readings",
        "recommend",
        "render.style",
        "report",
        "topology",
        "unlock",
    },
    "render.preflight": {
        "preflight.judge",
        "render.json",
        "render.layout",
        "render.staged",
        "render.style",
        "report",
    },
    "render.junit": {
        "finding",
        "render.style",
        "report",
    },
    "render.launches": {
        "checks.probes",
        "finding",
        "probe.judge",
        "probe.linkrate",
        "probe.summary",
        "render.sizes",
        "report",
    },
    "render.markdown": {
        "finding",
        "preflight.judge",
        "render.advised",
        "render.cells",
        "render.fold",
        "render.json",
        "render.launches",
        "render.measured",
        "render.rows",
        "render.short",
        "render.sizes",
        "render.staged",
        "render.style",
        "render.verdicts",
        "report",
    },
    "render.measured": {
        "probe.matrix",
        "report",
    },
    "render.nagios": {
        "render.short",
        "render.style",
        "report",
    },
    "render.layout": set(),
    "render.pairs": {"probe.matrix", "render.sizes", "render.style"},
    "render.probes": {
        "checks.speed",
        "finding",
        "render.curve",
        "render.launches",
        "render.style",
        "report",
    },
    "render.prometheus": {
        "finding",
        "probe.judge",
        "render.measured",
        "render.style",
        "report",
    },
    "render.raw": {
        "capture",
        "finding",
        "probe.judge",
        "report",
    },
    "render.rows": {
        "ports",
        "readings",
        "recommend",
        "report",
    },
    "render.recommend": {
        "render.advised",
        "render.backends",
        "render.layout",
        "render.style",
        "report",
    },
    "render.short": {
        "capture",
        "finding",
        "hostlist",
        "preflight.judge",
        "probe.judge",
        "render.fold",
        "render.style",
        "report",
    },
    "render.sizes": set(),
    "render.staged": {"preflight.stages"},
    "render.style": set(),
    "render.table": {
        "finding",
        "hostlist",
        "ladder",
        "readings",
        "render.backends",
        "render.cells",
        "render.fold",
        "render.layout",
        "render.pairs",
        "render.preflight",
        "render.probes",
        "render.rows",
        "render.recommend",
        "render.short",
        "render.style",
        "report",
    },
    "render.verdicts": {
        "ladder",
        "ports",
        "render.cells",
    },
    "report": {
        "advice",
        "checks",
        "checks.probes",
        "cluster",
        "finding",
        "ladder",
        "measured",
        "preflight.asked",
        "preflight.candidates",
        "preflight.judge",
        "probe.judge",
        "probe.matrix",
        "readings",
        "recommend",
        "recording",
    },
    "ringsearch": {"alarm"},
    "subset": {"alarm"},
    "topology": {"ports", "readings", "ringsearch"},
    "transport": {"capture", "inventory"},
    "transport.collection": {"capture", "transport.shell", "transport.stream"},
    "transport.local": {
        "capture",
        "inventory",
        "transport.collection",
        "transport.shell",
        "transport.talk",
    },
    "transport.pythons": set(),
    "transport.shell": {"capture", "transport.pythons"},
    "transport.ssh": {
        "capture",
        "inventory",
        "transport.collection",
        "transport.shell",
        "transport.talk",
    },
    "transport.stream": set(),
    "transport.talk": {"capture", "inventory"},
    "unlock": {
        "checks.subject",
        "cluster",
        "finding",
        "ladder",
        "ports",
        "recommend",
        "wiring",
    },
    "wiring": set(),
}
"""Module -> modules of ours that it may import, at its top, for types or in a function."""

FENCES: dict[str, set[str]] = {
    # what is installed with us
    "asyncssh": {"transport.ssh"},
    "igraph": {"render.drawing", "ringsearch", "subset"},
    "jinja2": {"render.html"},
    "mlx": {"probe.kernel"},
    "plotext": {"render.curve"},
    "rich": {
        "probe.watch",
        "progress",
        "render.backends",
        "render.layout",
        "render.pairs",
        "render.preflight",
        "render.probes",
        "render.recommend",
        "render.table",
    },
    "typer": {"cli"},
    "yaml": {"inventory"},
    # the world: a replay must not depend on it
    "asyncio": {
        "ending",
        "fanout",
        "live",
        "preflight.status",
        "probe.gang",
        "probe.launch",
        "transport.collection",
        "transport.local",
        "transport.ssh",
    },
    "ctypes": {"probe.kernel"},
    "datetime": {"live", "probe.launch", "render.prometheus"},
    "os": {"cli", "files", "preflight.handover", "probe.attempts", "probe.kernel"},
    "pathlib": {
        "cli",
        "files",
        "inventory",
        "preflight.handover",
        "probe.attempts",
        "probe.gang",
        "recording",
        "transport.ssh",
    },
    "platform": {"probe.kernel"},
    "resource": {"probe.kernel"},
    "secrets": {"probe.attempts", "probe.launch", "transport.shell"},
    "select": {"probe.kernel"},
    "shutil": {"cli", "preflight.status", "probe.kernel"},
    "signal": {"alarm", "ending", "preflight.handover", "probe.kernel"},
    "socket": {"transport.ssh"},
    "subprocess": {"probe.kernel"},
    "sys": {
        "cli",
        "preflight.handover",
        "preflight.status",
        "probe.command",
        "probe.kernel",
        "probe.watch",
        "progress",
    },
    "tempfile": {"preflight.handover", "transport.ssh"},
    "threading": {"alarm", "cli", "probe.kernel"},
    "time": {"fanout", "live", "preflight.command", "probe.kernel", "probe.launch", "probe.watch"},
}
"""Package -> modules that may import it. Of the standard library, what is not here is free."""

CLOSED = {
    "concurrent", "fileinput", "getpass", "glob", "http", "importlib", "locale",
    "multiprocessing", "pty", "pwd", "random", "runpy", "selectors", "socketserver",
    "urllib", "uuid",
}  # fmt: skip
"""Packages that no module may import."""

BUILTINS = {"__import__", "breakpoint", "compile", "eval", "exec", "input", "open", "print"}
"""Built-in doors to the world; files are opened through pathlib, stdout is written by cli."""


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "mlxdiag"


FILES = {_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def _nodes(module: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))))


def _imported(module: str) -> Iterator[str]:
    """Give the full name of all that is imported anywhere in a module; "." means relative."""
    for node in _nodes(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _ours(module: str) -> set[str]:
    found = (n for n in _imported(module) if n.partition(".")[0] == "mlxdiag")
    return {_module(name.partition(".")[2]) for name in found}


def _module(name: str) -> str:
    """Give the module that a dotted name is in: `facts.sysctl.COMMAND` -> `facts.sysctl`."""
    while name and name not in FILES:
        name = name.rpartition(".")[0]
    return name or "mlxdiag"


def _door(module: str) -> str:
    """Give the name that the fences know a module by: all of the command line is one door."""
    return "cli" if module.startswith("cli.") else module


def _theirs(module: str) -> set[str]:
    return {n.partition(".")[0] for n in _imported(module)} - {"__future__", "mlxdiag"}


def test_the_table_names_every_module() -> None:
    assert sorted(MAY_IMPORT) == sorted(FILES)


@pytest.mark.parametrize("module", sorted(FILES))
def test_imports_are_permitted(module: str) -> None:
    assert _ours(module) - MAY_IMPORT[module] == set()


@pytest.mark.parametrize("module", sorted(FILES))
def test_no_permission_is_unused(module: str) -> None:
    assert MAY_IMPORT[module] - _ours(module) == set()


def test_the_kernel_is_one_file_that_needs_nobody_and_that_nobody_imports() -> None:
    assert MAY_IMPORT["probe.kernel"] == set()
    assert not [module for module, others in MAY_IMPORT.items() if "probe.kernel" in others]
    assert _theirs("probe.kernel") - sys.stdlib_module_names == {"mlx"}


def test_nobody_imports_the_command_line() -> None:
    outside = {m: others for m, others in MAY_IMPORT.items() if _door(m) != "cli"}
    assert {m for m, others in outside.items() if "cli" in set(map(_door, others))} == {"__main__"}


@pytest.mark.parametrize("module", sorted(FILES))
def test_packages_are_fenced(module: str) -> None:
    door = _door(module)
    fenced = CLOSED | {package for package, modules in FENCES.items() if door not in modules}
    assert _theirs(module) & fenced == set()
    assert _theirs(module) - set(FENCES) <= sys.stdlib_module_names


@pytest.mark.parametrize("package", sorted(FENCES))
def test_no_gate_is_unused(package: str) -> None:
    assert {_door(module) for module in FILES if package in _theirs(module)} == FENCES[package]


@pytest.mark.parametrize("module", sorted(FILES))
def test_no_built_in_door(module: str) -> None:
    called = {n.func for n in _nodes(module) if isinstance(n, ast.Call)}
    assert {f.id for f in called if isinstance(f, ast.Name)} & BUILTINS == set()


def test_imports_are_absolute() -> None:
    assert not [m for m in FILES for name in _imported(m) if name.startswith(".")]


def test_every_dependency_is_fenced() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]}  # type: ignore[index]
    assert {{"pyyaml": "yaml"}.get(name, name) for name in named} <= set(FENCES)


def test_the_page_names_every_module() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    modules = {m for m in FILES if not m.startswith("facts.") and m not in ("mlxdiag", "__main__")}
    files = {_file(module) for module in modules} | {"facts/<command>.py"}
    assert {name for name in files if f"`{name}`" not in page} == set()


def _file(module: str) -> str:
    """Give the path inside the package as the page writes it; a package is its folder."""
    path = FILES[module].relative_to(PACKAGE).as_posix()
    return path.removesuffix("__init__.py")
