"""Answers: did the further commands of `mlxdiag check` answer."""

from __future__ import annotations

from mlxdiag.capture import Outcome
from mlxdiag.cluster import Cluster
from mlxdiag.errors import MissingFact
from mlxdiag.finding import Evidence, Fix, FixKind, Severity, check
from mlxdiag.readings import HostFacts

_AGAIN = Fix(FixKind.RUN, "record the cluster again: mlxdiag check --save DIR")


@check(
    "access-further-answers",
    title="every further command answered and was understood",
    per="host",
    severity=Severity.WARNING,
    fix=Fix(FixKind.RUN, "run the command by hand on the host and see what it says"),
    needs=("access-reachable",),
)
def further_answers(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """What rests on a further command that is missing is unknown; this names the command."""
    if not host.reached:
        raise MissingFact("access", host.access.reason, host.host.name)
    gaps = [gap for gap in cluster.survey(host.host.name).gaps if gap.outcome != Outcome.LEFT_OUT]
    if not gaps:
        return None
    seen = "; ".join(f"{gap.source}: {gap.reason}" for gap in gaps)
    never = all(gap.outcome is Outcome.NOT_RECORDED for gap in gaps)
    if never:
        seen = f"not recorded: {', '.join(gap.source for gap in gaps)}"
    fix = _AGAIN if never else None
    return Evidence(gaps[0].source, seen, "an answer from each", fix, unknown=True)


CHECKS = (further_answers,)
