"""What the benchmarks write: targets beside what was found, between marks of a page."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HEAD = ("| | wanted | found | holds |", "|:--|--:|--:|:--|")


@dataclass(frozen=True)
class Target:
    """What is wanted, and what was found."""

    what: str
    wanted: str
    found: str
    holds: bool

    @property
    def row(self) -> str:
        """Give the line of the table."""
        return f"| {self.what} | {self.wanted} | {self.found} | {'yes' if self.holds else 'NO'} |"


def machine() -> str:
    """Say when and on what this was measured."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} processors ({_processor()}),"
        f" {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().split("\n")
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def write(path: Path, mark: str, text: str) -> None:
    """Write the tables: between the marks if the file has them."""
    around = path.read_text().split(mark) if path.exists() else []
    whole = mark.join((around[0], f"\n{text}", around[2])) if len(around) == 3 else text
    path.write_text(whole)
