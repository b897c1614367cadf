"""Where events go: lines, a command, a port, a recording, the terminal."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import sqlite3
import sys
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console, Group

from mlxdiag import recording
from mlxdiag.bundle.pseudonyms import Pseudonyms
from mlxdiag.bundle.redact import names_of, redacted
from mlxdiag.capture import Captures
from mlxdiag.errors import MlxdiagError
from mlxdiag.recording import Ended, Recording
from mlxdiag.render.style import Style
from mlxdiag.watch import command, hook, tell, vitals
from mlxdiag.watch.command import Asked, argv
from mlxdiag.watch.hook import Hook
from mlxdiag.watch.loop import LineState, Loop, Now
from mlxdiag.watch.moment import Moments
from mlxdiag.watch.scrape import HEAD_BYTES, Scrape
from mlxdiag.watch.sinks import History, Latest, Lines
from mlxdiag.watch.state import Timeline
from mlxdiag.watch.store import Store
from mlxdiag.watch.topics import Topic
from mlxdiag.watch.view import View
from tests.test_cli import run as mlxdiag
from tests.watch import faults
from tests.watch.lab import Scene

HOST = "macstudio1"
PROFILER = "system_profiler_thunderbolt"
CLOCK = "2026-01-30T10:05:00Z"


@dataclass
class Film:
    """Moments of a scene, one after the other."""

    scene: Scene = field(default_factory=faults.eight)
    timeline: Timeline = field(default_factory=Timeline)

    def __post_init__(self) -> None:
        self.moments = Moments(self.scene.inventory())

    def now(self) -> Now:
        number = self.timeline.moment + 1
        at = f"2026-01-30T10:{number:02}:00Z"
        captures: dict[str, Captures] = self.scene.captures()
        report, seen = self.moments.look(captures, "2026-01-30T10:00:00Z", float(number))
        events = self.timeline.take(at, seen)
        lines = {
            host: LineState("resting", 0, {"ifconfig": 3.0, PROFILER: 34.0}) for host in captures
        }
        return Now(at, at, number, 10.0, report, self.timeline, events, lines, captures)

    def after(self, change: faults.Change) -> Now:
        self.scene = change(self.scene)
        return self.now()


@pytest.fixture
def film() -> Film:
    found = Film()
    found.now()
    return found


def run(coroutine: Coroutine[Any, Any, Any]) -> None:
    asyncio.run(coroutine)


def test_a_line_of_json_per_event_and_one_at_each_end(film: Film) -> None:
    written: list[str] = []
    sink = Lines(lambda text: not written.append(text), json=True, style=Style())  # type: ignore[func-returns-value]
    first, then = film.now(), film.after(faults.port_down(film.scene, (HOST, 3)).broken)

    async def watch() -> None:
        assert await sink.take(first)
        assert await sink.take(then)
        await sink.close("timeout")

    run(watch())
    schema = json.loads((Path(tell.__file__).parents[1] / "event.schema.json").read_text())
    began, event, ended = map(json.loads, written)
    for line in (began, event, ended):
        jsonschema.validate(line, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**event, "more": 1}, schema)
    assert [line["kind"] for line in (began, event, ended)] == [
        "watch-began",
        "port-down",
        "watch-ended",
    ]
    assert (event["subject"], event["before"], event["after"], event["hosts"]) == (
        f"{HOST} en4",
        "PORT_ACTIVE",
        "PORT_DOWN",
        [HOST],
    )
    assert (ended["ended"], ended["events"]) == ("complete", 1)


def test_all_kinds_are_in_the_schema() -> None:
    from typing import get_args  # noqa: PLC0415

    from mlxdiag.watch.changes import Kind  # noqa: PLC0415

    schema = json.loads((Path(tell.__file__).parents[1] / "event.schema.json").read_text())
    assert set(schema["$defs"]["event"]["properties"]["kind"]["enum"]) == set(get_args(Kind))


def test_words_for_people_and_the_end_where_nobody_reads(film: Film) -> None:
    written: list[str] = []

    def write(text: str) -> bool:
        written.append(text)
        return False

    sink = Lines(write, json=False, style=Style())
    then = film.after(faults.port_down(film.scene, (HOST, 3)).broken)
    assert not asyncio.run(sink.take(then))
    assert written == [
        "2026-01-30T10:02:00Z  macstudio1 en4: port-down: PORT_ACTIVE -> PORT_DOWN\n"
    ]


def test_a_host_cannot_break_a_line(film: Film) -> None:
    ranks = {**film.scene.ranks, HOST: ()}
    film.scene = replace(film.scene, ranks=ranks)
    then = film.now()
    event = replace(then.events[0], before='x"\n\x1b[31m; rm -rf')
    line = tell.line_of(tell.document(event, "c"))
    assert line.count("\n") == 1
    assert "\x1b" not in line
    assert json.loads(line)["before"] == event.before
    assert "\x1b" not in tell.words(event, Style())


def fail(text: str) -> None:
    raise AssertionError(text)


def test_the_command_gets_the_event_and_no_shell_sees_it(film: Film, tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = tmp_path / "hook.py"
    script.write_text(
        "import os, sys, json\n"
        f"with open({str(out)!r}, 'a') as f:\n"
        "    f.write(json.dumps([sys.argv[1:], json.load(sys.stdin),"
        " json.loads(os.environ['MLXDIAG_EVENT']), os.environ['MLXDIAG_EVENT_KIND']]) + '\\n')\n"
    )
    sink = Hook(
        argv(f"{shlex.quote(sys.executable)} {script} 'a b' $(touch {tmp_path}/shell)"), fail
    )
    then = film.after(faults.pulled(film.scene, 1).broken)

    async def watch() -> None:
        await sink.begin()
        assert await sink.take(then)
        await sink.close("complete")

    run(watch())
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line[3] for line in lines] == [event.kind for event in then.events]
    assert all(stdin == env and stdin["kind"] == kind for _, stdin, env, kind in lines)
    assert lines[0][0][0] == "a b"
    assert not (tmp_path / "shell").exists()


def test_a_command_that_hangs_or_fails_is_said_and_ended(
    film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook, "MOST_S", 0.3)
    notes: list[str] = []
    then = film.after(faults.port_down(film.scene, (HOST, 3)).broken)

    async def watch(*words: str) -> None:
        sink = Hook(words, notes.append)
        await sink.begin()
        await sink.take(then)
        await sink.close("complete")

    run(watch("sleep", "60"))
    run(watch("false"))
    run(watch("/no/such/command"))
    said = "\n".join(notes)
    assert "sleep was ended after" in said
    assert "false: exit status 1" in said
    assert "/no/such/command: No such file" in said


def test_events_that_no_command_had_time_for_are_counted(
    film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook, "LAST_S", 0.2)
    notes: list[str] = []
    then = film.after(faults.pulled(film.scene, 1).broken)

    async def watch() -> None:
        sink = Hook(("sleep", "60"), notes.append)
        await sink.begin()
        await sink.take(then)
        await sink.close("complete")

    run(watch())
    assert ["not run for 2 events" in note for note in notes] == [True]


@pytest.mark.parametrize("text", ["", "'", "   "])
def test_a_command_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(MlxdiagError, match="--exec-on-change"):
        Asked(command=text).check()


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


def test_the_metrics_are_what_a_prometheus_reads(film: Film) -> None:
    notes: list[str] = []
    sink = Scrape("127.0.0.1", 0, notes.append)
    then = film.after(faults.port_down(film.scene, (HOST, 3)).broken)

    async def watch() -> list[bytes]:
        await sink.begin()
        await sink.take(then)
        asked = [
            b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
            b"HEAD /metrics HTTP/1.1\r\n\r\n",
            b"GET /other HTTP/1.1\r\n\r\n",
            b"POST /metrics HTTP/1.1\r\n\r\n",
            b"nonsense\r\n\r\n",
            b"x" * (HEAD_BYTES + 1),
        ]
        try:
            return [await ask(sink.port, request) for request in asked]
        finally:
            await sink.close("complete")

    whole, head, other, post, nonsense, flood = asyncio.run(watch())
    assert notes == [f"metrics at http://127.0.0.1:{sink.port}/metrics"]
    assert [a.split(b"\r\n")[0].split()[1] for a in (head, other, post, nonsense)] == [
        b"200",
        b"404",
        b"405",
        b"405",
    ]
    assert flood[:12] in (b"", b"HTTP/1.1 400")  # cut while its bytes were still coming
    head_text, _, body = whole.decode().partition("\r\n\r\n")
    assert f"Content-Length: {len(body.encode())}" in head_text
    families = {f.name: f for f in text_string_to_metric_families(body)}
    down = [s for s in families["mlxdiag_port_active"].samples if s.value == 0]
    assert [s.labels["port"] for s in down] == ["en4"]
    events = families["mlxdiag_watch_events"]
    assert events.type == "counter"
    assert {s.labels["kind"]: s.value for s in events.samples} == {"port-down": 1}
    ages = families["mlxdiag_watch_answer_age_seconds"].samples
    assert {s.value for s in ages if s.labels["command"] == PROFILER} == {34.0}
    flaps = families["mlxdiag_watch_flaps"].samples
    assert {s.labels["subject"] for s in flaps if s.value} == {f"{HOST} en4"}


def test_a_port_that_is_taken_is_an_error_before_anything_is_asked() -> None:
    async def twice() -> None:
        first = Scrape("127.0.0.1", 0, lambda _: None)
        await first.begin()
        try:
            await Scrape("127.0.0.1", first.port, lambda _: None).begin()
        finally:
            await first.close("complete")

    with pytest.raises(MlxdiagError, match=r"--prometheus-port: 127\.0\.0\.1 port"):
        run(twice())


def test_the_latest_state_is_a_recording_that_replays(film: Film, tmp_path: Path) -> None:
    path = tmp_path / "latest.tar.gz"
    sink = Latest(film.scene.inventory(), path)

    async def watch() -> None:
        await sink.take(film.now())
        await sink.take(film.after(faults.port_down(film.scene, (HOST, 3)).broken))
        await sink.close("timeout")

    run(watch())
    saved = recording.load(path)
    assert saved.ended == "complete"
    assert saved.hosts[HOST]["neighbours"].stdout.count(b"\n") == 2
    assert b"launchd" not in saved.hosts[HOST]["neighbours"].stdout
    assert "macstudio1 en4" in mlxdiag("ports", "--replay", str(path), "-f", "short").stdout
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("started_s", "seconds"),
    [(3661.1234567890123456, 0.1234567890123456), (12.345678901234567, 3.0000000000000004e-05)],
)
def test_the_latest_state_can_be_bundled(film: Film, started_s: float, seconds: float) -> None:
    hosts = {
        host: {
            name: replace(one, started_s=started_s, seconds=seconds)
            for name, one in vitals.kept(told).items()
        }
        for host, told in film.now().captures.items()
    }
    made = Recording(film.scene.inventory(), hosts, "2026-01-30T10:00:00Z", seconds, "0.1.0")
    again = recording.loads(redacted(made, Pseudonyms(b"k" * 32, names_of(made))), "bundle")
    times = {(c.started_s, c.seconds) for told in again.hosts.values() for c in told.values()}
    assert times == {(started_s, seconds)}
    assert again.duration_s == seconds


def test_a_place_for_the_latest_state_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(MlxdiagError, match=r"wants a \.tar\.gz"):
        Asked(save=tmp_path / "night").check()
    (tmp_path / "old.tar.gz").write_text("")
    with pytest.raises(MlxdiagError, match="never overwritten"):
        Asked(save=tmp_path / "old.tar.gz").check()
    with pytest.raises(MlxdiagError, match="--every"):
        Asked(every_s=0.1).check()


def test_trouble_with_the_history_is_said_once_and_the_watch_goes_on(
    film: Film, tmp_path: Path
) -> None:
    notes: list[str] = []
    (tmp_path / "h.sqlite").mkdir()
    sink = History(lambda: Store(tmp_path / "h.sqlite"), lambda: "2026", notes.append)

    async def watch() -> None:
        for _ in range(3):
            assert await sink.take(film.now())
        await sink.close("complete")

    run(watch())
    assert len(notes) == 1
    assert "h.sqlite" in notes[0]


def test_a_history_that_was_locked_is_written_again(film: Film, tmp_path: Path) -> None:
    notes: list[str] = []
    path = tmp_path / "h.sqlite"
    sink = History(lambda: Store(path, busy_s=0.01), lambda: "2026", notes.append)
    other = sqlite3.connect(path, isolation_level=None)

    async def watch() -> None:
        assert await sink.take(film.now())
        other.execute("BEGIN IMMEDIATE")
        assert await sink.take(film.now())
        assert await sink.take(film.now())
        other.execute("COMMIT")
        assert await sink.take(film.now())
        await sink.close("complete")

    run(watch())
    other.close()
    assert [note.partition(":")[0] for note in notes] == [
        "the history is not written until it can be",
        "the history is written again",
    ]
    store = Store(path)
    first, second = store.sessions().values()
    assert (first.began, first.seen, second.seen) == (
        "2026-01-30T10:02:00Z",
        "2026-01-30T10:02:00Z",
        "2026-01-30T10:05:00Z",
    )
    store.close()


def test_a_place_that_cannot_be_written_refuses_no_watch(
    film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "h.sqlite").write_text("this is no database. " * 100)
    notes: list[str] = []

    class Once(Loop):
        async def run(self) -> Ended:
            assert await self.sinks[0].take(film.now())
            return "complete"

    monkeypatch.setattr(command, "Loop", Once)
    asked = Asked(once=True, store=tmp_path / "h.sqlite")
    found = command.watch(film.moments.inventory, asked, Style(), lambda _: True, notes.append)
    assert found == ("complete", None)
    assert "h.sqlite" in notes[0]


def drawn(
    film: Film, width: int, height: int, changes: list[faults.Change], notes: tuple[str, ...] = ()
) -> list[str]:
    """Draw the last of these moments; give the lines."""
    view = View(Style(), lambda: CLOCK, lambda _: None)
    view.notes.extend(notes)
    nows = [film.now(), *(film.after(change) for change in changes)]
    for now in nows:
        view.events.extendleft(now.events)
        view.count += len(now.events)
    console = Console(width=width, height=height, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(Group(*view.page(nows[-1], width, height)))
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 40), (140, 50), (140, 24)])
def test_every_size_shows_the_worst_links_and_the_last_events(
    film: Film, width: int, height: int
) -> None:
    pulled, away = faults.pulled(film.scene, 5), faults.away(film.scene, "macstudio8")
    lines = drawn(film, width, height, [pulled.broken, away.broken])
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "macstudio5 en4 - macstudio6 en3  ✗ cable gone" in text
    assert "macstudio8: host-unreachable: up -> refused" in text
    assert lines[0].startswith("mlxdiag watch  soak-8  every 10 s  round ")
    assert lines[-1].startswith("UNKNOWN: 8 of 8 links")
    assert ("PORT PAIRS" in text) is (height >= 40)


def test_what_is_not_known_is_not_shown_as_it_was(film: Film) -> None:
    lines = drawn(film, 140, 60, [faults.away(film.scene, "macstudio8").broken])
    (first,) = [line for line in lines if line.startswith("macstudio1  up")]
    assert re.search(r"  2 min 3 s ago +2 min 34 s ago  0     2      ok$", first), first
    rows = [line for line in lines if "macstudio8 en" in line]
    assert rows
    assert all("? not known" in line for line in rows)
    (host,) = [line for line in lines if line.startswith("macstudio8  refused")]
    assert host.split()[-2:] == ["?", "?"]


def test_a_host_that_was_never_reached_has_no_number_of_ranks() -> None:
    scene = faults.away(faults.eight(), "macstudio8").broken(faults.eight())
    lines = drawn(Film(scene), 140, 60, [])
    (host,) = [line for line in lines if line.startswith("macstudio8  refused")]
    assert host.split()[-2:] == ["?", "?"]


def test_what_is_noted_is_not_lost_behind_the_view(film: Film) -> None:
    notes = ("metrics at ...", "the history is not written any more: \x1b[2J")
    lines = drawn(film, 80, 24, [], notes)
    assert lines[-1] == "the history is not written any more: \\x1b[2J"
    said: list[str] = []
    view = View(Style(), lambda: CLOCK, said.append)
    view.take_note("metrics at ...")
    asyncio.run(view.close("complete"))
    assert said == ["metrics at ..."]


def test_a_topic_is_told_apart_by_what_and_subject() -> None:
    assert Topic("port", "a", ("x",)) == Topic("port", "a")
