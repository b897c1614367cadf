"""`mlxdiag fix`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlxdiag import files
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
from mlxdiag.errors import MlxdiagError

if TYPE_CHECKING:
    from collections.abc import Mapping


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG)
def fix(
    inventory: InventoryOption = None,
    hosts: HostsOption = None,
    script: Annotated[
        Path | None,
        typer.Option("--script", help="A shell script per host into this folder, to read and run."),
    ] = None,
    replay: ReplayOption = None,
    save: SaveOption = None,
    format: FormatOption = Format.table,  # noqa: A002
    output: OutputOption = None,
    only: OnlyOption = None,
    skip: SkipOption = None,
    fail_on: FailOnOption = FailOn.error,
    timeout: TimeoutOption = None,
    fanout: FanoutOption = 64,
    no_color: NoColorOption = False,
) -> None:
    """Print a plan that repairs what `check` finds; nothing is changed.

    Commands and steps for a person in one list, the cheapest that could work first, with a look
    again wherever the next step may have become needless.
    """
    from mlxdiag.repair import plan  # noqa: PLC0415
    from mlxdiag.repair.script import scripts  # noqa: PLC0415

    wanted = wanted_by(only, skip, whole_names())
    check_output(output)
    if script is not None and script.exists() and not script.is_dir():
        raise MlxdiagError(f"{script}: is no folder")
    recording, early = gathered(replay, inventory, hosts, save, fanout, timeout, whole_run)
    found = reported(recording, "fix", wanted, fail_on, early)
    report = replace(found, plan=plan.build(found))
    if script is not None and report.plan is not None:
        _write(script, scripts(report, report.plan))
    finish(report, format, output, verbose=False, no_color=no_color)


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    try:
        folder.mkdir(exist_ok=True)
        for host, text in texts.items():
            path = folder / f"{host}.sh"
            files.put(path, text, over=False)
            path.chmod(0o755)
    except OSError as error:
        raise MlxdiagError(f"{folder}: cannot be written: {error.strerror}") from error
