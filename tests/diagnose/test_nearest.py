"""What comes near to a text that is not known; and what does not."""

from __future__ import annotations

import pytest

from mlxdiag.diagnose.messages import MESSAGES
from mlxdiag.diagnose.nearest import LEAST, nearest
from tests.diagnose.logs import HEAD, diagnosed


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ("[jaccl] Could not alocate the protection domian", "jaccl-protection-domain"),
        ("RuntimeError: [jaccl] Unable to allocate protection domain", "jaccl-protection-domain"),
        ("[jaccl] Changing the queue pair to RTR was refused with errno 22", "jaccl-rtr"),
        ("22:10:01 [rank 3] No IPv4 mapped GID for device", "jaccl-no-gid"),
        ("mlx.launch: error: hostfile for jaccl backend is malformed", "launch-malformed"),
    ],
)
def test_a_text_of_another_version_comes_near(text: str, id_: str) -> None:
    found = nearest(text)
    assert found[0].entry.id == id_
    assert LEAST <= found[0].likeness < 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "KeyError: 'layers'",
        "the quick brown fox jumps over the lazy dog",
        "loss 0.1 tokens/s 12.8",
        "connection refused",
        "\x00" * 50,
        "a" * 100_000,
    ],
)
def test_other_texts_do_not(text: str) -> None:
    assert nearest(text) == ()


def test_every_entry_is_nearest_to_itself() -> None:
    for entry in MESSAGES:
        if len(entry.says.split()) > 3:
            assert nearest(entry.says)[0].likeness == 1, entry.id


def test_lines_without_an_error_have_a_nearest_one_where_nothing_is_known() -> None:
    found = diagnosed(f"{HEAD}unable to allocate protection domain\n")
    assert [near.entry.id for near in found.near] == ["jaccl-protection-domain"]
    assert found.causes == ()


def test_a_known_message_has_no_hints_beside_it() -> None:
    found = diagnosed("unable to allocate protection domain\n[jaccl] Recv failed with errno=2\n")
    assert found.near == ()
