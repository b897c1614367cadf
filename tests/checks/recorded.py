"""The cases of the model as recordings in memory, and ways to spoil one fact of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from mlxdiag import inventory as inventories
from mlxdiag import report
from mlxdiag.capture import ACCESS, Capture, Outcome
from mlxdiag.facts import COMMANDS
from mlxdiag.finding import Finding
from mlxdiag.inventory import Expect
from mlxdiag.recording import Recording
from mlxdiag.report import Report
from tests.model import CASES, ModelCluster, inventory, outputs

NAMES = tuple(command.name for command in COMMANDS)
"""Every command a host is asked, in the order of the program."""

GARBAGE = b"\x00\xffdyld[812]: Library not loaded: /usr/lib/librdma.dylib\n\tReason: tried\n"


@cache
def recorded(case: str) -> Recording:
    """Return the recording of a case without going over a disk."""
    return recording_of(CASES[case]())


def recording_of(cluster: ModelCluster) -> Recording:
    said = outputs(cluster)
    hosts = {
        host: {
            name: Capture(
                name,
                (name,),
                Outcome(one.outcome),
                one.exit_status,
                stdout=one.stdout,
                stderr=one.stderr,
                detail=one.detail,
                seconds=one.seconds,
            )
            for name, one in printed.items()
        }
        for host, printed in said.items()
    }
    asked = inventories.loads(inventory(cluster), "inventory.yaml")
    return Recording(asked, hosts, "2026-01-30T21:14:05Z", 3.2, "0.1.0")


def built(made: Recording) -> Report:
    return report.build(made, "ports", "0.1.0")


@cache
def reported(case: str) -> Report:
    return built(recorded(case))


def without(made: Recording, host: str, name: str) -> Recording:
    """Return the recording as if the command had not been recorded on that host."""
    return _with(made, host, {k: c for k, c in made.hosts[host].items() if k != name})


def saying(made: Recording, host: str, name: str, capture: Capture) -> Recording:
    return _with(made, host, {**made.hosts[host], name: capture})


def printing(made: Recording, host: str, name: str, stdout: bytes) -> Recording:
    """Return the recording with other bytes of one command that ended well."""
    return saying(made, host, name, Capture(name, (name,), Outcome.EXITED, 0, stdout=stdout))


def altered(made: Recording, host: str, name: str, old: bytes, new: bytes) -> Recording:
    """Return the recording with a text replaced wherever the command printed it."""
    said = made.hosts[host][name].stdout
    assert old in said, (host, name, old)
    return printing(made, host, name, said.replace(old, new))


def ended(made: Recording, host: str, name: str, outcome: Outcome) -> Recording:
    """Return the recording with a command that ended otherwise and printed nothing."""
    return saying(made, host, name, Capture(name, (name,), outcome, detail="as the test has it"))


def unreached(made: Recording, host: str, outcome: Outcome) -> Recording:
    access = Capture(ACCESS, ("ssh", host), outcome, detail="as the test has it")
    return _with(made, host, {ACCESS: access})


def expecting(made: Recording, expect: Expect) -> Recording:
    return replace(made, inventory=replace(made.inventory, expect=expect))


def _with(made: Recording, host: str, captures: Mapping[str, Capture]) -> Recording:
    return replace(made, hosts={**made.hosts, host: captures})


def of(made: Report, check: str, label: str | None = None) -> Finding:
    """Return the one finding of a check, or the one on the subject of that label."""
    found = [f for f in made.findings if f.id == check and label in (None, f.subject.label)]
    assert len(found) == 1, [f.key for f in found]
    return found[0]


def causes(made: Report) -> list[str]:
    return sorted(cause.key for cause in made.causes)
