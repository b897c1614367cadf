"""Network: the application firewall."""

from __future__ import annotations

from mlxdiag.cluster import Cluster
from mlxdiag.facts.socketfilterfw import TOOL
from mlxdiag.finding import Confidence, Evidence, Fix, FixKind, Severity, check
from mlxdiag.readings import HostFacts, need

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
        f"sudo {TOOL} --add PYTHON --unblockapp PYTHON",
    ),
)
def firewall(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """It may drop connections to an unsigned Python: ping works, `Couldn't connect (error: 60)`."""
    state = need(cluster.survey(host.host.name).firewall).state
    if state == 0:
        return None
    if state == BLOCK_ALL:
        fix = Fix(
            FixKind.RUN, "let it block less than everything", f"sudo {TOOL} --setblockall off"
        )
        seen = "on, and blocks every incoming connection"
        return Evidence("socketfilterfw", seen, "off", fix, severity=Severity.ERROR)
    return Evidence("socketfilterfw", "on; whether Python is allowed is not known", "off")


CHECKS = (firewall,)
