"""Resources: processes, and what they hold."""

from __future__ import annotations

from collections.abc import Callable

from mlxdiag.capture import Outcome
from mlxdiag.recording import Recording
from tests.checks.recorded import altered, ended, printing
from tests.checks.surveyed import HOST, clean
from tests.model import CASES, survey
from tests.model.printed import Printed

EVERYWHERE = tuple(clean().hosts)
MAC = CASES["clean-mesh-4"]().by_name[HOST]
RANK = "  812   700 S       01:02:03 /opt/mlx/bin/python -m mlx_lm.server --model m"


def said(command: str, printed: Printed) -> Callable[[], Recording]:
    return lambda: printing(clean(), HOST, command, printed.stdout)


def limited_everywhere() -> Recording:
    made = clean()
    for host in EVERYWHERE:
        out = survey.sysctl_state(MAC, limit_mb=520_000).stdout
        made = printing(made, host, "sysctl_state", out)
    return made


def running(*lines: str) -> Callable[[], Recording]:
    return said("processes", survey.ps(*lines))


def smaller() -> Recording:
    return altered(clean(), HOST, "sysctl", b"549755813888", b"274877906944")


FAILING: dict[str, Callable[[], Recording]] = {
    "resources-ranks": running(RANK.replace("  700 ", "    1 ")),
    "resources-stuck": running("  955   700 U          03:00 ibv_devinfo -d rdma_en4"),
    "resources-domains": said("ioclasscount", survey.ioclasscount(2, 1)),
    "resources-rdma-users": running(RANK, "  930   701 S          10:00 ollama serve"),
    "resources-gpu": said("ioreg_accelerator", survey.ioreg_accelerator(100)),
    "resources-macmon": running("  950   700 S+      10:00:00 /opt/homebrew/bin/macmon pipe"),
    "resources-wired-limit": limited_everywhere,
    "resources-wired-limit-match": said("sysctl_state", survey.sysctl_state(MAC, limit_mb=400_000)),
    "resources-memory-match": smaller,
    "resources-wired-memory": said("vm_stat", survey.vm_stat(414)),
    "resources-swap": said("sysctl_state", survey.sysctl_state(MAC, swap_mb=15360)),
    "resources-disk": said("df", survey.df(4)),
}
COMMANDS = {
    "resources-domains": "ioclasscount",
    "resources-gpu": "ioreg_accelerator",
    "resources-wired-limit": "sysctl_state",
    "resources-wired-limit-match": "sysctl_state",
    "resources-memory-match": "sysctl",
    "resources-wired-memory": "vm_stat",
    "resources-swap": "sysctl_state",
    "resources-disk": "df",
}


def silent(command: str) -> Callable[[], Recording]:
    return lambda: ended(clean(), HOST, command, Outcome.TIMEOUT)


UNKNOWN = {id_: silent(COMMANDS.get(id_, "processes")) for id_ in FAILING}
ABOUT: dict[str, str | tuple[str, ...]] = {
    "resources-wired-limit": EVERYWHERE,
    "resources-wired-limit-match": "cluster",
    "resources-memory-match": "cluster",
}
NOT_KNOWN_OF = {"resources-wired-limit": HOST}
