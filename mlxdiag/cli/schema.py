"""`mlxdiag schema`."""

from __future__ import annotations

import sys
from pathlib import Path


def schema() -> None:
    """Print the JSON Schema of `--format json`."""
    sys.stdout.write((Path(__file__).parents[1] / "report.schema.json").read_text(encoding="utf-8"))
