"""Course: which request comes next, and why one is not sent. Pure, for the run and its judge.

A server that hangs, refuses or is busy is not asked again: each request that it holds takes a place
in its queue, and the next one would only say the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mlxdiag.server.asked import Asked
from mlxdiag.server.exchange import NO_CONNECTION, Exchange, What, sound

PATHS: Mapping[What, str] = {"models": "/v1/models", "health": "/health", "queue": "/queue"}
CHAT = "/v1/chat/completions"
ABSENT = frozenset({404, 405, 501})
"""Statuses of a path that the server does not have."""

KEY = frozenset({401, 403})
ANY = "default_model"
"""The name under which mlx_lm.server knows the model that it was started with."""


def is_busy(found: Exchange) -> bool:
    """Whether the server lives and asks to come again later."""
    return found.status == 429 or (found.status == 503 and "retry-after" in found.headers)


def listed(exchanges: Sequence[Exchange]) -> tuple[str, ...] | None:
    """Name the models of /v1/models; None where it did not name them."""
    found = next((e for e in exchanges if e.what == "models"), None)
    if found is None or found.status != 200 or found.end != "done":
        return None
    try:
        document = json.loads(found.body)
        return tuple(sound(str(model["id"])) for model in document["data"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def model(asked: Asked, exchanges: Sequence[Exchange]) -> str | None:
    """Choose the model to ask for: the one that was named, else the only one that is listed.

    mlx_lm.server lists all models on its disk, and loads the one that it is asked for in place of
    the one that it runs. Of names that differ in their folder alone the listed one is taken. None:
    the server chooses.
    """
    names = listed(exchanges) or ()
    if asked.model is None:
        return names[0] if len(names) == 1 else None
    alike = [name for name in names if _last(name) == _last(asked.model)]
    return alike[0] if alike and asked.model not in names else asked.model


def is_listed(asked: Asked, exchanges: Sequence[Exchange]) -> bool | None:
    """Whether the model is one that the server lists; None where it lists none."""
    names = listed(exchanges)
    if names is None or asked.model in (None, ANY):
        return None
    return model(asked, exchanges) in names


def _last(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]


def body(asked: Asked, exchanges: Sequence[Exchange]) -> dict[str, Any]:
    """Give what a request for a completion says."""
    said: dict[str, Any] = {
        "messages": [{"role": "user", "content": asked.prompt}],
        "max_tokens": asked.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    name = model(asked, exchanges)
    return said if name is None else {"model": name, **said}


def unreachable(exchanges: Sequence[Exchange]) -> str:
    """Name what was not answered at all; empty where everything was."""
    for found in exchanges:
        if found.end in NO_CONNECTION or (found.what == "models" and found.headers_s is None):
            return f"{found.name} was not answered"
    return ""


def obstacle(asked: Asked, exchanges: Sequence[Exchange]) -> str:
    """Say why no further completion is asked for; empty where one is."""
    if silent := unreachable(exchanges):
        return silent
    if is_listed(asked, exchanges) is False:
        return f"the server does not list {asked.model}, and might load it"
    said = (_final(asked, found) for found in exchanges if found.is_chat)
    return next(filter(None, said), "")


def _final(asked: Asked, found: Exchange) -> str:
    """Say of a completion why another one would fare no better; empty where it might."""
    status = found.status or 0
    if found.end == "deadline":
        return f"{found.name} was not through in {asked.deadline_s:g} s"
    how = (
        "refused"
        if status in KEY
        else "put off"
        if is_busy(found)
        else "sent elsewhere"
        if 300 <= status < 400
        else ""
    )
    return how and f"{found.name} was {how}: HTTP {status}"
