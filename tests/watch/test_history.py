"""The store and what is told from it: since when, what it was, and no more than is kept."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from mlxdiag import recording
from mlxdiag.errors import MlxdiagError
from mlxdiag.recording import Recording
from mlxdiag.render import history as rendered
from mlxdiag.render.style import Style
from mlxdiag.watch import chronicle
from mlxdiag.watch.changes import Event
from mlxdiag.watch.chronicle import Chronicle, Story
from mlxdiag.watch.command import days_ago, moment, take_in
from mlxdiag.watch.moment import Moments
from mlxdiag.watch.state import State, Timeline
from mlxdiag.watch.store import Keeper, Store
from mlxdiag.watch.topics import Topic
from tests.model import CASES, write_recording
from tests.server import looked
from tests.test_cli import environment, run
from tests.watch import faults
from tests.watch.lab import Scene

PORT = "macstudio1 en4"


def at(minute: int) -> str:
    return f"2026-01-28T21:{minute:02}:00Z"


def keep(store: Store, scenes: list[Scene], began: int = 0, every: int = 1) -> None:
    """Watch scene after scene, a minute each."""
    session = store.begin("watch", "soak-8", at(began), 60.0 * every)
    assert session is not None
    keeper, timeline = Keeper(store, session), Timeline()
    moments = Moments(scenes[0].inventory())
    for number, scene in enumerate(scenes):
        now = at(began + every * number)
        _, seen = moments.look(scene.captures(), now, 0.0)
        keeper.take(now, timeline.states, timeline.take(now, seen))


def told(path: Path, only: str = "", since: str = "") -> Chronicle:
    store = Store(path, create=False)
    (found,) = chronicle.chronicles(store.sessions(), store.spans(), only, since)
    store.close()
    return found


def story(found: Chronicle, what: str, subject: str) -> Story:
    (one,) = [each for each in found.about(subject) if each.what == what]
    return one


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "history.sqlite"


@pytest.fixture
def down() -> tuple[Scene, Scene]:
    scene = faults.eight()
    return scene, faults.port_down(scene, ("macstudio1", 3)).broken(scene)


def test_since_when_a_port_is_down(path: Path, down: tuple[Scene, Scene]) -> None:
    well, ill = down
    store = Store(path)
    keep(store, [well, well, ill, ill, ill])
    store.close()
    found = story(told(path), "port", PORT)
    assert found.since(at(4)) == f"PORT_DOWN since {at(2)}, was PORT_ACTIVE until {at(1)}"
    text = rendered.text([told(path)], Style())
    assert f"  {PORT}: PORT_DOWN since {at(2)}, was PORT_ACTIVE until {at(1)}\n" in text
    assert f"    {at(2)}  {PORT}: PORT_ACTIVE -> PORT_DOWN\n" in text
    assert "macstudio2 en4 - macstudio3 en3: usable since 2026-01-28T21:00:00Z at least\n" in text


def test_several_watches_are_one_story(path: Path, down: tuple[Scene, Scene]) -> None:
    well, ill = down
    store = Store(path)
    keep(store, [well, ill], began=0)
    keep(store, [ill, well], began=10)
    keep(store, [ill, ill], began=20)
    store.close()
    found = story(told(path), "port", PORT)
    assert [(s.value, s.began, s.seen) for s in found.stretches] == [
        ("PORT_ACTIVE", at(0), at(0)),
        ("PORT_DOWN", at(1), at(10)),
        ("PORT_ACTIVE", at(11), at(11)),
        ("PORT_DOWN", at(20), at(21)),
    ]
    assert found.lost == 2
    assert found.since(at(30)).endswith(f"last seen {at(21)}; lost 2 times")


def test_what_was_not_known_is_no_part_of_a_stretch_that_changed(
    path: Path, down: tuple[Scene, Scene]
) -> None:
    well, ill = down
    gone = replace(well, away=frozenset({"macstudio1"}))
    store = Store(path)
    keep(store, [well, gone, gone, ill])
    store.close()
    found = story(told(path), "port", PORT)
    assert found.since(at(3)) == f"PORT_DOWN since {at(3)}, was PORT_ACTIVE until {at(0)}"


def test_recordings_are_taken_in_once_and_in_the_order_of_their_time(
    tmp_path: Path, path: Path
) -> None:
    nights = []
    for day, case in ((30, "incident"), (28, "clean-mesh-4"), (29, "clean-mesh-4")):
        folder = tmp_path / f"night{day}"
        write_recording(CASES[case](), folder)
        head = json.loads((folder / "recording.json").read_text())
        head["started_at"] = f"2026-01-{day}T21:14:05Z"
        (folder / "recording.json").write_text(json.dumps(head))
        inventory = (folder / "inventory.yaml").read_text().replace(case, "studios")
        (folder / "inventory.yaml").write_text(inventory)
        nights.append(folder)
    assert take_in(nights, path, 10_000, print) == (3, 0)
    assert take_in(nights[1:], path, 10_000, print) == (0, 2)
    found = story(told(path), "port", "macstudio1 en3")
    assert found.since("2026-01-30") == (
        "PORT_DOWN since 2026-01-30T21:14:08Z, was PORT_ACTIVE until 2026-01-29T21:14:08Z"
    )


def test_a_recording_in_the_middle_of_a_watch_is_put_where_it_belongs() -> None:
    points = [("10", "a"), ("12", "a"), ("11", "b"), ("11", "b")]
    found = chronicle._story("port", "x", points, "")
    assert [s.value for s in found.stretches] == ["a", "b", "a"]


def test_only_and_since(path: Path, down: tuple[Scene, Scene]) -> None:
    well, ill = down
    store = Store(path)
    keep(store, [well, ill, well, ill, ill])
    store.close()
    assert {s.subject for s in told(path, only="macstudio8 en3").stories} == {
        "macstudio8 en3",
        "macstudio7 en4 - macstudio8 en3",
    }
    found = story(told(path, since=at(4)), "port", PORT)
    assert found.since(at(4)) == f"PORT_DOWN since {at(3)}, was PORT_ACTIVE until {at(2)}"


def test_what_is_kept_is_bounded(path: Path) -> None:
    store = Store(path)
    session = store.begin("watch", "c", at(0), 60.0)
    assert session is not None
    keeper, topic = Keeper(store, session), Topic("port", PORT)
    for number in range(300):
        now = f"2026-01-28T{number // 60:02}:{number % 60:02}:00Z"
        value = "PORT_ACTIVE" if number % 2 else "PORT_DOWN"
        event = Event(now, "port-up", PORT, "a", "b", now, ())
        keeper.take(now, {topic: State(value, now, now)}, [event])
    store.retain("2026-01-28T00:30:00Z", most_spans=50, keep=session)
    assert len(store.spans()) == 51
    assert len(store.events()) == 50
    assert store.spans()[-1].value == "PORT_ACTIVE"
    store.retain("2026-01-28T23:00:00Z")
    assert store.sessions() == {}
    assert store.spans() == ()
    store.close()


def test_it_grows_with_changes_and_not_with_time(path: Path, down: tuple[Scene, Scene]) -> None:
    well, ill = down
    store = Store(path)
    keep(store, [well] * 30)
    before = len(store.spans())
    keep(store, [well] * 15 + [ill] * 15)
    assert len(store.spans()) <= 2 * before + 2
    store.close()


def test_a_file_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    path.write_text("this is no database, and long enough to be looked at as one. " * 20)
    with pytest.raises(MlxdiagError, match=r"h\.sqlite: the history cannot be used"):
        Store(path)
    with sqlite3.connect(tmp_path / "new.sqlite") as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(MlxdiagError, match="version 99"):
        Store(tmp_path / "new.sqlite")
    with pytest.raises(MlxdiagError, match="there is no history yet"):
        Store(tmp_path / "none.sqlite", create=False)
    assert not (tmp_path / "none.sqlite").exists()


def test_it_is_for_its_user_alone(path: Path) -> None:
    Store(path).close()
    assert path.stat().st_mode & 0o077 == 0


def test_times_of_the_command_line() -> None:
    assert moment("2026-01-28") == "2026-01-28T00:00:00Z"
    assert moment("2026-01-28T10:00:00+02:00") == "2026-01-28T08:00:00Z"
    assert moment("90m") > moment("2h") > moment("7d")
    with pytest.raises(MlxdiagError, match="no time"):
        moment("yesterday")


@pytest.mark.parametrize(
    "text",
    ["999999d", "999999h9", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "0999999d"],
)
def test_times_that_no_calendar_has_are_refused(text: str) -> None:
    with pytest.raises(MlxdiagError, match="--since"):
        moment(text)


def test_days_beyond_the_calendar_keep_everything() -> None:
    assert days_ago(10**9) == "0001-01-01T00:00:00Z"


def test_the_command_line(tmp_path: Path) -> None:
    write_recording(CASES["incident"](), tmp_path / "night")
    env = environment(XDG_STATE_HOME=str(tmp_path / "state"))
    ran = run("history", env=env)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "there is no history yet" in ran.stderr
    words = ("history", "import", str(tmp_path / "night"), "--keep", "10000")
    ran = run(*words, env=env)
    assert (ran.returncode, ran.stdout, ran.stderr) == (
        0,
        "",
        "mlxdiag: 1 taken in, 0 known already\n",
    )
    assert run(*words, env=env).stderr == "mlxdiag: 0 taken in, 1 known already\n"
    ran = run("history", "--only", "macstudio2 en4", env=env)
    assert ran.returncode == 0
    assert "macstudio2 en4 - macstudio3 en3: not usable: rdma-port-active" in ran.stdout
    document = json.loads(run("history", "-f", "json", env=env).stdout)
    assert document["schema"] == "mlxdiag/history"
    (cluster,) = document["clusters"]
    assert cluster["cluster"] == "incident"
    values = {(t["what"], t["subject"]): t["value"] for t in cluster["topics"]}
    assert values["port", "macstudio3 en3"] == "PORT_DOWN"
    assert run("history", "--only", "nobody", env=env).returncode == 3
    silent = replace(recording.load(tmp_path / "night"), hosts={})
    recording.save(silent, tmp_path / "silent")
    for more in ((), (str(tmp_path / "night"),)):
        ran = run("history", "import", "--keep", "10000", str(tmp_path / "silent"), *more, env=env)
        assert ran.returncode == 3
        assert f"not taken in: no host said anything in it\nmlxdiag: 0 taken in, {len(more)} k" in (
            ran.stderr
        )
    assert (Path(env["XDG_STATE_HOME"]) / "mlxdiag" / "history.sqlite").exists()


def test_what_is_older_than_what_is_kept_is_not_said_to_be_taken_in(
    tmp_path: Path, path: Path
) -> None:
    write_recording(CASES["clean-pair"](), tmp_path / "night")
    notes: list[str] = []
    assert take_in([tmp_path / "night"], path, 1, notes.append) == (0, 0)
    assert [note.partition(": ")[2] for note in notes] == [
        f"not taken in: it is of {recording.load(tmp_path / 'night').started_at[:10]}, and 1 days"
        " are kept (--keep)"
    ]


def test_a_recording_of_no_host_is_named_and_adds_nothing(tmp_path: Path, path: Path) -> None:
    write_recording(CASES["clean-pair"](), tmp_path / "night")
    recording.save(looked.recorded(looked.MODELS), tmp_path / "server")
    unasked = replace(recording.load(tmp_path / "night"), hosts={})
    recording.save(unasked, tmp_path / "unasked")
    notes: list[str] = []
    all_of = [tmp_path / name for name in ("server", "night", "unasked")]
    assert take_in(all_of, path, 10_000, notes.append) == (1, 0)
    assert {note.partition(": ")[0] for note in notes} == {
        str(tmp_path / "unasked"),
        str(tmp_path / "server"),
    }
    store = Store(path)
    assert len(store.sessions()) == 1
    store.close()


def test_a_recording_without_a_time_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "night"
    write_recording(CASES["clean-pair"](), folder)
    found = recording.load(folder)
    for text, why in (
        ("yesterday", "is no time"),
        ("2026-01-28T21:14:05", "no time zone"),
        ("9999-12-31T23:59:59.9Z", "no calendar"),
    ):
        odd: Recording = replace(found, started_at=text)
        recording.save(odd, tmp_path / f"odd{len(text)}")
        with pytest.raises(MlxdiagError, match=why):
            take_in([tmp_path / f"odd{len(text)}"], tmp_path / "h.sqlite", 90, print)
    assert os.path.exists(folder)  # noqa: PTH110
