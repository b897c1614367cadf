"""`mlxdiag` with one signal to itself at one moment of a launch: python -m tests.probe.driver.

SIGNAL MOMENT ARGUMENTS...: MOMENT is an event or a phase, of the first rank that comes to it;
`both:EVENT` is an event once two ranks have said it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from mlxdiag import cli
from mlxdiag.probe import launch
from mlxdiag.probe.plan import Plan
from mlxdiag.probe.said import Event
from mlxdiag.recording import Recording


def main() -> None:
    number, moment = signal.Signals[sys.argv[1]], sys.argv[2]
    sys.argv[1:] = sys.argv[3:]
    sent: list[str] = []
    said: set[int] = set()

    def act(rank: int, event: Event) -> None:
        if moment == f"both:{event['ev']}":
            said.add(rank)
        if (moment in (event["ev"], event.get("phase")) or len(said) == 2) and not sent:
            sent.append(moment)
            os.kill(os.getpid(), number)

    real = launch.launch

    def launched(
        *args: Any,  # noqa: ANN401
        on_event: Callable[[Plan, int, Event], None] = lambda *_: None,
        **more: Any,  # noqa: ANN401
    ) -> Recording:
        def both(plan: Plan, rank: int, event: Event) -> None:
            on_event(plan, rank, event)
            act(rank, event)

        return real(*args, on_event=both, **more)

    launch.launch = launched
    cli.main()


if __name__ == "__main__":
    main()
