"""Edit: the text of a hostfile with other values in it, and everything else as it was. Pure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping

from mlxdiag.errors import InventoryError
from mlxdiag.hostfile import Hostfile, HostfileEntry, Span, dumps, loads, spans


def edited(text: str, old: Hostfile, new: Hostfile) -> str:
    """Put the values of `new` into the text that `old` was read from.

    Where the hosts are others, or in another order, the file is written anew.
    """
    made = _patched(text, old, new)
    try:
        if made is not None and loads(made, "") == new:
            return made
    except InventoryError:
        pass
    return dumps(new)


def diff(text: str, corrected: str, path: str) -> str:
    """Give the unified diff of a file and its correction; empty where they are the same."""
    lines = difflib.unified_diff(
        text.splitlines(), corrected.splitlines(), path, f"{path} (corrected)", lineterm=""
    )
    return "".join(f"{line}\n" for line in lines)


def _patched(text: str, old: Hostfile, new: Hostfile) -> str | None:
    """Replace the values that differ where they stand; None where that is not enough."""
    if [host.ssh for host in old.hosts] != [host.ssh for host in new.hosts]:
        return None
    places = spans(text, "")
    edits = [_edit(path, value, places) for path, value in _changes(old, new)]
    for start, end, said in sorted(edits, reverse=True):
        text = text[:start] + said + text[end:]
    return text


def _edit(path: str, value: object, places: Mapping[str, Span]) -> tuple[int, int, str]:
    """Give from where to where the text is replaced, and by what; a key that lacks is put in."""
    said = json.dumps(value)
    if path in places:
        return places[path].start, places[path].end, said
    host, _, key = path.rpartition(".")
    if host:
        at = places[f"{host}.ssh"].end
        return at, at, f', "{key}": {said}'
    at = places[""].start + 1
    return at, at, f'"{key}": {said}, '


def _changes(old: Hostfile, new: Hostfile) -> Iterator[tuple[str, object]]:
    """Name the key paths whose values differ, and give them as JSON has them."""
    if old.backend != new.backend:
        yield "backend", new.backend
    if old.envs != new.envs:
        yield "envs", new.envs
    for before, after in zip(old.hosts, new.hosts, strict=True):
        start = before.place.key.removesuffix(".ssh")
        if before.ips != after.ips:
            yield f"{start}.ips", after.ips
        yield from _row(start, before, after)


def _row(start: str, before: HostfileEntry, after: HostfileEntry) -> Iterator[tuple[str, object]]:
    if len(before.rdma) != len(after.rdma):
        yield f"{start}.rdma", after.rdma
        return
    for place, (was, now) in enumerate(zip(before.rdma, after.rdma, strict=True)):
        if was != now:
            yield f"{start}.rdma[{place}]", now
