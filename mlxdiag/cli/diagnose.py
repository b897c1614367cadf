"""`mlxdiag diagnose`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from mlxdiag import __version__
from mlxdiag.cli.options import (
    DiagnoseFormat,
    FanoutOption,
    Format,
    HostsOption,
    NoColorOption,
    OutputOption,
    ReplayOption,
    SaveOption,
    TimeoutOption,
)
from mlxdiag.cli.stages import check_output, finish, gathered, whole_run
from mlxdiag.errors import MlxdiagError

if TYPE_CHECKING:
    from mlxdiag.diagnose.reading import Log
    from mlxdiag.readings import HostFacts
    from mlxdiag.recording import Recording

EPILOG = (
    "Exit codes: 1 a cause was recognised; 3 none was: nothing known, only echoes, or no text; 2"
    " usage, inventory or a log that cannot be read; 4 mlxdiag itself broke; 124 --timeout was hit"
    " while hosts were asked; 130 interrupted; 143 terminated. Never 0."
)

PIECE = 1 << 20
"""Bytes that are read at once."""


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG)
def diagnose(
    logs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[LOG]...", help="Logs, crash reports (.ips); - is stdin."),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", help="A line in place of a log; repeatable.")
    ] = None,
    inventory: Annotated[
        Path | None,
        typer.Option("-i", "--inventory", help="Go on to host and port: inventory or hostfile."),
    ] = None,
    hosts: HostsOption = None,
    replay: ReplayOption = None,
    save: SaveOption = None,
    hostfile: Annotated[
        Path | None,
        typer.Option("--hostfile", help="The run's hostfile: which host each rank was."),
    ] = None,
    format: Annotated[  # noqa: A002
        DiagnoseFormat, typer.Option("-f", "--format", help="Form of the report.")
    ] = DiagnoseFormat.table,
    output: OutputOption = None,
    timeout: TimeoutOption = None,
    fanout: FanoutOption = 64,
    no_color: NoColorOption = False,
) -> None:
    """Say what a failed run died of, from its logs: the first error, not its echoes.

    Only the log is read, and no host is asked, unless -i, --hosts or --replay says of which cluster
    it is: then the error is joined with host, port and what `check` finds there. Exit code 1 means
    that a cause was recognised, 3 that none was. It is never 0: a log proves no health.
    """
    from mlxdiag import hostfile as hostfiles  # noqa: PLC0415
    from mlxdiag import inventory as inventories  # noqa: PLC0415
    from mlxdiag.diagnose import command  # noqa: PLC0415

    check_output(output)
    asks = replay is not None or inventory is not None or hosts is not None
    if hostfile is not None and not asks:
        raise typer.BadParameter("--hostfile goes with -i, --hosts or --replay")
    told = hostfiles.loads(inventories.read(hostfile), str(hostfile)) if hostfile else None
    given = _logs(logs or [], text or [])
    recording: Recording | None = None
    early: dict[str, HostFacts] = {}
    if asks:
        recording, early = gathered(replay, inventory, hosts, save, fanout, timeout, whole_run)
    elif save is not None:
        raise typer.BadParameter("--save goes with -i or --hosts")
    names = [host.name for host in recording.inventory.hosts] if recording else []
    read = command.read_all(given, names)
    report = command.build(
        read, __version__, recording, told, str(hostfile) if hostfile else None, early
    )
    finish(report, Format(format.value), output, verbose=False, no_color=no_color)


def _logs(paths: Sequence[Path], texts: Sequence[str]) -> list[Log]:
    """Open what is to be read; a log that cannot be opened is refused before any host is asked."""
    from mlxdiag.diagnose.reading import Log  # noqa: PLC0415

    said = [Log(f"--text {n}", [line.encode()]) for n, line in enumerate(texts, 1)]
    if not paths and not texts:
        paths = [Path("-")]
        if sys.stdin.isatty():
            sys.stderr.write("mlxdiag: paste the log, then press Ctrl-D\n")
    return [*map(_log, paths), *said]


def _log(path: Path) -> Log:
    from mlxdiag.diagnose.reading import Log  # noqa: PLC0415

    if str(path) == "-":
        return Log("stdin", _pieces(sys.stdin.buffer, "stdin"))
    try:
        return Log(str(path), _pieces(path.open("rb"), str(path)))
    except OSError as error:
        raise MlxdiagError(f"{path}: cannot be read: {error.strerror}") from error


def _pieces(stream: BinaryIO, name: str) -> Iterator[bytes]:
    with stream:
        while True:
            try:
                piece = stream.read(PIECE)
            except OSError as error:
                raise MlxdiagError(f"{name}: cannot be read: {error.strerror}") from error
            if not piece:
                return
            yield piece
