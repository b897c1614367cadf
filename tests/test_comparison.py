"""docs/comparison.md is the page of the failures that are known, and its counts are of its rows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.answers import (
    CHECK,
    JOB,
    LOG,
    MESSAGE,
    NOT_RUN,
    NOTHING,
    TRACEBACK,
    of_check,
    of_log,
    of_mlx,
)
from benchmarks.comparison import WIDTH, cell, counts
from benchmarks.scenes import JOBS, LOGS, SCENES, SHOWN
from benchmarks.stage import Heard, Said
from mlxdiag.catalogue import ALL
from mlxdiag.diagnose.messages import MESSAGES
from mlxdiag.unchecked import COVERS, failures

PAGE = (Path(__file__).parents[1] / "docs" / "comparison.md").read_text(encoding="utf-8")
ROWS = [
    [part.strip() for part in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in PAGE.splitlines()
    if re.match(r"\| [a-z0-9][a-z0-9.-]+ \| (?!shown by)", line)
]
WORDS = [(row[2].partition(": ")[0], row[3].partition(": ")[0]) for row in ROWS]


def test_every_known_failure_has_one_row_and_no_other_has() -> None:
    assert [row[0] for row in ROWS] == list(failures())


def test_every_failure_is_shown_in_one_way_or_said_not_to_be() -> None:
    assert set(SHOWN) == set(COVERS)
    assert not set(LOGS) & set(SHOWN)
    assert not set(JOBS) & (set(SHOWN) | set(LOGS))
    assert {*SHOWN, *LOGS, *JOBS} <= set(failures())
    assert set(SHOWN.values()) <= set(SCENES)
    assert {log.entry for log in LOGS.values()} - {""} <= {entry.id for entry in MESSAGES}


def test_checks_and_entries_in_it_exist_and_are_there_for_the_failure() -> None:
    entries = {entry.id for entry in MESSAGES}
    for (failure, *_, said, _), (_, ours) in zip(ROWS, WORDS, strict=True):
        named = said.partition(": ")[2].partition(",")[0]
        if ours == CHECK:
            assert named in COVERS[failure], failure
            assert named in {check.id for check in ALL}, failure
        if ours == LOG:
            assert named in entries, failure


def test_its_counts_are_those_of_its_rows() -> None:
    assert counts(WORDS) in PAGE
    mlx, ours = zip(*WORDS, strict=True)
    assert set(mlx) <= {MESSAGE, TRACEBACK, NOTHING, NOT_RUN}
    assert set(ours) <= {CHECK, LOG, JOB, NOTHING, NOT_RUN}


def test_no_cell_tells_of_the_machine_it_was_made_on() -> None:
    for row in ROWS:
        assert len(row) == 5
        for text in row:
            assert len(text.replace("\\", "")) <= WIDTH, text
            assert not re.search(r"/tmp|/root|127\.(?!0\.0\.1)\d+\.", text), text


@pytest.mark.parametrize(
    ("said", "word"),
    [
        (Said(0, "", "jaccl"), NOTHING),
        (Said(0, "\x1b[33m[WARN] studio2 does not seem \x1b[0m\n", "ring"), MESSAGE),
        (Said(2, "usage: x\nmlx.distributed_config: error: Failed to parse\n"), MESSAGE),
        (Said(1, "Traceback (most recent call last):\n  File\nKeyError: 'a'\n"), TRACEBACK),
    ],
)
def test_what_counts_as_said_by_the_tool_of_mlx(said: Said, word: str) -> None:
    assert of_mlx(said).how == word


def test_a_cell_is_one_line_without_markup() -> None:
    assert cell("a |\n  `b` <c>  [d]") == "a \\| b \\<c\\> \\[d\\]"
    assert len(cell("x" * 200)) == WIDTH


def finding(id_: str, status: str) -> dict[str, object]:
    return {
        "id": id_,
        "area": id_.partition("-")[0],
        "status": status,
        "severity": "error",
        "subject": {"kind": "host", "host": "studio2"},
        "evidence": {"observed": "as the test has it"},
        "reason": None,
        "fix": None,
    }


@pytest.mark.parametrize(
    ("id_", "status", "word"),
    [
        ("power-sleep", "fail", CHECK),
        ("power-sleep", "unknown", NOTHING),
        ("power-low", "fail", NOTHING),
    ],
)
def test_only_a_check_that_is_there_for_the_failure_counts(
    id_: str, status: str, word: str
) -> None:
    heard = Heard(Said(0, ""), "check", {"checks": [finding(id_, status)], "verdict": "fail"})
    assert of_check("sleep-or-idle-degradation", heard).how == word


def test_who_was_not_reached_is_named_though_it_is_no_failure() -> None:
    report = {"checks": [finding("access-reachable", "unknown")], "verdict": "unknown"}
    answer = of_check("ssh-not-passwordless", Heard(Said(0, ""), "check", report))
    assert answer.cell == "check: access-reachable, unknown, studio2: as the test has it"


def test_only_the_entry_counts_that_is_meant() -> None:
    echo = {"id": "jaccl-side-channel", "role": "echo", "means": "another rank failed first"}
    report = {"diagnosis": {"causes": [], "echoes": [echo], "notices": []}}
    assert of_log("jaccl-side-channel", report).how == LOG
    assert of_log("", report).how == NOTHING
