"""What every format says of ranks; the contract of the JSON; a recording gives it again."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mlxdiag import recording, report
from mlxdiag.errors import InventoryError, RecordingError
from mlxdiag.hang import asked
from mlxdiag.hang.asked import Asked, Options
from mlxdiag.inventory import Host, Inventory, Server
from mlxdiag.render import FORMATS
from mlxdiag.render.style import Style
from tests.hang.model import Rank, recorded
from tests.hang.test_judge import BUSY, CASES, MOVES, WAITS

ROOT = Path(__file__).parents[2]
HANG = "it is busy in Python at serve.py:412"


@cache
def validator() -> Any:  # noqa: ANN401
    schema = json.loads((ROOT / "mlxdiag" / "report.schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("name", [*CASES, "moving", "nobody", "lost"])
def test_the_json_is_what_the_schema_says(name: str) -> None:
    others: dict[str, list[Rank | None]] = {
        "moving": [MOVES, MOVES],
        "nobody": [None],
        "lost": [WAITS, None],
    }
    made = (
        recorded(CASES[name][0])
        if name in CASES
        else recorded(others[name], lost=[1] if name == "lost" else [])
    )
    said = json.loads(FORMATS["json"](report.build(made, "hang", "0"), Style()))
    validator().validate(said)
    assert said["hang"]["said"]
    assert [v["kind"] for v in said["hang"]["verdicts"]] == (
        [CASES[name][1]] if name in CASES else []
    )


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_format_names_the_rank(form: str) -> None:
    text = FORMATS[form](report.build(recorded([WAITS, BUSY]), "hang", "0"), Style(width=400))
    said = " ".join(text.replace("\\", "").split())
    if form not in ("prometheus", "dot"):
        assert HANG in said
    if form == "prometheus":
        assert re.search(r'mlxdiag_check_status\{[^}]*"hang-behind"[^}]*\} 1', said)
    assert said


def test_the_table_and_markdown_show_ranks_and_hosts() -> None:
    made = report.build(recorded([WAITS, BUSY], gpu={1: 97}), "hang", "0")
    table = FORMATS["table"](made, Style(width=200))
    assert "RANKS  looked at twice, 5 s apart" in table
    assert "97 % then 97 %" in table
    assert "rank 1 (mac1, pid 801): /opt/homebrew/bin/python3.13" in table
    assert "rank 0 (mac0, pid 800): /opt" not in table
    assert "rank 0 (mac0, pid 800): /opt" in FORMATS["table"](made, Style(width=200, verbose=True))
    assert "| 1 | mac1 | 801 | S |" in FORMATS["markdown"](made, Style())


def test_a_recording_gives_the_same_report(tmp_path: Path) -> None:
    made = recorded([WAITS, BUSY], pattern=r"serve\.py")
    recording.save(made, tmp_path / "r.tar.gz")
    again = recording.load(tmp_path / "r.tar.gz")
    assert again.hang == made.hang
    for form, render in FORMATS.items():
        both = [render(report.build(one, "hang", "0"), Style()) for one in (made, again)]
        assert both[0] == both[1], form
    words = ["hang", "--replay", str(tmp_path / "r.tar.gz"), "-f", "short"]
    ran = subprocess.run(
        [sys.executable, "-m", "mlxdiag", *words], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, HANG in ran.stdout) == (1, True)


def test_a_recording_of_something_else_is_refused(tmp_path: Path) -> None:
    words = ["hang", "--replay", str(ROOT / "mlxdiag" / "demo"), "-f", "short"]
    ran = subprocess.run(
        [sys.executable, "-m", "mlxdiag", *words], capture_output=True, text=True, check=False
    )
    copied = subprocess.run(
        [sys.executable, "-m", "mlxdiag", *words, "--save", str(tmp_path / "copy")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, copied.returncode, (tmp_path / "copy").exists()) == (2, 2, False)
    assert "no look at ranks: it has no hang.json" in " ".join(ran.stderr.split())
    assert ran.stdout == ""


@pytest.mark.parametrize("more", [("--pattern", "x.py"), ("--port", "4000"), ("--interval", "5s")])
def test_a_recording_was_asked_already(tmp_path: Path, more: tuple[str, str]) -> None:
    recording.save(recorded([WAITS, BUSY]), tmp_path / "r.tar.gz")
    words = ["hang", "--replay", str(tmp_path / "r.tar.gz"), *more]
    ran = subprocess.run(
        [sys.executable, "-m", "mlxdiag", *words], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "leave out --pattern, --port and" in " ".join(ran.stderr.replace("│", " ").split())


def test_what_was_asked() -> None:
    hosts = (Host("a", "a"), Host("b", "b"), Host("c", "c"))
    told = Inventory("lab", hosts, server=Server(pattern="serve[.]py", port=4000))
    assert Options().about(told) == Asked("serve[.]py", 4000, 5.0)
    assert Options("other", 5000, 9.0).about(told) == Asked("other", 5000, 9.0)
    assert Asked(None, 4000).ports(hosts) == range(4000, 4024)
    made = Asked("serve[.]py", 4000, 2.5)
    assert asked.load(asked.dump(made), "x") == made


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{}x", b'{"port": 0}', b'{"interval_s": -1}', b'{"pattern": ""}'],
)
def test_a_wrong_file_is_refused(text: bytes) -> None:
    with pytest.raises(RecordingError):
        asked.load(text, "hang.json")


def test_a_pattern_is_held_to_be_one_before_anybody_is_asked() -> None:
    from mlxdiag.hang.command import examine  # noqa: PLC0415

    with pytest.raises(InventoryError):
        examine(Inventory("lab", (Host("a", "a"),)), Options("python"))
