"""Versions: macOS and MLX, recent enough and the same where they must be."""

from __future__ import annotations

from mlxdiag.capture import Outcome
from mlxdiag.checks.subject import RDMA_MACOS, rdma_host, same
from mlxdiag.cluster import Cluster
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, Severity, SkipCheck, check
from mlxdiag.readings import Gap, HostFacts, need

LARGE_BUFFERS_MACOS = (26, 3)
"""From here on jaccl uses frames above 4 KiB (mlx rdma.h, `__builtin_available(macOS 26.3)`)."""

_UPGRADE = Fix(FixKind.UPGRADE, "update macOS to one and the same build on every host")


@check(
    "versions-macos-rdma",
    title="macOS is 26.2 or later, the first with RDMA over Thunderbolt",
    per="host",
    fix=Fix(FixKind.UPGRADE, "update macOS to 26.2 or later, better 26.3; ring works meanwhile"),
)
def macos_rdma(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Older systems have neither rdma_ctl nor the driver, so no setting can help (TN3205)."""
    rdma_host(cluster, host.host.name)
    macos = need(host.sw_vers)
    if macos.number >= RDMA_MACOS:
        return None
    return Evidence("sw_vers", f"macOS {macos.version}", "26.2 or later")


@check(
    "versions-macos-buffers",
    title="macOS is 26.3 or later, for large RDMA frames",
    per="host",
    severity=Severity.WARNING,
    fix=Fix(FixKind.UPGRADE, "update macOS to 26.3 or later on every host"),
    needs=("versions-macos-rdma",),
)
def macos_buffers(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """On 26.2 jaccl moves 4 KiB frames only, which costs most of the bandwidth (mlx#3094)."""
    rdma_host(cluster, host.host.name)
    macos = need(host.sw_vers)
    if macos.number >= LARGE_BUFFERS_MACOS:
        return None
    return Evidence("sw_vers", f"macOS {macos.version}", "26.3 or later")


@check(
    "versions-macos-frames",
    title="all hosts are on the same side of macOS 26.3",
    per="cluster",
    fix=_UPGRADE,
)
def macos_frames(cluster: Cluster, everything: Cluster) -> Evidence | None:
    """The frame size of jaccl changed with 26.3: across it, 8 KiB and more arrive wrong or hang."""
    del everything
    hosts = [host for host in cluster.facts if cluster.thunderbolt5(host.host.name) is not False]
    return same(hosts, "sw_vers", _side, "26.3 or later on every host")


@check(
    "versions-macos-match",
    title="all hosts run the same macOS build",
    per="cluster",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=_UPGRADE,
)
def macos_match(cluster: Cluster, everything: Cluster) -> Evidence | None:
    """Ports of different builds may not discover each other (several reports, and one against)."""
    del everything
    return same(cluster.facts, "sw_vers", _build, "one build on every host")


@check(
    "versions-macos-expected",
    title="macOS is the version the inventory expects",
    per="host",
    fix=_UPGRADE,
)
def macos_expected(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """What `expect: macos:` says."""
    expected = cluster.inventory.expect.macos
    if expected is None:
        raise SkipCheck("the inventory expects no macOS version")
    macos = need(host.sw_vers)
    if expected in (macos.version, macos.build):
        return None
    return Evidence("sw_vers", f"{macos.version} ({macos.build})", expected)


@check(
    "versions-mlx-present",
    title="the host's Python has MLX",
    per="host",
    fix=Fix(FixKind.RUN, "set `python:` in the inventory to the interpreter that has mlx"),
)
def mlx_present(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """No rank can start without it; a shell over ssh does not see your interactive PATH.

    Where the inventory names no interpreter, one was looked for: that none was found says little,
    and weighs less unless a backend is expected.
    """
    named = host.host.python is not None
    meant = named or cluster.inventory.expect.backend is not None
    severity = None if meant else Severity.WARNING
    fact = host.mlx_runtime
    if isinstance(fact, Gap) and host.reached and fact.outcome is not Outcome.NOT_RECORDED:
        return Evidence(
            "mlx_runtime", fact.reason, "a Python with mlx", unknown=True, severity=severity
        )
    runtime = need(fact)
    if runtime.mlx is not None:
        return None
    others = "".join(f"; {each}" for each in runtime.looked)
    seen = f"{runtime.executable}: {runtime.error}{others}"
    return Evidence("mlx_runtime", seen, "a Python with mlx", unknown=not named, severity=severity)


@check(
    "versions-mlx-match",
    title="all hosts run the same MLX",
    per="cluster",
    confidence=Confidence.SEVERAL,
    fix=Fix(FixKind.RUN, "install the same mlx version on every host"),
)
def mlx_match(cluster: Cluster, everything: Cluster) -> Evidence | None:
    """There is no version handshake: a mismatch gives hangs or wrong results, not an error."""
    del everything
    return same(cluster.facts, "mlx_runtime", _mlx, "one MLX version on every host")


@check(
    "versions-mlx-expected",
    title="MLX is the version the inventory expects",
    per="host",
    fix=Fix(FixKind.RUN, "install the expected mlx version"),
    needs=("versions-mlx-present",),
)
def mlx_expected(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """What `expect: mlx:` says."""
    expected = cluster.inventory.expect.mlx
    if expected is None:
        raise SkipCheck("the inventory expects no MLX version")
    mlx = need(host.mlx_runtime).mlx
    if mlx == expected:
        return None
    return Evidence("mlx_runtime", mlx or "no mlx", expected)


@check(
    "versions-mlx-jaccl",
    title="the installed MLX has jaccl",
    per="host",
    severity=Severity.WARNING,
    fix=Fix(
        FixKind.RUN,
        "install mlx with a Python and pip recent enough to choose the macosx_26_0 wheel",
        "{python} -m pip install --force-reinstall --no-cache-dir mlx mlx-metal",
    ),
    needs=("versions-macos-rdma", "versions-mlx-present"),
)
def mlx_jaccl(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Only the macosx_26_0 wheel of mlx-metal holds jaccl; older ones hold a stub."""
    rdma_host(cluster, host.host.name)
    runtime = need(host.mlx_runtime)
    if runtime.mlx is None:
        raise SkipCheck("no mlx on this host")
    if runtime.has_jaccl:
        return None
    seen = f"backends {', '.join(runtime.backends) or 'none'}; wheel {', '.join(runtime.tags)}"
    fix = mlx_jaccl.fix
    command = (fix.command or "").format(python=runtime.executable)
    return Evidence("mlx_runtime", seen, "jaccl available", Fix(fix.kind, fix.text, command))


def _side(host: HostFacts) -> str | None:
    number = need(host.sw_vers).number
    if number < RDMA_MACOS:
        return None
    return "26.3 or later" if number >= LARGE_BUFFERS_MACOS else "before 26.3"


def _build(host: HostFacts) -> str:
    macos = need(host.sw_vers)
    return f"{macos.version} ({macos.build})"


def _mlx(host: HostFacts) -> str | None:
    """Read the version; where nobody named the interpreter, a missing answer is no answer."""
    if isinstance(host.mlx_runtime, Gap) and host.reached and host.host.python is None:
        return None
    return need(host.mlx_runtime).mlx


CHECKS = (
    macos_rdma,
    macos_buffers,
    macos_frames,
    macos_match,
    macos_expected,
    mlx_present,
    mlx_match,
    mlx_expected,
    mlx_jaccl,
)
