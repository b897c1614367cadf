"""What a preflight leaves running is looked for as after a probe."""

from tests.probe.conftest import world

__all__ = ["world"]
