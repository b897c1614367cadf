"""Power."""

from __future__ import annotations

from mlxdiag.capture import Outcome
from tests.checks.recorded import ended, printing
from tests.checks.surveyed import HOST, clean
from tests.model import survey

FAILING = {
    "power-sleep": lambda: printing(clean(), HOST, "pmset", survey.pmset("10").stdout),
    "power-low": lambda: printing(clean(), HOST, "pmset", survey.pmset(powermode="1").stdout),
}
UNKNOWN = dict.fromkeys(FAILING, lambda: ended(clean(), HOST, "pmset", Outcome.TIMEOUT))
