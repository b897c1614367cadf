"""Environment."""

from __future__ import annotations

from collections.abc import Callable

from mlxdiag.capture import Outcome
from mlxdiag.recording import Recording
from tests.checks.recorded import ended, printing
from tests.checks.surveyed import HOST, clean
from tests.model import survey


def with_(**variables: str) -> Callable[[], Recording]:
    out = survey.environment(**variables).stdout
    return lambda: printing(clean(), HOST, "login_environment", out)


FAILING: dict[str, Callable[[], Recording]] = {
    "environment-leftovers": with_(JACCL_RANK="1"),
    "environment-fast-synch": with_(MLX_METAL_FAST_SYNCH="1"),
    "environment-match": with_(MLX_MAX_OPS_PER_BUFFER="50"),
    "environment-launchd": with_(XPC_SERVICE_NAME="org.example.server"),
    "environment-version-compat": with_(SYSTEM_VERSION_COMPAT="1"),
    "environment-clock": lambda: printing(clean(), HOST, "clock", survey.clock(90).stdout),
}
UNKNOWN = {
    **dict.fromkeys(FAILING, lambda: ended(clean(), HOST, "login_environment", Outcome.MISSING)),
    "environment-clock": lambda: ended(clean(), HOST, "clock", Outcome.TIMEOUT),
}
ABOUT = {"environment-match": "cluster", "environment-clock": "cluster"}
