"""HTML: the report as one page that needs no network, no script and no other file.

Everything that a host or an inventory said goes through `finalize` and jinja's escapes: it stays
text. What is drawn is placed by `drawing` and `curves`; the page (page.html) only spells it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from mlxdiag.explained import entries
from mlxdiag.explained.entry import Explained
from mlxdiag.finding import Fix, FixKind, Severity
from mlxdiag.render.cells import LEGEND, Mark, cell
from mlxdiag.render.curves import plots
from mlxdiag.render.drawing import draw
from mlxdiag.render.fold import Group, groups
from mlxdiag.render.measured import Measured, Pair, measured
from mlxdiag.render.raw import TOTAL, Raw, behind
from mlxdiag.render.rows import HOST, PORT, basis, because, of_host, of_port
from mlxdiag.render.short import verdict_line
from mlxdiag.render.sizes import number, size
from mlxdiag.render.style import Style
from mlxdiag.render.verdicts import WORDS
from mlxdiag.report import Report

LEVELS = 6
"""Steps of colour in a heat map."""

BEHIND: tuple[tuple[Mark, str], ...] = (
    ("bent", "behind the others"),
    ("unknown", "perhaps behind the others"),
)
"""Signs beside numbers."""

MARKS: dict[Severity, Mark] = {
    Severity.ERROR: "bad",
    Severity.WARNING: "bent",
    Severity.INFO: "tcp",
}


@dataclass(frozen=True)
class Shown:
    """A folded finding as the page shows it. `raws` were not shown before, `again` were."""

    group: Group
    mark: Mark
    fix: Fix | None
    kind: str
    raws: tuple[Raw, ...]
    again: tuple[Raw, ...]
    explained: Explained | None


@dataclass(frozen=True)
class Heat:
    """A pair in the map: what its row's end looks like, or both numbers with their colours.

    `flaw` is the sign of a pair whose numbers are behind the others.
    """

    mark: Mark
    port: str
    word: str
    title: str
    bandwidth: str = ""
    latency: str = ""
    bandwidth_level: int = 0
    latency_level: int = 0
    flaw: Mark | None = None


@dataclass(frozen=True)
class Map:
    """Pairs of hosts; `of` is what was measured, None where only the verdict is known."""

    of: Measured | None
    rows: tuple[tuple[str, tuple[Heat, ...]], ...]

    @property
    def legend(self) -> list[tuple[Mark, str]]:
        """Explain the signs that are there: a cell with numbers has none of its port."""
        cells = [heat for _, row in self.rows for heat in row]
        used = {heat.mark for heat in cells if not heat.bandwidth}
        flaws = {heat.flaw for heat in cells if heat.flaw}
        told = [pair for pair in BEHIND if pair[0] in flaws]
        return [*((mark, words) for mark, words in LEGEND if mark in used), *told]


def render(report: Report, style: Style) -> str:
    """Fill the page."""
    folded = tuple(_shown(report))
    maps = tuple(_maps(report))
    text = _page().render(
        report=report,
        drawing=draw(report) if report.cluster.facts else None,
        maps=maps,
        plots=plots(report.probes),
        **_launched(report),
        findings=folded,
        host_columns=HOST,
        hosts=[(of_host(report, f), f.reached) for f in report.cluster.facts],
        port_columns=PORT,
        ports=[of_port(report, p) for ps in report.cluster.topology.ports.values() for p in ps],
        basis=basis(report.recommendation),
        advice=_advised(report),
        **_preflight(report),
        **_served(report),
        backends=[(c, because(c)) for c in report.recommendation.choices],
        verdict=verdict_line(report, Style()),
        words=WORDS,
        sign=Style().mark,
        size=size,
    )
    return text if style.unicode else text.encode("ascii", "xmlcharrefreplace").decode()


@cache
def _page() -> Template:
    """Compile the template, once: that takes longer than to fill it."""
    environment = Environment(
        loader=PackageLoader("mlxdiag", "render"),
        autoescape=True,
        finalize=_harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html")


def _harmless(value: object) -> object:
    """Show control and direction characters as escapes; lines stay lines."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        style = Style()
        lines = value.replace("\r\n", "\n").replace("\t", "    ").split("\n")
        return "\n".join(map(style.text, lines))
    return value


def _shown(report: Report) -> Iterator[Shown]:
    """Put each output under the first finding that rests on it, until the page has enough."""
    before: set[str] = set()
    room = TOTAL
    for group in groups(report):
        raws = behind(report, group.causes)
        new = []
        for raw in raws:
            if raw.key not in before and len(raw.text) <= room:
                new.append(raw)
                room -= len(raw.text)
        again = tuple(raw for raw in raws if raw.key in before)
        before |= {raw.key for raw in new}
        fix = group.first.fix
        kind = "" if fix is None or fix.kind is FixKind.NONE else fix.kind.value
        mark = "unknown" if group.unknown else MARKS[group.severity]
        yield Shown(group, mark, fix, kind, tuple(new), again, entries().get(group.first.id))


def _launched(report: Report) -> dict[str, object]:
    """Collect what a probe ran; what it is made with is imported for that only."""
    if not report.probes and report.command != "probe":
        return {"probed": False}
    from mlxdiag.render import launches  # noqa: PLC0415

    found = launches.blocks(report)
    whole = launches.whole(found)
    return {
        "probed": True,
        "launches": found,
        "soak_columns": launches.SOAK,
        "beside_columns": launches.BESIDE,
        "beside": launches.beside(whole),
        "beside_what": whole[0].backend if whole else "",
        "refused": launches.refusals(report),
    }


def _preflight(report: Report) -> dict[str, object]:
    """Collect what a preflight went through; `when` is that of its baseline."""
    found = report.preflight
    if found is None:
        return {"stages": (), "when": "", "changes": ()}
    from mlxdiag.render.json import changes  # noqa: PLC0415
    from mlxdiag.render.staged import mark_of, told  # noqa: PLC0415

    when = found.asked.baseline["started_at"] if found.asked.baseline else ""
    stages = [(mark_of(each), each.name, each.status, told(each)) for each in found.stages]
    return {"stages": stages, "when": when, "changes": changes(report)}


def _served(report: Report) -> dict[str, object]:
    """Collect what a server answered."""
    found = report.server
    if found is None:
        return {"served": None}
    from mlxdiag.render import served  # noqa: PLC0415

    return {
        "served": found,
        "request_columns": served.COLUMNS,
        "requests": served.requests(found),
        "path_columns": served.PATH_COLUMNS,
        "paths": served.paths(found),
        "unsent": served.unsent(found),
        "asked": served.asked(found),
        "speed": served.numbers(found),
        "speed_basis": served.basis(found),
        "said": served.words(found),
    }


def _advised(report: Report) -> tuple[object, ...]:
    if report.command != "recommend":
        return ()
    from mlxdiag.render.advised import advised  # noqa: PLC0415

    return advised(report, everything=True)


def _maps(report: Report) -> Iterator[Map]:
    hosts = report.cluster.topology.hosts
    if len(hosts) < 2:
        return
    for of in measured(report) or (None,):
        rows = tuple((one, tuple(_heat(report, of, one, b) for b in hosts)) for one in hosts)
        yield Map(of, rows)


def _heat(report: Report, of: Measured | None, one: str, other: str) -> Heat:
    shown = cell(report, one, other)
    what = next((words for mark, words in LEGEND if mark == shown.mark), "")
    title = f"{one} - {other}: {what}" if one != other else ""
    pair = of.between(one, other) if of else None
    if of is None or pair is None:
        return Heat(shown.mark, shown.port, shown.word, title)
    fastest = max(p.gb_per_s for p in of.pairs.values())
    quickest = min(p.latency_us for p in of.pairs.values())
    return Heat(
        shown.mark,
        shown.port,
        shown.word,
        f"{title}; {pair.behind}" if pair.behind else title,
        bandwidth=number(pair.gb_per_s),
        latency=number(pair.latency_us),
        bandwidth_level=_level(pair.gb_per_s / fastest if fastest else 1),
        latency_level=_level(_share(quickest, pair)),
        flaw=("bent" if pair.sure else "unknown") if pair.behind else None,
    )


def _share(quickest: float, pair: Pair) -> float:
    return quickest / pair.latency_us if pair.latency_us else 1


def _level(share: float) -> int:
    return max(0, min(LEVELS, round(share * LEVELS)))
