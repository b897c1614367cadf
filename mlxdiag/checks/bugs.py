"""Bugs: versions of MLX that are known to fail, and the first in which that is repaired.

What a version does is from MLX's pull requests; the number of each is in the docstrings.
"""

from __future__ import annotations

import re

from mlxdiag.checks.subject import rdma_host
from mlxdiag.cluster import Cluster
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, Severity, SkipCheck, check
from mlxdiag.readings import HostFacts, known, need

Version = tuple[int, ...]

MIXED_CHIPS = "0.32.2"
"""The version that hosts of different chips do not get on with (mlx#4403)."""

_NUMBER = re.compile(r"\d{1,6}(?:\.\d{1,6})*", re.ASCII)


def _upgrade(version: str) -> Fix:
    return Fix(
        FixKind.UPGRADE,
        f"install mlx {version} or later on every host; not {MIXED_CHIPS} where their chips differ",
    )


@check(
    "versions-mlx-frames",
    title="MLX is 0.30.6 or later, for large RDMA frames",
    per="host",
    severity=Severity.WARNING,
    fix=_upgrade("0.32.1"),
    needs=("versions-mlx-present",),
)
def frames(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Before, jaccl moves 4 KiB frames whatever macOS can do: most bandwidth is lost (mlx#3094)."""
    rdma_host(cluster, host.host.name)
    return _below(host, (0, 30, 6))


@check(
    "versions-mlx-races",
    title="MLX is 0.32.0 or later, without the known races of jaccl",
    per="host",
    severity=Severity.WARNING,
    fix=_upgrade("0.32.1"),
    needs=("versions-mlx-present", "versions-mlx-frames"),
)
def races(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Before, all_reduce may mix its buffers (mlx#3451), and several wires may hang (mlx#3654)."""
    rdma_host(cluster, host.host.name)
    return _below(host, (0, 32, 0))


@check(
    "versions-mlx-gid",
    title="MLX is not one that connects with a GID it never read",
    per="host",
    severity=Severity.INFO,
    fix=_upgrade("0.32.1"),
    needs=("versions-mlx-present", "versions-mlx-frames", "versions-mlx-races"),
)
def gid(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """0.31.2 to 0.32.0 fail with errno 22 where a port has no IPv4 GID (mlx#3467, mlx#4191)."""
    rdma_host(cluster, host.host.name)
    if _version(host) < (0, 31, 2):
        return None
    return _below(host, (0, 32, 1))


@check(
    "versions-mlx-messages",
    title="MLX is 0.32.1 or later, which says what failed",
    per="host",
    severity=Severity.INFO,
    fix=_upgrade("0.32.1"),
    needs=("versions-mlx-present", "versions-mlx-frames", "versions-mlx-races", "versions-mlx-gid"),
)
def messages(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Before, a missing device is a crash (mlx#4180), a lost peer of ring a hang (mlx#4060).

    ring also fails with more than 2 GiB at once (mlx#4281), and mpi may be a group of one
    (mlx#4210); jaccl-ring with several wires races (mlx#4193).
    """
    del cluster
    return _below(host, (0, 32, 1))


@check(
    "versions-mlx-first-send",
    title="MLX is not one that was seen to get the first send wrong",
    per="host",
    severity=Severity.INFO,
    confidence=Confidence.SINGLE,
    fix=Fix(
        FixKind.UPGRADE,
        "install mlx 0.32.1 or later (not 0.32.2 where chips differ), or let every rank do two"
        " all_sum before the first send",
    ),
    needs=("versions-mlx-present", "versions-mlx-frames", "versions-mlx-races"),
)
def first_send(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Seen with 0.30.6: the first send and receive give wrong data or hang (mlx#3149)."""
    rdma_host(cluster, host.host.name)
    return _below(host, (0, 31))


@check(
    "versions-mlx-mixed-chips",
    title="hosts of different chips do not run MLX 0.32.2",
    per="cluster",
    severity=Severity.WARNING,
    confidence=Confidence.SINGLE,
    fix=Fix(FixKind.UPGRADE, "install another mlx on every host: 0.32.1, or one after 0.32.2"),
)
def mixed_chips(cluster: Cluster, everything: Cluster) -> Evidence | None:
    """With 0.32.2 an M3 Ultra beside an M5 Max lost answers of a model of experts (mlx#4403)."""
    del everything
    hosts = [host for host in cluster.facts if _version(host)[:3] == (0, 32, 2)]
    if not hosts:
        return None
    chips = {system.chip for host in cluster.facts if (system := known(host.sysctl))} - {None}
    if len(chips) < 2:
        for host in cluster.facts:
            need(host.sysctl)
        return None
    names = ", ".join(host.host.name for host in hosts)
    return Evidence(
        "mlx_runtime",
        f"mlx 0.32.2 on {names}; {' and '.join(sorted(map(str, chips)))}",
        "one kind of chip, or another version",
    )


def _below(host: HostFacts, first: Version) -> Evidence | None:
    version = _version(host)
    if version >= first:
        return None
    wanted = ".".join(map(str, first))
    return Evidence("mlx_runtime", f"mlx {need(host.mlx_runtime).mlx}", f"{wanted} or later")


def _version(host: HostFacts) -> Version:
    """Read the leading numbers: a development build counts as the release it leads to."""
    text = need(host.mlx_runtime).mlx
    match = _NUMBER.match(text) if text else None
    if match is None:
        raise SkipCheck(f"mlx {text}: not a number" if text else "no mlx")
    return tuple(map(int, match[0].split(".")))


CHECKS = (frames, races, gid, messages, first_send, mixed_chips)
