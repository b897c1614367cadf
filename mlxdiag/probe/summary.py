"""Summary: several launches of one backend -> a line per size, with the spread between launches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlxdiag.probe.judge import Probe, Row
from mlxdiag.probe.surroundings import notes


@dataclass(frozen=True)
class Line:
    """One size over all launches; nothing is averaged.

    `row` is that of the launch with the median p50, of an even number the slower of the two.
    `samples` counts those of all launches, `p99_us` and `max_us` are the largest of any launch,
    `spread` is (largest - smallest) / median of their p50, None for one launch. `wrong` is None
    where one launch did not check.
    """

    row: Row
    launches: int
    samples: int
    p99_us: float
    max_us: float
    spread: float | None
    wrong: int | None


@dataclass(frozen=True)
class Summary:
    """Launches of one kind: same backend, collective, dtype and hosts; `lines` by size."""

    probes: tuple[Probe, ...]
    lines: tuple[Line, ...]

    @property
    def backend(self) -> str:
        """The backend of all of them."""
        return self.probes[0].plan.backend

    @property
    def notes(self) -> tuple[str, ...]:
        """What limits the meaning of the numbers of all launches."""
        hosts = [host for probe in self.probes for host in probe.hosts]
        own = (notes(probe.plan, hosts) for probe in self.probes)
        late = (probe.late for probe in self.probes)
        return tuple(dict.fromkeys(note for said in (*own, *late) for note in said))


def summaries(probes: Sequence[Probe]) -> tuple[Summary, ...]:
    """Put launches of one kind together, in the order of the first of each."""
    kinds: dict[tuple[object, ...], list[Probe]] = {}
    for probe in probes:
        kinds.setdefault(_kind(probe), []).append(probe)
    return tuple(Summary(tuple(found), _lines(found)) for found in kinds.values())


def _kind(probe: Probe) -> tuple[object, ...]:
    plan, chosen = probe.plan, probe.plan.settings
    hosts = tuple(rank.host.name for rank in plan.ranks)
    return plan.backend, plan.part, chosen.op, chosen.dtype, chosen.soak_s, hosts


def _lines(probes: Sequence[Probe]) -> tuple[Line, ...]:
    by_size: dict[int, list[Row]] = {}
    for probe in probes:
        for row in probe.rows:
            by_size.setdefault(row.size, []).append(row)
    return tuple(_line(rows) for _, rows in sorted(by_size.items()))


def _line(rows: Sequence[Row]) -> Line:
    ordered = sorted(rows, key=lambda row: row.p50_us)
    median = ordered[len(ordered) // 2]
    wrong = [row.wrong for row in rows if row.wrong is not None]
    far = ordered[-1].p50_us - ordered[0].p50_us
    return Line(
        row=median,
        launches=len(rows),
        samples=sum(row.samples for row in rows),
        p99_us=max(row.p99_us for row in rows),
        max_us=max(row.max_us for row in rows),
        spread=far / median.p50_us if len(rows) > 1 else None,
        wrong=sum(wrong) if len(wrong) == len(rows) else None,
    )
