"""`mlxdiag preflight`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
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
    Level,
    NoColorOption,
    OnlyOption,
    OutputOption,
    ReplayOption,
    Require,
    SaveOption,
    SkipOption,
    TimeoutOption,
    VerboseOption,
)
from mlxdiag.cli.stages import (
    as_json,
    check_output,
    finish,
    inventory_of,
    replayed,
    reported,
    wanted_by,
)
from mlxdiag.duration import seconds

if TYPE_CHECKING:
    from mlxdiag.inventory import Inventory
    from mlxdiag.preflight.options import Options
    from mlxdiag.recording import Recording
    from mlxdiag.report import Report


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG, context_settings={"allow_interspersed_args": False})
def preflight(
    command: Annotated[
        list[str] | None,
        typer.Argument(help="Started in place of mlxdiag where all holds; after `--`."),
    ] = None,
    inventory: InventoryOption = None,
    hosts: HostsOption = None,
    level: Annotated[
        Level | None,
        typer.Option("--level", help="Facts; a small collective; a sweep.  [default: standard]"),
    ] = None,
    require: Annotated[
        Require | None,
        typer.Option("--require", help="What must hold.  [default: what the inventory expects]"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help="First port of the ranks.  [default: 32323]"),
    ] = None,
    wait: Annotated[
        str | None, typer.Option("--wait", help="Look again until it holds, for 30s, 5m or 1h.")
    ] = None,
    hostfile_out: Annotated[
        Path | None, typer.Option("--hostfile-out", help="HOSTFILE is written here, if all holds.")
    ] = None,
    report_out: Annotated[
        Path | None, typer.Option("--report-out", help="MLXDIAG_REPORT is written here.")
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", help="A JSON report of a run that worked: says what changed."),
    ] = None,
    save_baseline: Annotated[
        Path | None,
        typer.Option("--save-baseline", help="Where all holds the JSON report is written here."),
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
    verbose: VerboseOption = False,
    no_color: NoColorOption = False,
) -> None:
    """The gate before a server starts: does the backend hold? If so, COMMAND takes our place.

    COMMAND is given BACKEND, HOSTFILE and MLXDIAG_REPORT in its environment. Where not all holds it
    is not started, and the exit code says why.
    """
    from mlxdiag.catalogue import ALL  # noqa: PLC0415
    from mlxdiag.preflight import asked, handover  # noqa: PLC0415
    from mlxdiag.preflight.options import Options  # noqa: PLC0415

    names = {name for check in ALL for name in (check.id, check.area)}
    chosen = wanted_by(only, skip, names)
    papers = handover.Papers(hostfile_out, report_out, save_baseline)
    check_output(output)
    papers.check()
    if command and (replay is not None or shutil.which(command[0]) is None):
        closed = "/" in command[0] and os.path.isfile(command[0])  # noqa: PTH113  # never raises
        why = "is not executable" if closed else "is no program on this machine"
        why = "cannot be started from a recording" if replay else why
        raise typer.BadParameter(f"{command[0]!r} {why}")
    gated = None if replay is not None else inventory_of(inventory, hosts)
    before = _baseline(baseline, gated)
    options = Options(level and level.value, require and require.value, port, before)

    def judged(found: Recording) -> Report:
        return reported(found, "preflight", asked.with_verdict(chosen), fail_on)

    report = (
        judged(options.of(replayed(replay, inventory, hosts, save)))
        if replay is not None
        else _gate(
            gated or inventory_of(inventory, hosts), options, judged, wait, save, fanout, timeout
        )
    )
    try:
        finish(report, format, output, verbose=verbose, no_color=no_color)
    except typer.Exit:
        if report.preflight is not None:
            document = as_json(report)
            handover.hand_over(report.preflight, report.exit_code == 0, document, papers, command)
        raise


def _baseline(path: Path | None, inventory: Inventory | None) -> Mapping[str, object] | None:
    """Read the report to compare with: that of the option, else the one the inventory expects."""
    from mlxdiag import inventory as inventories  # noqa: PLC0415
    from mlxdiag.preflight import baseline  # noqa: PLC0415

    if path is None and inventory is not None and inventory.expect.baseline:
        path = Path(inventory.source).parent / Path(inventory.expect.baseline).expanduser()
    return None if path is None else baseline.load(inventories.read_report(path), str(path))


def _gate(
    inventory: Inventory,
    options: Options,
    judged: Callable[[Recording], Report],
    wait: str | None,
    save: Path | None,
    fanout: int,
    timeout: float | None,
) -> Report:
    from mlxdiag import recording  # noqa: PLC0415
    from mlxdiag.preflight.command import Gate  # noqa: PLC0415
    from mlxdiag.preflight.status import Status  # noqa: PLC0415

    wait_s = seconds(wait) if wait else 0.0
    if save is not None:
        recording.check_target(save)
    gate = Gate(inventory, options.about(inventory), fanout, timeout, wait_s)
    found, report = gate.run(judged, Status())
    if save is not None:
        recording.save(found, save)
    return report
