"""`mlxdiag hostfile write` and `mlxdiag hostfile check`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlxdiag import __version__, files
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
    WriteBackend,
)
from mlxdiag.cli.stages import (
    DEFAULT_INVENTORY,
    check_output,
    finish,
    gathered,
    inventory_of,
    live_run,
    replayed,
    reported,
    wanted_by,
)
from mlxdiag.cli.streams import write

if TYPE_CHECKING:
    from mlxdiag.readings import HostFacts


app = typer.Typer(
    help="Write MLX's hostfile from the wiring, or hold one against it.",
    no_args_is_help=True,
    epilog=EPILOG,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command("write", epilog=EPILOG)
def hostfile_write(
    inventory: InventoryOption = None,
    hosts: HostsOption = None,
    backend: Annotated[
        WriteBackend,
        typer.Option("--backend", help="What it is for; auto takes what `ports` recommends."),
    ] = WriteBackend.auto,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write this file.  [default: stdout]"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over a file that says something else.")
    ] = False,
    replay: ReplayOption = None,
    save: SaveOption = None,
    timeout: TimeoutOption = None,
    fanout: FanoutOption = 64,
) -> None:
    """Write the file that mlx.launch takes, from the cables and addresses that were found.

    Where the backend cannot be used nothing is written: stderr says why, and the exit code is 1,
    or 3 where that is not known.
    """
    from mlxdiag import hostfile, hostwrite  # noqa: PLC0415
    from mlxdiag.probe import spelt  # noqa: PLC0415

    check_output(output)
    recording, early = gathered(replay, inventory, hosts, save, fanout, timeout)
    report = reported(recording, "ports", lambda _finding: True, FailOn.error, early)
    if report.ended != "complete":
        sys.stderr.write(f"mlxdiag: {report.ended}: nothing is written\n")
        raise typer.Exit(report.exit_code)
    made = hostwrite.write(report, backend.value)
    if not isinstance(made, hostwrite.Written):
        lines = (f"mlxdiag: no hostfile: {no.backend}: {no.reason}\n" for no in made)
        sys.stderr.write("".join(lines))
        raise typer.Exit(3 if any(no.usable is None for no in made) else 1)
    sys.stderr.write("".join(f"mlxdiag: note: {note}\n" for note in made.notes))
    text = hostfile.dumps(made.hostfile)
    if output is None:
        write(text)
    else:
        files.put(output, text, over=force)
        sys.stderr.write(f"mlxdiag: {output}: {spelt.launch_line(made.plan, str(output))}\n")


@app.command("check", epilog=EPILOG)
def hostfile_check(
    file: Annotated[Path, typer.Argument(help="The file that mlx.launch --hostfile reads.")],
    write: Annotated[
        bool, typer.Option("--write", help="Write the corrected file in its place.")
    ] = False,
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
    no_color: NoColorOption = False,
) -> None:
    """Hold every cell and address of a hostfile against the cables and addresses that were found.

    Without -i and --hosts: ./inventory.yaml, and where there is none the hosts of the file itself.
    The corrected file is shown as a diff, and written only with --write.
    """
    from mlxdiag import hostcheck, hostfile  # noqa: PLC0415
    from mlxdiag import inventory as inventories  # noqa: PLC0415
    from mlxdiag.checks import access  # noqa: PLC0415
    from mlxdiag.checks.hostfile import CHECKS  # noqa: PLC0415
    from mlxdiag.finding import Severity  # noqa: PLC0415

    asked_of = (*access.CHECKS, *CHECKS)
    wanted = wanted_by(only, skip, {name for check in asked_of for name in (check.area, check.id)})
    check_output(output)
    text = inventories.read(file, "a hostfile", encoding="utf-8")
    told = hostfile.loads(text, str(file))
    early: dict[str, HostFacts] = {}
    if replay is not None:
        recording = replayed(replay, inventory, hosts, save)
    else:
        own = inventory is None and hosts is None and not DEFAULT_INVENTORY.exists()
        asked = hostcheck.own_inventory(told, str(file)) if own else inventory_of(inventory, hosts)
        recording = live_run(asked, save, fanout, timeout, early)
    report = hostcheck.build(
        recording,
        str(file),
        text,
        __version__,
        wanted=wanted,
        fail_on=Severity(fail_on.value),
        early=early,
    )
    if write and report.file and report.file.diff and report.ended == "complete":
        files.put(file, report.file.corrected or text)
        sys.stderr.write(f"mlxdiag: {file}: corrected\n")
    finish(report, format, output, verbose=False, no_color=no_color)
