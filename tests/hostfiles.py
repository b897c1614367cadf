"""Hostfiles for modelled clusters, ways to spoil them, and what the installed MLX makes of one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from mlxdiag import hostcheck, hostfile, hostwrite
from mlxdiag.backends import BACKENDS
from mlxdiag.checks import hostfile as checks
from mlxdiag.finding import Finding, Status
from mlxdiag.hostfile import Hostfile, HostfileEntry, Wires
from mlxdiag.recording import Recording
from mlxdiag.report import Report
from tests.checks.recorded import built, recorded, reported

NO_MLX = "" if find_spec("mlx") is not None else "mlx is not installed"
Test = TypeVar("Test", bound=Callable[..., object])


def needs_mlx(test: Test) -> Test:
    """Skip a test without the installed MLX; its launcher leaves the file open that it reads."""
    marked = pytest.mark.skipif(bool(NO_MLX), reason=NO_MLX)(test)
    return cast("Test", pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")(marked))


Change = Callable[[Hostfile], Hostfile]


@cache
def told(case: str, backend: str) -> Hostfile:
    """Write the file of a case; it must be possible."""
    made = hostwrite.write(reported(case), backend)
    assert isinstance(made, hostwrite.Written), made
    return made.hostfile


def at(rank: int, **changes: Any) -> Change:  # noqa: ANN401
    """Change one entry."""

    def change(made: Hostfile) -> Hostfile:
        hosts = [replace(h, **changes) if i == rank else h for i, h in enumerate(made.hosts)]
        return replace(made, hosts=tuple(hosts))

    return change


def cell(one: int, other: int, wires: Wires) -> Change:
    """Change one cell of the matrix."""

    def change(made: Hostfile) -> Hostfile:
        row = made.hosts[one].rdma
        return at(one, rdma=(*row[:other], wires, *row[other + 1 :]))(made)

    return change


def ordered(*ranks: int) -> Change:
    """Put the entries into another order, each with its row as it was."""
    return lambda made: replace(made, hosts=tuple(made.hosts[rank] for rank in ranks))


def said(**changes: Any) -> Change:  # noqa: ANN401
    return lambda made: replace(made, **changes)


def spoilt(made: Hostfile, *changes: Change) -> Hostfile:
    """Change a file, and read it again, so that it knows its lines."""
    for change in changes:
        made = change(made)
    return hostfile.loads(hostfile.dumps(made), "h.json")


def judged(made: Hostfile, over: str | Recording) -> tuple[Finding, ...]:
    """Hold a file against a case or a recording."""
    report = _report(over)
    return checks.findings(report.cluster, made, report.findings)


def checked(made: Hostfile, over: str | Recording) -> Report:
    """Make the report that `hostfile check` makes of a file."""
    recording = recorded(over) if isinstance(over, str) else over
    return hostcheck.build(recording, "h.json", hostfile.dumps(made), "0.1.0")


def _report(over: str | Recording) -> Report:
    return reported(over) if isinstance(over, str) else built(over)


def seen(found: tuple[Finding, ...], status: Status = Status.FAIL) -> dict[str, str]:
    """Give the causes of that status by check and subject, with what was observed."""
    return {
        f"{f.id} {f.subject.label}": f.evidence.observed if f.evidence else f.reason
        for f in found
        if f.status is status and (f.blocked_by is None or f.blocked_by.check.area != "hostfile")
    }


def forced(over: str | Recording, backend: str, order: tuple[str, ...]) -> Hostfile:
    """Write the file of a backend along an order, whatever stands against its use."""
    report = _report(over)
    where = hostwrite.site(report, force=True)
    names = tuple(HostfileEntry(name) for name in order)
    empty = Hostfile("ring", (), names) if backend == "ring" else Hostfile("jaccl", (), names)
    assert backend in BACKENDS
    empty = hostfile.loads(hostfile.dumps(replace(empty, backend=_name(backend))), "h.json")
    made, why = hostwrite.corrected(where, empty, judged(empty, over))
    assert made is not None, why
    return made


def _name(backend: str) -> hostfile.Backend:
    names: dict[str, hostfile.Backend] = {
        "ring": "ring", "jaccl": "jaccl", "jaccl-ring": "jaccl-ring"
    }  # fmt: skip
    return names[backend]


@dataclass(frozen=True)
class Taken:
    """What mlx.launch would start: per rank where, with which files and variables."""

    hosts: tuple[str, ...]
    files: dict[str, Any]
    env: tuple[str, ...]


def mlx_launch(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> Taken | str:
    """Let the installed mlx.launch read a file, up to where it would start ranks; or its error."""
    from mlx._distributed_utils import launch  # noqa: PLC0415

    started: list[Any] = []

    def start(_kind: object, arguments: list[Any], _verbose: object) -> None:
        started.extend(arguments)

    monkeypatch.setattr(launch, "_launch_with_io", start)
    monkeypatch.setattr(sys, "argv", ["mlx.launch", "--hostfile", str(path), *words, "script"])
    try:
        launch.main()  # type: ignore[no-untyped-call]
    except SystemExit:
        return capsys.readouterr().err.rpartition("error: ")[2].strip()
    (_, _, _, _, files, env, _), _ = started[0]
    hosts = tuple(arguments[0][1] for arguments in started)
    return Taken(hosts, {name: json.loads(text) for name, text in files.items()}, tuple(env))
