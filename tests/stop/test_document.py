"""What `stop` says as JSON, whatever came of it, and that no key is in it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from mlxdiag.capture import Outcome
from mlxdiag.facts.ps import Process
from mlxdiag.readings import Gap
from mlxdiag.render import stopped
from mlxdiag.render.stopped import document, listing, told, verdict
from mlxdiag.stop.command import Listed, Result
from mlxdiag.stop.signals import Named
from mlxdiag.stop.targets import Population, Target

SCHEMA = json.loads((Path(stopped.__file__).parents[1] / "stop.schema.json").read_text())
ARGUMENTS = "python3 serve.py --api-key sk-1234567890 --port 80"
PROCESS = Process(7, 1, "alex", "S", 0.0, 1, "Sat Nov 28 10:00:00 2026", 62.0, 1.0, ARGUMENTS)
TARGET = Target("mac1", PROCESS, Named(7, "began"))
FOUND = Listed({"mac1": Population("mac1", (TARGET,), (), frozenset({TARGET.named}))}, {})
NOBODY = Listed({"mac1": Population("mac1", (), (), frozenset())}, {})
LOST = Listed({"mac1": Gap("mac1", "ps", Outcome.NO_ROUTE, "no route")}, {})
WENT = Result({("mac1", 7): "went after SIGTERM"})


@pytest.mark.parametrize(
    ("found", "result", "expected"),
    [
        (FOUND, WENT, "clean"),
        (FOUND, replace(WENT, left=[("mac1", "port 80 is held by pid 9")]), "left"),
        (FOUND, replace(WENT, unknown=[("mac1", "its sockets: no ss")]), "unknown"),
        (FOUND, replace(WENT, ended="timeout", left=[("mac1", "x")]), "short"),
        (NOBODY, Result(free=(80,)), "clean"),
        (NOBODY, Result(), "unknown"),
        (LOST, Result(free=(80,)), "unknown"),
    ],
)
def test_the_document_is_what_its_schema_says(found: Listed, result: Result, expected: str) -> None:
    assert verdict(found, result) == expected
    made = json.loads(document(found, result, verdict(found, result), 1))
    jsonschema.validate(made, SCHEMA)
    assert made["verdict"] == expected
    last = list(told(found, result))[-1]
    words = {"clean": "CLEAN", "left": "LEFT", "unknown": "UNKNOWN", "short": "STOPPED SHORT"}
    assert re.match(rf"{words[expected]}: .", last)


def test_what_was_not_sent_has_no_fate() -> None:
    made = json.loads(document(FOUND, Result(), "found", 0))
    jsonschema.validate(made, SCHEMA)
    assert [one["fate"] for one in made["targets"]] == [None]
    lost = json.loads(document(LOST, Result(), "unknown", 3))
    assert lost["unknown"] == [{"host": "mac1", "text": next(iter(LOST.lost)).reason}]


def test_keys_are_masked_wherever_a_command_line_is_shown() -> None:
    said = "".join([*listing(FOUND), document(FOUND, WENT, "clean", 0)])
    assert "sk-123" not in said
    assert said.count("python3 serve.py --api-key *** --port 80") == 2
