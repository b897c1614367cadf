"""Write a cluster as a recording, or as the answers of simulated hosts."""

from __future__ import annotations

import importlib
import json
from itertools import accumulate
from typing import TYPE_CHECKING

from mlxdiag import __version__
from mlxdiag.capture import Outcome
from mlxdiag.survey import COMMANDS
from tests.model.outputs import ACCESS, lan_address, outputs
from tests.model.system import PYTHON

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.model.cluster import ModelCluster
    from tests.model.machine import Mac
    from tests.model.printed import Printed

FURTHER = {command.name: command for command in COMMANDS}
STARTED_AT = "2026-01-30T21:14:05Z"
DURATION_S = 3.2

ARGV: Mapping[str, tuple[str, ...]] = {
    "sw_vers": ("sw_vers",),
    "sysctl": (
        "sysctl",
        "hw.model",
        "machdep.cpu.brand_string",
        "hw.memsize",
        "kern.boottime",
    ),
    "rdma_ctl": ("rdma_ctl", "status"),
    "networksetup_hardwareports": ("networksetup", "-listallhardwareports"),
    "networksetup_serviceorder": ("networksetup", "-listnetworkserviceorder"),
    "ifconfig": ("ifconfig", "-a"),
    "system_profiler_thunderbolt": ("system_profiler", "SPThunderboltDataType", "-json"),
    "ibv_devices": ("ibv_devices",),
    "ibv_devinfo": ("ibv_devinfo", "-v"),
}


def write_recording(cluster: ModelCluster, folder: Path) -> None:
    """Write the recording layout: the run, the inventory, and a folder of bytes per host."""
    said = outputs(cluster)
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "recording.json", _run(cluster, said))
    (folder / "inventory.yaml").write_text(inventory(cluster), encoding="utf-8")
    for host, printed in said.items():
        _write_host(cluster.by_name[host], printed, folder / host)


def write_simhost(cluster: ModelCluster, folder: Path) -> None:
    """Write what stand-ins of the commands replay: streams, exit status, and who never returns."""
    for host, printed in outputs(cluster).items():
        own = folder / host
        own.mkdir(parents=True, exist_ok=True)
        for name, one in printed.items():
            if name != ACCESS:
                _write_stand_in(own, name, one)


def inventory(cluster: ModelCluster) -> str:
    """Return the inventory that was asked for: the listed hosts and the expected backend."""
    said = {"backend": cluster.backend, "topology": cluster.topology}
    expected = "".join(f"  {key}: {value}\n" for key, value in said.items() if value)
    return "".join(
        (
            f"cluster: {cluster.name}\n",
            f"defaults:\n  python: {PYTHON}\n",
            "hosts:\n",
            *(_inventory_host(cluster, mac) for mac in cluster.listed),
            f"expect:\n{expected}" if expected else "",
        )
    )


def _inventory_host(cluster: ModelCluster, mac: Mac) -> str:
    return (
        f"  - name: {mac.name}\n    address: {mac.address}\n    ip: {lan_address(cluster, mac)}\n"
    )


def _run(cluster: ModelCluster, said: Mapping[str, Mapping[str, Printed]]) -> dict[str, object]:
    return {
        "format": "mlxdiag/recording",
        "format_version": 1,
        "tool_version": __version__,
        "started_at": STARTED_AT,
        "duration_s": max(DURATION_S, *map(_ended, said.values())),
        "cluster": cluster.name,
        "ended": "complete",
    }


def _ended(printed: Mapping[str, Printed]) -> float:
    """Return when the last command of a host ended, in seconds from the start of the run."""
    starts = _starts(printed)
    return round(max(starts[name] + one.seconds for name, one in printed.items()), 3)


def _write_host(mac: Mac, printed: Mapping[str, Printed], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    starts = _starts(printed)
    manifest = {name: _entry(mac, name, one, starts[name]) for name, one in printed.items()}
    _write_json(folder / "manifest.json", manifest)
    for name, one in printed.items():
        _write_streams(folder, name, one)


def _starts(printed: Mapping[str, Printed]) -> dict[str, float]:
    """Return when each command started: one after another, as they stand."""
    ends = accumulate(one.seconds for one in printed.values())
    return {
        name: round(end - one.seconds, 3)
        for end, (name, one) in zip(ends, printed.items(), strict=True)
    }


def _entry(mac: Mac, name: str, printed: Printed, started_s: float) -> dict[str, object]:
    return {
        "argv": list(argv(mac, name)),
        "outcome": Outcome(printed.outcome).value,
        "exit_status": printed.exit_status,
        "signal": None,
        "detail": printed.detail,
        "started_s": started_s,
        "seconds": printed.seconds,
    }


def argv(mac: Mac, name: str) -> tuple[str, ...]:
    """Return what was run; for the access it is the way taken."""
    if name == ACCESS:
        return ("ssh", mac.address)
    if name in FURTHER:
        return FURTHER[name].argv
    return ARGV[name] if name in ARGV else _mlx_runtime_argv()


def _mlx_runtime_argv() -> tuple[str, ...]:
    """Return the argv of the MLX question, which only the package itself knows."""
    try:
        module = importlib.import_module("mlxdiag.facts.mlx_runtime")
    except ModuleNotFoundError:
        return (PYTHON, "-c", "")
    return tuple(PYTHON if part == "{python}" else part for part in module.COMMAND.argv)


def _write_streams(folder: Path, name: str, printed: Printed) -> None:
    if printed.stdout or printed.outcome == Outcome.EXITED:
        (folder / f"{name}.out").write_bytes(printed.stdout)
    if printed.stderr:
        (folder / f"{name}.err").write_bytes(printed.stderr)


def _write_stand_in(folder: Path, name: str, printed: Printed) -> None:
    (folder / f"{name}.out").write_bytes(printed.stdout)
    (folder / f"{name}.err").write_bytes(printed.stderr)
    (folder / f"{name}.status").write_text(f"{printed.exit_status or 0}\n", encoding="ascii")
    if printed.outcome == Outcome.TIMEOUT:
        (folder / f"{name}.hang").write_bytes(b"")


def _write_json(path: Path, document: Mapping[str, object]) -> None:
    spelled = json.dumps(document, indent=2, sort_keys=True)
    path.write_text(f"{spelled}\n", encoding="utf-8")
