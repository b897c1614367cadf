"""Asked: what a look at a server was to do, kept in the recording. It never holds a key."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mlxdiag.errors import InventoryError
from mlxdiag.inventory import Host, Server

PROMPT = "Count from one to fifty in words."
MAX_TOKENS = 64
REQUESTS = 3
DEADLINE_S = 60.0
PORT = 8080
"""Where mlx_lm.server listens unless told otherwise."""


@dataclass(frozen=True)
class Before:
    """What an earlier report measured: tokens a second, seconds to the first one, and when."""

    started_at: str
    tokens_per_s: float | None
    first_token_s: float | None


@dataclass(frozen=True)
class Asked:
    """`url` has no path of the API in it. `key_env` is the variable that the key came from.

    `parallel` 0: no two requests at once. `deadline_s` is that of each request. `tokens_per_s` and
    `first_token_s` are the floors of the inventory, `before` what else there is to be held to.
    """

    url: str
    model: str | None = None
    prompt: str = PROMPT
    max_tokens: int = MAX_TOKENS
    requests: int = REQUESTS
    parallel: int = 0
    deadline_s: float = DEADLINE_S
    key_env: str | None = None
    tokens_per_s: float | None = None
    first_token_s: float | None = None
    before: Before | None = None


def about(server: Server, hosts: tuple[Host, ...], url: str | None, told: Asked) -> Asked:
    """Complete what the command line says with the inventory; raise InventoryError.

    The address is that of --url, else `server.url`, else port 8080 of rank 0.
    """
    address = url or server.url or _rank0(hosts)
    return replace(
        told,
        url=address.rstrip("/").removesuffix("/v1").rstrip("/"),
        model=told.model or server.model,
        key_env=told.key_env or server.key_env,
        tokens_per_s=server.tokens_per_s,
        first_token_s=server.first_token_s,
    )


def _rank0(hosts: tuple[Host, ...]) -> str:
    if not hosts:
        raise InventoryError("--url: nothing says where the server answers")
    address = hosts[0].address
    shown = f"[{address}]" if ":" in address else address
    return f"http://{shown}:{PORT}"
