"""Server: what is asked of a look at the user's server from outside. `checks.served` answers."""

from __future__ import annotations

from mlxdiag.finding import Check, Confidence, Fix, FixKind, Severity

REACHABLE = Check(
    "server-reachable",
    "something speaks HTTP where the server should answer",
    Severity.ERROR,
    "cluster",
    Fix(FixKind.RUN, "start the server, or name its address: server.url, or --url"),
    (),
    "Nobody gets an answer where nothing listens, or where something else than HTTP does.",
)
MODELS = Check(
    "server-models",
    "the server lists the model that is asked for",
    Severity.ERROR,
    "cluster",
    Fix(FixKind.SETTINGS, "name a model that it lists: server.model, or --model"),
    ("server-reachable",),
    "A server asked for a model that it does not have refuses, or begins to download it.",
    Confidence.SEVERAL,
)
HEALTH = Check(
    "server-health",
    "the server says that it is well, where it says anything",
    Severity.WARNING,
    "cluster",
    Fix(FixKind.NONE, "look at the log of the server"),
    ("server-reachable",),
    "What a server says of itself; good news proves nothing while its ranks may be wedged.",
    Confidence.SEVERAL,
)
ANSWERS = Check(
    "server-answers",
    "a completion comes to its end in time",
    Severity.ERROR,
    "cluster",
    Fix(
        FixKind.RUN, "look at the ranks with `mlxdiag hang`, then end the server and start it again"
    ),
    ("server-reachable", "server-models"),
    "The process that answers is not the ranks that compute: only a completion shows both.",
    Confidence.SEVERAL,
)
REPEAT = Check(
    "server-repeat",
    "the next requests in a row are answered like the first",
    Severity.ERROR,
    "cluster",
    Fix(
        FixKind.RUN, "look at the ranks with `mlxdiag hang`, then end the server and start it again"
    ),
    ("server-answers",),
    "Ranks that fell out of step hang at the next request, not at the one that did it.",
    Confidence.SINGLE,
)
EMPTY = Check(
    "server-empty",
    "the answer has words in it",
    Severity.ERROR,
    "cluster",
    Fix(FixKind.NONE, "look at the log of the server, its chat template and what ends an answer"),
    ("server-answers",),
    "An answer without a word is delivered like any other, status 200 and all.",
    Confidence.INFERRED,
)
STREAM = Check(
    "server-stream",
    "the answer comes as a stream",
    Severity.WARNING,
    "cluster",
    Fix(FixKind.SETTINGS, "let the server honour stream: true; without it little can be measured"),
    ("server-answers",),
    "Without a stream nobody sees the first token before the last one is there.",
)
FIRST_TOKEN = Check(
    "server-first-token",
    "the first token comes as soon as expected",
    Severity.ERROR,
    "cluster",
    Fix(
        FixKind.NONE, "look for other requests in its queue, then at the latency of `mlxdiag probe`"
    ),
    ("server-answers",),
    "What a person waits for is the first token; it grows with the prompt and the queue.",
    Confidence.INFERRED,
)
SPEED = Check(
    "server-speed",
    "tokens come as fast as expected",
    Severity.ERROR,
    "cluster",
    Fix(
        FixKind.NONE,
        "measure the links: mlxdiag probe --pairwise; look at the backend that it uses",
    ),
    ("server-answers",),
    "A slow link or the wrong backend costs tokens per second, and no error says so.",
    Confidence.SEVERAL,
)
PARALLEL = Check(
    "server-parallel",
    "requests at once are all answered",
    Severity.ERROR,
    "cluster",
    Fix(
        FixKind.SETTINGS, "let one request at a time through to it: a queue in front of the server"
    ),
    ("server-repeat",),
    "Two requests at once have brought ranks of distributed mlx_lm.server down (mlx-lm#1737).",
    Confidence.SINGLE,
)
CHECKS = (
    REACHABLE,
    MODELS,
    HEALTH,
    ANSWERS,
    REPEAT,
    EMPTY,
    STREAM,
    FIRST_TOKEN,
    SPEED,
    PARALLEL,
)
