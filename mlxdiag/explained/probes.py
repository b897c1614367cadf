"""Texts of the area probes."""

from __future__ import annotations

from mlxdiag.explained.entry import Explained

_PROBE = "docs/probe.md says how it is measured"
_LOOK = "None: it only measures; a launch takes processor time and the network for seconds."

ENTRIES: dict[str, Explained] = {
    "probes-allowed": Explained(
        detect="The facts that a launch of the backend rests on: devices up at both ends with their"
        " GID, one version of mlx, no MLX job beside it.",
        steps=(
            "`mlxdiag ports` names what stands against it; repair that first.",
            "`--force` launches all the same: a failed start of RDMA keeps kernel resources until"
            " the host restarts.",
        ),
        risk="None while nothing is launched.",
        survives_reboot=None,
        place="here",
        versions="all",
        sources=("https://github.com/ml-explore/mlx/issues/3207", _PROBE),
    ),
    "probes-collective": Explained(
        detect="Every rank reports each phase within its deadline, and every element of every"
        " collective is compared.",
        steps=(
            "Read whom the report names: a rank with an error of its own is the cause, those that"
            " lost a peer are not.",
            "Look at that host with `mlxdiag ports`, then at its stderr in the report.",
            "RDMA that failed once: restart the host before the next try.",
        ),
        risk=_LOOK,
        survives_reboot=None,
        place="here",
        versions="all",
        sources=("https://github.com/ml-explore/mlx/issues/4278", _PROBE),
    ),
    "probes-nothing-left": Explained(
        detect="After the end each process of the probe is looked for by pid and start time.",
        steps=(
            "End it by its pid with SIGTERM, wait, then with SIGKILL.",
            "It does not end: it waits in the kernel; restart its host.",
        ),
        risk="SIGKILL of a rank that uses RDMA keeps its protection domains until a restart.",
        survives_reboot=None,
        place="host",
        versions="all",
        sources=("https://github.com/jundot/omlx/pull/2722", _PROBE),
    ),
    "probes-pair-behind": Explained(
        detect="Latency and bandwidth of each pair alone beside the median of all pairs.",
        steps=(
            "Re-seat the cable at both ends and measure again: `mlxdiag probe --pairwise`.",
            "Swap it with the cable of a pair that is not behind: what follows the cable is the"
            " cable, what stays is a port or a host.",
        ),
        risk="Pulling the cable ends what runs over it.",
        survives_reboot=True,
        place="person",
        versions="all",
        sources=(_PROBE,),
    ),
    "probes-latency": Explained(
        detect="p50 of the slowest rank at sizes up to 4 KiB, of two launches or more.",
        steps=(
            "Look at the load of the hosts in the report, and end what uses them.",
            "`mlxdiag probe --pairwise` names the link that is slow.",
            "About 300 us is TCP: then RDMA is not in use.",
        ),
        risk=_LOOK,
        survives_reboot=None,
        place="here",
        versions="all; limits are provisional unless the inventory has them",
        sources=(_PROBE,),
    ),
    "probes-bandwidth": Explained(
        detect="Bandwidth at sizes from 16 MiB on, of two launches or more.",
        steps=(
            "`mlxdiag probe --pairwise` names the link that is slow.",
            "All links alike: look at macOS (26.3 for large frames) and at the cables' speed.",
        ),
        risk=_LOOK,
        survives_reboot=None,
        place="here",
        versions="all; limits are provisional unless the inventory has them",
        sources=("https://github.com/ml-explore/mlx/pull/3094", _PROBE),
    ),
}
