"""Progress: a line per host on stderr while it is a terminal; nothing otherwise."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from mlxdiag.fanout import State
from mlxdiag.live import OnState

ROOM = 20
"""Up to this many hosts each has a line of its own; beyond it they are counted."""


@contextmanager
def progress(hosts: Sequence[str], stream: TextIO | None = None) -> Iterator[OnState]:
    """Show what every host is doing, and take it all away at the end."""
    out = stream or sys.stderr
    if not out.isatty():
        yield lambda _host, _state: None
        return
    from rich.console import Console  # noqa: PLC0415  # only a terminal needs it
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    states: dict[str, State | None] = dict.fromkeys(hosts)
    width = max(map(len, hosts), default=0)

    def lines() -> Text:
        if len(hosts) > ROOM:
            counted = Counter(s.value if s else "waiting" for s in states.values())
            return Text(", ".join(f"{n} {name}" for name, n in sorted(counted.items())))
        shown = (f"{h:<{width}}  {s.value if s else 'waiting'}" for h, s in states.items())
        return Text("\n".join(shown))

    console = Console(file=out, highlight=False)
    with Live(lines(), console=console, transient=True, refresh_per_second=8) as live:

        def on_state(host: str, state: State) -> None:
            states[host] = state
            live.update(lines())

        yield on_state
