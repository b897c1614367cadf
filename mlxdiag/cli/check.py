"""`mlxdiag check`."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from mlxdiag.cli.options import (
    EPILOG,
    FailOn,
    FailOnOption,
    FanoutOption,
    Format,
    FormatOption,
    HostsOption,
    InventoryOption,
    NoColorOption,
    OnlyOption,
    OutputOption,
    ReplayOption,
    SaveOption,
    SkipOption,
    TimeoutOption,
    VerboseOption,
)
from mlxdiag.cli.stages import (
    check_output,
    finish,
    gathered,
    reported,
    wanted_by,
    whole_names,
    whole_run,
)
from mlxdiag.cli.streams import write


class Depth(StrEnum):
    """How much is asked of a host."""

    quick = "quick"
    standard = "standard"


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG)
def check(
    inventory: InventoryOption = None,
    hosts: HostsOption = None,
    level: Annotated[
        Depth, typer.Option("--level", help="quick leaves out what may take over a second.")
    ] = Depth.standard,
    listed: Annotated[
        bool, typer.Option("--list", help="List the checks and ask nobody; -f json for programs.")
    ] = False,
    replay: ReplayOption = None,
    save: SaveOption = None,
    format: FormatOption = Format.table,  # noqa: A002
    output: OutputOption = None,
    only: OnlyOption = None,
    skip: SkipOption = None,
    fail_on: FailOnOption = FailOn.error,
    timeout: TimeoutOption = None,
    fanout: FanoutOption = 64,
    verbose: VerboseOption = False,
    no_color: NoColorOption = False,
) -> None:
    """Ask every check about every host: what `ports` asks, and all else that is known to fail."""
    from mlxdiag import catalogue  # noqa: PLC0415

    if listed:
        write(catalogue.listing() if format is Format.json else catalogue.lines())
        return
    wanted = wanted_by(only, skip, whole_names())
    check_output(output)
    ask = partial(whole_run, quick=level is Depth.quick)
    recording, early = gathered(replay, inventory, hosts, save, fanout, timeout, ask)
    report = reported(recording, "check", wanted, fail_on, early)
    finish(report, format, output, verbose=verbose, no_color=no_color)
