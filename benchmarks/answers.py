"""What each tool said of a failure, as one answer: the word that counts, and its own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.stage import Heard, Said
from mlxdiag.unchecked import COVERS

_LINE = re.compile(r"\[(?:ERROR|WARN)\](.*)|^mlx\.distributed_config: error:(.*)", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[\d+m")


@dataclass(frozen=True)
class Answer:
    """What a tool said of a failure. `how` is the word that counts, the first of its cell."""

    how: str
    text: str
    fix: str = ""

    @property
    def cell(self) -> str:
        """Give the text of the cell."""
        return f"{self.how}: {self.text}"


MESSAGE, TRACEBACK = "message", "traceback"
CHECK, LOG, JOB = "check", "log", "job"
NOTHING, NOT_RUN = "nothing", "not run"
"""MLX's tool warned or refused; it ended without words of its own. mlxdiag said it before a launch,
of a log, of a job that runs. Either said nothing of it; or there was nothing to run it on."""

SILENT = (NOTHING, NOT_RUN)


def of_mlx(said: Said) -> Answer:
    """Judge MLX's tool: every line it marks as an error or a warning counts."""
    stderr = _COLOUR.sub("", said.stderr)
    lines = " ".join(" ".join(a or b for a, b in _LINE.findall(stderr)).split())
    wrote = f"it wrote a {said.backend} hostfile" if said.backend else "it wrote no hostfile"
    if lines:
        return Answer(MESSAGE, f"exit {said.exit_code}: {lines}")
    if said.exit_code:
        return Answer(TRACEBACK, f"exit {said.exit_code}: {stderr.strip().splitlines()[-1]}")
    return Answer(NOTHING, f"exit 0: {wrote}")


def of_check(failure: str, heard: Heard) -> Answer:
    """Find the first finding of the checks that are there for this failure."""
    for id_ in COVERS[failure]:
        found = [f for f in heard.report["checks"] if f["id"] == id_ and _counts(f)]
        if found:
            first, more = found[0], len(found) - 1
            about = _label(first["subject"]) + (f" and {more} more" if more else "")
            how = first["severity"] if first["status"] == "fail" else first["status"]
            evidence = first["evidence"]["observed"] if first["evidence"] else first["reason"]
            fix = first["fix"]["text"] if first["fix"] else ""
            return Answer(CHECK, f"{id_}, {how}, {about}: {evidence}", fix)
    return Answer(NOTHING, f"mlxdiag {heard.command}: {heard.report['verdict']}")


def _counts(finding: Mapping[str, Any]) -> bool:
    """Count what failed, and who was not reached: that is never called a failure of the host."""
    failed = finding["status"] == "fail"
    return failed or (finding["status"], finding["area"]) == ("unknown", "access")


def _label(subject: Mapping[str, Any]) -> str:
    own = " ".join(str(subject[key]) for key in ("host", "interface") if key in subject)
    far = f" - {_label(subject['far'])}" if subject["kind"] in ("link", "pair") else ""
    return (own or str(subject["kind"])) + far


def of_log(entry: str, report: Mapping[str, Any]) -> Answer:
    """Judge what `diagnose` recognised: the entry that is meant, as a cause or as an echo."""
    said = report["diagnosis"]
    found = [*said["causes"], *said["echoes"], *said["notices"]]
    if not found:
        return Answer(NOTHING, "diagnose: not known")
    first = found[0]
    fix = (first.get("fix") or {}).get("text", "")
    text = f"{first['id']}, {first['role']}: {first['means']}"
    return Answer(LOG, text, fix) if first["id"] == entry else Answer(NOTHING, text)


def of_job(verdict: str, report: Mapping[str, Any]) -> Answer:
    """Judge what `hang` concluded: the verdict that is meant, or another."""
    said = report["hang"]
    kinds = [each["kind"] for each in said["verdicts"]]
    text = f"{', '.join(kinds)}: {said['said']}"
    return Answer(JOB if kinds == [verdict] else NOTHING, text)
