"""Texts of the area hang."""

from __future__ import annotations

from mlxdiag.explained.entry import Explained, Place

_PAGE = "docs/incident.md says how it is judged"
_ISSUES = "https://github.com/ml-explore/mlx/issues"
_RUNS = "The run ends, and with it every request that is under way."
_SAMPLE = "`sample`, `py-spy` and `gdb` stop a process for moments while they read its stacks."
_TWICE = "Two looks at every rank, some seconds apart"


def _told(
    detect: str,
    *steps: str,
    risk: str = _RUNS,
    place: Place = "here",
    versions: str = "all",
    sources: tuple[str, ...] = (),
) -> Explained:
    return Explained(detect, steps, risk, None, place, versions, (*sources, _PAGE))


ENTRIES: dict[str, Explained] = {
    "hang-host-answers": _told(
        "The list of processes of the host, by `ps`.",
        "Repair the access to the host: `mlxdiag ports --only access`.",
        "Look again.",
        risk="None: it only looks.",
    ),
    "hang-ranks-found": _told(
        "Command lines met by the pattern; else processes with MLX_RANK in their environment; else"
        " processes with a socket at the ports that ranks meet at.",
        "Say how the ranks look: `server: {pattern: ...}` in the inventory, or `--pattern`.",
        "Look as the user that runs them: another user's environment is not to be read.",
        risk="None: it only looks.",
    ),
    "hang-kernel": _told(
        f"{_TWICE}: state U (macOS) or D (Linux) in both; no CPU, memory or page taken between.",
        "Without a call of verbs in its stacks it may be a slow read: look again with"
        " `--interval 60s`.",
        "Start no verbs program on that host, not even `ibv_devinfo`: it joins the wait.",
        "Stop the other ranks with `mlxdiag stop`.",
        "Restart the host.",
        risk="The restart ends everything on the host.",
        place="host",
        versions="macOS 26.2 and later, after a process with queue pairs was killed",
    ),
    "hang-rank-stopped": _told(
        f"{_TWICE}: state T, which neither a terminal nor a debugger has taken back.",
        "`kill -CONT PID` on its host.",
        "Find out who stopped it: Ctrl-Z, a debugger, a job control of a shell.",
        risk="None: the ranks go on where they were.",
        place="host",
        sources=(f"{_ISSUES}/4278",),
    ),
    "hang-rank-gone": _told(
        "Ranks that MLX's own file of a running rank counts, or that lie below the highest number,"
        " and that no host has; or a process that ended between the looks.",
        "Read the end of its log: memory, an exception, a crash report.",
        "`mlxdiag stop`, then start the run anew: the others cannot go on.",
        sources=(f"{_ISSUES}/3910", f"{_ISSUES}/4278"),
    ),
    "hang-init-twice": _told(
        "Frames of init on a rank whose sockets to other ranks are up, while others are past init.",
        "Call `mx.distributed.init` once, at the top, and pass its group on.",
        "Give every call the same `backend`: the second one of another backend is a new init.",
    ),
    "hang-init-waits": _told(
        "Frames of accept, connect or jaccl's exchange over TCP in both looks.",
        "Compare MLX_RANK on every host: each number once, from 0 on.",
        "`mlxdiag hostfile check` the file; start all ranks within 7 s of each other.",
    ),
    "hang-fast-synch": _told(
        "MLX_METAL_FAST_SYNCH in the environment of the rank, and either frames of Fence in both"
        " looks, or a GPU busy all the time, and frames of Fence in one look, of an eval in the"
        " other.",
        "Start without MLX_METAL_FAST_SYNCH.",
        "The GPU stays busy without a process: restart that Mac.",
        risk="Without it generation is slower, several times in some reports.",
        sources=(f"{_ISSUES}/3142", f"{_ISSUES}/3830"),
    ),
    "hang-out-of-step": _told(
        "Frames of two different collectives; where wrong data moves, one rank that stays in its"
        " own at a line that no other rank was seen at.",
        "Look at the lines that the report names: a branch on the rank, an exception that was"
        " caught, a request that one rank did not get.",
        "Have every rank call the same collectives in the same order.",
    ),
    "hang-loading": _told(
        "Frames of MLX's loading, or an eval below a Python function that loads.",
        "Wait as long as it holds more memory from look to look.",
        "Evaluate weights layer by layer, and let all ranks finish before the first collective.",
        risk="None while it loads.",
    ),
    "hang-control": _told(
        "A rank that waits on a socket, a queue or for a request, while others wait in a"
        " collective.",
        "Find out who should have sent that message; the others are past it.",
        "Send control messages before the step they are about, or by a collective.",
    ),
    "hang-behind": _told(
        "A rank outside any collective in both looks, while others stay in one.",
        "Look at the line that the report names.",
        "`--interval 30s` tells a long step from one that does not end.",
        risk=_SAMPLE,
    ),
    "hang-stalled": _told(
        "All ranks in the same collective in both looks, and no byte passed where that is counted.",
        "`mlxdiag ports`: a port that is down, a cable that moved.",
        "`mlxdiag stop`, then `mlxdiag probe --pairwise` for the link that loses data.",
        sources=(f"{_ISSUES}/3910", f"{_ISSUES}/4475"),
    ),
    "hang-swap": _told(
        "More than 16 MiB a second in and out of the swap file between the looks, on the host of a"
        " rank that is to be looked at.",
        "Free memory there, or give that rank a smaller part of the model.",
    ),
    "hang-moving": _told(
        f"{_TWICE}: other bytes on the sockets between ranks, another collective, threads that come"
        " and go in one second of samples, another Python line.",
        "A longer `--interval`, where a step takes longer than it.",
        "As root, where stacks of another user's processes are not to be had; py-spy on macOS"
        " needs root in any case.",
        risk=_SAMPLE,
    ),
}
