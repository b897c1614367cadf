"""`mlxdiag schema`."""

from __future__ import annotations

from pathlib import Path

from mlxdiag.cli.streams import write


def schema() -> None:
    """Print the JSON Schema of `--format json`."""
    write((Path(__file__).parents[1] / "report.schema.json").read_text(encoding="utf-8"))
