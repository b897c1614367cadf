"""A planted key is in nothing that mlxdiag writes, also where the server says it back."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxdiag import recording
from mlxdiag.errors import InventoryError
from mlxdiag.render import FORMATS
from mlxdiag.render.style import Style
from mlxdiag.server import secret, sse
from mlxdiag.server.exchange import Chunk
from mlxdiag.server.secret import Secret
from tests.server.conftest import KEY, ROOT, Endpoint
from tests.server.looked import reported, visit
from tests.test_cli import environment, run

NAME = "ENDPOINT_TEST_KEY"
PIECE = 9
"""So many characters of the key in a row are too many."""

pytestmark = pytest.mark.xdist_group("ranks")


def traces(text: str) -> list[str]:
    """List the pieces of the key that a text holds, as they are or as JSON has them."""
    forms = (KEY, json.dumps(KEY)[1:-1], KEY.replace('"', "&quot;"), KEY.replace('"', "&#34;"))
    windows = {form[at : at + PIECE] for form in forms for at in range(len(form) - PIECE + 1)}
    return [piece for piece in windows if piece in text]


ECHOES = ("echo-refused", "echo-spread", "echo-torn")


@pytest.mark.parametrize("fault", ECHOES)
def test_no_output_and_no_recording_has_the_key(
    endpoint: Endpoint, fault: str, tmp_path: Path
) -> None:
    found = visit(endpoint.url(fault), key=KEY, key_env=NAME, deadline_s=1.0)
    recording.save(found, tmp_path / "saved")
    texts = [path.read_text() for path in (tmp_path / "saved").rglob("*") if path.is_file()]
    texts += [FORMATS[form](reported(found), Style(verbose=True)) for form in FORMATS]
    again = recording.load(tmp_path / "saved")
    texts += [FORMATS[form](reported(again), Style()) for form in FORMATS]
    assert [traces(text) for text in texts] == [[]] * len(texts)
    assert repr(found).find(KEY[:PIECE]) == -1
    assert "not-for-anybody" not in "".join(texts)
    spelt = "".join(event.data for event in sse.read(again.server.exchanges[-1].chunks).events)  # type: ignore[union-attr]
    letters = "".join(c for c in spelt if c in KEY)
    assert KEY not in letters


@pytest.mark.parametrize("fault", [*ECHOES, "key"])
def test_the_command_line_keeps_the_key(endpoint: Endpoint, fault: str, tmp_path: Path) -> None:
    words = ("server", "--url", endpoint.url(fault), "--key-env", NAME, "--requests", "1")
    more = ("--deadline", "1", "--save", "saved.tar.gz", "-f", "json")
    ran = run(*words, *more, cwd=tmp_path, env=environment(**{NAME: KEY, "PYTHONPATH": str(ROOT)}))
    assert traces(ran.stdout + ran.stderr) == []
    assert ran.returncode == {"key": 0, "echo-spread": 0}.get(fault, 1), ran.stderr


def test_a_key_that_breaks_us_is_in_no_traceback(tmp_path: Path) -> None:
    program = (
        "import mlxdiag.server.client as client, mlxdiag.cli\n"
        "def broken(self, *_): raise ZeroDivisionError(f'on purpose {self._secret}')\n"
        "client.Client.send = broken\nmlxdiag.cli.main()"
    )
    argv = [
        sys.executable,
        "-c",
        program,
        "server",
        "--url",
        "http://127.0.0.1:1",
        "--key-env",
        NAME,
    ]
    env = environment(**{NAME: KEY, "PYTHONPATH": str(ROOT)})
    ran = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path, env=env)
    assert ran.returncode == 4
    assert "ZeroDivisionError: on purpose" in ran.stderr
    assert traces(ran.stdout + ran.stderr) == []


@pytest.mark.parametrize("value", [None, "", "  ", "two words", "line\nfeed", "caf\u00e9-key"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(value: str | None) -> None:
    with pytest.raises(InventoryError) as error:
        secret.of(NAME, value)
    assert NAME in str(error.value)
    assert not value or not value.strip() or value not in str(error.value)


def test_an_address_with_a_key_in_it_is_refused_and_not_repeated(tmp_path: Path) -> None:
    for url in (f"http://user:{KEY}@127.0.0.1:1", f"http://127.0.0.1:1/?key={KEY}"):
        ran = run("server", "--url", url, cwd=tmp_path)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert traces(ran.stderr) == []


def cut(body: bytes, at: list[int]) -> Iterator[Chunk]:
    edges = [0, *sorted({min(n, len(body)) for n in at}), len(body)]
    yield from (Chunk(n * 0.1, body[a:b]) for n, (a, b) in enumerate(pairwise(edges)))


@given(st.lists(st.integers(0, 200), max_size=6), st.binary(max_size=40), st.binary(max_size=40))
def test_wherever_chunks_are_cut_the_key_goes_and_the_lengths_stay(
    at: list[int], before: bytes, after: bytes
) -> None:
    forms = [
        KEY.encode(),
        json.dumps(KEY)[1:-1].encode(),
        base64.b64encode(KEY.encode()),
        b"sk-planted%2F7f3a%2B9b%22c41d",
    ]
    for form in forms:
        chunks = list(cut(before + form + after, at))
        masked = Secret(KEY).out_of_all(chunks)
        body = b"".join(chunk.raw for chunk in masked)
        assert form not in body
        assert [len(c.raw) for c in masked] == [len(c.raw) for c in chunks]
        assert [c.at for c in masked] == [c.at for c in chunks]


def test_a_short_key_is_masked_where_it_stands_alone() -> None:
    chunks = [Chunk(0.0, b'{"index": 0, "message": "bad key x", "text": "an example"}')]
    (masked,) = Secret("x").out_of_all(chunks)
    assert masked.raw == b'{"index": 0, "message": "bad key *", "text": "an example"}'


def test_without_a_key_nothing_is_touched_and_nothing_sent() -> None:
    chunks = [Chunk(0.0, b"anything")]
    assert Secret().out_of_all(chunks) == tuple(chunks)
    assert Secret().header() == {}
    assert Secret().out_of("words") == "words"
