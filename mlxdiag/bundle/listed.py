"""Listed: an inventory without what it says of people, places and models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mlxdiag.bundle.pseudonyms import Pseudonyms
from mlxdiag.inventory import UNNAMED, Host, Inventory, Server, Silence


def inventory(said: Inventory, names: Mapping[str, str], pseudonyms: Pseudonyms) -> Inventory:
    """Rename hosts, users and paths; of the server its port and its floors stay."""
    links = tuple((names[a], names[b]) for a, b in said.expect.links)
    server = said.server
    return Inventory(
        cluster=UNNAMED,
        hosts=tuple(host(one, names, pseudonyms) for one in said.hosts),
        expect=replace(said.expect, links=links, baseline=None),
        source=said.source,
        server=Server(
            port=server.port,
            tokens_per_s=server.tokens_per_s,
            first_token_s=server.first_token_s,
        ),
        silence=tuple(Silence(s.id, pseudonyms.text(s.why)) for s in said.silence),
    )


def host(said: Host, names: Mapping[str, str], pseudonyms: Pseudonyms) -> Host:
    """Rename one host; one that is not in the inventory is renamed as a text is."""

    def text(told: str | None) -> str | None:
        return None if told is None else pseudonyms.text(told)

    return replace(
        said,
        name=renamed(said.name, names, pseudonyms),
        address=pseudonyms.text(said.address),
        user=text(said.user),
        identity_file=None,
        python=text(said.python),
        ip=text(said.ip),
    )


def renamed(name: str, names: Mapping[str, str], pseudonyms: Pseudonyms) -> str:
    """Rename a host as the folders are."""
    made = names.get(name)
    return pseudonyms.keep("name", name, made) if made else pseudonyms.text(name)
