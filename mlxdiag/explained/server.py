"""Texts of what is asked of the user's server from outside."""

from __future__ import annotations

from mlxdiag.explained.entry import Explained

_MLX_LM = "https://github.com/ml-explore/mlx-lm/blob/main/mlx_lm/SERVER.md"
_API = "https://platform.openai.com/docs/api-reference/chat"
_DEAD = (
    "https://github.com/jundot/omlx/issues/3039",
    "https://github.com/exo-explore/exo/pull/1723",
)
_ENDS = "Ending the server ends the answers that it is giving to others."
_READS = "None: nothing is changed."

ENTRIES: dict[str, Explained] = {
    "server-reachable": Explained(
        detect="A connection to `server.url` (`--url`), and the head of an answer over HTTP to"
        " `/v1/models`, within 10 s.",
        steps=(
            "See that it runs: its process on rank 0, and who listens there, `lsof -nP"
            " -iTCP:8080 -sTCP:LISTEN`.",
            "A server that listens at 127.0.0.1 answers on its own machine only: start it with"
            " `--host 0.0.0.0`.",
            "Name the address as it is: `server: url:` in inventory.yaml, http or https.",
        ),
        risk="A server that listens at all addresses answers everybody in the network.",
        survives_reboot=True,
        place="host",
        versions="all",
        sources=(_MLX_LM,),
    ),
    "server-models": Explained(
        detect="The names that `/v1/models` lists, beside `server.model` (`--model`). Names that"
        " differ in the folder alone are one. A model that is not listed is not asked for.",
        steps=(
            "Take a name from the list: `curl -s URL/v1/models`.",
            "Write it as `server: model:` in inventory.yaml, or give it as `--model`.",
            "Where the key is refused, name the variable that holds it: `server: key_env:`.",
        ),
        risk="A name that the server does not have may make each host download that model.",
        survives_reboot=True,
        place="here",
        versions="all",
        sources=(_MLX_LM, _API),
    ),
    "server-health": Explained(
        detect="The status of `/health` and of `/queue`. 404, 405 and 501 mean that the server has"
        " no such path.",
        steps=("Read what it says, and its log.", "Look at its ranks: `mlxdiag hang`."),
        risk=_READS,
        survives_reboot=None,
        place="host",
        versions="all",
        sources=_DEAD,
    ),
    "server-answers": Explained(
        detect="A completion of a few tokens, streamed, with a deadline. Silence until the deadline"
        " is a hang; words that still come are slow.",
        steps=(
            "Of a hang: read which rank is the one to look at, or ask: `mlxdiag hang`.",
            "Save what it shows for a bug report: `--save`.",
            "End the server on every host, and start it again after `mlxdiag preflight`.",
        ),
        risk=_ENDS,
        survives_reboot=None,
        place="host",
        versions="all",
        sources=_DEAD,
    ),
    "server-repeat": Explained(
        detect="The same completion again, at once after the one before (`--requests`).",
        steps=(
            "Read which rank is the one to look at: `mlxdiag hang`.",
            "Look whether all ranks run the same mlx, mlx-lm and script.",
            "End the server on every host, and start it again after `mlxdiag preflight`.",
        ),
        risk=_ENDS,
        survives_reboot=None,
        place="host",
        versions="all",
        sources=("a first user's notes: a server that hung after one or two requests",),
    ),
    "server-empty": Explained(
        detect="An answer that came to its end, HTTP 200, without a letter in it.",
        steps=(
            "Ask by hand, and read the whole answer: `finish_reason`, `usage`.",
            "Look at the chat template and the end tokens of the model on every host.",
        ),
        risk=_READS,
        survives_reboot=None,
        place="host",
        versions="all",
        sources=(_API, "reasoned: nobody has reported it of a cluster"),
    ),
    "server-stream": Explained(
        detect="The form of the answer to a request with `stream: true`: events, or one JSON.",
        steps=("See whether the server, or a proxy in front of it, can stream.",),
        risk=_READS,
        survives_reboot=None,
        place="host",
        versions="all",
        sources=(_API,),
    ),
    "server-first-token": Explained(
        detect="Seconds from the request to the first piece of text, median, beside"
        " `server.first_token_s` or a quarter above the baseline's.",
        steps=(
            "See who else asks: requests before yours are answered first.",
            "Measure the latency of small collectives: `mlxdiag probe`.",
            "Compare with the backend and versions of the run that the floor is from.",
        ),
        risk=_READS,
        survives_reboot=None,
        place="here",
        versions="all",
        sources=("the inventory, or the report named by `--baseline`",),
    ),
    "server-speed": Explained(
        detect="Tokens a second after the first, median, beside `server.tokens_per_s` or a quarter"
        " below the baseline's. The server's own count goes before that of pieces.",
        steps=(
            "See which backend it runs on: `mlxdiag recommend`.",
            "Find the link that is behind: `mlxdiag probe --pairwise`.",
            "Look whether traffic leaves through the LAN instead of the cables: `mlxdiag check`.",
        ),
        risk=_READS,
        survives_reboot=None,
        place="here",
        versions="all",
        sources=(
            "the inventory, or the report named by `--baseline`",
            "https://github.com/exo-explore/exo/issues/2295",
        ),
    ),
    "server-parallel": Explained(
        detect="So many completions at once as `--parallel` says; never without it.",
        steps=(
            "Put a queue in front of the server that lets one request through at a time.",
            "End the server on every host, and start it again: its ranks may be out of step.",
        ),
        risk="Asking is the risk: it may bring the server down for everybody.",
        survives_reboot=None,
        place="host",
        versions="distributed mlx_lm.server",
        sources=("https://github.com/ml-explore/mlx-lm/issues/1737",),
    ),
}
