"""Launched: a probe's plan and what its ranks said, under pseudonyms. Numbers stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlxdiag.bundle import listed
from mlxdiag.bundle.pseudonyms import Pseudonyms
from mlxdiag.keys import masked_text
from mlxdiag.probe.plan import Plan, RankPlan, Refusal
from mlxdiag.probe.said import GangRun, RankLog


@dataclass(frozen=True)
class Launched:
    """`names` are the hosts of the inventory -> their pseudonyms."""

    names: Mapping[str, str]
    pseudonyms: Pseudonyms

    def plan(self, said: Plan) -> Plan:
        """Rename hosts, environments and the content of files."""
        return replace(
            said,
            ranks=tuple(map(self._rank, said.ranks)),
            notes=self._all(said.notes),
            launcher={major: self._all(words) for major, words in said.launcher.items()},
            attempts={self._host(name): count for name, count in said.attempts.items()},
        )

    def run(self, said: GangRun) -> GangRun:
        """Rename what ranks and their launcher said."""
        return replace(
            said,
            logs=tuple(map(self._log, said.logs)),
            left=self._all(said.left),
            launcher=said.launcher and self._log(said.launcher),
        )

    def refusal(self, said: Refusal) -> Refusal:
        """Rename what the reason names."""
        return replace(said, reason=self._text(said.reason))

    def _rank(self, said: RankPlan) -> RankPlan:
        return replace(
            said,
            host=listed.host(said.host, self.names, self.pseudonyms),
            env={name: self._text(value) for name, value in said.env.items()},
            files={name: self._text(value) for name, value in said.files.items()},
        )

    def _log(self, said: RankLog) -> RankLog:
        """A name may be cut by the end of a piece of noise: they are joined first."""
        noise = "".join(said.noise)
        return RankLog(
            said.rank,
            self._host(said.host),
            [self._deep(event) for event in said.events],
            [self._text(noise)] if noise else [],
            self._text(said.lost),
        )

    def _host(self, name: str) -> str:
        return listed.renamed(name, self.names, self.pseudonyms)

    def _all(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(self._text, texts))

    def _text(self, said: str) -> str:
        return self.pseudonyms.text(masked_text(said))

    def _deep(self, said: Any) -> Any:  # noqa: ANN401
        """Rename every text in JSON; keys are words of ours, and of an environment."""
        if isinstance(said, str):
            return self._text(said)
        if isinstance(said, list):
            return [self._deep(each) for each in said]
        if isinstance(said, dict):
            return {key: self._deep(each) for key, each in said.items()}
        return said
