"""Check: a hostfile's text and a recording -> the report of how the file fits the wiring. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from mlxdiag import hostedit, hostfile, hostwrite, inventory, report
from mlxdiag.checks import entries
from mlxdiag.checks import hostfile as checks
from mlxdiag.finding import Finding, Severity
from mlxdiag.hostfile import Hostfile
from mlxdiag.inventory import Inventory
from mlxdiag.readings import HostFacts
from mlxdiag.recording import Recording
from mlxdiag.report import HeldFile, Report

COMMAND = "hostfile check"


def own_inventory(told: Hostfile, source: str) -> Inventory:
    """Take the hosts of the file itself, each once; its addresses are what is to be checked."""
    once: dict[str, hostfile.HostfileEntry] = {}
    for entry in told.hosts:
        once.setdefault(entry.ssh.rpartition("@")[2].lower(), replace(entry, ips=()))
    return inventory.from_hostfile(replace(told, hosts=tuple(once.values())), source)


def build(
    recording: Recording,
    path: str,
    text: str,
    tool_version: str,
    *,
    wanted: Callable[[Finding], bool] = lambda _: True,
    fail_on: Severity = Severity.ERROR,
    early: Mapping[str, HostFacts] = {},
) -> Report:
    """Hold the file against what the hosts said, and correct it where that can be done.

    Why a host is silent is a finding beside those of the file, where one of them follows from it.
    """
    told = hostfile.loads(text, path)
    made = report.build(recording, COMMAND, tool_version, fail_on=fail_on, early=early)
    found = checks.findings(made.cluster, told, made.findings)
    roots = {id(finding.root) for finding in found}
    causes = [finding for finding in made.findings if id(finding) in roots]
    return replace(
        made,
        findings=tuple(finding for finding in (*causes, *found) if wanted(finding)),
        file=_held(made, path, text, told, found),
    )


def _held(
    made: Report, path: str, text: str, told: Hostfile, found: tuple[Finding, ...]
) -> HeldFile:
    file = entries.read(made.cluster, told)
    right, why = hostwrite.corrected(hostwrite.site(made, force=True), told, found)
    new = None if right is None else hostedit.edited(text, told, right)
    return HeldFile(
        path=path,
        backend=file.backend,
        ranks=tuple(entry.label for entry in file.entries),
        corrected=new,
        diff="" if new is None else hostedit.diff(text, new, path),
        why=why,
    )
