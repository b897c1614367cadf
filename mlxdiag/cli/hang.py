"""`mlxdiag hang`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlxdiag.cli.options import (
    EPILOG,
    FailOn,
    FanoutOption,
    Format,
    FormatOption,
    HostsOption,
    InventoryOption,
    LocalOption,
    NoColorOption,
    OutputOption,
    PatternOption,
    ReplayOption,
    SaveOption,
    TimeoutOption,
    VerboseOption,
)
from mlxdiag.cli.stages import check_output, finish, hosts_of, replayed, reported
from mlxdiag.duration import seconds

if TYPE_CHECKING:
    from mlxdiag.inventory import Inventory
    from mlxdiag.recording import Recording


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG)
def hang(
    inventory: InventoryOption = None,
    hosts: HostsOption = None,
    local: LocalOption = False,
    pattern: PatternOption = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help="First port of the ranks.  [default: 32323]"),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option(
            "--interval",
            help="From the first look to the second: 5s, 1m.  [default: 5s]",
            show_default=False,
        ),
    ] = None,
    replay: ReplayOption = None,
    save: SaveOption = None,
    format: FormatOption = Format.table,  # noqa: A002
    output: OutputOption = None,
    timeout: TimeoutOption = None,
    fanout: FanoutOption = 64,
    verbose: VerboseOption = False,
    no_color: NoColorOption = False,
) -> None:
    """Look at every rank of a run twice: is it hung, on which rank, in what, since when?

    Read-only. Exits 1 where a rank is hung or holds the others up, 0 where ranks were found and the
    run moves or is idle (that a host swaps is a warning then), 3 where that is not known.
    """
    check_output(output)
    if replay is not None:
        if local:
            raise typer.BadParameter("a recording brings its own hosts: leave out --local")
        if not (pattern is None and port is None and interval is None):
            raise typer.BadParameter(
                "a recording was asked already: leave out --pattern, --port and --interval"
            )
        found = _loaded(replay, inventory, hosts, save)
    else:
        asked = hosts_of(inventory, hosts, local=local)
        found = _looked(asked, pattern, port, interval, save, timeout, fanout)
    report = reported(found, "hang", lambda _finding: True, FailOn.error)
    finish(report, format, output, verbose=verbose, no_color=no_color)


def _loaded(
    replay: Path, inventory: Path | None, hosts: str | None, save: Path | None
) -> Recording:
    from mlxdiag.errors import RecordingError  # noqa: PLC0415

    found = replayed(replay, inventory, hosts, None)
    if found.hang is None:
        raise RecordingError(
            f"{replay}: no look at ranks: it has no hang.json, which `mlxdiag hang --save` writes"
        )
    if save is not None:
        from mlxdiag import recording  # noqa: PLC0415

        recording.save(found, save)
    return found


def _looked(
    inventory: Inventory,
    pattern: str | None,
    port: int | None,
    interval: str | None,
    save: Path | None,
    timeout: float | None,
    fanout: int,
) -> Recording:
    from mlxdiag import recording  # noqa: PLC0415
    from mlxdiag.hang.asked import Options  # noqa: PLC0415
    from mlxdiag.hang.command import examine  # noqa: PLC0415

    options = Options(pattern, port, seconds(interval or "5s"))
    if save is not None:
        recording.check_target(save)
    found = examine(inventory, options, fanout=fanout, timeout_s=timeout, say=_say)
    if save is not None:
        recording.save(found, save)
    return found


def _say(line: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"mlxdiag: {line}\n")
