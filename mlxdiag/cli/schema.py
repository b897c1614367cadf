"""`mlxdiag schema`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mlxdiag.cli.streams import write


class Document(StrEnum):
    """What has a schema."""

    report = "report"
    event = "event"
    stop = "stop"


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def schema(
    of: Annotated[
        Document,
        typer.Argument(help="A report of `--format json`, a line of `watch`, or what `stop` says."),
    ] = Document.report,
) -> None:
    """Print the JSON Schema of `--format json`, of `watch --json-lines`, or of `stop -f json`."""
    path = Path(__file__).parents[1] / f"{of.value}.schema.json"
    write(path.read_text(encoding="utf-8"))
