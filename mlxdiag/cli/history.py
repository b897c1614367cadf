"""`mlxdiag history` and `mlxdiag history import`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mlxdiag.cli.options import EPILOG, NoColorOption
from mlxdiag.cli.stages import terminal_style
from mlxdiag.cli.streams import write

app = typer.Typer(
    help="What watches and imported recordings saw: of every link, since when it is as it is.",
    invoke_without_command=True,
    epilog=EPILOG,
    add_completion=False,
    rich_markup_mode=None,
)

StoreOption = Annotated[
    Path | None,
    typer.Option("--store", help="The history.  [default: in the user's state folder]"),
]


class HistoryFormat(StrEnum):
    """Forms of a history."""

    table = "table"
    json = "json"


@app.callback()
def history(
    context: typer.Context,
    store: StoreOption = None,
    only: Annotated[
        str, typer.Option("--only", help="What has this in its name: a host, a port, a link.")
    ] = "",
    since: Annotated[
        str, typer.Option("--since", help="Nothing older than 12h, 7d, or a date like 2026-01-28.")
    ] = "",
    format: Annotated[  # noqa: A002
        HistoryFormat, typer.Option("-f", "--format", help="Form of the answer.")
    ] = HistoryFormat.table,
    no_color: NoColorOption = False,
) -> None:
    """Say of every link, port and host what it is, since when, and what it was before."""
    if context.invoked_subcommand is not None:
        context.obj = store
        return
    from mlxdiag.render import history as rendered  # noqa: PLC0415
    from mlxdiag.watch import chronicle  # noqa: PLC0415
    from mlxdiag.watch.command import moment  # noqa: PLC0415
    from mlxdiag.watch.store import Store, state_file  # noqa: PLC0415

    opened = Store(store or state_file(), create=False)
    try:
        sessions, spans = opened.sessions(), opened.spans()
    finally:
        opened.close()
    found = chronicle.chronicles(sessions, spans, only, moment(since) if since else "")
    if not found:
        sys.stderr.write("mlxdiag: nothing is known of that\n")
        raise typer.Exit(3)
    style = terminal_style(verbose=False, no_color=no_color)
    as_json = format is HistoryFormat.json
    write(rendered.document(found) if as_json else rendered.text(found, style))


@app.command("import", epilog=EPILOG)
def history_import(
    context: typer.Context,
    recordings: Annotated[
        list[Path], typer.Argument(help="Recordings (folders or .tar.gz) of --save.")
    ],
    store: StoreOption = None,
    keep: Annotated[int, typer.Option("--keep", min=1, help="Days that are kept.")] = 90,
) -> None:
    """Take earlier recordings into the history; one that it has is not taken twice.

    Exits 0 where the history has them all now, 3 where one of them adds nothing to it:
    no host said anything in it, or it is older than what is kept.
    """
    from mlxdiag.watch.command import take_in  # noqa: PLC0415

    def note(text: str) -> None:
        sys.stderr.write(f"mlxdiag: {text}\n")

    new, known = take_in(recordings, store or context.obj, keep, note)
    sys.stderr.write(f"mlxdiag: {new} taken in, {known} known already\n")
    raise typer.Exit(0 if new + known == len(recordings) else 3)
