"""Runtimes: the Python of a rank and what is installed in it, the same on every host."""

from __future__ import annotations

from collections.abc import Callable

from mlxdiag.checks.subject import same
from mlxdiag.cluster import Cluster
from mlxdiag.facts.mlx_runtime import MlxRuntime
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, Severity, SkipCheck, check
from mlxdiag.readings import Gap, HostFacts, known, need

NONE = "none"


@check(
    "versions-mlx-metal",
    title="mlx-metal is of the version of mlx",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(FixKind.RUN, "install mlx again: it brings the mlx-metal that belongs to it"),
    needs=("versions-mlx-present",),
)
def metal(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """mlx-metal is the library with the backends; mlx alone says nothing about what runs."""
    del cluster
    runtime = need(host.mlx_runtime)
    if runtime.mlx is None or runtime.mlx_metal is None:
        raise SkipCheck("no mlx-metal beside mlx")
    if runtime.mlx_metal == runtime.mlx:
        return None
    return Evidence("mlx_runtime", f"mlx-metal {runtime.mlx_metal}", f"mlx-metal {runtime.mlx}")


@check(
    "versions-mlx-lm-match",
    title="all hosts run the same mlx-lm",
    per="cluster",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(FixKind.RUN, "install the same mlx-lm version on every host"),
)
def lm_match(cluster: Cluster, everything: Cluster) -> Evidence | None:
    """Every rank builds and cuts the model by itself: other code cuts it elsewhere, and hangs."""
    del everything
    if all(_lm(fact) == NONE for host in cluster.facts if (fact := known(host.mlx_runtime))):
        _all_said(cluster)
        raise SkipCheck("no host has mlx-lm")
    return same(cluster.facts, "mlx_runtime", _of(_lm), "one mlx-lm on every host")


@check(
    "versions-python-match",
    title="all hosts run the same minor version of Python",
    per="cluster",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(FixKind.RUN, "make the environment of the same Python on every host"),
)
def python_match(cluster: Cluster, everything: Cluster) -> Evidence | None:
    """Ranks send each other pickled objects, which another version may not read."""
    del everything
    return same(cluster.facts, "mlx_runtime", _of(_minor), "one Python on every host")


def _of(read: Callable[[MlxRuntime], str]) -> Callable[[HostFacts], str | None]:
    """Read a host's runtime; where nobody named the interpreter, a missing answer is no answer."""

    def said(host: HostFacts) -> str | None:
        if isinstance(host.mlx_runtime, Gap) and host.reached and host.host.python is None:
            return None
        return read(need(host.mlx_runtime))

    return said


def _lm(runtime: MlxRuntime) -> str:
    return runtime.mlx_lm or NONE


def _minor(runtime: MlxRuntime) -> str:
    return ".".join(runtime.python.split(".")[:2])


def _all_said(cluster: Cluster) -> None:
    for host in cluster.facts:
        need(host.mlx_runtime)


CHECKS = (metal, lm_match, python_match)
