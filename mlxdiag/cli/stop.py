"""`mlxdiag stop`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from mlxdiag.cli.options import EPILOG, HostsOption, InventoryOption, LocalOption, PatternOption
from mlxdiag.cli.stages import hosts_of
from mlxdiag.cli.streams import write
from mlxdiag.duration import seconds

if TYPE_CHECKING:
    from mlxdiag.stop.command import Listed, Result
    from mlxdiag.stop.targets import Target

LEAKS = (
    "a rank that is killed cannot give back wired memory, GPU work and protection domains of RDMA"
    " devices: a restart of its Mac may be the only way to get them back"
)


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
) -> None:
    """Stop your server, and only it, on every host at once; then say what it left.

    Exits 0 only when nothing is left, 1 when something is, 3 when that is not known: a host did not
    answer, or no process was found and no port of the inventory shows that the server is gone.
    """
    from mlxdiag.report import ENDED_CODES  # noqa: PLC0415
    from mlxdiag.stop import command  # noqa: PLC0415

    asked = hosts_of(inventory, hosts, local=local)
    wanted = command.Stop(command.pattern_of(asked, pattern), seconds(grace), force)
    found = command.listed(asked, wanted.pattern)
    write("".join(f"{line}\n" for line in _listed(found)))
    if found.ended != "complete":
        raise typer.Exit(ENDED_CODES[found.ended])
    if dry_run:
        raise typer.Exit(3 if found.lost or not found.targets else 0)
    if found.targets and not _agreed(found, force=force, yes=yes):
        write("nothing was stopped\n")
        raise typer.Exit(1)
    result = command.Run(asked, wanted, found, _say).run()
    write("".join(f"{line}\n" for line in _told(found, result)))
    raise typer.Exit(_code(found, result))


def _agreed(found: Listed, *, force: bool, yes: bool) -> bool:
    """Ask, unless --yes; without a terminal to ask at it is a mistake of usage."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here; say --yes, or --dry-run to look first")
    if force:
        sys.stderr.write(f"mlxdiag: --force: {LEAKS}\n")
    hosts = len({target.host for target in found.targets})
    what = f"{len(found.targets)} processes on {hosts} host{'s' if hosts > 1 else ''}"
    return typer.confirm(f"send SIGTERM to {what}?", err=True)


def _say(line: str) -> None:
    sys.stderr.write(f"mlxdiag: {_plain(line)}\n")


def _plain(text: str) -> str:
    from mlxdiag.render.style import Style  # noqa: PLC0415

    return Style().text(text)


def _listed(found: Listed) -> Iterator[str]:
    if not found.targets:
        yield "no process of the server was found"
    for target in found.targets:
        yield _plain(_row(target))
    for gap in found.lost:
        yield _plain(f"{gap.host}: not known: {gap.reason}")


def _row(target: Target) -> str:
    from mlxdiag.render.sizes import duration  # noqa: PLC0415

    p = target.process
    age = duration(round(p.age_s)) if p.age_s is not None else "?"
    kind = "  (launcher: ends by itself after its ranks)" if target.launcher else ""
    return f"{target.host}  pid {p.pid}  {p.user}  {age}  {p.arguments[:160]}{kind}"


def _told(found: Listed, result: Result) -> Iterator[str]:
    for target in found.targets:
        fate = result.fates.get((target.host, target.pid))
        if fate:
            yield _plain(f"{target.host} pid {target.pid}: {fate}")
    for host, text in result.left:
        yield _plain(f"left on {host}: {text}")
    for host, text in result.unknown:
        yield _plain(f"not known of {host}: {text}")
    for host, text in result.noted:
        yield _plain(f"noted on {host}: {text}")
    stays = any("stays" in fate for fate in result.fates.values())
    if stays:
        yield f"what ignores SIGTERM ends with --force (SIGKILL), but {LEAKS}"
    if result.ended != "complete":
        yield f"STOPPED SHORT: {result.ended}; what is left was not looked at"
    elif result.left:
        yield f"LEFT: {len(result.left)} thing{'s' if len(result.left) > 1 else ''}"
    elif result.unknown or found.lost:
        yield f"UNKNOWN: {'not every host answered' if found.lost else 'not all could be seen'}"
    elif found.targets:
        yield "CLEAN: nothing is left"
    elif result.free:
        yield f"CLEAN: nobody listens at port {', '.join(map(str, result.free))}"
    else:
        yield "UNKNOWN: no process of the server was found; say its port in the inventory's server"


def _code(found: Listed, result: Result) -> int:
    from mlxdiag.report import ENDED_CODES  # noqa: PLC0415

    if result.ended != "complete":
        return ENDED_CODES[result.ended]
    if result.left:
        return 1
    known = found.targets or result.free
    return 3 if result.unknown or found.lost or not known else 0
