"""MLX's hostfile, the file `mlx.launch --hostfile` reads: JSON text -> Hostfile, and back.

Two shapes are in use (mlx/_distributed_utils/common.py): a list of hosts, or a dict with `backend`,
`envs` and `hosts`. What the matrix in it says is not judged here: wrong rows are findings of
a check, and a file is refused only when it cannot be read as a hostfile at all.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from mlxdiag.errors import InventoryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Backend = Literal["ring", "jaccl", "jaccl-ring", "mpi"]
"""MLX also knows nccl, which no Mac has."""

Wires = str | tuple[str, ...] | None
"""One entry of the matrix: no cable, one RDMA device, or one device per cable."""


@dataclass(frozen=True)
class Place:
    """Where something stands in what the user gave; `key` is a path such as `hosts[1].port`."""

    source: str
    line: int | None = None
    key: str = ""

    def refuse(self, what: str) -> InventoryError:
        """Give the error `FILE:LINE: key.path: what is wrong`, for the caller to raise."""
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        return InventoryError(": ".join(part for part in (where, self.key, what) if part))


@dataclass(frozen=True)
class HostfileEntry:
    """One host: `ssh` as written (`user@` included), its addresses and its row of the matrix.

    `place` is where `ssh` stands, for whoever finds fault with it.
    """

    ssh: str
    ips: tuple[str, ...] = ()
    rdma: tuple[Wires, ...] = ()
    place: Place = field(default=Place(""), compare=False)


@dataclass(frozen=True)
class Hostfile:
    """A hostfile as MLX understands it; `hosts` is in rank order, `envs` are NAME=VALUE.

    `lines` has the line of every value of the text it was read from, by key path.
    """

    backend: Backend | None
    envs: tuple[str, ...]
    hosts: tuple[HostfileEntry, ...]
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)


def loads(text: str, source: str) -> Hostfile:
    """Read the text of a hostfile; `source` names it in errors."""
    if text.startswith("\ufeff"):
        mark = "begins with a byte order mark, at which mlx.launch stops: save it without"
        raise Place(source, 1).refuse(mark)
    try:
        value = json.loads(text)
        lines = {path: span.line for path, span in spans(text, source).items()}
        document = _Json(value, lines, source)
    except json.JSONDecodeError as error:
        raise _not_json(error, text, source) from error
    except (ValueError, RecursionError) as error:
        raise Place(source).refuse(f"not usable as JSON: {error}") from error
    return _hostfile(document)


def dumps(hostfile: Hostfile) -> str:
    """Write the dict shape, a host in a line, so that `loads` gives the same again."""
    hosts = (
        json.dumps({"ssh": host.ssh, "ips": host.ips, "rdma": host.rdma}) for host in hostfile.hosts
    )
    listing = ",\n".join(f"    {host}" for host in hosts)
    head = f'  "backend": {json.dumps(hostfile.backend or "")},\n'
    envs = f'  "envs": {json.dumps(hostfile.envs)},\n'
    return f'{{\n{head}{envs}  "hosts": [\n{listing}\n  ]\n}}\n'


def quoted(text: str) -> str:
    """Give a text of the user's as it can safely be printed: one line, escaped, not too long."""
    short = text if len(text) <= 60 else text[:57] + "..."
    return json.dumps(short, ensure_ascii=not short.isprintable())


def step(key: str) -> str:
    """Give a key as it stands in a key path: plain when nothing in it can be mistaken."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]{1,60}", key) else quoted(key)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Give `; did you mean "..."?`, or nothing when no known word is close."""
    close = difflib.get_close_matches(word[:60].lower(), list(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


@dataclass(frozen=True)
class _Json:
    """One JSON value that knows where it stands."""

    value: Any
    lines: dict[str, int]
    source: str
    key: str = ""

    @property
    def place(self) -> Place:
        return Place(self.source, self.lines.get(self.key, 1), self.key)

    def get(self, key: str, default: object) -> _Json:
        value = self.value.get(key)
        under = f"{self.key}.{step(key)}" if self.key else step(key)
        return _Json(default if value is None else value, self.lines, self.source, under)

    def rows(self, of: str) -> list[_Json]:
        """Give the entries of a list; `of` says of what, for the refusal."""
        if not isinstance(self.value, list):
            raise self.place.refuse(f"wants a list of {of}, not {_kind(self.value)}")
        return [
            _Json(value, self.lines, self.source, f"{self.key}[{index}]")
            for index, value in enumerate(self.value)
        ]

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.place.refuse(f"wants a string, not {_kind(self.value)}")
        return self.value

    def no_slip_of(self, known: tuple[str, ...]) -> None:
        """Refuse a key that looks like a misspelt one; MLX ignores others, and so do we."""
        for key in self.value:
            close = suggestion(key, known)
            if key not in known and close:
                raise self.get(key, None).place.refuse(f"unknown key{close}")


def _hostfile(document: _Json) -> Hostfile:
    listed = document
    if isinstance(document.value, dict):
        document.no_slip_of(("backend", "envs", "hosts"))
        listed = document.get("hosts", [])
    else:
        document = _Json({}, document.lines, document.source)
    hosts = tuple(_entry(row) for row in listed.rows("hosts"))
    if not hosts:
        raise listed.place.refuse("no hosts")
    envs = tuple(row.text() for row in document.get("envs", []).rows("NAME=VALUE strings"))
    return Hostfile(_backend(document.get("backend", "")), envs, hosts, document.lines)


def _backend(said: _Json) -> Backend | None:
    names: dict[str, Backend] = {name: name for name in get_args(Backend)}
    name = said.text()
    if name and name not in names:
        close = suggestion(name, names)
        raise said.place.refuse(f"{quoted(name)} is not one of {', '.join(names)}{close}")
    return names.get(name)


def _entry(row: _Json) -> HostfileEntry:
    if isinstance(row.value, list):
        raise row.place.refuse(
            "a list where a host is wanted: this is the file MLX_HOSTFILE or MLX_IBV_DEVICES"
            " names inside one run; give the hostfile of mlx.launch"
        )
    if not isinstance(row.value, dict):
        raise row.place.refuse('wants a host like {"ssh": "macstudio1.local", "ips": [...]}')
    row.no_slip_of(("ssh", "ips", "rdma"))
    ssh = row.get("ssh", None)
    if ssh.value is None:
        raise Place(row.source, row.place.line, ssh.key).refuse("missing")
    ips = tuple(ip.text() for ip in row.get("ips", []).rows("addresses"))
    rdma = tuple(_wires(wires) for wires in row.get("rdma", []).rows("RDMA devices"))
    return HostfileEntry(ssh.text(), ips, rdma, ssh.place)


def _wires(said: _Json) -> Wires:
    if said.value is None or isinstance(said.value, str):
        return said.value
    return tuple(wire.text() for wire in said.rows("RDMA device names"))


_MARK = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


@dataclass
class _Open:
    """An array or object that the walk is inside of, and where in it the walk has come."""

    path: str
    is_object: bool
    index: int = 0
    name: str | None = None

    def inner(self) -> str:
        if not self.is_object:
            return f"{self.path}[{self.index}]"
        name = step(self.name or "")
        return f"{self.path}.{name}" if self.path else name


@dataclass(frozen=True)
class Span:
    """Where a value stands in a text: its line, and its characters from `start` to before `end`."""

    line: int
    start: int
    end: int


def spans(text: str, source: str) -> dict[str, Span]:
    """Give where every value stands, by its key path; `text` is known to be valid JSON.

    A name given twice in one object is refused: json.loads would keep the last one in silence.
    """
    places: dict[str, Span] = {}
    inside: list[_Open] = []
    line, seen = 1, 0
    for found in _MARK.finditer(text):
        line, seen = line + text.count("\n", seen, found.start()), found.start()
        mark = found.group()
        if mark in {"]", "}"}:
            path = inside.pop().path
            places[path] = replace(places[path], end=found.end())
        elif mark == ",":
            inside[-1].index, inside[-1].name = inside[-1].index + 1, None
        elif inside and inside[-1].is_object and inside[-1].name is None:
            inside[-1].name = json.loads(mark)
        elif mark != ":":
            path = inside[-1].inner() if inside else ""
            if path in places:
                first = places[path].line
                raise Place(source, line, path).refuse(f"given twice, first in line {first}")
            places[path] = Span(line, *found.span())
            if mark in {"[", "{"}:
                inside.append(_Open(path, mark == "{"))
    return places


def _not_json(error: json.JSONDecodeError, text: str, source: str) -> InventoryError:
    if not text.strip():
        return Place(source, 1).refuse("the file is empty")
    return Place(source, error.lineno).refuse(f"column {error.colno}: not JSON: {error.msg}")


def _kind(value: object) -> str:
    """Name a value for a refusal: a short one is shown, a container is not."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return quoted(value) if isinstance(value, str) else json.dumps(value)[:60]
