"""The data: every string is found in noise, and every entry has what people need."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from mlxdiag.backends.jaccl_words import WORDS
from mlxdiag.catalogue import ALL as CHECKS
from mlxdiag.checks import hostfile, whole
from mlxdiag.diagnose import page
from mlxdiag.diagnose.entry import Entry, Role
from mlxdiag.diagnose.matcher import Matcher, Stranger, starts
from mlxdiag.diagnose.messages import BY_ID, MESSAGES
from mlxdiag.finding import FixKind
from mlxdiag.probe.errnos import NAMES
from tests.diagnose.logs import HEAD, ended, ids, raised, read, warned
from tests.diagnose.strings import ALL, SECTIONS

MATCHER = Matcher()
DOCS = Path(__file__).parents[2] / "docs" / "diagnose.md"


def found(text: str) -> str | None:
    said = MATCHER.find(text)
    return said[0].id if isinstance(said, tuple) else None


def test_the_noise_itself_says_nothing() -> None:
    reading = read(HEAD)
    assert reading.sightings == ()
    assert reading.unknown == ()


@pytest.mark.parametrize(("text", "id_"), ALL, ids=[text[:60] for text, _ in ALL])
def test_every_string_is_found_in_noise(text: str, id_: str) -> None:
    for log in (
        f"{HEAD}{text}\n{HEAD}",
        f"{HEAD}\x1b[31m{text}\x1b[0m\r\n{HEAD}",
        f"{HEAD}12%|#  | 1/8\r{text}\r\n",
        f"{HEAD}{text}",
    ):
        reading = read(log)
        assert ids(reading) == [id_]
        assert reading.sightings[0].text.startswith(text.strip()[:200])
        assert reading.unknown == ()


RAISED = [pair for name in ("tcp", "jaccl", "ring", "mpi", "generic") for pair in SECTIONS[name]]


@pytest.mark.parametrize(("text", "id_"), RAISED, ids=[text[:60] for text, _ in RAISED])
def test_what_mlx_raises_is_found_in_a_traceback_of_a_rank(text: str, id_: str) -> None:
    reading = read(HEAD + raised(text, "[rank 2] ") + ended(2))
    assert ids(reading) == [id_, "launch-exit"]
    assert reading.sightings[0].speaker.rank == 2


LAUNCHED = [pair for pair in SECTIONS["launch"] if pair[0].startswith("Node with")]


@pytest.mark.parametrize(("text", "id_"), LAUNCHED, ids=[text for text, _ in LAUNCHED])
def test_what_mlx_launch_says_is_about_the_rank_it_names(text: str, id_: str) -> None:
    (said,) = read(warned(text)).sightings
    assert said.entry.id == id_
    assert said.about_rank == int(text.split()[3])


def test_every_entry_has_a_string_in_the_list_of_the_tests() -> None:
    assert {id_ for _, id_ in ALL} == set(BY_ID)


def test_a_number_seen_before_does_not_decide_about_the_next() -> None:
    matcher = Matcher()
    order = ("1", "255", "127", "-11", "-9", "-15", "2", "139")
    said = [matcher.find(f"Node with rank 0 exited with code {code}") for code in order]
    assert [each[0].id for each in said if isinstance(each, tuple)] == [
        "launch-exit", "launch-exit-255", "launch-exit-127", "launch-exit-signal",
        "launch-exit-killed", "launch-exit-ended", "launch-exit", "launch-exit-signal",
    ]  # fmt: skip
    for count, id_ in (
        (3, "jaccl-wrong-device"),
        (0, "jaccl-no-device"),
        (7, "jaccl-wrong-device"),
    ):
        one = matcher.find(f"[jaccl] Could not find device rdma_en9 ({count} available)")
        assert isinstance(one, tuple)
        assert one[0].id == id_


# The entries.


def test_ids_are_unique_slugs() -> None:
    names = [entry.id for entry in MESSAGES]
    assert len(names) == len(set(names))
    assert not [name for name in names if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)]


@pytest.mark.parametrize("entry", MESSAGES, ids=lambda e: e.id)
def test_an_entry_is_whole(entry: Entry) -> None:
    assert found(entry.says) == entry.id
    assert starts(entry.says + "\n") == [0]
    assert len(entry.means) > 8
    assert "\n" not in entry.says + entry.means + entry.fix.text + (entry.fix.command or "")
    assert not entry.means.endswith(".")
    assert entry.sources
    assert all(re.fullmatch(r"https://[\w./-]+", source) for source in entry.sources)
    assert entry.role in (Role.NOTICE, Role.ECHO) or entry.fix.text
    if entry.role in (Role.CAUSE, Role.SYMPTOM):
        assert "look for the first error" not in entry.fix.text
    else:
        assert entry.fix.kind is FixKind.NONE or entry.role is Role.NOTICE


def test_the_checks_that_entries_name_exist() -> None:
    named = {id_ for entry in MESSAGES for id_ in entry.checks}
    assert named <= {check.id for check in CHECKS}
    assert len(named) > 25


def test_a_cause_is_tested_by_checks_that_a_diagnosis_asks() -> None:
    asked = {check.id for check in (*whole.CHECKS, *hostfile.CHECKS)}
    for entry in MESSAGES:
        assert set(entry.checks) <= asked, entry.id


def test_the_two_connect_errors_and_the_two_bind_errors_know_the_same_numbers() -> None:
    by_id = {entry.id: entry for entry in MESSAGES}
    for what in ("bind", "connect"):
        assert by_id[f"jaccl-{what}"].errnos.keys() == by_id[f"ring-{what}"].errnos.keys()


def test_a_number_with_a_meaning_has_a_place_in_the_pattern_and_a_name_of_macos() -> None:
    for entry in MESSAGES:
        if entry.errnos:
            assert "(?P<errno>" in entry.pattern, entry.id
            assert set(entry.errnos) <= set(NAMES["macOS"].values()), entry.id


def test_who_fails_over_rdma_is_told_not_to_try_again() -> None:
    steps = ("protection-domain", "completion-queue", "queue-pair", "memory-region", "init-state")
    for step in (*steps, "rtr", "rts", "no-gid", "open-device", "connect"):
        assert BY_ID[f"jaccl-{step}"].no_retry
    assert not any(entry.no_retry for entry in MESSAGES if entry.id.startswith("ring-"))


def test_the_words_of_the_backends_are_these_entries() -> None:
    assert BY_ID["jaccl-protection-domain"].means in {word.means for word in WORDS}
    assert set(BY_ID["jaccl-rtr"].errnos.values()) <= {word.means for word in WORDS}


@pytest.mark.parametrize(
    ("text", "means"),
    [
        (
            "[jaccl] Couldn't bind socket (error: 49)",
            "rank 0 does not hold the coordinator's address",
        ),
        ("[ring] Couldn't bind socket (error: 48)", "somebody listens at this rank's port already"),
        ("[jaccl] Couldn't connect (error: 61)", "rank 0 did not listen in time"),
        ("[ring] Couldn't connect (error: 65)", "macOS' Local Network privacy"),
        ("[jaccl] Couldn't connect (error: 60)", "a firewall, a VPN or a wrong route"),
        ("[jaccl] Changing queue pair to RTR failed with errno 22", "no IPv4 GID at index 1"),
        ("[jaccl] Changing queue pair to RTR failed with errno 96", "nothing at GID index 1"),
        ("[jaccl] Changing queue pair to RTR failed with errno 60", "the far end's GID does not"),
        ("[jaccl] Changing queue pair to RTR failed with errno 16", "restart, do not try again"),
        ("[jaccl] Changing queue pair to RTR failed with errno 5", "cannot reach the far end's"),
        ("[jaccl] Creating the queue pair failed with 'Resource busy (16)'.", "are taken"),
        ("[jaccl] Creating the queue pair failed with 'x (102)'.", "unreliable ones"),
        ("[jaccl] Recv failed with errno=60", "timed out"),
        ("[jaccl] Recv failed with errno=2", "that rank failed first"),
    ],
)
def test_a_number_means_what_it_does_in_its_context(text: str, means: str) -> None:
    (said,) = read(text).sightings
    assert means in said.means


# What is installed here.


def _installed() -> Path:
    spec = find_spec("mlx")
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else Path("/nowhere")


LIBRARY = next(iter(sorted(_installed().glob("lib/libmlx.*"))), None)
FRAGMENT = re.compile(
    rb"\[(?:ring|mpi|jaccl|distributed|ThreadPool::enqueue)\] [ -~]{4,}"
    rb"|Cannot (?:initialize (?:MPI|jaccl|ring)|split the|send to a|recv from a)[ -~]*"
    rb"|Communication not implemented[ -~]*|Couldn't [ -~]{6,}|Can't p[ae]r[sf][ -~]+"
    rb"|Only all reduce[ -~]*|MPI could not[ -~]*| ?(?:Recv|Send) failed with errno="
)


@pytest.mark.skipif(LIBRARY is None, reason="no MLX with its library is installed here")
def test_every_string_of_the_installed_library_is_in_the_list() -> None:
    assert LIBRARY is not None
    fragments = {f.decode().strip() for f in FRAGMENT.findall(LIBRARY.read_bytes())}
    assert len(fragments) > 20
    said = "\n".join(text for text, _ in ALL)
    assert {f for f in fragments if f not in said} == set()


def _told(node: ast.expr) -> str:
    """Give a string of a source, with a word where it fills something in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_told(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return _told(node.left) + _told(node.right)
    return "7"


def _errors_of(source: str) -> Iterator[str]:
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    for call in calls:
        name = getattr(call.func, "attr", None) or getattr(call.func, "id", None)
        if name in ("error", "log_error", "log_warning", "ValueError") and call.args:
            yield " ".join(map(_told, call.args))


HINTS = ("7", " - ", "  - ")
"""Names of hosts under a headline, and texts made elsewhere."""


@pytest.mark.parametrize("name", ["launch.py", "config.py", "common.py"])
def test_every_error_of_the_installed_launcher_is_known(name: str) -> None:
    path = _installed() / "_distributed_utils" / name
    if not path.exists():
        pytest.skip("no MLX is installed here")
    texts = [text for text in _errors_of(path.read_text()) if not text.startswith(HINTS)]
    assert len(texts) > 2
    assert [text for text in texts if found(text) is None] == []


# The page.


def test_the_page_ends_with_all_entries() -> None:
    written = DOCS.read_text(encoding="utf-8")
    assert written.endswith(page.page())
    assert written.count(page.HEAD) == 1


def test_the_page_links_to_checks_that_the_other_page_has() -> None:
    other = DOCS.with_name("checks.md").read_text(encoding="utf-8")
    for id_ in {id_ for entry in MESSAGES for id_ in entry.checks}:
        assert f"### {id_}\n" in other
        assert f"checks.md#{id_}" in page.page()


# What is no message.


@pytest.mark.parametrize(
    "line",
    [
        "KeyError: 'layers'",
        "2026-01-30 22:10:01 [rank 1] ValueError: shapes (1,2) and (3,4) do not fit",
        "torch.cuda.OutOfMemoryError",
        "libc++abi: terminating due to uncaught exception of type std::runtime_error: what",
        "panic(cpu 2 caller 0xfffffe00): Kernel data abort",
    ],
)
def test_what_ends_a_process_and_is_not_known_is_a_grave_stranger(line: str) -> None:
    assert MATCHER.find(line) == Stranger(grave=True)


@pytest.mark.parametrize(
    "line",
    ["[ERROR] something", "ERROR:root:no", "server ERROR - no", "fatal: not a git repository"],
)
def test_what_is_only_told_as_an_error_is_a_stranger(line: str) -> None:
    assert MATCHER.find(line) == Stranger(grave=False)


@pytest.mark.parametrize(
    "line",
    [
        "0 errors",
        "error rate 0.1",
        "no failures",
        "loss 0.1",
        "",
        "  raise ValueError(x)",
        "not found",
    ],
)
def test_other_lines_are_nothing(line: str) -> None:
    assert MATCHER.find(line) is None
