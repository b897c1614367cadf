"""Reading: places, counts, ranks and hosts; any bytes; bounds."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlxdiag.diagnose import reading as readings
from mlxdiag.diagnose.blocks import HELD, LONGEST, blocks, encoding
from tests.diagnose.logs import HEAD, diagnosed, ids, read, read_in

DOMAIN = "[jaccl] Couldn't allocate protection domain"


def test_place_and_count_are_those_of_the_file() -> None:
    reading = read(f"a\nb\n{DOMAIN}\n\n{DOMAIN}\r\n{DOMAIN}")
    (said,) = reading.sightings
    assert (said.line, said.count, reading.lines) == (3, 3, 6)
    assert said.place == "launch.log:3"


def test_lines_are_counted_as_an_editor_does_where_a_bar_was_drawn_again() -> None:
    bar = "".join(f"\r{n}%|##" for n in range(50))
    assert read(f"{bar}\n{bar}\r{DOMAIN}\r{bar}\n").sightings[0].line == 2


@pytest.mark.parametrize(
    ("line", "rank"),
    [
        ("[rank 2] {}", 2),
        ("[rank2]: {}", 2),
        ("[Rank 12] {}", 12),
        ("rank 2: {}", 2),
        ("(rank=2) {}", 2),
        ("2026-01-30 22:10:01,123 [rank 2] ERROR {}", 2),
        ("2026-01-30T22:10:01Z INFO rank2> {}", 2),
        ("[1,2]<stderr>: {}", 2),
        ("[1,2]<stderr>:RuntimeError: {}", 2),
        ("{}", None),
        ("[rank 99999] {}", None),
        ("[2] {}", None),
        ("{} for rank 3", None),
        ("frank 2: {}", None),
    ],
)
def test_the_rank_of_a_line_is_its_prefix(line: str, rank: int | None) -> None:
    (said,) = read(line.format(DOMAIN)).sightings
    assert (said.speaker.rank, said.entry.id) == (rank, "jaccl-protection-domain")


@pytest.mark.parametrize(
    ("name", "rank", "host"),
    [
        ("rank2.err", 2, None),
        ("/tmp/run/rank-2.log", 2, None),
        ("/tmp/out/1/rank.2/stderr", 2, None),
        ("stderr_rank_03.txt", 3, None),
        ("crank2.err", None, None),
        ("rank2/studio1/x/launch.log", None, None),
        ("studio1.log", None, "studio1"),
        ("studio1.local.log", None, "studio1"),
        ("logs/studio3/stderr", None, "studio3"),
        ("studio13.log", None, None),
        ("launch.log", None, None),
    ],
)
def test_the_rank_or_host_of_a_file_is_in_its_name(
    name: str, rank: int | None, host: str | None
) -> None:
    (said,) = read(DOMAIN, name, ("studio1", "studio3")).sightings
    assert (said.speaker.rank, said.speaker.host) == (rank, host)


def test_a_prefix_goes_before_the_name_of_the_file() -> None:
    (said,) = read(f"[rank 1] {DOMAIN}", "rank2.err").sightings
    assert said.speaker.rank == 1


@pytest.mark.parametrize("line", ["studio1: {}", "[studio1] | {}", "alex@studio1.local: {}"])
def test_a_line_of_a_host_that_is_known_begins_with_its_name(line: str) -> None:
    (said,) = read(line.format(DOMAIN), hosts=("studio1", "studio2")).sightings
    assert said.speaker.host == "studio1"
    (said,) = read(line.format(DOMAIN)).sightings
    assert said.speaker.host is None


def test_heads_of_several_files_in_one_say_whose_the_lines_are() -> None:
    text = f"==> rank0.err <==\nok\n\n==> rank1.err <==\n{DOMAIN}\n"
    (said,) = read(text).sightings
    assert (said.speaker.rank, said.place) == (1, "launch.log:5")


def test_device_errno_and_host_are_taken_from_the_message() -> None:
    (said,) = read("[jaccl] Could not find device rdma_en9 (3 available)").sightings
    assert said.device == "rdma_en9"
    (said,) = read("[jaccl] Couldn't bind socket (error: 49)").sightings
    assert (said.number, said.errno) == (49, "EADDRNOTAVAIL")
    (said,) = read("[ring] Couldn't connect (error: 111)").sightings
    assert (said.number, said.errno) == (111, "ECONNREFUSED")
    (said,) = read("ssh: connect to host studio2.local port 22: No route to host").sightings
    assert said.host == "studio2.local"


# Any bytes.

MESSAGE = f"{HEAD}{DOMAIN}\n{HEAD}"


@pytest.mark.parametrize(
    "raw",
    [
        MESSAGE.encode("utf-16"),
        MESSAGE.encode("utf-16-le"),
        MESSAGE.encode("utf-16-be"),
        codecs.BOM_UTF8 + MESSAGE.encode(),
        MESSAGE.replace("\n", "\r\n").encode(),
        MESSAGE.encode().replace(b"protection", b"pro\x00tec\x00tion"),
        MESSAGE.replace("allocate", "\x1b[1mallo\x1b[0mcate").encode(),
        MESSAGE.encode("latin-1", "replace") + b"\xff\xfe\x80",
        b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 40 + b"\n" + MESSAGE.encode(),
        b"x" * (3 * HELD) + b" " + MESSAGE.encode(),
    ],
    ids=[
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "bom",
        "crlf",
        "nul",
        "ansi",
        "latin-1",
        "elf",
        "long",
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_the_message_is_found_in_any_encoding_cut_anywhere(raw: bytes, size: int) -> None:
    if size < 100 and len(raw) > HELD:
        size = 1000
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    assert ids(read_in(pieces)) == ["jaccl-protection-domain"]


def test_a_message_across_the_cut_of_a_long_line_is_not_lost() -> None:
    for size in (LONGEST, HELD, 2 * HELD):
        for before in range(size - 60, size + 10, 23):
            reading = read("x" * before + f" {DOMAIN} " + "y" * size)
            assert ids(reading) == ["jaccl-protection-domain"]


def test_a_character_that_is_cut_off_at_the_end_is_replaced() -> None:
    assert list(blocks([b"abc\xe2", b"\x82"])) == ["abc\ufffd\n"]
    assert list(blocks(["abcdef".encode("utf-16")[:-1]])) == ["abcde\ufffd\n"]


def test_encodings_are_guessed_only_where_it_is_plain() -> None:
    assert encoding(b"") == encoding(b"ab\x00") == encoding(b"plain text\x00\x00") == "utf-8"
    assert encoding("Node with".encode("utf-16-le")) == "utf-16-le"
    assert encoding(bytes(100)) == "utf-8"


@given(st.binary(max_size=600), st.integers(1, 64))
@example(b"\x1b", 1)
@example(b"\xff\xfe\x00", 1)
@example(b"\r\r\n\x0b[jaccl] \x1b[", 3)
@settings(max_examples=150, deadline=None)
def test_no_bytes_raise_and_what_comes_out_is_text(raw: bytes, size: int) -> None:
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    for block in blocks(pieces):
        assert block.endswith("\n")
        assert not {c for c in block if ord(c) < 32} - {"\n", "\t", "\v"}
    found = diagnosed("")
    assert found.empty
    reading = read_in([DOMAIN.encode(), b"\n", *pieces])
    assert reading.sightings == () or reading.sightings[0].entry.id == "jaccl-protection-domain"


@given(st.text(alphabet="[]jacl rnksERO:0123456789\n\r\x1b=(){}<>\"'", max_size=400))
@settings(max_examples=150, deadline=None)
def test_no_text_of_brackets_and_numbers_raises(text: str) -> None:
    reading = read(text, hosts=("a", "studio1"))
    assert reading.lines <= text.count("\n") + 1


# Bounds.


def test_different_messages_beyond_the_bound_are_counted() -> None:
    many = "".join(f"[jaccl] Could not open device rdma_x{n}\n" for n in range(3000))
    reading = read(many)
    assert len(reading.sightings) == readings.SIGHTINGS
    assert reading.dropped == 3000 - readings.SIGHTINGS
    strange = "".join(f"KeyError: 'a{'b' * n}'\n" for n in range(120))
    assert (len(read(strange).unknown), read(strange).dropped) == (50, 70)


def test_what_is_kept_of_a_line_is_bounded_and_shows_the_message() -> None:
    (said,) = read("x" * 5000 + f" {DOMAIN} " + "y" * 5000).sightings
    assert len(said.text) <= readings.SHOWN
    assert DOMAIN in said.text


def test_a_stream_is_never_held_whole() -> None:
    taken = 0

    def pieces() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(200):
            taken += 1
            yield b"loss 0.1\n" * 1000

    made = blocks(pieces())
    next(made)
    assert taken <= 2
