"""What was recorded is judged again to the byte, in every format; and every format shows it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import junitparser
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mlxdiag import recording
from mlxdiag.bundle.archive import composed
from mlxdiag.bundle.pseudonyms import Pseudonyms
from mlxdiag.bundle.redact import names_of, redacted
from mlxdiag.errors import RecordingError
from mlxdiag.finding import Status
from mlxdiag.inventory import Silence
from mlxdiag.recording import Recording
from mlxdiag.render import EXIT_CODES, FORMATS
from mlxdiag.render.json import document
from mlxdiag.render.style import Style
from mlxdiag.report import Report, build
from mlxdiag.server import record
from mlxdiag.server.asked import Before
from mlxdiag.server.exchange import Chunk
from tests.checks.recorded import recorded as cluster_recorded
from tests.render.awkward import NASTY
from tests.render.test_formats import FORBIDDEN
from tests.server.conftest import Endpoint
from tests.server.looked import MODELS, SEEN, chat, event, recorded, reported, steady, visit
from tests.test_cli import run
from tests.test_reports import spoilings, validator

pytestmark = pytest.mark.xdist_group("ranks")

WAS = Before("2026-01-29T20:00:00Z", 20.0, 0.1)
SPOILT = replace(MODELS, chunks=(Chunk(0.01, b'{"data": [{"id": "\xff\xfe"}, {}'),))
HUNG = chat(steady(0.1, 0.01, 3)[:-1], end="deadline", seconds=60.0)
NASTY_CHAT = chat([(0.1, event(NASTY)), (0.2, b"data: [DONE]\n\n")])
REFUSED = replace(chat([]), status=500, chunks=(Chunk(0.1, NASTY.encode()),))

MADE: dict[str, Recording] = {
    "well": recorded(
        MODELS, *(chat(steady(0.4, 0.1, 11, 22), number=n) for n in (1, 2)), requests=2
    ),
    "hangs": recorded(MODELS, HUNG, hang=SEEN, requests=3, tokens_per_s=9.0),
    "hostile": recorded(MODELS, NASTY_CHAT, REFUSED, requests=2, before=WAS, url=f"http://{NASTY}"),
    "garbage": recorded(SPOILT, chat([(0.1, b"\xff\xfe\x80 no events")]), parallel=2),
    "halves": recorded(
        replace(MODELS, chunks=(Chunk(0.01, b'{"data": [{"id": "q\\ud800"}]}'),)),
        chat([(0.1, b'data: {"choices": [{"delta": {"content": "\\udfff"}}]}\n\n')]),
        replace(chat([], number=2), status=500, chunks=(Chunk(0.1, b'{"error": "\\ud801"}'),)),
        requests=2,
    ),
    "nothing": recorded(),
    "ended": replace(recorded(MODELS), ended="interrupted"),
    "at once": recorded(
        MODELS,
        chat(steady(0.4, 0.1, 11), number=1),
        *(chat(steady(0.4, 0.1, 11), number=n, what="parallel") for n in (1, 2)),
        parallel=2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_folder_and_tar_give_the_same_bytes_in_every_format(name: str, tmp_path: Path) -> None:
    made = MADE[name]
    for place in ("folder", "packed.tar.gz"):
        recording.save(made, tmp_path / place)
    read = [made, *(recording.load(tmp_path / place) for place in ("folder", "packed.tar.gz"))]
    assert read[1].server == made.server
    for form, render in FORMATS.items():
        assert len({render(reported(one), Style(width=60, color=True)) for one in read}) == 1, form


def test_a_live_run_and_its_replay_say_the_same(endpoint: Endpoint, tmp_path: Path) -> None:
    found = visit(endpoint.url("torn"), requests=2, parallel=2, before=WAS)
    recording.save(found, tmp_path / "saved")
    again = recording.load(tmp_path / "saved")
    for form, render in FORMATS.items():
        assert render(reported(found), Style()) == render(reported(again), Style()), form


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("form", FORMATS)
def test_no_format_lets_a_control_character_through(form: str, name: str) -> None:
    text = FORMATS[form](reported(MADE[name]), Style())
    text.encode()
    if form != "json":
        assert not FORBIDDEN.search(text)
    assert text.endswith("\n")
    if form != "json":
        FORMATS[form](reported(MADE[name]), Style(unicode=False)).encode("ascii")


@pytest.mark.parametrize("name", MADE)
def test_json_holds_to_the_schema_which_refuses_anything_else(name: str) -> None:
    told = document(reported(MADE[name]))
    validator().validate(told)
    holds = validator()
    for spoilt in spoilings(told["server"]):
        assert not holds.is_valid({**told, "server": spoilt})


def test_json_says_what_was_measured() -> None:
    told: dict[str, Any] = document(reported(MADE["well"]))
    served = told["server"]
    assert (told["hosts"], told["links"], told["verdict"]) == ([], [], "pass")
    assert served["tokens_per_s"] == pytest.approx(20.0)
    assert (served["counted"], served["streamed"], served["model"]) == ("usage", True, "qwen")
    assert [each["name"] for each in served["answers"]] == ["request 1", "request 2"]
    hung = document(reported(MADE["hangs"]))["server"]
    assert hung["answers"][0]["fault"] == "hang"
    assert hung["hang"] == {"conclusion": SEEN.conclusion, "lines": list(SEEN.lines)}
    assert "not through in 60 s" in hung["unsent"]


def test_prometheus_and_nagios_have_the_numbers() -> None:
    text = FORMATS["prometheus"](reported(MADE["well"]), Style())
    read = {f.name: f.samples for f in text_string_to_metric_families(text)}
    (rate,) = read["mlxdiag_server_tokens_per_second"]
    assert rate.value == pytest.approx(20.0)
    assert rate.labels == {"model": "qwen"}
    gaps = {s.labels["quantile"]: s.value for s in read["mlxdiag_server_token_gap_seconds"]}
    assert gaps == {"0.5": pytest.approx(0.1), "0.95": pytest.approx(0.1)}
    assert [s.value for s in read["mlxdiag_server_request_success"]] == [1, 1]
    assert not [name for name in read if name.startswith("mlxdiag_backend")]
    assert not any(math.isnan(s.value) for samples in read.values() for s in samples)
    line = FORMATS["nagios"](reported(MADE["well"]), Style())
    assert line.startswith("MLXDIAG OK - PASS: 2 of 2 requests answered")
    assert "tokens_per_s=20.0000 first_token=0.4000s" in line
    hung = reported(MADE["hangs"])
    assert FORMATS["nagios"](hung, Style()).startswith("MLXDIAG CRITICAL - FAIL: 0 of 3")
    assert EXIT_CODES["nagios"](hung) == 2


def test_junit_has_a_case_a_finding() -> None:
    made = reported(MADE["hangs"])
    (suite,) = junitparser.JUnitXml.fromstring(FORMATS["junit"](made, Style()).encode())
    assert (suite.name, suite.tests, suite.failures) == ("server", len(made.findings), 1)
    cases = {case.name: case for case in suite}
    (failure,) = cases["server-answers [request 1]"].result
    assert "rank 1 is the one to look at" in failure.message


@pytest.mark.parametrize("form", ["table", "markdown", "html"])
def test_what_people_read_shows_requests_hang_and_changes(form: str) -> None:
    def shown(made: Report) -> str:
        return FORMATS[form](made, Style())

    hung = shown(reported(MADE["hangs"]))
    assert "rank 0 waits in all" in hung
    assert "requests 2-3" in hung
    assert "not sent: request 1 was not through in 60 s" in hung.replace("\n", " ")
    was = recorded(MODELS, chat(steady(0.4, 0.1, 11, 22)), before=WAS)
    text = shown(reported(was))
    assert "s to the first token: 0.1 -&gt; 0.4" in text or "0.1 -> 0.4" in text.replace(r"\>", ">")
    assert "20.0 tokens/s" in text
    for word in ("BACKENDS", "Backends", "Topology", "PORT PAIRS"):
        assert word not in text


def test_what_is_silenced_is_said_and_does_not_count() -> None:
    wish = Silence("server-answers", "known since Monday")
    made = replace(MADE["hangs"], inventory=replace(MADE["hangs"].inventory, silence=(wish,)))
    finding = next(f for f in reported(made).findings if f.id == "server-answers")
    assert (finding.status, finding.reason) == (Status.SKIP, "silenced: known since Monday")


def test_the_command_of_another_recording_is_refused() -> None:
    with pytest.raises(RecordingError, match=r"no server\.json"):
        build(cluster_recorded("clean-pair"), "server", "0")


@pytest.mark.parametrize("command", ["ports", "check", "fix", "probe", "recommend", "watch"])
def test_a_recording_of_no_host_is_judged_by_no_other_command(command: str) -> None:
    with pytest.raises(RecordingError, match="names no host"):
        build(MADE["well"], command, "0")


@pytest.mark.parametrize("command", ["preflight", "diagnose", "hang"])
def test_nor_by_those_that_read_it_another_way(command: str) -> None:
    with pytest.raises(RecordingError, match="names no host"):
        build(MADE["well"], command, "0")


def test_its_bundle_has_the_report_of_the_server() -> None:
    made = MADE["well"]
    clean = redacted(made, Pseudonyms(b"k" * 32, names_of(made)))
    whole = composed(clean, {}, "0", redacted=True)
    assert b"2 of 2 requests answered" in whole["reports/server.txt"]
    assert b"`reports/server.json`" in whole["SUMMARY.md"]
    assert "reports/ports.txt" not in whole


def test_a_look_at_ranks_needs_its_own_recording() -> None:
    with pytest.raises(RecordingError, match=r"no hang\.json"):
        build(cluster_recorded("clean-pair"), "hang", "0")


def test_the_command_line_refuses_it_and_names_the_command(tmp_path: Path) -> None:
    recording.save(MADE["well"], tmp_path / "s.tar.gz")
    ran = run("ports", "--replay", "s.tar.gz", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "mlxdiag server --replay" in ran.stderr


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b'{"asked": {"url": "x", "who": 2}, "exchanges": [], "hang": null}']
)
def test_a_file_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises(RecordingError, match="not what a server was asked"):
        record.load(text, "x/server.json")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("asked", "requests"), "3"),
        (("asked", "requests"), True),
        (("asked", "url"), None),
        (("asked", "deadline_s"), math.inf),
        (("asked", "tokens_per_s"), "9"),
        (("asked", "before", "first_token_s"), []),
        (("exchanges", 1, "seconds"), "5"),
        (("exchanges", 1, "status"), 200.5),
        (("exchanges", 1, "headers"), {"retry-after": 3}),
        (("exchanges", 1, "headers"), None),
        (("exchanges", 1, "chunks"), [[math.nan, "x"]]),
    ],
)
def test_a_value_of_another_kind_is_refused_with_file_and_key(
    path: tuple[str | int, ...], value: object
) -> None:
    look = MADE["hostile"].server
    assert look is not None
    text = json.loads(record.dump(look))
    inner = text
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    where = "x/server.json: " + ".".join(map(str, path))
    with pytest.raises(RecordingError) as raised:
        record.load(json.dumps(text).encode(), "x/server.json")
    assert str(raised.value).startswith(f"{where}: ")


def test_an_exchange_that_ended_in_no_way_we_know_is_refused() -> None:
    text = json.loads(record.dump(MADE["well"].server))  # type: ignore[arg-type]
    text["exchanges"][0]["end"] = "vanished"
    with pytest.raises(RecordingError, match="vanished"):
        record.load(json.dumps(text).encode(), "x/server.json")
