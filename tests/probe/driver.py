"""`mlxdiag` with one signal to itself at one moment of a launch: python -m tests.probe.driver.

SIGNAL MOMENT ARGUMENTS...: MOMENT is an event or a phase, of the first rank that comes to it.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial

from mlxdiag import cli
from mlxdiag.probe import launch
from mlxdiag.probe.said import Event


def main() -> None:
    number, moment = signal.Signals[sys.argv[1]], sys.argv[2]
    sys.argv[1:] = sys.argv[3:]
    sent: list[str] = []

    def on_event(_rank: int, event: Event) -> None:
        if moment in (event["ev"], event.get("phase")) and not sent:
            sent.append(moment)
            os.kill(os.getpid(), number)

    launch.launch = partial(launch.launch, on_event=on_event)
    cli.main()


if __name__ == "__main__":
    main()
