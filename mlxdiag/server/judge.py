"""Judge: a look at a server -> Served: the answers, the numbers over all of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from mlxdiag.server import baseline, course
from mlxdiag.server.answer import Answer, answer, quantile
from mlxdiag.server.asked import Asked
from mlxdiag.server.exchange import Exchange
from mlxdiag.server.record import Examined, Look


@dataclass(frozen=True)
class Served:
    """What a look at a server came to.

    `alone` are the answers to requests one after the other, `together` those to requests at once.
    `unsent` and `unsent_together` say why there are fewer than were asked for. Numbers are medians
    over the answers one after the other that came to their end; `gap_*` are quantiles of all gaps
    between pieces of text, in seconds.
    """

    asked: Asked
    model: str | None
    listed: tuple[str, ...] | None
    paths: tuple[Exchange, ...]
    alone: tuple[Answer, ...]
    together: tuple[Answer, ...]
    unsent: str
    unsent_together: str
    hang: Examined | None

    @property
    def good(self) -> tuple[Answer, ...]:
        """The answers one after the other that came to their end."""
        return tuple(each for each in self.alone if not each.fault)

    @property
    def first_token_s(self) -> float | None:
        """Seconds to the first token."""
        return _median([each.first_token_s for each in self.good])

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens a second after the first one; of answers without a stream over all of it."""
        return _median([each.tokens_per_s for each in self.good])

    @property
    def together_per_s(self) -> float | None:
        """Tokens a second of all requests at once, from the first sent to the last through."""
        done = [each for each in self.together if not each.fault and each.tokens]
        if not done:
            return None
        began = min(each.exchange.began_s for each in done)
        ended = max(each.exchange.began_s + each.exchange.seconds for each in done)
        return sum(each.tokens or 0 for each in done) / (ended - began) if ended > began else None

    @property
    def counted(self) -> Literal["usage", "chunks"] | None:
        """How tokens were counted; pieces where one answer had no count of the server's."""
        said = {each.counted for each in self.good if each.counted}
        return "chunks" if "chunks" in said else "usage" if said else None

    @property
    def streamed(self) -> bool:
        """Whether the answers came as streams."""
        return all(each.streamed for each in self.good)

    def gap_s(self, share: float) -> float | None:
        """Give the gap that `share` of all gaps do not exceed."""
        return quantile([gap for each in self.good for gap in each.gaps_s], share)

    @property
    def changes(self) -> tuple[str, ...]:
        """What is different from the baseline, in words."""
        before = self.asked.before
        if before is None:
            return ()
        return tuple(baseline.changes(before, self.tokens_per_s, self.first_token_s))


def obstacle_to_parallel(asked: Asked, exchanges: Sequence[Exchange]) -> str:
    """Say why requests at once are not sent: each one alone has to be answered before."""
    if not asked.parallel:
        return "not asked for (--parallel N): two at once have crashed distributed mlx_lm.server"
    alone = [answer(each) for each in exchanges if each.what == "request"]
    bad = next((each.exchange.name for each in alone if each.fault or each.empty), None)
    said = course.obstacle(asked, exchanges)
    return said or (f"{bad} alone was not answered" if bad else "")


def judge(look: Look, ended: str = "complete", hang: Examined | None = None) -> Served:
    """Read every exchange; `ended` is how the run did, `hang` what its ranks were doing."""
    asked, exchanges = look.asked, look.exchanges
    chats = {
        what: tuple(answer(e) for e in exchanges if e.what == what)
        for what in ("request", "parallel")
    }
    cut = "" if ended == "complete" else f"the run was ended before ({ended})"
    alone, together = chats["request"], chats["parallel"]
    short = len(alone) < asked.requests
    return Served(
        asked=asked,
        model=course.model(asked, exchanges),
        listed=course.listed(exchanges),
        paths=tuple(e for e in exchanges if not e.is_chat),
        alone=alone,
        together=together,
        unsent=(course.obstacle(asked, exchanges) or cut or "not sent") if short else "",
        unsent_together=""
        if together
        else obstacle_to_parallel(asked, exchanges) or cut or "not sent",
        hang=hang,
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
