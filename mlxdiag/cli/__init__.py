"""The commands and the way in; nothing else imports this."""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import typer

from mlxdiag import __version__
from mlxdiag.cli import lazy, streams
from mlxdiag.cli.options import EPILOG
from mlxdiag.errors import MlxdiagError

app = typer.Typer(
    name="mlxdiag",
    cls=lazy.Commands,
    help="The doctor for clusters of Macs that run MLX distributed over Thunderbolt.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(value: bool) -> None:
    if value:
        streams.write(f"mlxdiag {__version__}\n")
        raise typer.Exit


@app.callback(epilog=EPILOG)
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line: known errors give 2, anything unforeseen a traceback and 4.

    Garbage is collected rarely: what a run makes, it keeps until it prints it. At the end nothing
    is left to the interpreter's last collection, which would look for cycles for 40 ms.
    """
    gc.set_threshold(50_000, 20, 20)
    try:
        if _for_nagios(sys.argv[1:]):
            sys.exit(_as_plugin())
        streams.check()
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
        streams.check()
        return int(app(standalone_mode=False) or 0)
    except MlxdiagError as error:
        said = str(error)
        sys.stderr.write(f"mlxdiag: {said}\n")
    except (KeyboardInterrupt, typer.Abort):
        said = "interrupted"
    except Exception as error:  # noqa: BLE001  # as in main: nothing else may look like a verdict
        usage = getattr(error, "format_message", None)
        if usage is None:
            traceback.print_exc()
        said = usage() if usage else f"mlxdiag broke: {type(error).__name__}: {error}"
    from mlxdiag.render.nagios import line  # noqa: PLC0415
    from mlxdiag.render.style import Style  # noqa: PLC0415

    if sys.stdout is not None:
        streams.write(line("UNKNOWN", Style().text(said)) + "\n")
    return 3
