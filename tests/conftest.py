"""What holds for every test: examples at any pace, and no coverage of what live tests start."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("any pace", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any pace")

LIVE = ("hang", "killed", "preflight", "probe", "server", "stop", "watch")


@pytest.fixture(autouse=True)
def _unmeasured(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare processes of live tests the measuring, which doubles the CPU of a short one.

    Those of the command line's own tests are measured (pyproject.toml).
    """
    if request.path.parent.name in LIVE:
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
