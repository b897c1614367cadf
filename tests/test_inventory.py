from __future__ import annotations

import errno
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxdiag import inventory, yamltree
from mlxdiag.errors import InventoryError
from mlxdiag.hostfile import quoted
from mlxdiag.inventory import Expect, Host, Inventory, Server, Silence
from mlxdiag.quantity import NAMES as THRESHOLDS

ROOT = Path(__file__).parent.parent

FULL = """\
cluster: studio-lab
defaults: {user: alex, python: ~/mlx/bin/python}
hosts:
  - name: mac1
    address: mac1.local
    port: 2222
    identity_file: ~/.ssh/cluster
    ip: 192.168.0.1
  - mac2
  - {name: mac3, user: sam, python: /opt/mlx/bin/python3, connection: local}
  - {name: mac4, user: null, address: "fe80::1%en0"}
expect:
  backend: jaccl-ring
  macos: 26.10
  mlx: 0.32.4
  topology: [[mac1, mac2], [mac2, mac3]]
  thresholds: {algbw_gb_per_s: 6.5, latency_us: 30}
"""


def refusal(text: str) -> str:
    with pytest.raises(InventoryError) as refused:
        inventory.loads(text, "i.yaml")
    return str(refused.value)


def test_every_key_is_read() -> None:
    assert inventory.loads(FULL, "i.yaml") == Inventory(
        cluster="studio-lab",
        hosts=(
            Host(
                "mac1",
                "mac1.local",
                user="alex",
                port=2222,
                identity_file="~/.ssh/cluster",
                python="~/mlx/bin/python",
                ip="192.168.0.1",
            ),
            Host("mac2", "mac2", user="alex", python="~/mlx/bin/python"),
            Host("mac3", "mac3", "sam", python="/opt/mlx/bin/python3", connection="local"),
            Host("mac4", "fe80::1%en0", user=None, python="~/mlx/bin/python"),
        ),
        expect=Expect(
            backend="jaccl-ring",
            macos="26.10",
            mlx="0.32.4",
            links=(("mac1", "mac2"), ("mac2", "mac3")),
            thresholds={"algbw_gb_per_s": 6.5, "latency_us": 30.0},
        ),
        source="i.yaml",
    )


def test_hosts_as_a_mapping() -> None:
    text = "defaults: {port: 22}\nhosts:\n  mac1:\n  mac2: {address: 10.0.0.2, port: 23}\n"
    assert inventory.loads(text, "").hosts == (
        Host("mac1", "mac1", port=22),
        Host("mac2", "10.0.0.2", port=23),
    )


def test_little_is_needed() -> None:
    text = "hosts: [mac1]\ncluster:\ndefaults:\nexpect:\n"
    assert inventory.loads(text, "x") == Inventory("cluster", (Host("mac1", "mac1"),), source="x")


def test_numbers_stay_as_written() -> None:
    told = inventory.loads("hosts: [007, 1e3]\nexpect: {macos: 26.10, mlx: '0.40'}", "")
    assert [host.name for host in told.hosts] == ["007", "1e3"]
    assert (told.expect.macos, told.expect.mlx) == ("26.10", "0.40")


def test_quoted_words_are_text() -> None:
    assert inventory.loads('hosts: ["yes", "null"]', "").hosts[1].name == "null"


@pytest.mark.parametrize("topology", ["mesh", "ring"])
def test_named_topology(topology: str) -> None:
    told = inventory.loads(f"hosts: [a]\nexpect: {{topology: {topology}}}", "")
    assert (told.expect.topology, told.expect.links) == (topology, ())


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    assert inventory.loads("\ufeffhosts: [a]", "").hosts[0].name == "a"
    (tmp_path / "h.json").write_text('[{"ssh": "a"}]', "utf-8-sig")
    assert inventory.load(tmp_path / "h.json").hosts[0].name == "a"


def test_an_inventory_can_be_hashed() -> None:
    assert len({inventory.loads(FULL, "a"), inventory.loads(FULL, "a")}) == 1


def test_the_repository_has_a_worked_example() -> None:
    told = inventory.load(ROOT / "inventory.yaml")
    assert [host.name for host in told.hosts] == [f"macstudio{n}" for n in (1, 2, 3, 4)]
    assert told.expect.backend == "jaccl"
    assert told.source.endswith("inventory.yaml")


def test_every_key_is_documented() -> None:
    page = (ROOT / "docs" / "inventory.md").read_text("utf-8")
    for key in (
        *inventory._HOST,
        *inventory._DEFAULTS,
        *inventory._EXPECT,
        *inventory._SERVER,
        *inventory._SILENCE,
        *inventory._TOP,
    ):
        assert f"`{key}`" in page


def test_the_examples_of_the_page_load() -> None:
    page = (ROOT / "docs" / "inventory.md").read_text("utf-8")
    examples = [part.partition("```")[0] for part in page.split("```yaml\n")[1:]]
    assert len(examples) >= 2
    for example in examples:
        inventory.loads(example, "docs/inventory.md")


def test_host_by_name() -> None:
    told = inventory.loads(FULL, "i.yaml")
    assert told.host("mac2") is told.hosts[1]
    with pytest.raises(InventoryError) as refused:
        told.host("nac2")
    assert str(refused.value) == ('i.yaml: no host "nac2" in this inventory; did you mean "mac2"?')


KEYS = [
    ("clutser: x\nhosts: [a]", 'i.yaml:1: clutser: unknown key; did you mean "cluster"?'),
    (
        "hosts: [a]\nzebra: 1",
        "i.yaml:2: zebra: unknown key"
        " (known here: cluster, defaults, hosts, expect, server, silence)",
    ),
    (
        "hosts:\n  - name: a\n    adress: b",
        'i.yaml:3: hosts[0].adress: unknown key; did you mean "address"?',
    ),
    ("hosts:\n  a:\n    prot: 22", 'i.yaml:3: hosts.a.prot: unknown key; did you mean "port"?'),
    ("hosts: {a: {name: b}}", "i.yaml:1: hosts.a.name: unknown key"),
    (
        "defaults:\n  usr: x\nhosts: [a]",
        'i.yaml:2: defaults.usr: unknown key; did you mean "user"?',
    ),
    ("defaults: {address: x}\nhosts: [a]", "i.yaml:1: defaults.address: unknown key"),
    (
        "hosts: [a]\nexpect:\n  topolgy: mesh",
        'i.yaml:3: expect.topolgy: unknown key; did you mean "topology"?',
    ),
    ('hosts: [a]\n"x\\ny": 1', 'i.yaml:2: "x\\ny": unknown key'),
    ("hosts: [a]\nhosts: [b]", "i.yaml:2: hosts: key given twice, first in line 1"),
    (
        "hosts:\n  - name: a\n    port: 1\n    port: 2",
        "i.yaml:4: hosts[0].port: key given twice, first in line 3",
    ),
    ("hosts:\n  a:\n  a:", "i.yaml:3: hosts.a: key given twice, first in line 2"),
    ("hosts: [a]\n? [x]\n: y", "i.yaml:2: wants a key, not a list"),
    ("hosts:\n  yes:\n", 'i.yaml:2: hosts: wants a key, not a boolean ("yes"); write it in quotes'),
    ("cluster: x", "i.yaml:1: hosts: missing"),
    ("hosts:\n  - user: b", "i.yaml:2: hosts[0].name: missing"),
    ("hosts:\n  - name:", "i.yaml:2: hosts[0].name: missing"),
    ("cluster: x\nhosts:", "i.yaml:2: hosts: no hosts"),
    ("cluster: x\nhosts: []", "i.yaml:2: hosts: no hosts"),
    ("cluster: x\nhosts: {}", "i.yaml:2: hosts: no hosts"),
]

TYPES = [
    ("mac1", 'i.yaml:1: wants a mapping, not text ("mac1")'),
    ("- mac1", "i.yaml:1: wants a mapping, not a list"),
    ("hosts: 3", 'i.yaml:1: hosts: wants a list or a mapping of hosts, not a number ("3")'),
    ("hosts: [[a]]", "i.yaml:1: hosts[0]: wants a mapping, not a list"),
    ("hosts:\n  - a\n  - no", 'i.yaml:3: hosts[1]: wants a host name, not a boolean ("no")'),
    ("hosts:\n  - ~", 'i.yaml:2: hosts[0]: wants a host name, not null ("~")'),
    ("hosts: [!x a]", 'i.yaml:1: hosts[0]: wants a host name, not a value tagged "!x" ("a")'),
    ("hosts:\n- name: on", 'i.yaml:2: hosts[0].name: wants one value, not a boolean ("on")'),
    ("hosts:\n- {name: a,\n   user: [x]}", "i.yaml:3: hosts[0].user: wants one value, not a list"),
    ("defaults: x\nhosts: [a]", 'i.yaml:1: defaults: wants a mapping, not text ("x")'),
    ("hosts: {a: b}", 'i.yaml:1: hosts.a: wants a mapping, not text ("b")'),
    ("hosts: [a]\nexpect: mesh", 'i.yaml:2: expect: wants a mapping, not text ("mesh")'),
    ("cluster: [x]\nhosts: [a]", "i.yaml:1: cluster: wants one value, not a list"),
    ("cluster: yes\nhosts: [a]", 'i.yaml:1: cluster: wants one value, not a boolean ("yes")'),
    ("cluster: ''\nhosts: [a]", 'i.yaml:1: cluster: "" is not a name of one line'),
    ('cluster: "x\\e"\nhosts: [a]', 'i.yaml:1: cluster: "x\\u001b" is not a name of one line'),
]

TEXTS = [
    ("", "i.yaml:1: the file is empty"),
    ("# only this\n", "i.yaml:1: the file is empty"),
    ("hosts:\n  - a: b: c", "i.yaml:2: column 9: not YAML: mapping values are not allowed"),
    ("hosts: [a\n", "i.yaml:2: column 1: not YAML: "),
    ("hosts:\n\t- a", "i.yaml:2: column 1: not YAML: "),
    ("hosts: [a]\n---\nhosts: [b]", "i.yaml:2: column 1: not YAML: but found another document"),
    ("hosts: [a]\n\x00", "i.yaml:2: character U+0000 is not text"),
    ("\n\ud800", "i.yaml:2: character U+D800 is not text"),
    ("a: &x [1]\nb: *x", "i.yaml:2: YAML aliases (*name) are not supported; use defaults"),
    ("a: &x [*x]", "i.yaml:1: YAML aliases (*name) are not supported; use defaults"),
    ("[" * 900, "i.yaml:1: nested more than 16 levels deep: not an inventory"),
    ("- " * 100_000, "i.yaml:1: nested more than 16 levels deep: not an inventory"),
]

SAME = [
    ("hosts:\n - a\n - a", 'i.yaml:3: hosts[1]: "a" is already taken by host "a" in line 2'),
    (
        "hosts:\n - {name: A, address: x}\n - {name: a, address: y}",
        'i.yaml:3: hosts[1].name: "a" is already taken by host "A" in line 2',
    ),
    (
        "hosts:\n - name: a\n - name: b\n   address: A",
        'i.yaml:4: hosts[1].address: address "A" port 22 is already taken by host "a" in line 2',
    ),
    (
        "hosts:\n  a: {address: x.local, port: 22}\n  b: {address: x.local.}",
        'i.yaml:3: hosts.b.address: address "x.local." port 22 is already taken by host "a"',
    ),
]


@pytest.mark.parametrize(("text", "said"), KEYS + TYPES + SAME)
@pytest.mark.parametrize("loader", [yaml.SafeLoader, yamltree.LOADER])
def test_refuses(text: str, said: str, loader: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamltree, "LOADER", loader)
    assert refusal(text).startswith(said)


@pytest.mark.parametrize(("text", "said"), TEXTS)
def test_refuses_what_is_no_inventory_at_all(text: str, said: str) -> None:
    assert refusal(text).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('a: "\\UFFFFFFFF"', "i.yaml: not usable as YAML: "),
        ("%YAML 1." + "9" * 5000 + "\n---\na", "i.yaml: not usable as YAML: "),
        ("a: b: c", "i.yaml:1: column 5: not YAML: "),
        ("[" * 900, "i.yaml:1: nested more than 16 levels deep"),
    ],
)
def test_refuses_without_libyaml_too(text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamltree, "LOADER", yaml.SafeLoader)
    assert refusal(text).startswith(said)


@pytest.mark.parametrize("loader", [yaml.SafeLoader, yamltree.LOADER])
def test_refuses_what_is_too_deep_for_the_parser(
    loader: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyYAML 6.0.4 has a limit of its own, and says so before the first event."""
    monkeypatch.setattr(yamltree, "LOADER", loader)
    said = refusal("[" * 100_000)
    assert said.startswith("i.yaml:1: ")
    assert "nested more than" in said or "nesting depth" in said


def test_one_address_behind_two_ports_is_two_hosts() -> None:
    text = "hosts: [{name: a, address: x}, {name: b, address: x, port: 2222}]"
    assert len(inventory.loads(text, "").hosts) == 2


SHELL = "'\"\\$`;|&<>*?!(){}[]#=^\n\t \x07"

FIELDS = [
    *[("name", f"a{mark}") for mark in SHELL + "/:~%,+é"],
    *[("name", name) for name in ("-a", ".", "..", ".a", "", "a@b", "probes", "Inventory.yaml")],
    ("name", "fe80::1"),
    ("name", "a" * 254),
    *[("address", f"a{mark}") for mark in SHELL + "/"],
    *[("address", text) for text in ("", "-oProxyCommand=x", "a@b", "a:22", "::g", "fe80::1%$(x)")],
    *[("user", f"a{mark}") for mark in SHELL + "@/:%"],
    *[("user", text) for text in ("", "-l", ".")],
    *[("python", f"/a{mark}b") for mark in SHELL + "~"],
    *[("python", text) for text in ("", "-c", "venv/bin/python", "~alex/python", "~", "./python")],
    *[("identity_file", text) for text in ("id_ed25519", "-i", "~/a b", "/a;b", "")],
    *[("ip", text) for text in ("mac1", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1/30", "")],
    *[("port", text) for text in ("abc", "0", "-1", "65536", "022", "0x16", "2_2", "22.0", "1e3")],
    ("connection", "telnet"),
]


@pytest.mark.parametrize(("key", "value"), FIELDS)
def test_refuses_values(key: str, value: str) -> None:
    fields = {"name": "a", "address": "x", key: value}
    text = "hosts:\n- " + "\n  ".join(f"{name}: {quoted(told)}" for name, told in fields.items())
    if len(value) > 60:
        text = f"hosts:\n- name: {value}"
    line = 2 + list(fields).index(key)
    assert refusal(text).startswith(f"i.yaml:{line}: hosts[0].{key}: {quoted(value)} is")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hosts: [a@b]", 'hosts[0]: "a@b" is not a host name; give the user as user:'),
        ("hosts: ['::1']", "give it a name, and this as its address in an inventory.yaml"),
        ("hosts: {a: {address: a@b}}", "give the user as user:"),
        ("hosts: {a: {address: 'b:22'}}", "give the port as port:"),
        ("hosts: {a: {ip: 'fe80::1'}}", '"fe80::1" is IPv6, and MLX connects over IPv4 only'),
        ("hosts: {a: {port: 0}}", 'hosts.a.port: "0" is not a port, 1 to 65535'),
        ("hosts: {a: {port: 65536}}", 'hosts.a.port: "65536" is not a port, 1 to 65535'),
        ("hosts: {a: {connection: locl}}", 'not one of ssh, local; did you mean "local"?'),
        ("defaults: {port: x}\nhosts: [a]", 'i.yaml:1: defaults.port: "x" is not a port'),
    ],
)
def test_says_what_to_do_instead(text: str, said: str) -> None:
    assert said in refusal(text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "_a-1.b_C"),
        ("name", "a" * 253),
        ("address", "10.0.0.1"),
        ("address", "fd00::1"),
        ("user", "_svc.mlx-1"),
        ("python", "python3.12"),
        ("python", "~/mlx/bin/python"),
        ("python", "/Users/jürgen/.venv-3.12/bin/python3"),
        ("identity_file", "/Users/alex/.ssh/id_ed25519"),
        ("ip", "169.254.1.2"),
        ("connection", "local"),
    ],
)
def test_accepts_values(key: str, value: str) -> None:
    fields = {"name": "a", key: value}
    text = yaml.safe_dump({"hosts": [fields]}, allow_unicode=True)
    assert getattr(inventory.loads(text, "").hosts[0], key) == value


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        (
            "backend: jacl",
            'backend: "jacl" is not one of ring, jaccl, jaccl-ring, mpi; did you mean "jaccl"?',
        ),
        ("macos: Tahoe", 'macos: "Tahoe" is not a version like 26.3'),
        ("mlx: [1]", "mlx: wants one value, not a list"),
        ("mlx: true", 'mlx: wants one value, not a boolean ("true")'),
        ("topology: mseh", 'topology: "mseh" is not one of mesh, ring; did you mean "mesh"?'),
        ("topology: {a: b}", "topology: wants mesh, ring or a list of pairs of hosts, not a map"),
        ("topology: []", "topology: an empty list; leave the key out instead"),
        ("topology: [mac1]", 'topology[0]: wants a pair of hosts, not text ("mac1")'),
        ("topology: [[mac1]]", "topology[0]: a link joins two different hosts"),
        ("topology: [[mac1, mac1]]", "topology[0]: a link joins two different hosts"),
        ("topology: [[mac1, mac2, mac1]]", "topology[0]: a link joins two different hosts"),
        (
            "topology: [[mac1, mac2], [mac1, nac2]]",
            'topology[1][1]: no host "nac2" in this inventory; did you mean "mac2"?',
        ),
        ("topology: [[mac1, yes]]", 'topology[0][1]: wants a host name, not a boolean ("yes")'),
        ("thresholds: 3", 'thresholds: wants a mapping, not a number ("3")'),
        (
            "thresholds: {latency_ms: 3}",
            'thresholds.latency_ms: unknown key; did you mean "latency_us"?',
        ),
        (
            "thresholds: {q: 3}",
            "thresholds.q: unknown key (known here: latency_us, algbw_gb_per_s, busbw_gb_per_s,"
            " link_gb_per_s)",
        ),
        (
            "thresholds: {latency_us: .nan}",
            'thresholds.latency_us: ".nan" is not a positive number',
        ),
        (
            "thresholds: {latency_us: .inf}",
            'thresholds.latency_us: ".inf" is not a positive number',
        ),
        (
            "thresholds: {latency_us: 1e999}",
            'thresholds.latency_us: "1e999" is not a positive number',
        ),
        (
            "thresholds: {latency_us: fast}",
            'thresholds.latency_us: "fast" is not a positive number',
        ),
        (
            "thresholds: {latency_us: yes}",
            'thresholds.latency_us: wants a number, not a boolean ("yes")',
        ),
        (
            "thresholds: {latency_us: 1, latency_us: 2}",
            "thresholds.latency_us: key given twice, first in line 3",
        ),
    ],
)
def test_refuses_expectations(expect: str, said: str) -> None:
    text = f"hosts: [mac1, mac2]\nexpect:\n  {expect}"
    assert refusal(text).startswith(f"i.yaml:3: expect.{said}")


@pytest.mark.parametrize("value", ["0", "-1", ".nan", ".inf", "1e999", "1_0", "fast"])
def test_refuses_a_threshold_that_is_no_positive_number(value: str) -> None:
    text = f"hosts: [mac1]\nexpect:\n  thresholds: {{latency_us: {value}}}"
    place = "i.yaml:3: expect.thresholds.latency_us"
    assert refusal(text).startswith(f'{place}: "{value}" is not a positive number')


# Files


@pytest.mark.parametrize("name", ["none.yaml", "none.json"])
def test_missing_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(InventoryError) as refused:
        inventory.load(tmp_path / name)
    assert str(refused.value) == f"{tmp_path / name}: cannot be read: No such file or directory"


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(InventoryError) as refused:
        inventory.load(tmp_path)
    assert str(refused.value) == f"{tmp_path}: cannot be read: Is a directory"


def test_unreadable_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:  # root, as which tests may run, can read every file
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InventoryError) as refused:
        inventory.load(Path("i.yaml"))
    assert str(refused.value) == "i.yaml: cannot be read: Permission denied"


def test_path_that_no_file_can_have() -> None:
    with pytest.raises(InventoryError, match="cannot be read: embedded null byte"):
        inventory.load(Path("a\0b"))


def test_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "i.yaml"
    path.write_bytes(b"cluster: x\nhosts: [caf\xe9]\n")
    with pytest.raises(InventoryError) as refused:
        inventory.load(path)
    assert str(refused.value) == f"{path}:2: not UTF-8 text (byte 0xe9)"


def test_file_of_another_size(tmp_path: Path) -> None:
    path = tmp_path / "i.yaml"
    path.write_bytes(b"#" * (inventory.MAX_BYTES + 1))
    with pytest.raises(InventoryError, match=r"larger than 1048576 bytes: not an inventory"):
        inventory.load(path)


# MLX's hostfile and --hosts


def test_hostfile(tmp_path: Path) -> None:
    path = tmp_path / "hosts.JSON"
    path.write_text(
        '{"backend": "ring", "hosts": [{"ssh": "127.0.0.1", "ips": ["10.0.0.1", "x"]},'
        ' {"ssh": "alex@mac2", "ips": ["fd00::2"]}, {"ssh": "mac3", "ips": ["mac3.local"]}]}'
    )
    assert inventory.load(path) == Inventory(
        cluster="cluster",
        hosts=(
            Host("127.0.0.1", "127.0.0.1", ip="10.0.0.1", connection="local"),
            Host("mac2", "mac2", user="alex"),
            Host("mac3", "mac3"),
        ),
        expect=Expect(backend="ring"),
        source=str(path),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"ssh": "a"},\n{"ssh": "-b"}]', ':2: [1].ssh: "-b" is not a host name'),
        ('[\n{"ssh": "$x@a"}]', ':2: [0].ssh: "$x" is not a user name'),
        (
            '[{"ssh": "a"},\n{"ssh": "b@a"}]',
            ':2: [1].ssh: "a" is already taken by host "a" in line 1',
        ),
        ('[{"shs": "a"}]', ':1: [0].shs: unknown key; did you mean "ssh"?'),
    ],
)
def test_refuses_hostfiles(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "h.json"
    path.write_text(text)
    with pytest.raises(InventoryError) as refused:
        inventory.load(path)
    assert str(refused.value).startswith(f"{path}{said}")


def test_from_hosts() -> None:
    assert inventory.from_hosts("127.0.0.1,alex@studio[01-02],10.0.0.1") == Inventory(
        cluster="cluster",
        hosts=(
            Host("127.0.0.1", "127.0.0.1", connection="local"),
            Host("studio01", "studio01", user="alex"),
            Host("studio02", "studio02", user="alex"),
            Host("10.0.0.1", "10.0.0.1"),
        ),
        source="--hosts",
    )


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("a,b,a", '--hosts: "a" is already taken by host "a"'),
        ("a,x@a", '--hosts: "a" is already taken by host "a"'),
        ("a,-b", '--hosts: "-b" is not a host name'),
        ("@b", '--hosts: "" is not a user name'),
        ("a@", '--hosts: "" is not a host name'),
        ("a[2-1]", "--hosts: a[2-1]: the range 2-1 runs backwards"),
    ],
)
def test_refuses_host_lists(spec: str, said: str) -> None:
    with pytest.raises(InventoryError) as refused:
        inventory.from_hosts(spec)
    assert str(refused.value).startswith(said)


# Any text, any inventory

PIECES = st.lists(
    st.sampled_from(
        [
            *("hosts", "expect", "defaults", "cluster", "name", "address", "port", "topology"),
            *("thresholds", "mesh", "a", "b", "22", "yes", "null", "<<", "---", "...", "!!int"),
            *":-[]{},?|>&*!%#'\"~@\t\x85\u2028é",
            *(": ", "- ", "\n", "\n  ", "\n  - "),
        ]
    ),
    max_size=30,
).map("".join)


@settings(max_examples=500, deadline=None)
@given(text=st.text() | PIECES | PIECES.map("hosts: [a]\n{}".format), pure=st.booleans())
def test_any_text_is_read_or_refused(text: str, *, pure: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if pure:
            patch.setattr(yamltree, "LOADER", yaml.SafeLoader)
        try:
            told = inventory.loads(text, "i.yaml")
        except InventoryError as refused:
            said = str(refused)
        else:
            said = "i.yaml"
            assert inventory.loads(inventory.dump(told), "i.yaml") == told
    assert said.startswith("i.yaml")
    assert "\n" not in said


@settings(max_examples=200, deadline=None)
@given(st.text() | st.text("ab@,[]-019.:", max_size=20))
def test_any_host_list_is_read_or_refused(spec: str) -> None:
    said = "--hosts"
    try:
        assert inventory.from_hosts(spec).hosts
    except InventoryError as refused:
        said = str(refused)
    assert said.startswith("--hosts")


NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True).filter(
    lambda name: name.lower() not in inventory._RESERVED
)
WORDS = st.sampled_from(["yes", "no", "null", "1e3", "0x1", "2026-01-01", "=", "1:30"])
HOSTS = st.builds(
    Host,
    name=NAMES | WORDS.filter(lambda word: word not in {"=", "1:30"}),
    address=NAMES.map(lambda name: name.rstrip(".")) | st.sampled_from(["fd00::1", "10.0.0.1"]),
    user=st.none() | NAMES,
    port=st.none() | st.integers(1, 65535),
    identity_file=st.none() | NAMES.map("~/.ssh/{}".format),
    python=st.none() | NAMES | NAMES.map("/opt/{}/bin/python".format),
    ip=st.none() | st.ip_addresses(v=4).map(str),
    connection=st.sampled_from(["ssh", "local"]),
)
POSITIVE = st.floats(0, exclude_min=True, allow_infinity=False, allow_nan=False)


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    hosts = draw(
        st.lists(
            HOSTS,
            min_size=1,
            max_size=5,
            unique_by=(lambda host: host.name.lower(), lambda host: host.address.lower()),
        )
    )
    names = [host.name for host in hosts]
    pairs = [(a, b) for a in names for b in names if a != b]
    links = draw(st.lists(st.sampled_from(pairs), max_size=4)) if pairs else []
    version = st.none() | st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){0,2}", fullmatch=True)
    expect = Expect(
        backend=draw(st.sampled_from([None, "ring", "jaccl", "jaccl-ring", "mpi"])),
        macos=draw(version),
        mlx=draw(version),
        topology=None if links else draw(st.sampled_from([None, "mesh", "ring"])),
        links=tuple(links),
        thresholds=draw(st.dictionaries(st.sampled_from(THRESHOLDS), POSITIVE, max_size=3)),
    )
    text = st.text(min_size=1, max_size=100).filter(
        lambda name: name.isprintable() and name == name.strip()
    )
    return Inventory(draw(text), tuple(hosts), expect, "i.yaml")


@settings(max_examples=200, deadline=None)
@given(inventories())
def test_round_trip(told: Inventory) -> None:
    assert inventory.loads(inventory.dump(told), "i.yaml") == told


SERVER = """\
hosts: [a, b]
server:
  pattern: mlx_lm[. ]server
  url: http://a.local:8080
  model: Qwen3-4B
  key_env: SERVER_KEY
  port: 32400
  tokens_per_s: 12.8
  first_token_s: 5
silence:
  - {id: network-bridge, why: kept on purpose}
"""


def test_server_and_silence_are_read_and_written_back() -> None:
    found = inventory.loads(SERVER, "i.yaml")
    assert found.server == Server(
        pattern="mlx_lm[. ]server",
        url="http://a.local:8080",
        model="Qwen3-4B",
        key_env="SERVER_KEY",
        port=32400,
        tokens_per_s=12.8,
        first_token_s=5.0,
    )
    assert found.silence == (Silence("network-bridge", "kept on purpose"),)
    again = inventory.loads(inventory.dump(found), "i.yaml")
    assert (again.server, again.silence) == (found.server, found.silence)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("server: {pattern: '('}", "is not a regular expression: missing )"),
        ("server: {pattern: python3?}", "is met by any process, or by any python"),
        ("server: {pattern: bin/python}", "is met by any process, or by any python"),
        ("server: {pattern: .*}", "is met by any process, or by any python"),
        ("server: {patern: x}", 'unknown key; did you mean "pattern"?'),
        ("server: {url: 'http://me:secret@a'}", "without a user and without a key"),
        ("server: {url: a.local}", "is not an address like http"),
        ("server: {key_env: sk-123}", "is not the name of a variable"),
        ("server: {tokens_per_s: 0}", "is not a positive number"),
        ("server: {port: 70000}", "is not a port"),
        ("silence: [{id: network-bridge}]", "silence[0].why: missing"),
        ("silence: [{why: because}]", "silence[0].id: missing"),
        ("silence: [{id: Bridge, why: because}]", "is not the id of a check"),
        ("silence: [{id: network-bridge, why: ' '}]", "wants a line of text"),
        ("silence: network-bridge", "a list of checks"),
    ],
)
def test_server_and_silence_refuse(line: str, said: str) -> None:
    with pytest.raises(InventoryError) as refused:
        inventory.loads(f"hosts: [a]\n{line}\n", "i.yaml")
    assert said in str(refused.value)
    assert "i.yaml:2" in str(refused.value)
