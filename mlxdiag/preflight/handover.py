"""Handover: the files that a server is given, and the server in our place."""

from __future__ import annotations

import errno
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mlxdiag import files
from mlxdiag import hostfile as hostfiles
from mlxdiag.errors import InventoryError, MlxdiagError
from mlxdiag.preflight.judge import Preflight
from mlxdiag.probe import spelt

IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ", "SIGXFZ")
"""Signals that Python ignores, which a program that takes its place would inherit."""

UNREADABLE = (errno.ENOEXEC, errno.ENOENT)
"""What the kernel says of a script without an interpreter, or whose interpreter is not there."""


@dataclass(frozen=True)
class Papers:
    """Where hostfile and report go; None: into a folder of their own, which is kept.

    `baseline` is the report once more, written only where all holds.
    """

    hostfile: Path | None = None
    report: Path | None = None
    baseline: Path | None = None

    def check(self) -> None:
        """Refuse, before any host is asked, to overwrite what is something else."""
        for path in filter(None, (self.hostfile, self.report, self.baseline)):
            if path.is_dir() or not path.absolute().parent.is_dir():
                raise MlxdiagError(f"{path}: not a file in a folder that exists")
        if self.hostfile and self.hostfile.exists():
            try:
                hostfiles.loads(_text(self.hostfile), str(self.hostfile))
            except InventoryError as error:
                raise MlxdiagError(f"not overwritten, it is no hostfile: {error}") from error
        for path in filter(None, (self.report, self.baseline)):
            if path.exists() and '"mlxdiag/report"' not in _text(path):
                raise MlxdiagError(f"{path}: not overwritten, it is no report of mlxdiag")

    def complete(self) -> Papers:
        """Give both a place: a folder of their own, which is kept, where they have none."""
        if self.hostfile and self.report:
            return self
        folder = Path(tempfile.mkdtemp(prefix="mlxdiag-"))
        hostfile = self.hostfile or folder / "hostfile.json"
        return Papers(hostfile, self.report or folder / "report.json", self.baseline)


def hand_over(
    found: Preflight, good: bool, document: str, papers: Papers, command: Sequence[str] | None
) -> None:
    """Write the report where it was asked for; where all holds the hostfile too, and start COMMAND.

    `document` is the JSON report.
    """
    plan = found.plan if good else None
    where = papers.complete() if plan and command else papers
    if where.report:
        files.put(where.report, document)
    if good and where.baseline:
        files.put(where.baseline, document)
    if plan is None:
        return
    if where.hostfile:
        files.put(where.hostfile, hostfiles.dumps(spelt.hostfile(plan)))
    if command:
        replace_by(command, plan.backend, where)


def replace_by(command: Sequence[str], backend: str, papers: Papers) -> NoReturn:
    """Become COMMAND: it has our process, terminal and signals, and its exit code is ours."""
    told = {
        "BACKEND": backend,
        "HOSTFILE": str(papers.hostfile and papers.hostfile.absolute()),
        "MLXDIAG_REPORT": str(papers.report and papers.report.absolute()),
    }
    sys.stdout.flush()
    sys.stderr.flush()
    for name in IGNORED_BY_PYTHON:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvpe(command[0], list(command), {**os.environ, **told})  # noqa: S606  # its purpose
    except OSError as error:
        hint = " (a script begins with #! and its interpreter)" if error.errno in UNREADABLE else ""
        said = f"{command[0]}: cannot be started: {error.strerror}{hint}"
        raise MlxdiagError(said) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise MlxdiagError(f"{path}: cannot be read: {error.strerror}") from error
