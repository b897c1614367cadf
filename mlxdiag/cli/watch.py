"""`mlxdiag watch`."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mlxdiag.cli.options import EPILOG, FanoutOption, HostsOption, InventoryOption, NoColorOption
from mlxdiag.cli.stages import inventory_of, terminal_style
from mlxdiag.duration import seconds

ENDED = {"interrupted": 130, "terminated": 143}
GARBAGE = (10_000, 10, 10)
"""A watch runs for days: what nobody needs any more goes sooner than in a command that ends."""


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG)
def watch(
    inventory: InventoryOption = None,
    hosts: HostsOption = None,
    every: Annotated[
        str, typer.Option("--every", help="Time between two rounds: 10s, 1m.")
    ] = "10s",
    wiring_every: Annotated[
        str, typer.Option("--wiring-every", help="Time between two looks by system_profiler.")
    ] = "60s",
    once: Annotated[bool, typer.Option("--once", help="End after the first round.")] = False,
    for_: Annotated[
        str | None, typer.Option("--for", help="End after this time: 30s, 10m, 1h.")
    ] = None,
    json_lines: Annotated[
        bool, typer.Option("--json-lines", help="An event a line as JSON, instead of the view.")
    ] = False,
    prometheus_port: Annotated[
        int | None,
        typer.Option(
            "--prometheus-port", min=0, max=65535, help="Serve /metrics here; 0: any free port."
        ),
    ] = None,
    prometheus_bind: Annotated[
        str, typer.Option("--prometheus-bind", help="The address to serve at.")
    ] = "127.0.0.1",
    exec_on_change: Annotated[
        str | None,
        typer.Option(
            "--exec-on-change", help="Started for every event, which is JSON on its stdin."
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", help="Keep a recording of the latest state here (.tar.gz)."),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option("--store", help="The history.  [default: in the user's state folder]"),
    ] = None,
    keep: Annotated[int, typer.Option("--keep", min=1, help="Days that are kept of it.")] = 90,
    fanout: FanoutOption = 64,
    no_color: NoColorOption = False,
) -> None:
    """Ask the hosts again and again over open connections, and tell what changes.

    On a terminal a live view; in a pipe a line per event, and the verdict of the last round. With
    --once and --for that is also the exit code.
    """
    from mlxdiag.render.short import verdict_line  # noqa: PLC0415
    from mlxdiag.watch.command import Asked  # noqa: PLC0415
    from mlxdiag.watch.command import watch as run  # noqa: PLC0415

    gc.set_threshold(*GARBAGE)
    style = terminal_style(verbose=False, no_color=no_color)
    asked = Asked(
        every_s=seconds(every),
        wiring_s=seconds(wiring_every),
        once=once,
        for_s=seconds(for_) if for_ else None,
        json=json_lines,
        view=style.curve and not json_lines and not once,
        port=prometheus_port,
        bind=prometheus_bind,
        command=exec_on_change,
        save=save,
        store=store,
        keep_days=keep,
        fanout=fanout,
    )
    ended, report = run(inventory_of(inventory, hosts), asked, style, _write, _note)
    if report is not None and not json_lines:
        _write(verdict_line(report, style) + "\n")
    if ended in ENDED:
        raise typer.Exit(ENDED[ended])
    raise typer.Exit(report.exit_code if report is not None else 3)


def _write(text: str) -> bool:
    """Write to stdout; say whether anybody still reads."""
    try:
        sys.stdout.buffer.write(text.encode(sys.stdout.encoding or "utf-8", "backslashreplace"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def _note(text: str) -> None:
    sys.stderr.write(f"mlxdiag: {text}\n")
