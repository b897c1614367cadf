"""Layout: headings and plain columns, alike in every part of the table."""

from __future__ import annotations

from rich.padding import Padding
from rich.table import Table
from rich.text import Text


def head(name: str, note: str = "") -> Padding:
    """Head a part, an empty line above."""
    title = Text(name, style="bold")
    return Padding(title.append(f"  {note}", style="not bold dim") if note else title, (1, 0, 0, 0))


def grid(*headers: str) -> Table:
    """Make columns without lines."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    for header in headers:
        table.add_column(header, header_style="dim", overflow="fold")
    return table
