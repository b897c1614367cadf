"""`mlxdiag recommend`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    launched,
    launches_of,
    live_run,
    reported,
    wanted_by,
)

if TYPE_CHECKING:
    from mlxdiag.finding import Finding


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG)
def recommend(
    inventory: InventoryOption = None,
    hosts: HostsOption = None,
    replay: ReplayOption = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Launch every backend that can be and compare them.")
    ] = False,
    repeat: Annotated[
        int | None, typer.Option("--repeat", min=1, help="With --measure: launches of each.")
    ] = None,
    other: Annotated[
        list[Path] | None,
        typer.Option("--with", help="Numbers of a JSON report or recording; repeatable."),
    ] = None,
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
    """Say which backend to use, why, what it costs, and the fewest steps to a better one.

    From topology; where there are numbers of probes, in the recording, by --with or --measure,
    they decide.
    """
    wanted = wanted_by(only, skip) if only or skip else _about_backends
    check_output(output)
    launches = [launch for path in other or () for launch in launches_of(path)]
    if measure and replay is not None:
        raise typer.BadParameter("--measure needs hosts: leave out --replay")
    ask = partial(launched, repeat=repeat) if measure else live_run
    recording, early = gathered(replay, inventory, hosts, save, fanout, timeout, ask)
    report = reported(recording, "recommend", wanted, fail_on, early, launches)
    finish(report, format, output, verbose=verbose, no_color=no_color)


def _about_backends(finding: Finding) -> bool:
    """What `recommend` is judged by: whether a backend is usable, and the launches."""
    return finding.check.area in ("backend", "probes")
