"""Neighbours: MLX jobs that run on a host already. Asked once, by ps, before a fragile launch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mlxdiag.capture import ACCESS, Capture, Captures, Command, Outcome
from mlxdiag.inventory import Inventory
from mlxdiag.jobs import is_job
from mlxdiag.keys import masked
from mlxdiag.recording import Recording

COMMAND = Command("neighbours", ("ps", "-A", "-ww", "-o", "pid=", "-o", "args="))
"""Of its output only the lines of MLX jobs are kept, without keys: the rest is nobody's."""

SHOWN = 100
"""Characters of a command line that are shown."""


def ask(inventory: Inventory, timeout_s: float | None) -> Recording:
    """Ask every host once; the recording holds one capture per host, COMMAND's."""
    from mlxdiag import live  # noqa: PLC0415  # what was asked is read without it

    said = live.record(inventory, commands=(COMMAND,), timeout_s=timeout_s)
    return replace(said, hosts={name: kept(captures) for name, captures in said.hosts.items()})


def found(hosts: Mapping[str, Captures]) -> dict[str, tuple[str, ...] | None]:
    """Read what was asked: per host its MLX jobs as people know them, None if it did not say."""
    return {name: _jobs(captures.get(COMMAND.name)) for name, captures in hosts.items()}


def lines(out: bytes) -> tuple[str, ...]:
    """Choose the lines `PID ARGUMENTS` of MLX jobs from those of ps."""
    said = out.decode("utf-8", "replace").splitlines()
    return tuple(line.strip() for line in said if _is_job(line))


def kept(captures: Captures) -> Captures:
    """Give COMMAND's capture with the lines of MLX jobs alone, their keys masked; no other."""
    access = captures[ACCESS]
    lost = Capture(COMMAND.name, COMMAND.argv, access.outcome, detail=access.detail)
    capture = captures.get(COMMAND.name, lost)
    kept = (masked(line.encode()) + b"\n" for line in lines(capture.stdout))
    return {COMMAND.name: replace(capture, stdout=b"".join(kept))}


def _jobs(capture: Capture | None) -> tuple[str, ...] | None:
    if capture is None or capture.outcome is not Outcome.EXITED or capture.exit_status != 0:
        return None
    cut = (line.partition(" ") for line in lines(capture.stdout))
    return tuple(f"pid {pid}: {arguments.strip()[:SHOWN]}" for pid, _, arguments in cut)


def _is_job(line: str) -> bool:
    pid, _, arguments = line.strip().partition(" ")
    return pid.isdecimal() and is_job(arguments.strip())
