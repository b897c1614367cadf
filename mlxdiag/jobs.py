"""Jobs: which processes are MLX jobs, by their arguments alone.

What a process is called decides nothing, only its arguments do: any Python may be a rank. A rank
that `mlx.launch` started by the name of a script alone is not seen on its own host, only where
`mlx.launch` runs.
"""

from __future__ import annotations

import re

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


def is_ours(arguments: str) -> bool:
    """Tell whether a command line is that of mlxdiag itself."""
    words = arguments.split()[:3]
    return any(_OURS.search(word) for word in words)


def is_launcher(arguments: str) -> bool:
    """Tell whether a command line is that of a launcher of MLX, which has no launcher itself."""
    return any(_LAUNCH.search(word) for word in arguments.split())


def is_job(arguments: str) -> bool:
    """Tell whether a command line is that of an MLX job: a rank, a launcher, or a shell of one."""
    words = arguments.split()
    if not words:
        return False
    program = words[0].rpartition("/")[2].rstrip(":")
    if program in READERS or is_ours(arguments):
        return False
    if _KERNEL in arguments or _VARIABLE.search(arguments) or _LM_ALONE.search(arguments):
        return True
    return any(_LAUNCH.search(word) or _LM.search(word) for word in words)
