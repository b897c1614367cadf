"""The part of the table that ranks the backends: usable or not, and what stands against each."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from mlxdiag.recommend import Choice
from mlxdiag.render.layout import grid, head
from mlxdiag.render.rows import basis, because
from mlxdiag.render.style import Style
from mlxdiag.report import Report


def backends(report: Report, style: Style) -> list[RenderableType]:
    """Rank the backends: usable or not and why, then the one to use."""
    table = grid("backend", "usable", "because")
    found = report.recommendation
    words = {True: ("yes", "green"), False: ("no", "red"), None: ("unknown", "magenta")}
    before: Choice | None = None
    for choice in found.choices:
        word, color = words[choice.usable]
        same = before is not None and choice.blockers and choice.blockers == before.blockers
        why = f"as {before.backend}" if before and same else because(choice)
        before = choice
        name = Text(choice.backend, style="bold" if choice.backend == found.backend else "")
        table.add_row(name, Text(word, style=color), Text(style.text(why)))
    chosen = found.backend or "none"
    text = f"{style.mark('arrow')} {chosen}: {found.reason} ({basis(found)})"
    return [head("BACKENDS"), table, Text(style.text(text))]
