"""`mlxdiag probe`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mlxdiag import files
from mlxdiag.cli.options import (
    EPILOG,
    Dtype,
    FailOn,
    Format,
    HostsOption,
    InventoryOption,
    Level,
    NoColorOption,
    Op,
    OutputOption,
    ProbeBackend,
    ReplayOption,
    SaveOption,
    TimeoutOption,
)
from mlxdiag.cli.stages import check_output, finish, inventory_of, replayed, reported
from mlxdiag.cli.streams import write
from mlxdiag.duration import seconds

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG)
def probe(
    inventory: InventoryOption = None,
    hosts: HostsOption = None,
    local: Annotated[
        int | None, typer.Option("--local", min=2, max=16, help="Ranks on this machine, no ssh.")
    ] = None,
    backend: Annotated[ProbeBackend, typer.Option("--backend", help="What to launch.")] = (
        ProbeBackend.ring
    ),
    op: Annotated[Op, typer.Option("--op", help="The collective that is timed.")] = Op.all_sum,
    begin: Annotated[
        str | None, typer.Option("-b", "--min-bytes", help="Smallest size: 4, 64K, 1M.")
    ] = None,
    end: Annotated[str | None, typer.Option("-e", "--max-bytes", help="Largest size.")] = None,
    factor: Annotated[
        int, typer.Option("-f", "--factor", min=2, help="From one size to the next.")
    ] = 4,
    iters: Annotated[int | None, typer.Option("--iters", min=1, help="Timed per size.")] = None,
    warmup: Annotated[int, typer.Option("--warmup", min=0, help="Untimed, per size.")] = 5,
    check: Annotated[bool, typer.Option(help="Check every element first.")] = True,
    repeat: Annotated[
        int | None,
        typer.Option("--repeat", min=1, help="Launches.  [default: 1; 3 for full]"),
    ] = None,
    dtype: Annotated[Dtype, typer.Option("--dtype", help="What the buffers hold.")] = Dtype.float32,
    level: Annotated[
        Level, typer.Option("--level", help="How many sizes and launches.")
    ] = Level.standard,
    soak: Annotated[
        str | None, typer.Option("--soak", help="Mixed sizes, all compared, for 30s, 10m or 2h.")
    ] = None,
    connections: Annotated[
        int, typer.Option("--connections", min=1, max=4, help="Of ring, per link.")
    ] = 1,
    pairwise: Annotated[bool, typer.Option("--pairwise", help="Every cabled pair alone.")] = False,
    all_pairs: Annotated[bool, typer.Option("--all-pairs", help="Every pair of hosts.")] = False,
    behind: Annotated[
        int, typer.Option("--behind", min=1, max=99, help="Name links so many % below the median.")
    ] = 25,
    force: Annotated[
        bool, typer.Option("--force", help="Launch RDMA although the facts do not allow it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, start nothing.")] = (
        False
    ),
    write_hostfile: Annotated[
        Path | None,
        typer.Option("--write-hostfile", help="Write the plan for mlx.launch to this file."),
    ] = None,
    replay: ReplayOption = None,
    save: SaveOption = None,
    format: Annotated[Format, typer.Option("--format", help="Form of the report.")] = Format.table,  # noqa: A002
    output: OutputOption = None,
    timeout: TimeoutOption = None,
    no_color: NoColorOption = False,
) -> None:
    """Launch real collectives, check every element, time them, and name the rank that fails."""
    from mlxdiag import recording  # noqa: PLC0415
    from mlxdiag.probe import command  # noqa: PLC0415

    check_output(write_hostfile)
    if write_hostfile is not None and (replay is not None or backend is ProbeBackend.all):
        raise typer.BadParameter("--write-hostfile wants one backend, and no --replay")
    if replay is not None:
        found = replayed(replay, inventory, hosts, save)
    else:
        wish = command.Wish(
            backend=backend.value,
            op=op.value,
            begin=begin,
            end=end,
            factor=factor,
            iterations=iters,
            warmup=warmup,
            check=check,
            repeat=repeat,
            dtype=dtype.value,
            level=level.value,
            soak_s=seconds(soak) if soak else None,
            connections=connections,
            pairs="all" if all_pairs else "cabled" if pairwise else "",
            behind=behind / 100,
            force=force,
        )
        if save is not None:
            recording.check_target(save)
        if local is None:
            asked = inventory_of(inventory, hosts)
            plans = command.over_cluster(asked, wish, timeout)
        else:
            plans = command.on_this_machine(local, wish)
        if write_hostfile is not None and plans.makers:
            _put_hostfile(write_hostfile, *command.hostfile(plans, str(write_hostfile)))
        if dry_run and plans.makers:
            write(command.described(plans))
            raise typer.Exit(0)
        found = command.launch(plans, timeout)
        if save is not None:
            recording.save(found, save)
    report = reported(found, "probe", lambda _finding: True, FailOn.error)
    finish(report, format, output, verbose=False, no_color=no_color)


def _put_hostfile(path: Path, text: str, line: str) -> None:
    """Make the file, unless it is there and says the same; nothing of the user's is overwritten."""
    files.put(path, text, over=False)
    sys.stderr.write(f"mlxdiag: {path}: {line}\n")
