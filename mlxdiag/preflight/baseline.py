"""Baseline: what is different from a report of a run that worked, in words. Pure.

Both are JSON reports (docs/contract.md); of the earlier one what is compared is kept in the
recording, so that a replay says the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlxdiag.errors import InventoryError

Document = Mapping[str, Any]

OF_HOST = ("macos", "macos_build", "mlx", "python", "python_path", "rdma", "address")
OF_PORT = ("port_state", "bridge", "ipv4", "gid_ipv4_index", "speed_gbps")
WORDS = {
    "macos": "macOS",
    "macos_build": "macOS build",
    "python_path": "interpreter",
    "rdma": "RDMA",
    "port_state": "",
    "ipv4": "IPv4",
    "gid_ipv4_index": "index of the IPv4 GID",
    "speed_gbps": "Gb/s of the cable",
}
SMALL_BYTES, LARGE_BYTES = 4096, 1 << 20
"""Up to here latency is compared, from there on bandwidth: as `recommend` does."""

WORSE = 0.25
"""A number is different from this share on; less is what two runs of one cluster differ by."""


def load(text: str, source: str) -> Document:
    """Take from a JSON report what is compared; raise InventoryError where it is none."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InventoryError(f"{source}: not a JSON report of mlxdiag: {error}") from error
    known = isinstance(document, dict) and document.get("schema") == "mlxdiag/report"
    if not known or document.get("schema_version") != 1:
        raise InventoryError(f"{source}: not a JSON report of mlxdiag (schema_version 1)")
    try:
        return kept(document)
    except KeyError as error:
        raise InventoryError(f"{source}: a report of mlxdiag that has no {error}") from error
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        raise InventoryError(f"{source}: a report of mlxdiag that is not whole: {error}") from error


def kept(document: Document) -> Document:
    """Leave out all that is not compared."""
    return {
        "started_at": str(document["started_at"]),
        "hosts": [_host(host) for host in document["hosts"]],
        "links": [[_end(link["a"]), _end(link["b"])] for link in document["links"]],
        "numbers": _numbers(document["probes"]),
    }


def _host(host: Document) -> Document:
    ports = {str(port["receptacle"]): _port(port) for port in host["ports"]}
    own = {key: host[key] for key in OF_HOST}
    return {"name": str(host["name"]), "reachable": bool(host["reachable"]), **own, "ports": ports}


def _port(port: Document) -> Document:
    return {key: port[key] for key in ("device", "interface", *OF_PORT)}


def _end(end: Document) -> Sequence[object]:
    return [str(end["host"]), end["receptacle"]]


def _numbers(probes: Sequence[Document]) -> Mapping[str, float]:
    """Give the best number of every backend over all hosts: latency in us, bandwidth in GB/s."""
    found: dict[str, float] = {}
    for probe in probes:
        if probe["part"] != "whole" or not probe["passed"]:
            continue
        for row in probe["rows"]:
            what = f"{probe['backend']} {probe['op']} {probe['dtype']} {row['size']} B"
            if row["size"] <= SMALL_BYTES:
                key, value = f"{what} p50 us", float(row["p50_us"])
                found[key] = min(value, found.get(key, value))
            elif row["size"] >= LARGE_BYTES:
                key, value = f"{what} busbw GB/s", float(row["busbw_gb_per_s"])
                found[key] = max(value, found.get(key, value))
    return found


def changes(before: Document, document: Document) -> tuple[str, ...]:
    """Say what is different now. `before` is what was kept, `document` a whole report."""
    return tuple(_changes(before, kept(document)))


def _changes(before: Document, now: Document) -> Iterator[str]:
    since = f" since {str(before['started_at'])[:10]}"
    old = {host["name"]: host for host in before["hosts"]}
    new = {host["name"]: host for host in now["hosts"]}
    yield from (f"{name}: no longer a host{since}" for name in old if name not in new)
    yield from (f"{name}: a new host{since}" for name in new if name not in old)
    silent = set()
    for name, was in old.items():
        host = new.get(name)
        if host is None:
            continue
        if host["reachable"] is not was["reachable"]:
            words = {True: "answered", False: "did not answer"}
            yield f"{name}: {words[was['reachable']]} -> {words[host['reachable']]}{since}"
        if not (host["reachable"] and was["reachable"]):
            silent.add(name)
            continue
        yield from (f"{text}{since}" for text in _differing(name, was, host))
    yield from (f"{text}{since}" for text in _cables(before["links"], now["links"], silent))
    yield from (f"{text}{since}" for text in _slower(before["numbers"], now["numbers"]))


def _differing(name: str, was: Document, host: Document) -> Iterator[str]:
    """Say what a host and its ports have that is other than before."""
    for key in OF_HOST:
        if was[key] != host[key]:
            yield f"{name}: {WORDS.get(key, key)} {_shown(was[key])} -> {_shown(host[key])}"
    alike: dict[str, list[str]] = {}
    for receptacle in (*was["ports"], *(key for key in host["ports"] if key not in was["ports"])):
        port, other = was["ports"].get(receptacle), host["ports"].get(receptacle)
        shown = port or other
        label = shown["device"] or shown["interface"] or f"receptacle {receptacle}"
        for text in _of_port(port, other):
            alike.setdefault(text, []).append(label)
    yield from (f"{name} {', '.join(labels)}: {text}" for text, labels in alike.items())


def _of_port(port: Document | None, other: Document | None) -> Iterator[str]:
    """Say what is different at a port; where the device is, that and no more."""
    if port is None or other is None:
        yield "not listed -> there" if port is None else "there -> not listed"
    elif port["device"] and not other["device"]:
        yield "device there -> not known"
    elif other["device"] != port["device"]:
        yield f"device {_shown(port['device'])} -> {_shown(other['device'])}"
    else:
        for key in OF_PORT:
            if port[key] != other[key]:
                word = WORDS.get(key, key)
                said = f"{_shown(port[key])} -> {_shown(other[key])}"
                yield f"{word} {said}".strip()


def _cables(
    before: Sequence[Sequence[Sequence[object]]],
    now: Sequence[Sequence[Sequence[object]]],
    silent: set[str],
) -> Iterator[str]:
    """Say which cables are gone or new; of hosts that are silent nothing is known."""
    old = {frozenset(map(tuple, link)): link for link in before}
    new = {frozenset(map(tuple, link)): link for link in now}
    for links, others, how in ((old, new, "there -> gone"), (new, old, "not there -> there")):
        for key, link in links.items():
            if key not in others and not any(host in silent for host, _ in link):
                ends = " - ".join(f"{host} receptacle {place}" for host, place in link)
                yield f"cable {ends}: {how}"


def _slower(before: Mapping[str, float], now: Mapping[str, float]) -> Iterator[str]:
    """Say which numbers differ by more than two runs do, and how."""
    for key, old in before.items():
        new = now.get(key)
        if new is None or min(old, new) <= 0 or max(old, new) / min(old, new) < 1 + WORSE:
            continue
        what, _, unit = key.rpartition(" ")
        slower = (new > old) == (unit == "us")
        yield f"{what}: {old:.3g} -> {new:.3g} {unit}, {'slower' if slower else 'faster'}"


def _shown(value: object) -> str:
    if value is None:
        return "not known"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value).removeprefix("PORT_")
