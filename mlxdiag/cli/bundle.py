"""`mlxdiag bundle`."""

from __future__ import annotations

import os
import secrets
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlxdiag import __version__, files
from mlxdiag.cli.options import (
    FanoutOption,
    HostsOption,
    InventoryOption,
    ReplayOption,
    TimeoutOption,
)
from mlxdiag.cli.stages import gathered, whole_run
from mlxdiag.cli.streams import write
from mlxdiag.errors import MlxdiagError

if TYPE_CHECKING:
    from mlxdiag.recording import Files

EPILOG = (
    "Exit codes: 0 the archive is written, whatever is in it, also where --timeout or Ctrl-C ended"
    " the asking; 2 usage, inventory, recording or log cannot be read, no place to write to, or"
    " something cannot be hidden: then nothing is written; 4 mlxdiag itself broke; 130 interrupted"
    " and 143 terminated while nobody was asked."
)

MAX_LOG_BYTES = 64 << 20


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG)
def bundle(
    inventory: InventoryOption = None,
    hosts: HostsOption = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The archive to write, a .tar.gz.")
    ] = Path("mlxdiag-bundle.tar.gz"),
    log: Annotated[
        list[Path] | None,
        typer.Option("--log", help="A log or a crash report to put in; repeatable."),
    ] = None,
    redact: Annotated[
        bool, typer.Option("--redact/--no-redact", help="Replace what identifies anybody.")
    ] = True,
    replay: ReplayOption = None,
    timeout: TimeoutOption = None,
    fanout: FanoutOption = 64,
) -> None:
    """Write an archive for a bug report: recording, reports and logs, under pseudonyms.

    It is a recording, so --replay takes it. The table of what was replaced stays with you, in a
    file beside it that only you can read.
    """
    from mlxdiag import recording  # noqa: PLC0415
    from mlxdiag.bundle import evidence  # noqa: PLC0415
    from mlxdiag.bundle.archive import composed  # noqa: PLC0415
    from mlxdiag.bundle.pseudonyms import Pseudonyms, leaks, table  # noqa: PLC0415
    from mlxdiag.bundle.redact import names_of, redacted  # noqa: PLC0415
    from mlxdiag.keys import masked_log  # noqa: PLC0415

    if not output.name.endswith((".tar.gz", ".tgz")):
        raise typer.BadParameter(f"{output}: a bundle is a .tar.gz")
    recording.check_target(output)
    names = _table(output)
    if redact and os.path.lexists(names):
        raise MlxdiagError(f"{names}: exists already; a table is never overwritten")
    logs = {f"{at:02}-{path.name}": _log(path) for at, path in enumerate(log or (), 1)}
    ask = partial(whole_run, also=evidence.COMMANDS)
    found, _early = gathered(replay, inventory, hosts, None, fanout, timeout, ask)
    if not redact:
        whole: Files = composed(recording.files_of(found), logs, __version__, redacted=False)
        recording.pack(whole, output)
        write(f"{output}: {len(whole)} files, as they are: look at it before you send it\n")
        return
    pseudonyms = Pseudonyms(secrets.token_bytes(32), names_of(found, logs.values()))
    clean = redacted(found, pseudonyms)
    hidden = {pseudonyms.text(name): pseudonyms.raw(masked_log(raw)) for name, raw in logs.items()}
    whole = composed(clean, hidden, __version__, redacted=True)
    if left := leaks(whole.values(), pseudonyms.used):
        raise MlxdiagError(f"not written: {', '.join(left[:5])} would still be in it")
    files.put_secret(names, table(pseudonyms.used))
    recording.pack(whole, output)
    write(f"{output}: {len(whole)} files, {len(pseudonyms.used)} names and numbers replaced\n")
    sys.stderr.write(f"mlxdiag: {names}: what was replaced; keep it, and do not send it\n")


def _table(output: Path) -> Path:
    """Name the file of what was replaced, beside the archive."""
    stem = output.name.removesuffix(".tgz").removesuffix(".tar.gz")
    return output.with_name(f"{stem}.names.tsv")


def _log(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_LOG_BYTES + 1)
    except OSError as error:
        raise MlxdiagError(f"{path}: cannot be read: {error.strerror}") from error
    if len(raw) > MAX_LOG_BYTES:
        raise MlxdiagError(f"{path}: larger than {MAX_LOG_BYTES} bytes: cut it to what matters")
    return raw
