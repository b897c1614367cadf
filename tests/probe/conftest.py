from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.probe.world import MARK, World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Mark all that the test starts, and hold it to leaving nothing."""
    made = World(secrets.token_hex(8))
    monkeypatch.setenv(MARK, made.token)
    yield made
    left = made.left()
    made.clean()
    assert left == []
