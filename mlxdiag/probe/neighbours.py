"""Neighbours: MLX jobs that run on a host already. Asked once, by ps, before a fragile launch.

What a process is called decides nothing, only its arguments do: any Python may be a rank. A rank
that `mlx.launch` started by the name of a script alone is not seen on its own host, only where
`mlx.launch` runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from mlxdiag import live
from mlxdiag.capture import ACCESS, Capture, Captures, Command, Outcome
from mlxdiag.inventory import Inventory
from mlxdiag.recording import Recording

COMMAND = Command("neighbours", ("ps", "-A", "-ww", "-o", "pid=", "-o", "args="))
"""Of its output only the lines of MLX jobs are kept: other people's arguments are theirs."""

READERS = frozenset(
    {
        "bat", "cat", "egrep", "emacs", "fgrep", "git", "grep", "head", "less", "man", "more",
        "nano", "nvim", "pgrep", "pkill", "ps", "rg", "rsync", "scp", "ssh", "sshd",
        "sshd-session", "tail", "vi", "vim",
    }
)  # fmt: skip
"""Programs whose arguments speak of others."""

_OURS = re.compile(r"(?:^|/)mlxdiag$")
_KERNEL = "mlxdiag-kernel"
_LAUNCH = re.compile(r"(?:^|/)mlx\.(?:launch|distributed_config)$|^mlx\._distributed_utils\b")
_LM = re.compile(r"(?:^|/)mlx_lm\.\w[\w.]*$|/mlx_lm/[\w./]+\.py$")
_LM_ALONE = re.compile(r"^(?:\S+ )?(?:\S*/)?mlx_lm(?: |$)|(?<= -m )mlx_lm(?: |$)")
_VARIABLE = re.compile(
    r"(?:^|[\s;\"'])(?:MLX|JACCL)_(?:RANK|HOSTFILE|IBV_DEVICES|JACCL_COORDINATOR|COORDINATOR)="
)
SHOWN = 100
"""Characters of a command line that are shown."""


def ask(inventory: Inventory, timeout_s: float | None) -> Recording:
    """Ask every host once; the recording holds one capture per host, COMMAND's."""
    said = live.record(inventory, commands=(COMMAND,), timeout_s=timeout_s)
    return replace(said, hosts={name: _kept(captures) for name, captures in said.hosts.items()})


def found(hosts: Mapping[str, Captures]) -> dict[str, tuple[str, ...] | None]:
    """Read what was asked: per host its MLX jobs as people know them, None if it did not say."""
    return {name: _jobs(captures.get(COMMAND.name)) for name, captures in hosts.items()}


def lines(out: bytes) -> tuple[str, ...]:
    """Choose the lines `PID ARGUMENTS` of MLX jobs from those of ps."""
    said = out.decode("utf-8", "replace").splitlines()
    return tuple(line.strip() for line in said if _is_job(line))


def _kept(captures: Captures) -> Captures:
    access = captures[ACCESS]
    lost = Capture(COMMAND.name, COMMAND.argv, access.outcome, detail=access.detail)
    capture = captures.get(COMMAND.name, lost)
    kept = "".join(f"{line}\n" for line in lines(capture.stdout))
    return {COMMAND.name: replace(capture, stdout=kept.encode())}


def _jobs(capture: Capture | None) -> tuple[str, ...] | None:
    if capture is None or capture.outcome is not Outcome.EXITED or capture.exit_status != 0:
        return None
    cut = (line.partition(" ") for line in lines(capture.stdout))
    return tuple(f"pid {pid}: {arguments.strip()[:SHOWN]}" for pid, _, arguments in cut)


def _is_job(line: str) -> bool:
    pid, _, text = line.strip().partition(" ")
    words = text.split()
    if not pid.isdecimal() or not words:
        return False
    program = words[0].rpartition("/")[2].rstrip(":")
    if program in READERS or any(_OURS.search(word) for word in words[:3]):
        return False
    if _KERNEL in text or _VARIABLE.search(text) or _LM_ALONE.search(text):
        return True
    return any(_LAUNCH.search(word) or _LM.search(word) for word in words)
