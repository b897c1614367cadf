"""`mlxdiag explain`."""

from __future__ import annotations

import shutil
from difflib import get_close_matches
from typing import Annotated

import typer

from mlxdiag.cli.streams import write

EPILOG = (
    "Exit codes: 0 it is explained; 2 no such check or area, or one that was retired; 4 mlxdiag"
    " itself broke. No host is asked."
)


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG)
def explain(
    names: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Ids of checks, or an area for all of it.")
    ],
) -> None:
    """Say of a check what is healthy, why it matters, how it looks, and the fix step by step."""
    from mlxdiag.catalogue import ALL  # noqa: PLC0415
    from mlxdiag.checks import RETIRED  # noqa: PLC0415
    from mlxdiag.explained import words  # noqa: PLC0415

    chosen = []
    for name in names:
        found = [check for check in ALL if name in (check.id, check.area)]
        if name in RETIRED:
            raise typer.BadParameter(f"{name!r} was retired: no check has this id any more")
        if not found:
            known = {text for check in ALL for text in (check.id, check.area)}
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "; see `mlxdiag check --list`"
            raise typer.BadParameter(f"{name!r} is no check and no area{hint}")
        chosen += [check for check in found if check not in chosen]
    width = min(shutil.get_terminal_size((100, 24)).columns, 110)
    write("\n".join(words.terminal(check, width) for check in chosen))
