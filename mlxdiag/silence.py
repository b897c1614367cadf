"""Silence: findings that the user knows of and does not want to hear from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from mlxdiag.finding import Finding, Status
from mlxdiag.inventory import Silence

MARK = "silenced: "
"""How the reason of a silenced finding begins."""


def silenced(findings: Iterable[Finding], wishes: Iterable[Silence]) -> tuple[Finding, ...]:
    """Skip what failed or is not known of the checks that are silenced, with the user's reason.

    What follows from such a finding is then a cause of its own. What passes is left alone.
    """
    why: Mapping[str, str] = {wish.id: wish.why for wish in wishes}
    return tuple(_one(finding, why) for finding in findings) if why else tuple(findings)


def _one(finding: Finding, why: Mapping[str, str]) -> Finding:
    if finding.id not in why or finding.status not in (Status.FAIL, Status.UNKNOWN):
        return finding
    return replace(
        finding,
        status=Status.SKIP,
        evidence=None,
        reason=f"{MARK}{why[finding.id]}",
        blocked_by=None,
    )
