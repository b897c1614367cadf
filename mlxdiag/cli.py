"""The commands: options, exit codes, stdout. Joins the stages; nothing else imports this."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from mlxdiag import __version__, files
from mlxdiag.errors import MlxdiagError

if TYPE_CHECKING:
    from mlxdiag.capture import Captures
    from mlxdiag.finding import Finding
    from mlxdiag.inventory import Host, Inventory
    from mlxdiag.measured import Launch
    from mlxdiag.preflight.asked import Options
    from mlxdiag.readings import HostFacts
    from mlxdiag.recording import Recording
    from mlxdiag.render.style import Style
    from mlxdiag.report import Report

DEFAULT_INVENTORY = Path("inventory.yaml")
DEMO = Path(__file__).parent / "demo"

EPILOG = (
    "Exit codes: 0 everything holds; 1 a check failed; 2 usage, inventory or recording error;"
    " 3 nothing failed but something is not known; 4 mlxdiag itself broke; 124 --timeout was hit;"
    " 130 interrupted; 143 terminated. With --format nagios those of a plugin: 0 OK, 1 WARNING,"
    " 2 CRITICAL, 3 UNKNOWN, which is also what any error gives."
)

app = typer.Typer(
    name="mlxdiag",
    help="The doctor for clusters of Macs that run MLX distributed over Thunderbolt.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


hostfile_app = typer.Typer(
    help="Write MLX's hostfile from the wiring, or hold one against it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(hostfile_app, name="hostfile", epilog=EPILOG)


class Format(StrEnum):
    """Formats of a report; the choice is checked against render.FORMATS by a test."""

    table = "table"
    short = "short"
    json = "json"
    junit = "junit"
    markdown = "markdown"
    github = "github"
    prometheus = "prometheus"
    nagios = "nagios"
    dot = "dot"
    html = "html"


class ProbeBackend(StrEnum):
    """Backends that can be launched; the choice is checked against BACKENDS by a test."""

    ring = "ring"
    jaccl = "jaccl"
    jaccl_ring = "jaccl-ring"
    mpi = "mpi"
    all = "all"


class WriteBackend(StrEnum):
    """Backends that a hostfile can be written for; `auto` is the one that is recommended."""

    auto = "auto"
    ring = "ring"
    jaccl = "jaccl"
    jaccl_ring = "jaccl-ring"


class Dtype(StrEnum):
    """What the buffers hold."""

    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"
    int32 = "int32"


class Level(StrEnum):
    """How much is measured."""

    quick = "quick"
    standard = "standard"
    full = "full"


class Require(StrEnum):
    """What a preflight can require; the choice is checked against the package by a test."""

    jaccl = "jaccl"
    jaccl_ring = "jaccl-ring"
    ring = "ring"
    any = "any"


class Op(StrEnum):
    """Collectives that can be timed; `send` is one shift around the ring."""

    all_sum = "all_sum"
    all_gather = "all_gather"
    send = "send"


class FailOn(StrEnum):
    """From which severity on a failed check fails the run."""

    error = "error"
    warning = "warning"


InventoryOption = Annotated[
    Path | None,
    typer.Option(
        "-i",
        "--inventory",
        help="inventory.yaml, or an MLX hostfile (.json).  [default: ./inventory.yaml]",
        show_default=False,
    ),
]
HostsOption = Annotated[
    str | None, typer.Option("--hosts", help="Instead of an inventory: a,b,studio[1-4].")
]
ReplayOption = Annotated[
    Path | None,
    typer.Option("--replay", help="A recording (folder or .tar.gz) instead of live hosts."),
]
SaveOption = Annotated[
    Path | None, typer.Option("--save", help="Write the recording of this run (folder or .tar.gz).")
]
FormatOption = Annotated[Format, typer.Option("-f", "--format", help="Form of the report.")]
OutputOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="Report to this file; stdout keeps the verdict."),
]
OnlyOption = Annotated[
    list[str] | None, typer.Option("--only", help="Only this check id or area; repeatable.")
]
SkipOption = Annotated[
    list[str] | None, typer.Option("--skip", help="Not this check id or area; repeatable.")
]
FailOnOption = Annotated[FailOn, typer.Option("--fail-on", help="What fails the run.")]
TimeoutOption = Annotated[
    float | None, typer.Option("--timeout", min=0.1, help="Seconds for the whole run.")
]
FanoutOption = Annotated[int, typer.Option("--fanout", min=1, help="Hosts asked at once.")]
VerboseOption = Annotated[bool, typer.Option("-v", "--verbose", help="Also every port.")]
NoColorOption = Annotated[bool, typer.Option("--no-color", help="Plain text; so does NO_COLOR.")]


def _version(value: bool) -> None:
    if value:
        typer.echo(f"mlxdiag {__version__}")
        raise typer.Exit


@app.callback(epilog=EPILOG)
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


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
    wanted = _wanted(only, skip)
    _check_output(output)
    early: dict[str, HostFacts] = {}
    if replay is not None:
        recording = _replayed(replay, inventory, hosts, save)
    else:
        recording = _live(_inventory(inventory, hosts), save, fanout, timeout, early)
    report = _report(recording, "ports", wanted, fail_on, early)
    _finish(report, format, output, verbose=verbose, no_color=no_color)


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
    wanted = _wanted(only, skip) if only or skip else _about_backends
    _check_output(output)
    early: dict[str, HostFacts] = {}
    launches = [launch for path in other or () for launch in _launches(path)]
    if measure and replay is not None:
        raise typer.BadParameter("--measure needs hosts: leave out --replay")
    if replay is not None:
        recording = _replayed(replay, inventory, hosts, save)
    elif measure:
        recording = _measured(_inventory(inventory, hosts), save, repeat, timeout)
    else:
        recording = _live(_inventory(inventory, hosts), save, fanout, timeout, early)
    report = _report(recording, "recommend", wanted, fail_on, early, launches)
    _finish(report, format, output, verbose=verbose, no_color=no_color)


@app.command(epilog=EPILOG)
def demo(
    format: FormatOption = Format.table,  # noqa: A002
    output: OutputOption = None,
    verbose: VerboseOption = False,
    no_color: NoColorOption = False,
) -> None:
    """Replay a packaged recording of a night when jaccl would not start; needs no host, no network.

    The report is the one that `mlxdiag ports` would have given that night. It exits 0 when the
    demonstration itself ran.
    """
    from mlxdiag import recording  # noqa: PLC0415

    report = _report(recording.load(DEMO), "ports", lambda _finding: True, FailOn.error)
    _finish(report, format, output, verbose=verbose, no_color=no_color, exit_code=0)


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

    _check_output(write_hostfile)
    if write_hostfile is not None and (replay is not None or backend is ProbeBackend.all):
        raise typer.BadParameter("--write-hostfile wants one backend, and no --replay")
    if replay is not None:
        found = _replayed(replay, inventory, hosts, save)
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
            soak_s=command.seconds(soak) if soak else None,
            connections=connections,
            pairs="all" if all_pairs else "cabled" if pairwise else "",
            behind=behind / 100,
            force=force,
        )
        if save is not None:
            recording.check_target(save)
        if local is None:
            asked = _inventory(inventory, hosts)
            plans = command.over_cluster(asked, wish, timeout)
        else:
            plans = command.on_this_machine(local, wish)
        if write_hostfile is not None and plans.makers:
            _write_hostfile(write_hostfile, *command.hostfile(plans, str(write_hostfile)))
        if dry_run and plans.makers:
            _write(command.described(plans))
            raise typer.Exit(0)
        found = command.launch(plans, timeout)
        if save is not None:
            recording.save(found, save)
    report = _report(found, "probe", lambda _finding: True, FailOn.error)
    _finish(report, format, output, verbose=False, no_color=no_color)


@hostfile_app.command("write", epilog=EPILOG)
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

    _check_output(output)
    early: dict[str, HostFacts] = {}
    if replay is not None:
        recording = _replayed(replay, inventory, hosts, save)
    else:
        recording = _live(_inventory(inventory, hosts), save, fanout, timeout, early)
    report = _report(recording, "ports", lambda _finding: True, FailOn.error, early)
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
        _write(text)
    else:
        files.put(output, text, over=force)
        sys.stderr.write(f"mlxdiag: {output}: {spelt.launch_line(made.plan, str(output))}\n")


@hostfile_app.command("check", epilog=EPILOG)
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
    wanted = _wanted(only, skip, {name for check in asked_of for name in (check.area, check.id)})
    _check_output(output)
    text = inventories.read(file)
    told = hostfile.loads(text, str(file))
    early: dict[str, HostFacts] = {}
    if replay is not None:
        recording = _replayed(replay, inventory, hosts, save)
    else:
        own = inventory is None and hosts is None and not DEFAULT_INVENTORY.exists()
        asked = hostcheck.own_inventory(told, str(file)) if own else _inventory(inventory, hosts)
        recording = _live(asked, save, fanout, timeout, early)
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
    _finish(report, format, output, verbose=False, no_color=no_color)


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

    names = {name for check in ALL for name in (check.id, check.area)}
    chosen = _wanted(only, skip, names)
    papers = handover.Papers(hostfile_out, report_out, save_baseline)
    _check_output(output)
    papers.check()
    if command and (replay is not None or shutil.which(command[0]) is None):
        why = "cannot be started from a recording" if replay else "is no program on this machine"
        raise typer.BadParameter(f"{command[0]!r} {why}")
    gated = None if replay is not None else _inventory(inventory, hosts)
    before = _baseline(baseline, gated)
    options = asked.Options(level and level.value, require and require.value, port, before)

    def judged(found: Recording) -> Report:
        return _report(found, "preflight", asked.with_verdict(chosen), fail_on)

    report = (
        judged(options.of(_replayed(replay, inventory, hosts, save)))
        if replay is not None
        else _gate(
            gated or _inventory(inventory, hosts), options, judged, wait, save, fanout, timeout
        )
    )
    try:
        _finish(report, format, output, verbose=verbose, no_color=no_color)
    except typer.Exit:
        if report.preflight is not None:
            document = _document(report)
            handover.hand_over(report.preflight, report.exit_code == 0, document, papers, command)
        raise


@app.command()
def schema() -> None:
    """Print the JSON Schema of `--format json`."""
    sys.stdout.write((Path(__file__).parent / "report.schema.json").read_text(encoding="utf-8"))


def _baseline(path: Path | None, inventory: Inventory | None) -> Mapping[str, object] | None:
    """Read the report to compare with: that of the option, else the one the inventory expects."""
    from mlxdiag import inventory as inventories  # noqa: PLC0415
    from mlxdiag.preflight import baseline  # noqa: PLC0415

    if path is None and inventory is not None and inventory.expect.baseline:
        path = Path(inventory.source).parent / Path(inventory.expect.baseline).expanduser()
    return None if path is None else baseline.load(inventories.read(path), str(path))


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
    from mlxdiag.probe.command import seconds  # noqa: PLC0415

    wait_s = seconds(wait) if wait else 0.0
    if save is not None:
        recording.check_target(save)
    gate = Gate(inventory, options.about(inventory), fanout, timeout, wait_s)
    found, report = gate.run(judged, Status())
    if save is not None:
        recording.save(found, save)
    return report


def _document(report: Report) -> str:
    from mlxdiag.render import FORMATS  # noqa: PLC0415
    from mlxdiag.render.style import Style  # noqa: PLC0415

    return FORMATS["json"](report, Style())


def _check_output(output: Path | None) -> None:
    """Refuse a place for the report before any host is asked."""
    if output is not None and (output.is_dir() or not output.absolute().parent.is_dir()):
        raise MlxdiagError(f"{output}: not a file in a folder that exists")


def _write_hostfile(path: Path, text: str, line: str) -> None:
    """Make the file, unless it is there and says the same; nothing of the user's is overwritten."""
    files.put(path, text, over=False)
    sys.stderr.write(f"mlxdiag: {path}: {line}\n")


def _inventory(path: Path | None, hosts: str | None) -> Inventory:
    from mlxdiag import inventory  # noqa: PLC0415

    if path is not None and hosts is not None:
        raise typer.BadParameter("give --inventory or --hosts, not both")
    return (
        inventory.from_hosts(hosts)
        if hosts is not None
        else inventory.load(path or DEFAULT_INVENTORY)
    )


def _replayed(
    replay: Path, inventory: Path | None, hosts: str | None, save: Path | None
) -> Recording:
    from mlxdiag import recording  # noqa: PLC0415

    if inventory is not None or hosts is not None:
        raise typer.BadParameter("a recording brings its own inventory: leave out -i and --hosts")
    found = recording.load(replay)
    if save is not None:
        recording.save(found, save)
    return found


def _live(
    inventory: Inventory,
    save: Path | None,
    fanout: int,
    timeout: float | None,
    early: dict[str, HostFacts],
) -> Recording:
    """Ask the hosts; what one said is read into `early` while others are still answering."""
    from mlxdiag import live, readings, recording  # noqa: PLC0415
    from mlxdiag.fanout import State  # noqa: PLC0415
    from mlxdiag.progress import progress  # noqa: PLC0415

    if save is not None:
        recording.check_target(save)
    loading = Thread(target=_load_reader)
    with progress([host.name for host in inventory.hosts]) as show:

        def on_state(host: str, state: State) -> None:
            show(host, state)
            if state is State.COLLECTING and loading.ident is None:
                loading.start()

        def on_host(host: Host, captures: Captures) -> None:
            with suppress(Exception):  # what cannot be read now cannot be read for the report
                early[host.name] = readings.read(host, captures)

        found = live.record(
            inventory, fanout=fanout, timeout_s=timeout, on_state=on_state, on_host=on_host
        )
    if save is not None:
        recording.save(found, save)
    return found


def _measured(
    inventory: Inventory, save: Path | None, repeat: int | None, timeout: float | None
) -> Recording:
    """Ask the hosts, then launch whatever can be launched on them."""
    from mlxdiag import recording  # noqa: PLC0415
    from mlxdiag.probe import command  # noqa: PLC0415

    if save is not None:
        recording.check_target(save)
    plans = command.over_cluster(inventory, command.comparison(repeat), timeout)
    found = command.launch(plans, timeout)
    if save is not None:
        recording.save(found, save)
    return found


def _launches(path: Path) -> tuple[Launch, ...]:
    """Read the launches of another run: a JSON report, or a recording."""
    from mlxdiag import measured, recording, report  # noqa: PLC0415

    if path.suffix.lower() != ".json":
        return report.launches_of(recording.load(path), str(path))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MlxdiagError(f"{path}: cannot be read: {error}") from error
    return measured.from_report(text, str(path))


def _about_backends(finding: Finding) -> bool:
    """What `recommend` is judged by: whether a backend is usable, and the launches."""
    return finding.check.area in ("backend", "probes")


def _load_reader() -> None:
    """Load what will read and show the answers, while the hosts are at work on them."""
    from mlxdiag import advice, report  # noqa: F401, PLC0415
    from mlxdiag.render import json, short  # noqa: F401, PLC0415


def _report(
    recording: Recording,
    command: str,
    wanted: Callable[[Finding], bool],
    fail_on: FailOn,
    early: Mapping[str, HostFacts] = {},
    launches: Sequence[Launch] = (),
) -> Report:
    from mlxdiag import report  # noqa: PLC0415
    from mlxdiag.finding import Severity  # noqa: PLC0415

    return report.build(
        recording,
        command,
        __version__,
        wanted=wanted,
        fail_on=Severity(fail_on.value),
        early=early,
        launches=launches,
    )


def _names() -> set[str]:
    """Name the checks that `ports` asks, and their areas."""
    from mlxdiag.checks import AREAS, CHECKS  # noqa: PLC0415
    from mlxdiag.recommend import EXPECTED, USABLE  # noqa: PLC0415

    return {*AREAS, EXPECTED.area, EXPECTED.id, USABLE.id, *(check.id for check in CHECKS)}


def _wanted(
    only: list[str] | None, skip: list[str] | None, names: set[str] | None = None
) -> Callable[[Finding], bool]:
    """Build the filter of --only and --skip; refuse names that no check and no area has."""
    if not only and not skip:
        return lambda _finding: True
    known = _names() if names is None else names
    for name in (*(only or ()), *(skip or ())):
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise typer.BadParameter(f"{name!r} is no check and no area{hint}")

    def wanted(finding: Finding) -> bool:
        names = {finding.id, finding.check.area}
        return (not only or bool(names & set(only))) and not names & set(skip or ())

    return wanted


def _finish(
    report: Report,
    format: Format,  # noqa: A002
    output: Path | None,
    *,
    verbose: bool,
    no_color: bool,
    exit_code: int | None = None,
) -> NoReturn:
    """Render, write and leave with the report's exit code."""
    from mlxdiag.render import EXIT_CODES, FORMATS, SUMMARIES  # noqa: PLC0415
    from mlxdiag.render.short import verdict_line  # noqa: PLC0415
    from mlxdiag.render.style import Style  # noqa: PLC0415

    here = _style(verbose=verbose, no_color=no_color)
    if output is None:
        _write(FORMATS[format.value](report, here))
    else:
        text = FORMATS[format.value](report, Style(width=100, verbose=verbose))
        files.put(output, text)
        _write(verdict_line(report, here) + "\n")
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary and format.value in SUMMARIES:
        _append(FORMATS["markdown"](report, Style()), Path(summary))
    if exit_code is None:
        code_of = EXIT_CODES.get(format.value)
        exit_code = code_of(report) if code_of else report.exit_code
    raise typer.Exit(exit_code)


def _append(text: str, summary: Path) -> None:
    try:
        with summary.open("a", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise MlxdiagError(f"{summary}: cannot be written: {error.strerror}") from error


def _style(*, verbose: bool, no_color: bool) -> Style:
    from mlxdiag.render.style import Style  # noqa: PLC0415

    dumb = os.environ.get("TERM") == "dumb"
    plain = no_color or bool(os.environ.get("NO_COLOR")) or dumb or not sys.stdout.isatty()
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    locale = os.environ.get("LC_ALL") or os.environ.get("LANG")  # LC_CTYPE: PEP 538 sets it
    return Style(
        width=max(40, shutil.get_terminal_size((100, 24)).columns),
        color=not plain,
        unicode=encoding.startswith("utf") and locale not in ("C", "POSIX"),
        verbose=verbose,
        curve=sys.stdout.isatty() and not dumb,
    )


def _write(text: str) -> None:
    """Write the report; a reader that has gone (`| head`) is no failure of the report."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.buffer.write(text.encode(encoding, "backslashreplace"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Run the command line: known errors give 2, anything unforeseen a traceback and 4.

    Garbage is collected rarely: what a run makes, it keeps until it prints it. At the end nothing
    is left to the interpreter's last collection, which would look for cycles for 40 ms.
    """
    gc.set_threshold(50_000, 20, 20)
    try:
        if _for_nagios(sys.argv[1:]):
            sys.exit(_as_plugin())
        app()
    except MlxdiagError as error:
        sys.stderr.write(f"mlxdiag: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception:  # noqa: BLE001  # the boundary: nothing else may look like a verdict
        traceback.print_exc()
        sys.exit(4)
    finally:
        gc.freeze()


def _for_nagios(words: Sequence[str]) -> bool:
    """Whether the report is for Nagios, also where the rest of the command line is wrong."""
    asked = {"-fnagios", "--format=nagios"}
    return bool(asked & set(words)) or any(
        option in ("-f", "--format") and value == "nagios" for option, value in pairwise(words)
    )


def _as_plugin() -> int:
    """Run the command line as a Nagios plugin: what went wrong here is UNKNOWN, in one line."""
    try:
        return int(app(standalone_mode=False) or 0)
    except MlxdiagError as error:
        said = str(error)
    except (KeyboardInterrupt, typer.Abort):
        said = "interrupted"
    except Exception as error:  # noqa: BLE001  # as in main: nothing else may look like a verdict
        usage = getattr(error, "format_message", None)
        if usage is None:
            traceback.print_exc()
        said = usage() if usage else f"mlxdiag broke: {type(error).__name__}: {error}"
    from mlxdiag.render.nagios import line  # noqa: PLC0415
    from mlxdiag.render.style import Style  # noqa: PLC0415

    _write(line("UNKNOWN", Style().text(said)) + "\n")
    return 3
