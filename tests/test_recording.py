"""Recordings: what is saved is what is read, and what is wrong with one is said by its file."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from mlxdiag import cli, recording
from mlxdiag.capture import ACCESS, Capture, Outcome
from mlxdiag.errors import RecordingError
from mlxdiag.finding import FixKind
from mlxdiag.inventory import Host, Inventory
from mlxdiag.recording import Recording, load, save
from tests.checks.recorded import NAMES, recorded
from tests.model import CASES, write_recording

PAIR = "clean-pair"


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("case", sorted(CASES))
def test_save_load_save_changes_nothing(case: str, tmp_path: Path) -> None:
    write_recording(CASES[case](), tmp_path / "written")
    read = load(tmp_path / "written")
    save(read, tmp_path / "one")
    again = load(tmp_path / "one")
    save(again, tmp_path / "two")
    save(again, tmp_path / "two.tar.gz")
    packed = load(tmp_path / "two.tar.gz")
    for other in (again, packed):
        assert other.hosts == read.hosts
        assert other.inventory.hosts == read.inventory.hosts
        assert other.inventory.expect == read.inventory.expect
        assert replace(other, inventory=read.inventory) == read
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    streams = {k: v for k, v in tree(tmp_path / "written").items() if k.endswith((".out", ".err"))}
    kept = {k: v for k, v in tree(tmp_path / "one").items() if k.endswith((".out", ".err"))}
    assert kept == streams


@pytest.mark.parametrize("case", ["incident", "hung-ibv-devinfo", "no-mlx", "unreachable-host"])
def test_what_the_model_writes_is_what_save_writes(case: str, tmp_path: Path) -> None:
    write_recording(CASES[case](), tmp_path / "written")
    save(load(tmp_path / "written"), tmp_path / "saved")
    written, saved = tree(tmp_path / "written"), tree(tmp_path / "saved")
    assert written.keys() == saved.keys()
    for name in written:
        if name.endswith(".json"):
            assert json.loads(written[name]) == json.loads(saved[name]), name


def test_equal_recordings_are_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save(recorded(PAIR), tmp_path / name / "r.tar.gz")
    first, second = (tmp_path / name / "r.tar.gz" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


captures = st.builds(
    Capture,
    command=st.just("ifconfig"),
    argv=st.lists(st.text(max_size=8), max_size=3).map(tuple),
    outcome=st.sampled_from(list(Outcome)),
    exit_status=st.none() | st.integers(-1, 255),
    signal=st.none() | st.integers(1, 31),
    stdout=st.binary(max_size=40),
    stderr=st.binary(max_size=40),
    detail=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    started_s=st.floats(0, 1e6),
    seconds=st.floats(0, 1e6),
)


@settings(max_examples=60, deadline=None)
@given(captures, st.sampled_from(["complete", "timeout", "interrupted", "terminated"]))
def test_any_capture_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, capture: Capture, ended: recording.Ended
) -> None:
    folder = tmp_path_factory.mktemp("r")
    asked = Inventory("c", (Host("a", "a"),))
    made = Recording(
        asked, {"a": {"ifconfig": capture}}, "2026-11-23T10:00:00Z", 1.5, "0.1.0", ended
    )
    for place in (folder / "d", folder / "d.tar.gz"):
        save(made, place)
        again = load(place)
        assert again.hosts == made.hosts
        assert (again.started_at, again.duration_s, again.ended) == (
            made.started_at,
            made.duration_s,
            made.ended,
        )


def test_bytes_are_kept_as_they_came(tmp_path: Path) -> None:
    raw = bytes(range(256)) + b"\r\n\x00"
    capture = Capture("ifconfig", ("ifconfig", "-a"), Outcome.EXITED, 0, stdout=raw, stderr=raw)
    made = recorded(PAIR)
    hosts = {**made.hosts, "macstudio1": {"ifconfig": capture}}
    save(replace(made, hosts=hosts), tmp_path / "r")
    assert (tmp_path / "r/macstudio1/ifconfig.out").read_bytes() == raw
    assert (tmp_path / "r/macstudio1/ifconfig.err").read_bytes() == raw


def test_a_host_without_a_manifest_was_not_recorded(tmp_path: Path) -> None:
    save(recorded(PAIR), tmp_path / "r")
    (tmp_path / "r/macstudio2/manifest.json").unlink()
    assert load(tmp_path / "r").hosts["macstudio2"] == {}


def test_a_folder_of_any_name_may_lie_in_an_archive(tmp_path: Path) -> None:
    save(recorded(PAIR), tmp_path / "r")
    for top in ("", "./", "another/name/", "/absolute/"):
        packed = tmp_path / "p.tar.gz"
        pack(packed, {f"{top}{name}": data for name, data in tree(tmp_path / "r").items()})
        assert load(packed).hosts == load(tmp_path / "r").hosts


def pack(place: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(place, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def test_nothing_of_an_archive_is_unpacked(tmp_path: Path) -> None:
    save(recorded(PAIR), tmp_path / "r")
    hostile = {"../../escaped": b"x", "r/../../escaped": b"x"}
    files = {f"r/{name}": data for name, data in tree(tmp_path / "r").items()}
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    pack(deep / "p.tar.gz", {**files, **hostile})
    load(deep / "p.tar.gz")
    assert not list(tmp_path.rglob("escaped"))
    assert [p.name for p in deep.iterdir()] == ["p.tar.gz"]


def test_links_and_devices_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    save(recorded(PAIR), tmp_path / "r")
    with tarfile.open(tmp_path / "p.tar.gz", "w:gz") as tar:
        for name, data in tree(tmp_path / "r").items():
            member = tarfile.TarInfo(f"r/{name}")
            if name == "macstudio1/ifconfig.out":
                member.type, member.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
                tar.addfile(member)
                continue
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    assert load(tmp_path / "p.tar.gz").hosts["macstudio1"]["ifconfig"].stdout == b""


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_BYTES", 1 << 16)
    pack(tmp_path / "bomb.tar.gz", {"recording.json": bytes(1 << 20)})
    assert (tmp_path / "bomb.tar.gz").stat().st_size < 1 << 14
    with pytest.raises(RecordingError, match="more than 65536 bytes"):
        load(tmp_path / "bomb.tar.gz")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "recording.json").write_bytes(bytes(1 << 20))
    with pytest.raises(RecordingError, match="larger than 65536 bytes"):
        load(tmp_path / "d")


# Refusals: RecordingError, and the file in its text.

Edit = Callable[[Path], object]


def rewritten(name: str, change: Callable[[dict[str, object]], object]) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / name
        told = json.loads(path.read_text())
        change(told)
        path.write_text(json.dumps(told))

    return edit


def entry(**said: object) -> Edit:
    def change(told: dict[str, object]) -> None:
        one = told["ifconfig"]
        assert isinstance(one, dict)
        one.update(said)

    return rewritten("macstudio1/manifest.json", change)


REFUSED: dict[str, tuple[Edit, str]] = {
    "no recording.json": (lambda d: (d / "recording.json").unlink(), "recording.json"),
    "no inventory": (lambda d: (d / "inventory.yaml").unlink(), "inventory.yaml"),
    "not JSON": (lambda d: (d / "recording.json").write_text("{"), "recording.json"),
    "nested without end": (
        lambda d: (d / "recording.json").write_text("[" * 100_000),
        "recording.json",
    ),
    "not an object": (lambda d: (d / "recording.json").write_text("[]"), "recording.json"),
    "not UTF-8": (lambda d: (d / "recording.json").write_bytes(b"\xff"), "recording.json"),
    "another format": (
        rewritten("recording.json", lambda told: told.update(format="other")),
        "recording.json",
    ),
    "a later version": (
        rewritten("recording.json", lambda told: told.update(format_version=2)),
        "version 2",
    ),
    "no start": (rewritten("recording.json", lambda told: told.pop("started_at")), "started_at"),
    "a duration of text": (
        rewritten("recording.json", lambda told: told.update(duration_s="long")),
        "recording.json",
    ),
    "an inventory of bytes": (
        lambda d: (d / "inventory.yaml").write_bytes(b"\xff\xfe"),
        "inventory.yaml",
    ),
    "an inventory without hosts": (
        lambda d: (d / "inventory.yaml").write_text("cluster: x\n"),
        "inventory.yaml",
    ),
    "a manifest that is a list": (
        lambda d: (d / "macstudio1/manifest.json").write_text("[]"),
        "macstudio1/manifest.json",
    ),
    "an entry that is a list": (
        rewritten("macstudio1/manifest.json", lambda told: told.update(ifconfig=[])),
        "macstudio1/manifest.json: ifconfig",
    ),
    "an outcome nobody knows": (entry(outcome="bored"), "bored"),
    "an exit status of text": (entry(exit_status="0"), "macstudio1/manifest.json: ifconfig"),
    "seconds of text": (entry(seconds="x"), "macstudio1/manifest.json: ifconfig"),
    "an argv of nothing": (entry(argv=None), "macstudio1/manifest.json: ifconfig"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_recording_is_refused_by_the_file_that_is_wrong(name: str, tmp_path: Path) -> None:
    edit, said = REFUSED[name]
    save(recorded(PAIR), tmp_path / "r")
    edit(tmp_path / "r")
    with pytest.raises(RecordingError) as refused:
        load(tmp_path / "r")
    assert said in str(refused.value)
    assert str(tmp_path / "r") in str(refused.value)
    assert "\n" not in str(refused.value).strip()


@pytest.mark.parametrize(
    "content",
    [b"", b"text", gzip.compress(b"text", mtime=0), b"\x1f\x8b\x08\x00cut", b"PK\x03\x04"],
)
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "r.tar.gz").write_bytes(content)
    with pytest.raises(RecordingError, match=r"r\.tar\.gz"):
        load(tmp_path / "r.tar.gz")


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9, 0.99])
def test_a_cut_archive_is_refused(at: float, tmp_path: Path) -> None:
    save(recorded(PAIR), tmp_path / "r.tar.gz")
    whole = (tmp_path / "r.tar.gz").read_bytes()
    (tmp_path / "r.tar.gz").write_bytes(whole[: int(len(whole) * at)])
    with pytest.raises(RecordingError, match=r"r\.tar\.gz"):
        load(tmp_path / "r.tar.gz")


def test_nothing_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="nowhere"):
        load(tmp_path / "nowhere")


def test_a_recording_is_never_overwritten(tmp_path: Path) -> None:
    for name in ("r", "r.tar.gz"):
        save(recorded(PAIR), tmp_path / name)
        with pytest.raises(RecordingError, match="exists already"):
            save(recorded(PAIR), tmp_path / name)
    (tmp_path / "empty").mkdir()
    save(recorded(PAIR), tmp_path / "empty")
    assert load(tmp_path / "empty").hosts == recorded(PAIR).hosts


def test_a_recording_that_cannot_be_written_whole_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is killed in the midst of it leaves no part of it under its name."""
    seen: list[bool] = []
    put = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        seen.append((tmp_path / "r").exists() or (tmp_path / "r.tar.gz").exists())
        if len(seen) % 4 == 0:
            raise OSError(28, "No space left on device")
        return put(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RecordingError, match="No space left"):
        save(recorded(PAIR), tmp_path / "r")
    seen += [False] * 3
    with pytest.raises(RecordingError, match="No space left"):
        save(recorded(PAIR), tmp_path / "r.tar.gz")
    assert list(tmp_path.iterdir()) == []
    assert not any(seen)


def test_in_a_folder_that_was_there_the_head_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    put = Path.write_bytes

    def noted(path: Path, content: bytes) -> int:
        written.append(path.name)
        return put(path, content)

    monkeypatch.setattr(Path, "write_bytes", noted)
    save(recorded(PAIR), tmp_path)
    assert written[-1] == "recording.json"
    assert len(written) > 4


def test_a_place_that_does_not_exist_is_refused_before_anything_is_gathered(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="parent folder"):
        recording.check_target(tmp_path / "no" / "where")


def test_commands_that_a_later_version_asks_are_kept(tmp_path: Path) -> None:
    made = recorded(PAIR)
    later = Capture("iostat", ("iostat",), Outcome.EXITED, 0, stdout=b"later")
    hosts = {**made.hosts, "macstudio1": {**made.hosts["macstudio1"], "iostat": later}}
    save(replace(made, hosts=hosts), tmp_path / "r")
    assert load(tmp_path / "r").hosts["macstudio1"]["iostat"] == later
    assert ACCESS in load(tmp_path / "r").hosts["macstudio1"]


DOCS = Path(recording.__file__).parents[1] / "docs"


def test_the_page_names_every_outcome_command_and_key() -> None:
    page = (DOCS / "recording.md").read_text(encoding="utf-8")
    for outcome in Outcome:
        assert f"`{outcome.value}`" in page
    assert all(f"| `{name}` |" in page for name in NAMES)
    for name, data in recording.files_of(recorded(PAIR)).items():
        if name.endswith("recording.json"):
            assert all(f"`{key}`" in page for key in json.loads(data))
        if name.endswith("manifest.json"):
            assert all(f"`{key}`" in page for one in json.loads(data).values() for key in one)


def test_the_contract_names_every_exit_code_fix_and_key_of_the_report() -> None:
    page = (DOCS / "contract.md").read_text(encoding="utf-8")
    schema = Path(recording.__file__).parent / "report.schema.json"
    told = json.loads(schema.read_text(encoding="utf-8"))
    assert all(f"`{key}`" in page for key in told["properties"])
    assert all(f"`{kind.value}`" in page for kind in FixKind)
    assert all(str(code) in page for code in told["properties"]["exit_code"]["enum"])


def test_the_contract_names_every_option() -> None:
    page = (DOCS / "contract.md").read_text(encoding="utf-8")
    for command in ("ports", "demo"):
        shown = CliRunner().invoke(cli.app, [command, "--help"], env={"COLUMNS": "200"}).stdout
        options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", shown)) - {"--help"}
        assert len(options) > 3
        assert not {option for option in options if f"`{option}" not in page}


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="needs another user")
def test_a_place_that_may_not_be_looked_at_is_refused_in_words(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    text = (
        "import sys; from pathlib import Path; from mlxdiag import files, recording\n"
        "from mlxdiag.errors import MlxdiagError\n"
        "for ask in (files.check, recording.check_target):\n"
        "    try: ask(Path(sys.argv[1]) / 'x')\n"
        "    except MlxdiagError as error: print(error)\n"
    )
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if os.geteuid():
        user = []
        closed.chmod(0)
    argv = [*user, sys.executable, "-c", text, str(closed)]
    ran = subprocess.run(
        argv, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1]
    )
    assert ran.stdout.count("cannot be written: Permission denied") == 2, ran.stderr
