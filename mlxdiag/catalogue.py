"""Catalogue: every check in words, for docs/checks.md."""

from __future__ import annotations

from typing import Any

from mlxdiag.checks import CHECKS, gate, hostfile, probes, server
from mlxdiag.finding import Check
from mlxdiag.recommend import EXPECTED, USABLE

ALL: tuple[Check[Any], ...] = (
    *CHECKS,
    EXPECTED,
    USABLE,
    *hostfile.CHECKS,
    *probes.CHECKS,
    *gate.CHECKS,
    *server.CHECKS,
)

HEAD = """# Checks

One entry per check, in the order they are asked; ids never change their meaning. A title states
the healthy condition. *Follows from* names the checks whose failure explains a failure of this one
(`far:` at the other end of the cable); then only the cause is listed as a finding of its own.

Severity: `error` fails the run, `warning` fails it with `--fail-on warning`, `info` never does.
Where the inventory expects `ring` or `mpi`, what only RDMA needs is `info`.
A fact that was not obtained makes a check `unknown`, never `pass`.
Those of *Probes* are asked by `mlxdiag probe` of every launch, those of *Hostfile* by
`mlxdiag hostfile check` of a file, those of *Rendezvous*, *Jobs* and `backend-required` by
`mlxdiag preflight`, those of *Server* by `mlxdiag server`, all others by `mlxdiag ports`; but
backend-usable by `mlxdiag recommend` alone.
"""


def page() -> str:
    """Write the page; a test holds docs/checks.md against it."""
    parts = [HEAD]
    area = ""
    for check in ALL:
        if check.area != area:
            area = check.area
            parts.append(f"## {area.capitalize()}\n")
        parts.append(_entry(check))
    return "\n".join(parts)


def _entry(check: Check[Any]) -> str:
    needs = ", ".join(f"`{need}`" for need in check.needs)
    rows = [
        f"### {check.id}\n",
        f"Healthy: {check.title}. Asked per {check.per}; {check.severity.value}.\n",
        f"{' '.join(check.why.split())}\n",
        f"Fix ({check.fix.kind.value}): {check.fix.text}."
        + (f" `{check.fix.command}`" if check.fix.command else "")
        + "\n",
    ]
    if needs:
        rows.append(f"Follows from: {needs}.\n")
    return "\n".join(rows)
