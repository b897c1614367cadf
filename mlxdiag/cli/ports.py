"""`mlxdiag ports`."""

from __future__ import annotations

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
from mlxdiag.cli.stages import check_output, finish, gathered, reported, wanted_by

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG)
def ports(
    inventory: InventoryOption = None,
    hosts: HostsOption = None,
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
    """Say for every pair of Macs whether RDMA can run over their cable and, if not, why."""
    wanted = wanted_by(only, skip)
    check_output(output)
    recording, early = gathered(replay, inventory, hosts, save, fanout, timeout)
    report = reported(recording, "ports", wanted, fail_on, early)
    finish(report, format, output, verbose=verbose, no_color=no_color)
