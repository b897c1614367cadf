"""Redact: a recording -> the same with pseudonyms, that still says what it said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address

from mlxdiag import report
from mlxdiag.bundle import listed, models
from mlxdiag.bundle.launched import Launched
from mlxdiag.bundle.pseudonyms import Pseudonyms, owners
from mlxdiag.bundle.served import Served
from mlxdiag.errors import MlxdiagError, ParseError
from mlxdiag.facts import hostname, ps
from mlxdiag.facts.hostname import Hostname
from mlxdiag.hang.rounds import FIND, FIRST, SECOND, of
from mlxdiag.keys import masked_forms, masked_log
from mlxdiag.preflight import asked as preflight
from mlxdiag.preflight.asked import Asked
from mlxdiag.readings import fact_of
from mlxdiag.recording import Files, Recording, files_of, loads
from mlxdiag.report import Report

ROUTES = ("netstat", "route")
"""Commands that print networks in short."""

FREE = re.compile(
    r"(?:crash_reports|rdma_log|processes|neighbours|login_environment|\w+_ps|\w+_environment_proc)\."
)
"""Commands that print what programs said: there may be keys in it."""

SYSTEM = frozenset({"root", "daemon", "nobody"})
"""Users that are nobody."""

WORDS = frozenset(
    (
        "apple", "cluster", "computer", "default", "home", "host", "imac", "kernel", "lan", "local",
        "localhost", "mac", "macbook", "macmini", "macos", "macpro", "macstudio", "max", "mini",
        "mlx", "node", "none", "pro", "server", "studio", "ultra", "unknown", "user",
    )
)  # fmt: skip
"""Names of hosts that say nothing of anybody, and that commands print anyway."""


def names_of(recording: Recording, logs: Iterable[bytes] = ()) -> dict[str, str]:
    """Give the pseudonyms of hosts and users: those of the inventory, and owners of home folders.

    An IP address is no name.
    """
    found: dict[str, str] = {}
    users = dict.fromkeys(host.user for host in recording.inventory.hosts if host.user)
    for number, host in enumerate(recording.inventory.hosts, 1):
        label = host.address.partition(".")[0]
        for name, made in (
            (host.name, f"host{number}"),
            (host.address, f"host{number}.address"),
            (host.address.removesuffix(".local"), f"host{number}"),
            (label if _is_telling(label) else host.name, f"host{number}"),
        ):
            if not _is_ip(name):
                found.setdefault(name, made)
    for number, user in enumerate(users, 1):
        found.setdefault(user, f"admin{number}")
    found = {**_own_names(recording), **found}
    for number, name in enumerate(dict.fromkeys(_server_names(recording)), 1):
        found.setdefault(name, f"server{number}.example")
    texts = [*files_of(recording).values(), *logs]
    for number, part in enumerate(models.telling(texts), 1):
        found.setdefault(part, f"model{number}")
    homes = owners(texts)
    for number, owner in enumerate(dict.fromkeys([*homes, *_process_owners(recording)]), 1):
        if owner not in SYSTEM and not owner.startswith("_"):
            found.setdefault(owner, f"user{number}")
    return found


def _own_names(recording: Recording) -> dict[str, str]:
    """Give the pseudonyms of what hosts call themselves.

    A name without a domain may be a word that commands print (`Mac`): it stays.
    """
    command = hostname.COMMAND.name
    said = (
        fact_of(name, captures, command, hostname.parse)
        for name, captures in recording.hosts.items()
    )
    own = [one for one in said if isinstance(one, Hostname)]
    shorts = list(dict.fromkeys(one.short for one in own))
    found: dict[str, str] = {}
    for one in own:
        made = f"name{shorts.index(one.short) + 1}"
        label, _, domain = one.name.partition(".")
        if set(".-") & set(one.name):
            found[one.name] = f"{made}.example"
        if _is_telling(label):
            found[label] = made
        if "." in domain:
            found[domain] = "example"
    return found


def _is_telling(label: str) -> bool:
    """Whether a name without a domain is a name, and no word that commands print."""
    return len(label) > 2 and ("-" in label or label.lower() not in WORDS) and not label.isdigit()


def _process_owners(recording: Recording) -> Iterator[str]:
    """Name the users whose processes a look at ranks kept; what is not understood names nobody."""
    for captures in recording.hosts.values():
        for which in (FIND, FIRST, SECOND):
            said = captures.get(of(which, ps.COMMAND.name))
            with suppress(ParseError):
                yield from (one.user for one in ps.parse(said.stdout if said else b""))


def _server_names(recording: Recording) -> Iterator[str]:
    """Name the hosts in addresses of a server."""
    look = recording.server
    for url in (recording.inventory.server.url, look.asked.url if look else None):
        found = re.match(r"\w+://([^/:?#\[\]]+)", url or "")
        if found and not _is_ip(found[1]) and _is_telling(found[1]):
            yield found[1]


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
    rewritten = files_of(_rewritten(recording, names, pseudonyms))
    files: dict[str, bytes] = {}
    for name, raw in files_of(recording).items():
        head, slash, rest = name.partition("/")
        if name in rewritten and (head == "probes" or not slash):
            files[name] = rewritten[name]
            continue
        free = FREE.match(rest) or rest.endswith(".err")
        said = masked_log(raw) if free else masked_forms(raw)
        made = pseudonyms.raw(said, routes=rest.startswith(ROUTES))
        files[f"{names.get(head, head)}{slash}{rest}"] = made
    _hold(recording, files)
    return files


def _rewritten(recording: Recording, names: dict[str, str], pseudonyms: Pseudonyms) -> Recording:
    """Write anew what mlxdiag itself wrote: what was asked, launches and answers of a server."""
    launched, served = Launched(names, pseudonyms), Served(pseudonyms)
    return replace(
        recording,
        hosts={},
        inventory=listed.inventory(recording.inventory, names, pseudonyms),
        probes=tuple((launched.plan(p), launched.run(r)) for p, r in recording.probes),
        refusals=tuple(map(launched.refusal, recording.refusals)),
        preflight=recording.preflight and _preflight(recording.preflight, pseudonyms),
        server=recording.server and served.look(recording.server),
        hang=recording.hang and replace(recording.hang, pattern=None),
    )


def _preflight(said: Asked, pseudonyms: Pseudonyms) -> Asked:
    """Rename the hosts in the numbers of the baseline."""
    return preflight.load(pseudonyms.raw(preflight.dump(said)), preflight.__name__)


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
