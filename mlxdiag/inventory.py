"""The hosts of a cluster and what is expected of them, from inventory.yaml, a hostfile or --hosts.

Everything here may end up in a command line on a host or in a folder name of a recording, so names,
addresses, users and paths are held to characters that mean nothing to a shell. Scalars are taken as
the text that was written: `macos: 26.10` is not the number 26.1.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

import yaml

from mlxdiag import hostfile, hostlist, patterns
from mlxdiag.hostfile import Backend, Place, quoted, suggestion
from mlxdiag.yamltree import Said, Tree, compose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from mlxdiag.errors import InventoryError
from mlxdiag.quantity import NAMES, UNITS

Connection = Literal["ssh", "local"]
Topology = Literal["mesh", "ring"]

UNNAMED = "cluster"
"""Name of a cluster that was given none: a hostfile and --hosts have no place for one."""

MAX_BYTES = 1 << 20
"""Size past which a file is taken for something else than an inventory."""

MAX_REPORT_BYTES = 1 << 28
"""The same of a JSON report, which has every sample in it."""


@dataclass(frozen=True)
class Host:
    """One Mac. None means not said: ssh's own configuration and defaults then decide.

    `address` is where ssh goes; `ip` is the IPv4 the other hosts reach it at (MLX's coordinator).
    `python` is the interpreter that has mlx, an absolute path, `~/...` or a command name; where it
    is not said, one is looked for on the host.
    """

    name: str
    address: str
    user: str | None = None
    port: int | None = None
    identity_file: str | None = None
    python: str | None = None
    ip: str | None = None
    connection: Connection = "ssh"


@dataclass(frozen=True)
class Expect:
    """What the user says should hold; None and empty mean that nothing was said.

    `links` are pairs of host names, one per cable, and stand in place of `topology`. `baseline` is
    the path of a JSON report of a run that worked, from the inventory's folder.
    """

    backend: Backend | None = None
    macos: str | None = None
    mlx: str | None = None
    topology: Topology | None = None
    links: tuple[tuple[str, str], ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict, hash=False)
    baseline: str | None = None


@dataclass(frozen=True)
class Server:
    """The user's server: how its processes are known, where it answers, what it should reach.

    `pattern` is a regular expression for the command line of its ranks; `port` is the first one the
    ranks meet at. `key_env` names the variable of the environment that holds the key; the key
    itself has no place here. `tokens_per_s` is the least and `first_token_s` the most that will do.
    """

    pattern: str | None = None
    url: str | None = None
    model: str | None = None
    key_env: str | None = None
    port: int | None = None
    tokens_per_s: float | None = None
    first_token_s: float | None = None


@dataclass(frozen=True)
class Silence:
    """A check that the user knows of and does not want to hear from, and why."""

    id: str
    why: str


@dataclass(frozen=True)
class Inventory:
    """The hosts in rank order; `source` is the file or option they were read from."""

    cluster: str
    hosts: tuple[Host, ...]
    expect: Expect = Expect()
    source: str = ""
    server: Server = Server()
    silence: tuple[Silence, ...] = ()

    def host(self, name: str) -> Host:
        """Give the host of that name, or raise InventoryError."""
        return _known(Place(self.source), name, self.hosts)


def read_report(path: Path) -> str:
    """Give the text of a JSON report the user named: one of 64 hosts is larger than a megabyte."""
    return read(path, "a report", limit=MAX_REPORT_BYTES)


def load(path: Path) -> Inventory:
    """Read inventory.yaml, or one of MLX's hostfiles when the name ends in .json."""
    if path.suffix.lower() == ".json":
        return from_hostfile(hostfile.loads(read(path), str(path)), str(path))
    return loads(read(path), str(path))


def read(
    path: Path, what: str = "an inventory", *, limit: int = MAX_BYTES, encoding: str = "utf-8-sig"
) -> str:
    """Give the text of a file the user named, or raise InventoryError; `limit` is in bytes.

    `what` it should be is said where it is larger. With `encoding` utf-8 a byte order mark stays.
    """
    place = Place(str(path))
    try:
        with path.open("rb") as stream:
            raw = stream.read(limit + 1)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise place.refuse(f"cannot be read: {said}") from error
    if len(raw) > limit:
        raise place.refuse(f"larger than {limit} bytes: not {what}")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        byte = f"0x{raw[error.start]:02x}"
        raise Place(str(path), line).refuse(f"not UTF-8 text (byte {byte})") from error


def loads(text: str, source: str, *, bare: bool = False) -> Inventory:
    """Read the text of an inventory.yaml; `source` names it in errors. `bare` takes no hosts, too.

    Raise InventoryError where it cannot be used.
    """
    top = Tree(compose(text, source), source).fields(_TOP)
    if "hosts" not in top:
        raise Place(source, 1, "hosts").refuse("missing")
    defaults = _told(top["defaults"].fields(_DEFAULTS)) if "defaults" in top else {}
    hosts = _distinct(_rows(top["hosts"], defaults, bare=bare))
    return Inventory(
        cluster=_cluster_name(top.get("cluster")),
        hosts=hosts,
        expect=_expect(top["expect"], hosts) if "expect" in top else Expect(),
        source=source,
        server=_server(top["server"]) if "server" in top else Server(),
        silence=_silence(top["silence"]) if "silence" in top else (),
    )


def from_hosts(spec: str) -> Inventory:
    """Read `--hosts a,user@b,studio[1-4]`; as for mlx.launch, 127.0.0.1 is this machine."""
    place = Place(hostlist.SOURCE)
    hosts = [_destination(text, place) for text in hostlist.expand(spec)]
    return Inventory(UNNAMED, _distinct(hosts), source=hostlist.SOURCE)


def from_hostfile(told: hostfile.Hostfile, source: str) -> Inventory:
    """Take the hosts and the backend of one of MLX's hostfiles."""
    hosts = [_destination(entry.ssh, entry.place, entry.ips) for entry in told.hosts]
    return Inventory(UNNAMED, _distinct(hosts), Expect(backend=told.backend), source)


def server_url(text: str, source: str) -> str:
    """Hold the address of a server to what an inventory would take; raise InventoryError."""
    place = Place(source)
    if "@" in text or "?" in text:  # either may hold a key: it is not repeated
        raise place.refuse("an address with a user or a question in it; name the host and the port")
    return _url(Said(text, place))


def dump(inventory: Inventory) -> str:
    """Write an inventory as YAML with every default spelt out; `loads` gives it back equal."""
    document: dict[str, object] = {
        "cluster": inventory.cluster,
        "hosts": [_without_unsaid(vars(host)) for host in inventory.hosts],
    }
    if expect := _expect_fields(inventory.expect):
        document["expect"] = expect
    if server := _without_unsaid(vars(inventory.server)):
        document["server"] = server
    if inventory.silence:
        document["silence"] = [vars(silence) for silence in inventory.silence]
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _expect_fields(expect: Expect) -> dict[str, object]:
    fields = _without_unsaid(vars(expect) | {"links": None, "thresholds": None})
    if expect.links:
        fields["topology"] = [list(link) for link in expect.links]
    if expect.thresholds:
        fields["thresholds"] = dict(expect.thresholds)
    return fields


# From what was written to Host and Expect.

_TOP = ("cluster", "defaults", "hosts", "expect", "server", "silence")
_HOST = ("name", "address", "user", "port", "identity_file", "python", "ip", "connection")
_DEFAULTS = ("user", "port", "identity_file", "python", "connection")
_EXPECT = ("backend", "macos", "mlx", "topology", "thresholds", "baseline")
_SERVER = ("pattern", "url", "model", "key_env", "port", "tokens_per_s", "first_token_s")
_SILENCE = ("id", "why")

_Told = dict[str, Said | None]
"""Fields by name. None is a null: not said, and a default does not apply either."""


@dataclass(frozen=True)
class _Listed:
    """A host as it was listed: its name, and the other fields that were said of it."""

    name: Said
    told: _Told

    @property
    def address(self) -> Said:
        return self.told.get("address") or self.name


def _told(fields: Mapping[str, Tree]) -> _Told:
    return {key: None if value.is_null else value.said() for key, value in fields.items()}


def _rows(hosts: Tree, defaults: _Told, *, bare: bool) -> list[_Listed]:
    """Read the hosts from a list or from a mapping of names."""
    if hosts.is_mapping:
        listed = [
            _Listed(name, defaults | _told(value.fields(_HOST[1:])))
            for name, value in hosts.items()
        ]
    elif hosts.is_null:
        listed = []
    else:
        rows = hosts.rows("a list or a mapping of hosts")
        listed = [_row(row, defaults) for row in rows]
    if not listed and not bare:
        raise hosts.place.refuse("no hosts")
    return listed


def _row(row: Tree, defaults: _Told) -> _Listed:
    if row.is_scalar:
        return _Listed(row.said("a host name"), defaults)
    told = _told(row.fields(_HOST))
    name = told.pop("name", None)
    if name is None:
        raise row.under(".name", row.node).place.refuse("missing")
    return _Listed(name, defaults | told)


def _destination(text: str, place: Place, ips: Sequence[str] = ()) -> _Listed:
    """Read `user@host` as mlx.launch does: 127.0.0.1 alone is this machine, without ssh.

    The first of `ips` is MLX's coordinator address, and is kept when it is an IPv4.
    """
    user, at, name = text.rpartition("@")
    told: _Told = {"user": Said(user, place)} if at else {}
    if text == "127.0.0.1":
        told["connection"] = Said("local", place)
    if ips and _is_ipv4(ips[0]):
        told["ip"] = Said(ips[0], place)
    return _Listed(Said(name, place), told)


def _distinct(listed: Iterable[_Listed]) -> tuple[Host, ...]:
    """Make the hosts; two of one name, or behind one address and port, are a mistake.

    Names count as one when they differ only in case: they do on a Mac's file system.
    """
    hosts: list[Host] = []
    names: dict[str, _Listed] = {}
    ends: dict[tuple[str, int], _Listed] = {}
    for row in listed:
        host = _host(row)
        end = (host.address.lower().rstrip("."), host.port or 22)
        if first := names.get(host.name.lower()):
            raise _taken(row.name.place, quoted(host.name), first)
        if first := ends.get(end):
            raise _taken(row.address.place, f"address {quoted(host.address)} port {end[1]}", first)
        names[host.name.lower()] = ends[end] = row
        hosts.append(host)
    return tuple(hosts)


def _taken(place: Place, what: str, first: _Listed) -> InventoryError:
    line = f" in line {first.name.place.line}" if first.name.place.line else ""
    return place.refuse(f"{what} is already taken by host {quoted(first.name.text)}{line}")


def _host(row: _Listed) -> Host:
    name, told = _name(row.name), row.told
    return Host(
        name=name,
        address=_maybe(_address, told.get("address")) or name,
        user=_maybe(_user, told.get("user")),
        port=_maybe(_port, told.get("port")),
        identity_file=_maybe(_file, told.get("identity_file")),
        python=_maybe(_interpreter, told.get("python")),
        ip=_maybe(_ip, told.get("ip")),
        connection=_maybe(_connection, told.get("connection")) or "ssh",
    )


def _expect(said: Tree, hosts: tuple[Host, ...]) -> Expect:
    fields = said.fields(_EXPECT)
    tables = {key: fields.pop(key) for key in ("topology", "thresholds") if key in fields}
    told = _told(fields)
    topology, links = _topology(tables.get("topology"), hosts)
    return Expect(
        backend=_maybe(_backend, told.get("backend")),
        macos=_maybe(_version, told.get("macos")),
        mlx=_maybe(_version, told.get("mlx")),
        topology=topology,
        links=links,
        thresholds=_thresholds(tables.get("thresholds")),
        baseline=_maybe(_report, told.get("baseline")),
    )


def _server(said: Tree) -> Server:
    told = _told(said.fields(_SERVER))
    return Server(
        pattern=_maybe(_pattern, told.get("pattern")),
        url=_maybe(_url, told.get("url")),
        model=_maybe(_line, told.get("model")),
        key_env=_maybe(_variable, told.get("key_env")),
        port=_maybe(_port, told.get("port")),
        tokens_per_s=_maybe(_positive, told.get("tokens_per_s")),
        first_token_s=_maybe(_positive, told.get("first_token_s")),
    )


def _silence(said: Tree) -> tuple[Silence, ...]:
    if said.is_null:
        return ()
    return tuple(_silenced(row) for row in said.rows("a list of checks, each with id and why"))


def _silenced(row: Tree) -> Silence:
    told = _told(row.fields(_SILENCE))
    said = {key: value for key, value in told.items() if value is not None}
    for key in _SILENCE:
        if key not in said:
            raise row.under(f".{key}", row.node).place.refuse("missing")
    return Silence(_slug(said["id"]), _line(said["why"]))


def _topology(
    said: Tree | None, hosts: tuple[Host, ...]
) -> tuple[Topology | None, tuple[tuple[str, str], ...]]:
    """Read `mesh`, `ring` or a list of pairs of host names, one pair per cable."""
    if said is None or said.is_null:
        return None, ()
    wanted = "mesh, ring or a list of pairs of hosts"
    if said.is_scalar:
        return _choice(said.said(wanted), _TOPOLOGIES), ()
    links = tuple(_link(row, hosts) for row in said.rows(wanted))
    if not links:
        raise said.place.refuse("an empty list; leave the key out instead")
    return None, links


def _link(row: Tree, hosts: tuple[Host, ...]) -> tuple[str, str]:
    ends = [end.said("a host name") for end in row.rows("a pair of hosts")]
    names = [_known(end.place, end.text, hosts).name for end in ends]
    if len(names) != 2 or names[0] == names[1]:
        raise row.place.refuse("a link joins two different hosts")
    return names[0], names[1]


def _known(place: Place, name: str, hosts: Sequence[Host]) -> Host:
    for host in hosts:
        if host.name == name:
            return host
    close = suggestion(name, [host.name for host in hosts])
    raise place.refuse(f"no host {quoted(name)} in this inventory{close}")


def _thresholds(said: Tree | None) -> dict[str, float]:
    told = said.fields(NAMES, NAMES[: len(UNITS)]) if said else {}
    return {name: _positive(value.said("a number")) for name, value in told.items()}


# Rules: what a text must be to be used.

_T = TypeVar("_T")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?")
_PATH = re.compile(r"(?:~/|/)[\w./+@%,:-]+")
_RESERVED = frozenset(
    {"probes", "recording.json", "inventory.yaml", "preflight.json", "server.json", "hang.json"}
)
"""What a recording keeps beside the folders of its hosts."""

_BACKENDS: dict[str, Backend] = {name: name for name in get_args(Backend)}
_TOPOLOGIES: dict[str, Topology] = {name: name for name in get_args(Topology)}
_CONNECTIONS: dict[str, Connection] = {name: name for name in get_args(Connection)}


def _maybe(rule: Callable[[Said], _T], said: Said | None) -> _T | None:
    return None if said is None else rule(said)


def _choice(said: Said, choices: Mapping[str, _T]) -> _T:
    if said.text not in choices:
        close = suggestion(said.text, choices)
        what = f"{quoted(said.text)} is not one of {', '.join(choices)}{close}"
        raise said.place.refuse(what)
    return choices[said.text]


def _backend(said: Said) -> Backend:
    return _choice(said, _BACKENDS)


def _connection(said: Said) -> Connection:
    return _choice(said, _CONNECTIONS)


def _matching(said: Said, pattern: re.Pattern[str], wanted: str) -> str:
    if not pattern.fullmatch(said.text):
        raise said.place.refuse(f"{quoted(said.text)} is not {wanted}")
    return said.text


def _cluster_name(value: Tree | None) -> str:
    if value is None or value.is_null:
        return UNNAMED
    said = value.said()
    text = said.text
    if not text.isprintable() or text != text.strip() or not 1 <= len(text) <= 100:
        raise said.place.refuse(f"{quoted(text)} is not a name of one line and 1 to 100 characters")
    return text


def _name(said: Said) -> str:
    """Hold a name to what is also a folder name in a recording, on a Mac's file system."""
    if "@" in said.text:
        raise said.place.refuse(f"{quoted(said.text)} is not a host name; give the user as user:")
    if said.text.lower() in _RESERVED:
        raise said.place.refuse(f"{quoted(said.text)} is a name that recordings use themselves")
    wanted = "a host name (letters, digits, . _ -, the first a letter, a digit or _)"
    if _is_ipv6(said.text):
        wanted += "; give it a name, and this as its address in an inventory.yaml"
    return _matching(said, _WORD, wanted)


def _address(said: Said) -> str:
    if _is_ipv6(said.text):
        return said.text
    if "@" in said.text:
        raise said.place.refuse(f"{quoted(said.text)} is not an address; give the user as user:")
    if re.fullmatch(r"[^:]+:[0-9]+", said.text):
        raise said.place.refuse(f"{quoted(said.text)} is not an address; give the port as port:")
    return _matching(said, _WORD, "an address (a host name, an ssh alias, IPv4 or IPv6)")


def _user(said: Said) -> str:
    return _matching(said, _WORD, "a user name (letters, digits, . _ -, not starting with - or .)")


def _port(said: Said) -> int:
    wanted = "a port, 1 to 65535"
    port = int(_matching(said, re.compile(r"[1-9][0-9]{0,4}"), wanted))
    if port > 65535:
        raise said.place.refuse(f"{quoted(said.text)} is not {wanted}")
    return port


def _file(said: Said) -> str:
    return _matching(
        said, _PATH, "an absolute path or ~/... without spaces or characters special to a shell"
    )


def _interpreter(said: Said) -> str:
    return said.text if _WORD.fullmatch(said.text) else _file(said)


def _ip(said: Said) -> str:
    if _is_ipv6(said.text):
        raise said.place.refuse(f"{quoted(said.text)} is IPv6, and MLX connects over IPv4 only")
    if not _is_ipv4(said.text):
        raise said.place.refuse(f"{quoted(said.text)} is not a dotted IPv4 address")
    return said.text


def _report(said: Said) -> str:
    if not said.text or not said.text.isprintable():
        raise said.place.refuse("wants the path of a JSON report")
    return said.text


def _pattern(said: Said) -> str:
    """Hold a pattern to a regular expression that is not met by every process."""
    if wrong := patterns.fault(said.text):
        raise said.place.refuse(f"{quoted(said.text)} {wrong}")
    return said.text


def _url(said: Said) -> str:
    wanted = "an address like http://macstudio1.local:8080, without a user and without a key"
    return _matching(said, re.compile(r"https?://[A-Za-z0-9._\[\]:-]+(?:/[\w./~%-]*)?"), wanted)


def _variable(said: Said) -> str:
    return _matching(said, re.compile(r"[A-Za-z_][A-Za-z0-9_]*"), "the name of a variable")


def _slug(said: Said) -> str:
    return _matching(said, re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+"), "the id of a check")


def _line(said: Said) -> str:
    if not said.text.strip() or not said.text.isprintable():
        raise said.place.refuse("wants a line of text")
    return said.text


def _version(said: Said) -> str:
    return _matching(said, re.compile(r"[0-9][0-9A-Za-z.+-]{0,40}"), "a version like 26.3")


def _positive(said: Said) -> float:
    number = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
    value = float(_matching(said, number, "a positive number"))
    if not 0 < value < float("inf"):
        raise said.place.refuse(f"{quoted(said.text)} is not a positive number")
    return value


def _is_ipv4(text: str) -> bool:
    return _is_address(text, ipaddress.IPv4Address)


def _is_ipv6(text: str) -> bool:
    return bool(_IPV6.fullmatch(text)) and _is_address(text, ipaddress.IPv6Address)


def _is_address(text: str, kind: type[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


def _without_unsaid(fields: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in fields.items() if value is not None}
