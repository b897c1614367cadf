"""Durations as people write them, and what is none."""

from __future__ import annotations

import pytest

from mlxdiag.duration import seconds
from mlxdiag.errors import MlxdiagError


@pytest.mark.parametrize(
    ("text", "found"),
    [("90", 90), ("90s", 90), (" 1.5 M ", 90), ("2h", 7200), ("0.4s", 0.4), ("8784h", 31622400)],
)
def test_as_people_write_it(text: str, found: float) -> None:
    assert seconds(text) == found


@pytest.mark.parametrize(
    "text", ["", "soon", "0", "0.0s", "-1s", "1e3", "1d", "8785h", "9" * 400, "\u0663s", "1 s s"]
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(MlxdiagError, match="is not a duration above 0"):
        seconds(text)
