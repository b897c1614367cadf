"""Catalogue: every check in words, for docs/checks.md."""

from __future__ import annotations

import json

from mlxdiag.checks import gate, hang, hostfile, probes, server, whole
from mlxdiag.explained.words import markdown, said
from mlxdiag.finding import Check
from mlxdiag.recommend import EXPECTED, USABLE
from mlxdiag.unchecked import section

ALL: tuple[Check, ...] = (
    *whole.CHECKS,
    EXPECTED,
    USABLE,
    *hostfile.CHECKS,
    *probes.CHECKS,
    *gate.CHECKS,
    *server.CHECKS,
    *hang.CHECKS,
)

HEAD = """# Checks

One entry per check, in the order they are asked; ids never change their meaning. A title states
the healthy condition. *Follows from* names the checks whose failure explains a failure of this one
(`far:` at the other end of the cable); then only the cause is listed as a finding of its own.

Severity: `error` fails the run, `warning` fails it with `--fail-on warning`, `info` never does.
Where the inventory expects `ring` or `mpi`, what only RDMA needs is `info`.
A fact that was not obtained makes a check `unknown`, never `pass`.
Those of *Probes* are asked by `mlxdiag probe` of every launch, those of *Hostfile* by
`mlxdiag hostfile check` of a file, those of *Jobs* and `backend-required` by
`mlxdiag preflight`, which asks `rendezvous-port-free` too, those of *Server* by `mlxdiag server`,
those of *Hang* by `mlxdiag hang`, backend-usable by `mlxdiag recommend`, all others by
`mlxdiag check`, and those of cables, devices and GIDs by `mlxdiag ports` too.

Confidence says how well it is known that this is a fault and that the fix helps: *confirmed* by
maintainers, by Apple or in MLX's source, *several reports*, *single report*, or *inferred*:
reasoned and never observed. `mlxdiag explain ID` shows an entry in the terminal.
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
    parts.append(section())
    return "\n".join(parts)


def _entry(check: Check) -> str:
    return "".join(f"{part}\n\n" for part in (f"### {check.id}", *markdown(check)))[:-1]


def lines() -> str:
    """List all checks for a person, area by area."""
    width = max(len(check.id) for check in ALL)
    return "".join(
        f"{check.id:<{width}}  {check.severity.value:<7}  {check.title}\n" for check in ALL
    )


def listing() -> str:
    """List all checks for a program: `checks` as in a report, without what is of one run."""
    return json.dumps({"checks": [_listed(check) for check in ALL]}, indent=2) + "\n"


def _listed(check: Check) -> dict[str, object]:
    fix = check.fix
    return {
        "id": check.id,
        "area": check.area,
        "title": check.title,
        "per": check.per,
        "severity": check.severity.value,
        "confidence": check.confidence.value,
        "fix": {"kind": fix.kind.value, "text": fix.text, "command": fix.command},
        "docs": check.docs,
        **said(check.id),
    }
