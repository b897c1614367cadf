"""Redact: a recording -> the same with pseudonyms, that still says what it said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address

from mlxdiag import report
from mlxdiag.bundle.pseudonyms import Pseudonyms, owners
from mlxdiag.errors import MlxdiagError
from mlxdiag.facts import hostname
from mlxdiag.facts.hostname import Hostname
from mlxdiag.inventory import Host, Inventory, Server, Silence, dump
from mlxdiag.readings import fact_of
from mlxdiag.recording import Files, Recording, files_of, loads
from mlxdiag.report import Report

ROUTES = ("netstat", "route")
"""Commands that print networks in short."""


def names_of(recording: Recording, logs: Iterable[bytes] = ()) -> dict[str, str]:
    """Give the pseudonyms of hosts and users: those of the inventory, and owners of home folders.

    An IP address is no name.
    """
    found: dict[str, str] = {}
    users = dict.fromkeys(host.user for host in recording.inventory.hosts if host.user)
    for number, host in enumerate(recording.inventory.hosts, 1):
        for name, made in (
            (host.name, f"host{number}"),
            (host.address, f"host{number}.address"),
            (host.address.removesuffix(".local"), f"host{number}"),
        ):
            if not _is_ip(name):
                found.setdefault(name, made)
    for number, user in enumerate(users, 1):
        found.setdefault(user, f"admin{number}")
    found = {**_own_names(recording), **found}
    for number, owner in enumerate(owners([*files_of(recording).values(), *logs]), 1):
        found.setdefault(owner, f"user{number}")
    return found


def _own_names(recording: Recording) -> dict[str, str]:
    """Give the pseudonyms of what hosts call themselves.

    A name without a dot or a hyphen may be a word that commands print (`Mac`): it stays.
    """
    command = hostname.COMMAND.name
    said = (
        fact_of(name, captures, command, hostname.parse)
        for name, captures in recording.hosts.items()
    )
    own = [one for one in said if isinstance(one, Hostname)]
    shorts = list(dict.fromkeys(one.short for one in own))
    return {
        one.name: f"name{shorts.index(one.short) + 1}.example"
        for one in own
        if set(".-") & set(one.name)
    }


def _is_ip(text: str) -> bool:
    if ":" in text:
        return True
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def redacted(recording: Recording, pseudonyms: Pseudonyms) -> Files:
    """Give the files of the recording under pseudonyms.

    Raise MlxdiagError where the result would not say the same: then somebody's name is a word that
    a command prints.
    """
    names = {host.name: f"host{at}" for at, host in enumerate(recording.inventory.hosts, 1)}
    asked = _inventory(recording.inventory, names, pseudonyms)
    files: dict[str, bytes] = {}
    for name, raw in files_of(recording).items():
        head, slash, rest = name.partition("/")
        routes = rest.startswith(ROUTES)
        files[f"{names.get(head, head)}{slash}{rest}"] = pseudonyms.raw(raw, routes=routes)
    files["inventory.yaml"] = asked
    _hold(recording, files)
    return files


def _inventory(inventory: Inventory, names: dict[str, str], pseudonyms: Pseudonyms) -> bytes:
    """Write the inventory anew: what it says of hosts, users and paths goes, the rest stays."""

    def text(said: str | None) -> str | None:
        return None if said is None else pseudonyms.text(said)

    def one(host: Host) -> Host:
        address = text(host.address) or ""
        return replace(
            host,
            name=names[host.name],
            address=address,
            user=text(host.user),
            identity_file=None,
            python=text(host.python),
            ip=text(host.ip),
        )

    links = tuple((names[a], names[b]) for a, b in inventory.expect.links)
    server = inventory.server
    made = Inventory(
        cluster="cluster",
        hosts=tuple(map(one, inventory.hosts)),
        expect=replace(inventory.expect, links=links, baseline=None),
        source=inventory.source,
        server=Server(
            port=server.port,
            tokens_per_s=server.tokens_per_s,
            first_token_s=server.first_token_s,
        ),
        silence=tuple(Silence(s.id, pseudonyms.text(s.why)) for s in inventory.silence),
    )
    return dump(made).encode()


def _hold(recording: Recording, files: Files) -> None:
    """Compare what both say, check by check."""
    try:
        again = loads(files, "bundle")
    except MlxdiagError as error:
        raise MlxdiagError(f"{_WORD}: {error}") from error
    command = "check" if recording.inventory.hosts else "server"
    before, after = (told(report.build(made, command, "")) for made in (recording, again))
    if before != after:
        id_, status = next(iter((before - after) + (after - before)))
        raise MlxdiagError(f"{_WORD}: {id_} is no longer {status}")


_WORD = "what is replaced would change what the recording says (--no-redact keeps all as it is)"


def told(made: Report) -> Counter[tuple[str, str]]:
    """Count findings by check and status."""
    return Counter((finding.id, finding.status.value) for finding in made.findings)
