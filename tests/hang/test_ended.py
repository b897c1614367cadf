"""Ctrl-C between two rounds: the report says that it was ended, whatever was found till then."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import Any

import pytest

from mlxdiag import live, report
from mlxdiag.hang import command
from mlxdiag.hang.asked import Options
from mlxdiag.recording import Recording
from tests.hang.model import Rank, recorded
from tests.hang.test_judge import WAITS


@pytest.mark.parametrize("rank", [None, WAITS])
@pytest.mark.parametrize("place", ["ranks", "kept"])
def test_what_ends_between_two_rounds_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, rank: Rank | None, place: str
) -> None:
    made = replace(recorded([rank]), hang=None)
    own = getattr(command, place)
    rounds = []

    def ask(*_: object, **__: object) -> Recording:
        rounds.append(1)
        return made

    def interrupted(*words: Any) -> object:  # noqa: ANN401
        os.kill(os.getpid(), signal.SIGINT)
        return own(*words)

    monkeypatch.setattr(live, "record", ask)
    monkeypatch.setattr(command, place, interrupted)
    found = command.examine(made.inventory, Options("serve[.]py", None, 0.01))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert (found.ended, len(rounds)) == ("interrupted", 1)
    assert report.build(found, "hang", "0").exit_code == 130
