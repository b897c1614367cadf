"""Network: the application firewall."""

from __future__ import annotations

import shlex

from mlxdiag.cluster import Cluster
from mlxdiag.facts.socketfilterfw import TOOL
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, Severity, check
from mlxdiag.readings import HostFacts, known, need

BLOCK_ALL = 2


@check(
    "network-firewall",
    title="the firewall lets Python listen",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.SEVERAL,
    fix=Fix(
        FixKind.RUN,
        "allow the interpreter that runs MLX, or turn the firewall off on a network of your own",
    ),
)
def firewall(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """It may drop connections to an unsigned Python: ping works, `Couldn't connect (error: 60)`."""
    state = need(cluster.survey(host.host.name).firewall).state
    if state == 0:
        return None
    if state == BLOCK_ALL:
        text = "let it block less than everything"
        fix = Fix(FixKind.RUN, text, f"sudo {TOOL} --setblockall off")
        seen = "on, and blocks every incoming connection"
        return Evidence("socketfilterfw", seen, "off", fix, severity=Severity.ERROR)
    runtime = known(host.mlx_runtime)
    command = _allow(runtime.executable) if runtime and runtime.executable else None
    fix = Fix(FixKind.RUN, firewall.fix.text, command)
    return Evidence("socketfilterfw", "on; whether Python is allowed is not known", "off", fix)


def _allow(executable: str) -> str:
    python = shlex.quote(executable)
    return f"sudo {TOOL} --add {python} --unblockapp {python}"


CHECKS = (firewall,)
