"""What MLX's tool and mlxdiag say of every known failure: python -m benchmarks.comparison.

Every scene is a few simulated hosts on which both tools run once; a message of a log is given to
`diagnose`. Needs what the tests need, and mlx. Takes about ten minutes.
"""

from __future__ import annotations

import argparse
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.answers import (
    CHECK,
    JOB,
    LOG,
    MESSAGE,
    NOT_RUN,
    NOTHING,
    SILENT,
    TRACEBACK,
    Answer,
    of_check,
    of_job,
    of_log,
    of_mlx,
)
from benchmarks.scenes import JOBS, LOGS, SCENES, SHOWN
from benchmarks.stage import MLX, Heard, diagnose, hang, perform
from mlxdiag.unchecked import UNCHECKED, failures
from tests.simhosts import UNAVAILABLE

WIDTH = 100
"""No cell is longer, in characters."""

AT_ONCE = 2


@dataclass(frozen=True)
class Row:
    """A failure, where it was shown, and both answers."""

    failure: str
    scene: str
    mlx: Answer
    ours: Answer

    @property
    def line(self) -> str:
        """Give the line of the table."""
        cells = (self.failure, self.scene, self.mlx.cell, self.ours.cell, self.ours.fix)
        return f"| {' | '.join(map(cell, cells))} |"


def cell(text: str) -> str:
    """Fold, shorten and escape the text of a cell."""
    folded = " ".join(text.replace("`", "").split())
    short = folded if len(folded) <= WIDTH else f"{folded[: WIDTH - 3].rstrip()}..."
    return re.sub(r"([\\|<>*_\[\]])", r"\\\1", short)


def rows(only: Iterable[str] = ()) -> list[Row]:
    """Run every scene that these failures need, and judge."""
    wanted = [failure for failure in failures() if not only or failure in only]
    logs = [LOGS[failure] for failure in wanted if failure in LOGS]
    shown = {SHOWN[failure] for failure in wanted if failure in SHOWN}
    names = sorted({"clean", *shown, *(log.scene for log in logs if log.scene)})
    with ThreadPoolExecutor(AT_ONCE) as pool:
        heard = dict(zip(names, pool.map(_performed, names), strict=True))
    _must_be_well(heard["clean"])
    return [_row(failure, heard) for failure in wanted]


def _performed(name: str) -> Heard:
    sys.stderr.write(f"{name}\n")
    return perform(SCENES[name])


def _must_be_well(heard: Heard) -> None:
    """Refuse to compare where either tool finds fault with four Macs that have none."""
    if of_mlx(heard.mlx).how != NOTHING or heard.report["verdict"] != "pass":
        raise RuntimeError(f"the clean cluster: {heard.mlx} {heard.report['verdict']}")


def _row(failure: str, heard: Mapping[str, Heard]) -> Row:
    if failure in SHOWN:
        name = SHOWN[failure]
        return Row(failure, name, of_mlx(heard[name].mlx), of_check(failure, heard[name]))
    if log := LOGS.get(failure):
        mlx = of_mlx(heard[log.scene].mlx) if log.scene else Answer(NOT_RUN, "it reads no logs")
        return Row(failure, f"log: {log.text}", mlx, of_log(log.entry, diagnose(log.text)))
    if job := JOBS.get(failure):
        mlx = Answer(NOT_RUN, "it looks at no jobs")
        return Row(failure, "ranks that hang", mlx, of_job(job.verdict, hang(job.ranks)))
    because = next(each.because for each in UNCHECKED if each.id == failure)
    mlx = Answer(NOT_RUN, "no state of a host shows it")
    return Row(failure, "none", mlx, Answer(NOT_RUN, because))


def counts(found: list[tuple[str, str]]) -> str:
    """Count both tools' words."""
    mlx, ours = zip(*found, strict=True)
    neither = sum(set(both) <= set(SILENT) for both in found)
    return (
        f"Of {len(found)} failures, `mlx.distributed_config` warns or refuses with a message in"
        f" {mlx.count(MESSAGE)} and ends\nin a traceback in {mlx.count(TRACEBACK)}; mlxdiag names"
        f" {ours.count(CHECK)} before a launch and {ours.count(LOG)} from the log of the run and"
        f"\n{ours.count(JOB)} more in a job that runs; neither says anything of {neither}."
    )


def page(found: list[Row]) -> Iterator[str]:
    """Write the document, line by line."""
    scenes = {row.scene for row in found if row.failure in SHOWN}
    yield "# What MLX's own tool says, and what mlxdiag says\n"
    yield counts([(row.mlx.how, row.ours.how) for row in found])
    yield _INTRO.format(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        mlx=version("mlx"),
        ours=version("mlxdiag"),
        scenes=len(scenes),
        system=platform.system(),
    )
    yield from (row.line for row in found)


_INTRO = """
`mlx.distributed_config` sets a cluster up. It is no doctor and does not claim to be one; it is what
MLX has that looks at a cluster before a launch. The failures are those that mlxdiag's checks
were made from, and the scenes were made by its authors: that a check sees its scene shows that it
works from end to end, not that the list is complete or that a Mac shows it so.

Compared on {date}: mlx {mlx}, mlxdiag {ours}, {system}. **No Mac was involved.** Each of the
{scenes} clusters is two to nine simulated hosts behind OpenSSH's real `sshd`, whose commands answer
from modelled outputs; one cluster may show several failures. Both tools ran once on each, by ssh:

- `mlx.distributed_config --over thunderbolt --hosts ... --output-hostfile ...`, with `--backend`
  where the inventory expects one, so that both are told the same. Every line marked `[ERROR]` or
  `[WARN]` counts as a message, whatever it blames. Where a hostfile is wrong it got that file: it
  takes the hosts from it and writes a new one, which does away with the wrong one.
- `mlxdiag check`, with an inventory that says interpreter, backend and topology, or
  `mlxdiag hostfile check` where a hostfile is wrong. Only the checks count that are there for the
  failure. A host that was not reached is "unknown", with the reason.
- `mlxdiag diagnose --text` where a failure shows only in the log of a run. Only the entry counts
  that is meant: it says what the line means, and lists what may be behind it.
- `mlxdiag hang --replay` on a modelled recording where it is a state of a job that runs.

On four Macs without a fault MLX's tool wrote a jaccl hostfile without a warning, and mlxdiag
passed. Cells are what these runs said, cut at 100 characters, with measured times as "several s".
"Shown by" is the name of a case in `benchmarks/scenes.py`, or the line of the log. Why mlxdiag has
no check for a failure is written out in [checks.md](checks.md#not-checked-because). What
`mlxdiag server` says of a server that runs is not part of this. To run it again:

    python -m benchmarks.comparison --markdown docs/comparison.md

| failure | shown by | mlx.distributed_config | mlxdiag | mlxdiag's fix |
| --- | --- | --- | --- | --- |"""


def main() -> None:
    """Run, and print or write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison", description=__doc__)
    parser.add_argument("--markdown", type=Path, help="write the page to this file")
    parser.add_argument("--only", action="append", default=[], help="this failure; repeatable")
    asked = parser.parse_args()
    if unknown := set(asked.only) - set(failures()):
        parser.error(f"no such failure: {', '.join(sorted(unknown))}")
    if UNAVAILABLE or not MLX.exists():
        parser.exit(2, f"cannot compare here: {UNAVAILABLE or 'mlx is not installed'}\n")
    text = "\n".join(page(rows(asked.only))) + "\n"
    if asked.markdown:
        asked.markdown.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
