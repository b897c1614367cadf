"""`mlxdiag server`."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlxdiag import files
from mlxdiag.cli.options import (
    EPILOG,
    FailOn,
    FailOnOption,
    Format,
    FormatOption,
    HostsOption,
    InventoryOption,
    NoColorOption,
    OnlyOption,
    OutputOption,
    ReplayOption,
    SaveOption,
    SkipOption,
    TimeoutOption,
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

if TYPE_CHECKING:
    from mlxdiag.inventory import Inventory
    from mlxdiag.recording import Recording
    from mlxdiag.server.asked import Asked, Before

AT_ONCE = (
    "mlxdiag: two requests at once have brought down the ranks of distributed mlx_lm.server"
    " (mlx-lm issue 1737); --parallel sends {0}\n"
)


RECORDED = (
    "url", "model", "key_env", "prompt", "max_tokens", "requests", "parallel", "deadline", "timeout"
)  # fmt: skip
"""Options that say what is asked, which a recording brings."""


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG)
def server(
    context: typer.Context,
    inventory: InventoryOption = None,
    hosts: HostsOption = None,
    url: Annotated[
        str | None,
        typer.Option("--url", help="Where it answers.  [default: server.url, rank 0 port 8080]"),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="What to ask for.  [default: server.model]")
    ] = None,
    key_env: Annotated[
        str | None,
        typer.Option("--key-env", help="Variable that holds the key.  [default: server.key_env]"),
    ] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", help="The question.")] = None,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=1, max=4096, help="Length of an answer.")
    ] = 64,
    requests: Annotated[
        int, typer.Option("--requests", min=1, max=100, help="So many, one after the other.")
    ] = 3,
    parallel: Annotated[
        int, typer.Option("--parallel", min=0, max=64, help="Then so many at once; may crash it.")
    ] = 0,
    deadline: Annotated[
        float, typer.Option("--deadline", min=0.1, help="Seconds for each request.")
    ] = 60.0,
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", help="A JSON report of `server` that worked: held to it."),
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
    no_color: NoColorOption = False,
) -> None:
    """Ask the server for completions, as its users do: does it answer, again, and how fast."""
    from mlxdiag.server.asked import PROMPT, Asked  # noqa: PLC0415

    if any("\ud800" <= character <= "\udfff" for character in f"{prompt}{model}"):
        raise typer.BadParameter("--prompt and --model want text in UTF-8")
    chosen = wanted_by(only, skip, _names() if only or skip else set())
    for place in (output, save_baseline):
        check_output(place)
    before = _before(baseline)
    if replay is not None:
        _refuse_asking(context)
        found = _again(replayed(replay, inventory, hosts, save), before)
    else:
        words = prompt or PROMPT
        told = Asked("", model, words, max_tokens, requests, parallel, deadline, key_env)
        asked, named = _asked(inventory, hosts, url, replace(told, before=before))
        found = _visit(asked, named, save, timeout)
    report = reported(found, "server", chosen, fail_on)
    if save_baseline is not None and report.exit_code == 0:
        files.put(save_baseline, as_json(report))
    finish(report, format, output, verbose=False, no_color=no_color)


def _refuse_asking(context: typer.Context) -> None:
    """Refuse options beside a recording that it would make meaningless, also at their defaults."""
    sources = ((name, context.get_parameter_source(name)) for name in RECORDED)
    said = [name for name, source in sources if source and source.name == "COMMANDLINE"]
    if said:
        words = ", ".join(f"--{name.replace('_', '-')}" for name in said)
        raise typer.BadParameter(f"a recording brings what was asked: leave out {words}")


def _names() -> set[str]:
    from mlxdiag.checks.server import CHECKS  # noqa: PLC0415

    return {"server", *(check.id for check in CHECKS)}


def _before(path: Path | None) -> Before | None:
    if path is None:
        return None
    from mlxdiag import inventory as inventories  # noqa: PLC0415
    from mlxdiag.server import baseline  # noqa: PLC0415

    return baseline.load(inventories.read_report(path), str(path))


def _again(found: Recording, before: Before | None) -> Recording:
    """Judge a recording once more, by another baseline where there is one."""
    if before is None or found.server is None:
        return found
    asked = replace(found.server.asked, before=before)
    return replace(found, server=replace(found.server, asked=asked))


def _asked(
    path: Path | None, hosts: str | None, url: str | None, told: Asked
) -> tuple[Asked, Inventory]:
    """Complete what is asked.

    With --url alone ./inventory.yaml is not read: its key and its ranks are those of its server.
    """
    from mlxdiag import inventory as inventories  # noqa: PLC0415
    from mlxdiag.server.asked import about  # noqa: PLC0415

    if url is not None:
        url = inventories.server_url(url, "--url")
    bare = url is not None and path is None and hosts is None
    named = inventories.Inventory("server", ()) if bare else inventory_of(path, hosts)
    return about(named.server, named.hosts, url, told), named


def _visit(asked: Asked, named: Inventory, save: Path | None, timeout: float | None) -> Recording:
    from mlxdiag import recording  # noqa: PLC0415
    from mlxdiag.server import hanging, secret  # noqa: PLC0415
    from mlxdiag.server.command import Visit  # noqa: PLC0415
    from mlxdiag.server.record import Look  # noqa: PLC0415

    key = secret.of(asked.key_env, os.environ.get(asked.key_env or ""))
    if save is not None:
        recording.check_target(save)
    if asked.parallel:
        sys.stderr.write(AT_ONCE.format(asked.parallel))
    found = Visit(Look(asked), named, key, timeout, hanging.look, _show).run()
    if save is not None:
        recording.save(found, save)
    return found


def _show(text: str) -> None:
    """Say on a terminal what is under way; an empty text takes it away."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size((100, 24)).columns - 1
        sys.stderr.write(f"\r\x1b[K{text[:width]}")
        sys.stderr.flush()
