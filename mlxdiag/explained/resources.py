"""Texts of the area resources: processes and what they hold."""

from __future__ import annotations

from mlxdiag.explained.entry import Explained

_MLX = "https://github.com/ml-explore/mlx"
_PS = (
    "`ps`, of which mlxdiag keeps the lines of MLX jobs, verbs programs and a few others by their"
    " names; the report shows number, program and age, never the arguments."
)
_RESTART = (
    "Stop the server on every host.",
    "Restart this one: `sudo shutdown -r now`.",
    "Run `mlxdiag check` again before the next start: names and addresses of ports may have"
    " changed.",
)
_DOWN = "The host restarts, and everything that runs on it ends."

ENTRIES: dict[str, Explained] = {
    "resources-ranks": Explained(
        detect=_PS + " Left behind is one whose parent is launchd (1), that is no launcher and has"
        " started no other.",
        steps=(
            "Look at it: `ps -o pid,ppid,etime,command -p PID`.",
            "End it: `kill PID`, and wait for a minute.",
            "It stays: `sample PID 1` shows what it waits for; it may sit in a collective.",
            "As the last resort `kill -9 PID`, and then look at resources-wired-memory.",
        ),
        risk="With -9 the memory that it had wired is lost until the host restarts.",
        survives_reboot=None,
        place="host",
        versions="all of mlx.launch",
        sources=("https://github.com/jundot/omlx/pull/2722",),
    ),
    "resources-stuck": Explained(
        detect=_PS
        + " Stuck is ibv_* or an MLX job that is in state U and older than a minute; seen once.",
        steps=(
            "Do not run ibv_devinfo again, and do not use kill -9.",
            "Unplug and replug the host's Thunderbolt cables once, and wait for half a minute.",
            *_RESTART,
        ),
        risk="The links of this host go down: a job that uses them fails.",
        survives_reboot=None,
        place="person",
        versions="macOS 26.2 and later",
        sources=("https://github.com/exo-explore/exo/issues/1712",),
    ),
    "resources-domains": Explained(
        detect="`ioclasscount` of AppleThunderboltRDMAProtectionDomain and"
        " AppleThunderboltRDMAQueuePair over all devices, held against max_pd of `ibv_devinfo -v`."
        " The names of the classes are from one report.",
        steps=_RESTART,
        risk=_DOWN,
        survives_reboot=None,
        place="host",
        versions="macOS 26.2 and later, with jaccl",
        sources=(f"{_MLX}/issues/3207", f"{_MLX}/pull/4530"),
    ),
    "resources-rdma-users": Explained(
        detect=_PS + " Counted are MLX jobs, exo, llama.cpp and ollama, where one of them is an"
        " MLX job.",
        steps=(
            "Decide which one is to use RDMA.",
            "End the other by its own means, or `kill PID`; then wait until it has gone.",
        ),
        risk="What the ended job served is gone.",
        survives_reboot=None,
        place="host",
        versions="queue pairs: all; memory regions: MLX 0.32.1 and later",
        sources=(f"{_MLX}/pull/4209", f"{_MLX}/issues/3162"),
    ),
    "resources-gpu": Explained(
        detect="`Device Utilization %` of `ioreg -r -c IOAccelerator`, once, where no MLX job and"
        " no other program that loads models is seen.",
        steps=(
            "Look again a minute later: `ioreg -r -c IOAccelerator -d 1 -w 0 | grep Utilization`.",
            "See who uses it: `sudo powermetrics --samplers gpu_power -n 1 --show-process-gpu`.",
            *_RESTART,
        ),
        risk=_DOWN,
        survives_reboot=None,
        place="host",
        versions="all; with MLX_METAL_FAST_SYNCH=1 most often",
        sources=(f"{_MLX}/issues/3142", f"{_MLX}/issues/3830"),
    ),
    "resources-macmon": Explained(
        detect=_PS,
        steps=("`kill PID` of macmon, on every host that serves.",),
        risk="None.",
        survives_reboot=None,
        place="host",
        versions="seen once",
        sources=("https://github.com/exo-explore/exo/issues/2088",),
    ),
    "resources-wired-limit": Explained(
        detect="iogpu.wired_limit_mb beside hw.memsize: what it leaves must be 28 GiB, or a quarter"
        " where that is less. 0 leaves it to the system.",
        steps=(
            "Stop the server.",
            "`sudo sysctl iogpu.wired_limit_mb=N`, N in MiB, or 0.",
            "Take out what sets it at boot: /etc/sysctl.conf, a LaunchDaemon.",
            "Where the model does not fit then, divide it over more hosts.",
        ),
        risk="A model that just fitted may not be loaded any more.",
        survives_reboot=False,
        place="host",
        versions="all",
        sources=(
            "https://github.com/ml-explore/mlx-lm/issues/883",
            f"{_MLX}/issues/3186",
            f"{_MLX}/issues/3346",
        ),
    ),
    "resources-wired-limit-match": Explained(
        detect="iogpu.wired_limit_mb of hosts with equal hw.memsize.",
        steps=(
            "Decide for one value, or 0 for the system's own.",
            "On each host: `sudo sysctl iogpu.wired_limit_mb=N`.",
            "To have it after a restart, let a LaunchDaemon run that line.",
        ),
        risk="Too high a value can bring the kernel down; see resources-wired-limit.",
        survives_reboot=False,
        place="host",
        versions="all",
        sources=(f"{_MLX}/issues/1804",),
    ),
    "resources-memory-match": Explained(
        detect="hw.memsize of every host.",
        steps=(
            "Take a backend or a program that divides by memory: pipeline, not tensor.",
            "Or leave the smaller host out: `mlxdiag recommend` says what remains.",
        ),
        risk="None: nothing is changed.",
        survives_reboot=None,
        place="here",
        versions="all",
        sources=(f"{_MLX}/issues/1804",),
    ),
    "resources-wired-memory": Explained(
        detect="`Pages wired down` of `vm_stat` times the size of a page, against 40 % of"
        " hw.memsize, where no job and no other program that loads models is seen. Where a Python"
        " runs it is not known.",
        steps=(
            "Look again after a minute: a job that has just ended gives its memory back.",
            "See what is large: `top -l 1 -o mem -n 10`. Virtual machines and programs that load"
            " models (LM Studio, Draw Things) wire memory too: end them by their own means.",
            "A sum far below what is wired is a leak: only then restart the host.",
        ),
        risk=_DOWN,
        survives_reboot=None,
        place="host",
        versions="all; worst with jaccl",
        sources=(
            "https://github.com/jundot/omlx/issues/2184",
            f"{_MLX}/issues/3910",
            "https://github.com/exo-explore/exo/issues/1872",
        ),
    ),
    "resources-swap": Explained(
        detect="vm.swapusage, held to 8 GiB; what was swapped out in the past counts too.",
        steps=(
            "See what is large: `top -l 1 -o mem -n 10`.",
            "End what is not needed; a restart empties the swap.",
        ),
        risk="Programs that are ended lose what they did not save.",
        survives_reboot=None,
        place="host",
        versions="all",
        sources=("reasoned: a collective waits for its slowest rank",),
    ),
    "resources-disk": Explained(
        detect="`df -kP /`, held to 20 GiB. The volumes of a Mac's disk share what is free.",
        steps=(
            "See where it went: `du -sh ~/.cache/huggingface/hub/*`.",
            "Delete models that no host uses any more.",
        ),
        risk="A model that is deleted has to be downloaded again.",
        survives_reboot=True,
        place="host",
        versions="all",
        sources=("reasoned: models of hundreds of GB, and swap, are on this disk",),
    ),
}
