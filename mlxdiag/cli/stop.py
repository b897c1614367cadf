"""`mlxdiag stop`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from mlxdiag.cli.options import (
    EPILOG,
    HostsOption,
    InventoryOption,
    LocalOption,
    PatternOption,
    TimeoutOption,
)
from mlxdiag.cli.stages import hosts_of
from mlxdiag.cli.streams import write
from mlxdiag.duration import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlxdiag.recording import Ended
    from mlxdiag.render.stopped import Verdict
    from mlxdiag.stop.command import Listed

CODES = {"clean": 0, "found": 0, "left": 1, "declined": 1, "unknown": 3}


class StopFormat(StrEnum):
    """Forms of what was stopped."""

    text = "text"
    json = "json"


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG)
def stop(
    inventory: InventoryOption = None,
    hosts: HostsOption = None,
    local: LocalOption = False,
    pattern: PatternOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show it, and send nothing.")] = False,
    grace: Annotated[
        str, typer.Option("--grace", help="How long the first SIGTERM may take: 30s, 2m.")
    ] = "30s",
    force: Annotated[
        bool, typer.Option("--force", help="SIGKILL for what two SIGTERM do not end; it leaks.")
    ] = False,
    timeout: TimeoutOption = None,
    format: Annotated[  # noqa: A002
        StopFormat, typer.Option("-f", "--format", help="text, or one JSON document at the end.")
    ] = StopFormat.text,
) -> None:
    """Stop your server, and only it, on every host at once; then say what it left.

    Exits 0 only when nothing is left, 1 when something is, 3 when that is not known: a host did not
    answer, or no process was found and no port of the inventory shows that the server is gone.
    """
    from mlxdiag.render import stopped  # noqa: PLC0415
    from mlxdiag.stop import command  # noqa: PLC0415

    asked = hosts_of(inventory, hosts, local=local)
    pattern_of, grace_s = command.pattern_of(asked, pattern), seconds(grace)
    wanted = command.Stop(pattern_of, grace_s, force, command.deadline(timeout))
    found = command.listed(asked, wanted)
    as_json = format is StopFormat.json
    asks = not dry_run and not yes and bool(found.targets)
    if not as_json or asks:
        _write(stopped.listing(found), out=not as_json)
    result, verdict, ended = None, _unsent(found, dry_run=dry_run), found.ended
    if verdict is None and asks:
        verdict, ended = _answer(found, force=force)
    if verdict in ("declined", "short"):
        _write(["nothing was stopped"], out=not as_json)
    if verdict is None:
        result = command.Run(asked, wanted, found, _say).run()
        verdict = stopped.verdict(found, result)
        ended = result.ended
        _write(() if as_json else stopped.told(found, result))
    code = _code(verdict, ended)
    if as_json:
        write(stopped.document(found, result or command.Result(ended=ended), verdict, code))
    raise typer.Exit(code)


def _unsent(found: Listed, *, dry_run: bool) -> Verdict | None:
    """Judge what was found where nothing is to be sent; None where it is."""
    if found.ended != "complete":
        return "short"
    if dry_run:
        return "unknown" if found.lost or not found.targets else "found"
    return None


def _answer(found: Listed, *, force: bool) -> tuple[Verdict | None, Ended]:
    """Ask; without a terminal to ask at it is a mistake of usage. No answer is no."""
    from mlxdiag.render.stopped import LEAKS  # noqa: PLC0415

    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here; say --yes, or --dry-run to look first")
    if force:
        sys.stderr.write(f"mlxdiag: --force: {LEAKS}\n")
    count, hosts = len(found.targets), len({target.host for target in found.targets})
    what = f"{count} process{'es' if count > 1 else ''} on {hosts} host{'s' if hosts > 1 else ''}"
    try:
        agreed = typer.confirm(f"send SIGTERM to {what}?", err=True)
    except typer.Abort as error:  # of Ctrl-C, and of the end of the terminal's input
        sys.stderr.write("\n")
        interrupted = isinstance(error.__context__, KeyboardInterrupt)
        return ("short", "interrupted") if interrupted else ("declined", "complete")
    return (None if agreed else "declined"), "complete"


def _write(lines: Iterable[str], *, out: bool = True) -> None:
    text = "".join(f"{_plain(line)}\n" for line in lines)
    if out:
        write(text)
    else:
        sys.stderr.write(text)


def _say(line: str) -> None:
    sys.stderr.write(f"mlxdiag: {_plain(line)}\n")


def _plain(text: str) -> str:
    from mlxdiag.render.style import Style  # noqa: PLC0415

    return Style().text(text)


def _code(verdict: Verdict, ended: Ended) -> int:
    from mlxdiag.report import ENDED_CODES  # noqa: PLC0415

    return ENDED_CODES[ended] if verdict == "short" else CODES[verdict]
