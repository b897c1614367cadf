"""Judged: what a report keeps of a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass

from mlxdiag.diagnose import join, order


@dataclass(frozen=True)
class Judged:
    """A diagnosis, its causes joined with the cluster. `hostfile` is where ranks were read from.

    `ranks` is how many there are; 0 where no host was asked.
    """

    diagnosis: order.Diagnosis
    cases: tuple[join.Case, ...]
    hostfile: str | None = None
    ranks: int = 0

    @property
    def recognised(self) -> bool:
        """Whether a cause is known."""
        return bool(self.cases)
