from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxdiag import hostfile
from mlxdiag.errors import InventoryError
from mlxdiag.hostfile import Hostfile, HostfileEntry, Place

MESH = """\
{
  "backend": "jaccl",
  "envs": ["MLX_METAL_FAST_SYNCH=1"],
  "hosts": [
    {"ssh": "alex@mac1", "ips": ["192.168.0.1", "10.0.0.1"], "rdma": [null, "rdma_en4"]},
    {"ssh": "mac2", "ips": [], "rdma": [["rdma_en5", "rdma_en6"], null]}
  ]
}
"""


def test_dict_shape() -> None:
    assert hostfile.loads(MESH, "h.json") == Hostfile(
        backend="jaccl",
        envs=("MLX_METAL_FAST_SYNCH=1",),
        hosts=(
            HostfileEntry("alex@mac1", ("192.168.0.1", "10.0.0.1"), (None, "rdma_en4")),
            HostfileEntry("mac2", (), (("rdma_en5", "rdma_en6"), None)),
        ),
    )


def test_entries_remember_their_place() -> None:
    places = [entry.place for entry in hostfile.loads(MESH, "h.json").hosts]
    assert places == [Place("h.json", 5, "hosts[0].ssh"), Place("h.json", 6, "hosts[1].ssh")]


def test_list_shape_says_no_backend() -> None:
    told = hostfile.loads('[{"ssh": "mac1"}, {"ssh": "mac2", "ips": null}]', "h.json")
    assert told == Hostfile(None, (), (HostfileEntry("mac1"), HostfileEntry("mac2")))


@pytest.mark.parametrize("backend", ['""', "null"])
def test_empty_backend_is_none(backend: str) -> None:
    told = hostfile.loads(f'{{"backend": {backend}, "hosts": [{{"ssh": "a"}}]}}', "h.json")
    assert told.backend is None


def test_keys_that_mlx_ignores_are_ignored() -> None:
    told = hostfile.loads('{"note": 1, "hosts": [{"ssh": "a", "comment": "x"}]}', "h.json")
    assert told.hosts == (HostfileEntry("a"),)


def test_a_crooked_matrix_is_for_a_check_to_report() -> None:
    told = hostfile.loads('[{"ssh": "a", "rdma": ["rdma_en2", null, null]}]', "h.json")
    assert told.hosts[0].rdma == ("rdma_en2", None, None)


RAW = (
    "a list where a host is wanted: this is the file MLX_HOSTFILE or MLX_IBV_DEVICES names inside"
    " one run; give the hostfile of mlx.launch"
)


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", "h.json:1: the file is empty"),
        ("[\n{]", "h.json:2: column 2: not JSON: Expecting property name"),
        ("5", "h.json:1: wants a list of hosts, not 5"),
        ("null", "h.json:1: wants a list of hosts, not null"),
        ("\n[]", "h.json:2: no hosts"),
        ('{"backend": "ring",\n "hosts": []}', "h.json:2: hosts: no hosts"),
        ('{"backend": "ring"}', "h.json:1: hosts: no hosts"),
        ('{"hosts":\n{}}', "h.json:2: hosts: wants a list of hosts, not an object"),
        ('{\n"host": []}', 'h.json:2: host: unknown key; did you mean "hosts"?'),
        ('[{"ssh": "a",\n"rmda": []}]', 'h.json:2: [0].rmda: unknown key; did you mean "rdma"?'),
        ('[\n["10.0.0.1:5000"]]', f"h.json:2: [0]: {RAW}"),
        ("[[null]]", f"h.json:1: [0]: {RAW}"),
        ('["mac1"]', "h.json:1: [0]: wants a host like {"),
        ('[{"ssh": "a"},\n{"ips": []}]', "h.json:2: [1].ssh: missing"),
        ('[{"ssh":\n7}]', "h.json:2: [0].ssh: wants a string, not 7"),
        ('[{"ssh": "a", "ips":\n"b"}]', '[0].ips: wants a list of addresses, not "b"'),
        ('[{"ssh": "a", "ips": [\n1]}]', "h.json:2: [0].ips[0]: wants a string, not 1"),
        (
            '[{"ssh": "a", "rdma": [null,\n{}]}]',
            "h.json:2: [0].rdma[1]: wants a list of RDMA device names, not an object",
        ),
        (
            '[{"ssh": "a", "rdma": [["b",\n4]]}]',
            "h.json:2: [0].rdma[0][1]: wants a string, not 4",
        ),
        (
            '{"hosts": [{"ssh": "a"}],\n"envs": {"A": "1"}}',
            "h.json:2: envs: wants a list of NAME=VALUE strings, not an object",
        ),
        (
            '{"hosts": [{"ssh": "a"}],\n"backend": "jacl"}',
            'h.json:2: backend: "jacl" is not one of ring, jaccl, jaccl-ring, mpi;'
            ' did you mean "jaccl"?',
        ),
        (
            '{"hosts": [{"ssh": "a"}], "backend": "nccl"}',
            'h.json:1: backend: "nccl" is not one of ring, jaccl, jaccl-ring, mpi',
        ),
        ('[{"ssh": "a",\n"ssh": "b"}]', "h.json:2: [0].ssh: given twice, first in line 1"),
        ("[" * 100_000, "h.json: not usable as JSON: "),
        ("1" * 5000, "h.json: not usable as JSON: "),
    ],
)
def test_refuses(text: str, refusal: str) -> None:
    with pytest.raises(InventoryError) as refused:
        hostfile.loads(text, "h.json")
    assert refusal in str(refused.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["hosts", "ssh", "ips", "rdma", "backend", "envs", "a.b", ""]), inner
        )
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.text() | JSON.map(json.dumps) | JSON.map(lambda value: json.dumps([{"ssh": value}])))
def test_any_text_is_read_or_refused(text: str) -> None:
    said = "h.json"
    try:
        assert hostfile.loads(text, "h.json").hosts
    except InventoryError as refused:
        said = str(refused)
    assert said.startswith("h.json")


@settings(max_examples=100, deadline=None)
@given(JSON, st.sampled_from([None, 0, 2]))
def test_lines_are_counted_as_the_text_stands(value: object, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    places = hostfile.spans(text, "h.json")
    assert places[""] == hostfile.Span(1, 0, len(text))
    assert max(span.line for span in places.values()) <= text.count("\n") + 1


def test_a_span_is_the_value_as_it_stands() -> None:
    text = '{"a": [1,\n {"b": "x\\u00e9"}], "c": {}}'
    spans = hostfile.spans(text, "")
    found = {path: (span.line, text[span.start : span.end]) for path, span in spans.items()}
    assert found == {
        "": (1, text),
        "a": (1, '[1,\n {"b": "x\\u00e9"}]'),
        "a[0]": (1, "1"),
        "a[1]": (2, '{"b": "x\\u00e9"}'),
        "a[1].b": (2, '"x\\u00e9"'),
        "c": (2, "{}"),
    }


def test_a_long_text_of_the_users_is_cut_and_escaped() -> None:
    assert hostfile.quoted("x" * 100) == '"' + "x" * 57 + '..."'
    assert hostfile.quoted("a\x1b[31m\n") == '"a\\u001b[31m\\n"'
    assert hostfile.quoted("a\x9b\u202e\ud800") == '"a\\u009b\\u202e\\ud800"'
    assert hostfile.quoted("Büro") == '"Büro"'


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
wires = st.none() | texts | st.lists(texts, max_size=3).map(tuple)
entries = st.builds(
    HostfileEntry,
    ssh=texts,
    ips=st.lists(texts, max_size=3).map(tuple),
    rdma=st.lists(wires, max_size=3).map(tuple),
)
written = st.builds(
    Hostfile,
    backend=st.sampled_from([None, "ring", "jaccl", "jaccl-ring", "mpi"]),
    envs=st.lists(texts, max_size=2).map(tuple),
    hosts=st.lists(entries, min_size=1, max_size=3).map(tuple),
)


@settings(max_examples=100, deadline=None)
@given(written)
def test_what_is_written_is_read_again(told: Hostfile) -> None:
    assert hostfile.loads(hostfile.dumps(told), "h.json") == told


def test_a_host_is_a_line() -> None:
    assert (
        hostfile.dumps(hostfile.loads(MESH, "h.json"))
        == """\
{
  "backend": "jaccl",
  "envs": ["MLX_METAL_FAST_SYNCH=1"],
  "hosts": [
    {"ssh": "alex@mac1", "ips": ["192.168.0.1", "10.0.0.1"], "rdma": [null, "rdma_en4"]},
    {"ssh": "mac2", "ips": [], "rdma": [["rdma_en5", "rdma_en6"], null]}
  ]
}
"""
    )
