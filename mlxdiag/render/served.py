"""A look at a server as lines and columns, for the table, Markdown and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlxdiag.render.sizes import number
from mlxdiag.server.answer import Answer
from mlxdiag.server.course import ABSENT
from mlxdiag.server.exchange import Exchange
from mlxdiag.server.judge import Served

COLUMNS = ("", "first token", "tokens", "tokens/s", "gap p50", "gap p95", "in all", "")
PATH_COLUMNS = ("path", "", "", "says")
NOT = "-"
WIDTH = 60
"""Characters of what a path said."""

MARKS = {"": "good", "slow": "bent", "busy": "unknown", "interrupted": "unknown"}
"""Signs of faults; of all others it is the bad one."""


@dataclass(frozen=True)
class Row:
    """A line with its sign."""

    mark: str
    cells: tuple[str, ...]


def asked(served: Served) -> str:
    """Say what was asked for."""
    many = served.asked
    model = served.model or "the server's own model"
    return f"{model}, up to {many.max_tokens} tokens each, {many.deadline_s:g} s at most"


def requests(served: Served) -> tuple[Row, ...]:
    """List every request with its numbers, and those that were not sent."""
    rows = [_answer(each) for each in served.alone]
    if served.unsent:
        first, last = len(served.alone) + 1, served.asked.requests
        name = f"request {first}" if first == last else f"requests {first}-{last}"
        rows.append(_unsent(name))
    rows += [_answer(each) for each in served.together]
    if served.unsent_together and served.asked.parallel:
        rows.append(_unsent(f"{served.asked.parallel} at once"))
    return tuple(rows)


def _answer(found: Answer) -> Row:
    mark = MARKS.get(found.fault, "bad")
    if found.empty:
        mark = "bad"
    said = found.fault or ("empty" if found.empty else "")
    cells = (
        found.exchange.name,
        seconds(found.first_token_s),
        NOT if found.tokens is None else str(found.tokens),
        NOT if found.tokens_per_s is None else number(found.tokens_per_s),
        seconds(found.gap_s(0.5)),
        seconds(found.gap_s(0.95)),
        seconds(found.exchange.seconds),
        said,
    )
    return Row(mark, cells)


def _unsent(name: str) -> Row:
    return Row("none", (name, *[NOT] * 6, "not sent"))


def unsent(served: Served) -> str:
    """Say why requests were not sent; empty where all were."""
    together = served.unsent_together if served.asked.parallel else ""
    why = served.unsent or together
    return f"not sent: {why}" if why else ""


def paths(served: Served) -> tuple[Row, ...]:
    """List the paths that cost nothing, and what they said."""
    return tuple(_path(each, served) for each in served.paths)


def _path(found: Exchange, served: Served) -> Row:
    took = seconds(found.seconds)
    if found.status is None:
        return Row("bad", (found.path, found.end, took, found.detail))
    if found.status in ABSENT:
        return Row("none", (found.path, f"HTTP {found.status}", took, "not there"))
    body = " ".join(found.body.decode("utf-8", "replace").split())
    if found.what == "models" and served.listed is not None:
        count = len(served.listed)
        body = f"{count} model{'' if count == 1 else 's'}: {', '.join(served.listed)}"
    said = body if len(body) <= WIDTH else f"{body[: WIDTH - 3]}..."
    mark = "good" if found.status == 200 else "bad"
    return Row(mark, (found.path, f"HTTP {found.status}", took, said))


def numbers(served: Served) -> str:
    """Say how fast it is, over all requests one after the other; empty where nothing is known."""
    parts = []
    if served.tokens_per_s is not None:
        parts.append(f"{number(served.tokens_per_s)} tokens/s")
    if served.first_token_s is not None:
        parts.append(f"first token {seconds(served.first_token_s)}")
    if served.gap_s(0.5) is not None:
        gaps = f"{seconds(served.gap_s(0.5))} p50, {seconds(served.gap_s(0.95))} p95"
        parts.append(f"gaps {gaps}")
    return ", ".join(parts)


def basis(served: Served) -> str:
    """Say what the numbers rest on."""
    by = "by the server" if served.counted == "usage" else "as pieces of text"
    whole = "" if served.streamed else "; no stream: over the whole request"
    return f"median of {len(served.good)}; tokens counted {by}{whole}"


def words(served: Served) -> str:
    """Give how the first answer begins."""
    said = next((each.text for each in served.good if each.text.strip()), "")
    return " ".join(said.split())


def seconds(value: float | None) -> str:
    """Spell a time: milliseconds below a second."""
    if value is None:
        return NOT
    return f"{number(value)} s" if value >= 1 else f"{number(value * 1000)} ms"


def in_short(served: Served) -> Sequence[str]:
    """Say in parts of a line what came of it."""
    good = len(served.good)
    parts = [f"{good} of {served.asked.requests} requests answered"]
    if served.together:
        well = sum(not each.fault for each in served.together)
        parts.append(f"{well} of {len(served.together)} at once")
    if said := numbers(served):
        parts.append(said)
    bad = next((a for a in (*served.alone, *served.together) if a.fault), None)
    if bad is not None:
        parts.append(f"{bad.exchange.name}: {bad.said}")
    if served.hang:
        parts.append(served.hang.conclusion)
    return parts
