"""Access: the further commands answer. What is not known is not a failure of this one."""

from __future__ import annotations

from collections.abc import Callable

from mlxdiag.capture import Outcome
from mlxdiag.recording import Recording
from tests.checks.recorded import ended
from tests.checks.surveyed import HOST, clean

FAILING: dict[str, Callable[[], Recording]] = {}
UNKNOWN = {"access-further-answers": lambda: ended(clean(), HOST, "pmset", Outcome.MISSING)}
