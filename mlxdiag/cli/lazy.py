"""The commands by name: the module of one is imported when it is asked for."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

import click
from typer.core import TyperGroup
from typer.main import get_command

SUMMARIES = {
    "ports": "For every pair of Macs: can RDMA run over their cable?",
    "check": "Every check of every host: all that is known to fail.",
    "recommend": "Which backend, why, and the fewest steps to a better.",
    "demo": "Replay a night when jaccl would not start.",
    "probe": "Run real collectives: right, how fast, who hangs?",
    "diagnose": "What a failed run died of, from its logs.",
    "explain": "What a check means, and its fix step by step.",
    "fix": "A plan that repairs what check finds.",
    "bundle": "An archive for a bug report, under pseudonyms.",
    "hostfile": "Write MLX's hostfile, or hold one against the wiring.",
    "preflight": "The gate before a server starts.",
    "server": "Does the server answer, and how fast?",
    "hang": "Is a run hung, on which rank, in what, since when?",
    "stop": "Stop your server, and only it, on every host.",
    "watch": "Ask again and again; show what changes.",
    "history": "Since when is a link as it is?",
    "schema": "The JSON Schema of a report.",
}
"""The commands in the order of `--help`, with what it says of each; a module has its name."""


class Commands(TyperGroup):
    """The group of all commands, which it names and describes without importing one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, in the order of `--help`."""
        del ctx
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command and make the command of its `app`."""
        del ctx
        if cmd_name not in SUMMARIES:
            return None
        made = get_command(import_module(f"mlxdiag.cli.{cmd_name}").app)
        made.name = cmd_name
        made.short_help = SUMMARIES[cmd_name]
        return made

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Look up the command; a word that is none is answered with the nearest that are."""
        name = args[0]
        if name not in SUMMARIES and not name.startswith("-") and not ctx.resilient_parsing:
            near = " or ".join(repr(each) for each in get_close_matches(name, SUMMARIES))
            ctx.fail(f"No such command {name!r}." + (f" Did you mean {near}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of the commands."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([*SUMMARIES.items()])
