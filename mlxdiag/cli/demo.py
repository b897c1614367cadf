"""`mlxdiag demo`."""

from __future__ import annotations

from pathlib import Path

import typer

from mlxdiag.cli.options import (
    EPILOG,
    FailOn,
    Format,
    FormatOption,
    NoColorOption,
    OutputOption,
    VerboseOption,
)
from mlxdiag.cli.stages import finish, reported

DEMO = Path(__file__).parents[1] / "demo"


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG)
def demo(
    format: FormatOption = Format.table,  # noqa: A002
    output: OutputOption = None,
    verbose: VerboseOption = False,
    no_color: NoColorOption = False,
) -> None:
    """Replay a packaged recording of a night when jaccl would not start; needs no host, no network.

    The report is the one that `mlxdiag ports` would have given that night. It exits 0 when the
    demonstration itself ran.
    """
    from mlxdiag import recording  # noqa: PLC0415

    report = reported(recording.load(DEMO), "ports", lambda _finding: True, FailOn.error)
    finish(report, format, output, verbose=verbose, no_color=no_color, exit_code=0)
