"""Table: the report for a person at a terminal (rich lays it out, nothing is markup)."""

from __future__ import annotations

from io import StringIO
from itertools import combinations

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlxdiag.finding import Finding, FixKind, Severity, Status
from mlxdiag.hostlist import fold
from mlxdiag.ladder import RUNGS, LinkState, breaks
from mlxdiag.readings import known
from mlxdiag.render.backends import backends
from mlxdiag.render.cells import LEGEND, Cell, cell
from mlxdiag.render.fold import Group as CauseGroup
from mlxdiag.render.fold import groups
from mlxdiag.render.layout import grid, head
from mlxdiag.render.pairs import pairs
from mlxdiag.render.probes import probes, refused, speed
from mlxdiag.render.rows import HOST, PORT, of_host, of_port
from mlxdiag.render.short import verdict_line
from mlxdiag.render.style import Style
from mlxdiag.report import HeldFile, Report

COMPACT_FROM = 9
"""From this many hosts on, the matrix has one sign a cell and the faulty links are listed."""

COLORS = {
    "good": "green",
    "bent": "yellow",
    "bad": "bold red",
    "far": "red",
    "tcp": "cyan",
    "unknown": "magenta",
    "none": "dim",
    "self": "dim",
}
SEVERITIES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


def render(report: Report, style: Style) -> str:
    """Lay the report out for `style.width` columns."""
    body = BODIES.get(report.command, _ports_body)(report, style)
    return _printed([_title(report, style), *body, Text(""), _verdict(report, style)], style)


def _ports_body(report: Report, style: Style) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(""), _hosts(report, style)]
    if len(report.cluster.facts) > 1:
        parts += [head("PORT PAIRS", "a row is one end: its port to the column's host")]
        parts += matrix(report, style)
    parts += _findings(report, style)
    parts += backends(report, style)
    if style.verbose:
        if report.links:
            parts += [head("LADDERS", "per end of a cable, bottom up"), _ladders(report, style)]
        parts += [head("PORTS"), _ports(report, style)]
        parts += _pythons(report, style)
    return parts


def _probe_body(report: Report, style: Style) -> list[RenderableType]:
    return [
        *probes(report, style),
        *pairs(report.pairs, style),
        *speed(report, style),
        *refused(report, style),
    ]


def _preflight_body(report: Report, style: Style) -> list[RenderableType]:
    from mlxdiag.render.preflight import preflight  # noqa: PLC0415  # `ports` does without

    stages = preflight(report, report.preflight, style) if report.preflight else []
    parts = [*stages, *_findings(report, style), *pairs(report.pairs, style)]
    return [*parts, *probes(report, style), *speed(report, style)]


def _recommend_body(report: Report, style: Style) -> list[RenderableType]:
    from mlxdiag.render.recommend import recommended  # noqa: PLC0415  # `ports` does without

    parts = [*recommended(report, style), *probes(report, style)]
    return parts + (_findings(report, style) if report.causes else [])


def _hostfile_body(report: Report, style: Style) -> list[RenderableType]:
    return [*_findings(report, style), *(_file(report.file, style) if report.file else [])]


def _check_body(report: Report, style: Style) -> list[RenderableType]:
    from mlxdiag.render.areas import areas  # noqa: PLC0415  # `ports` does without

    if style.verbose:
        return [*areas(report, style), *_ports_body(report, style)]
    return [*areas(report, style), *_findings(report, style), *backends(report, style)]


def _fix_body(report: Report, style: Style) -> list[RenderableType]:
    from mlxdiag.render.plan import planned  # noqa: PLC0415  # `ports` does without

    return planned(report.plan, style) if report.plan else []


def _hang_body(report: Report, style: Style) -> list[RenderableType]:
    from mlxdiag.render.hang import hang  # noqa: PLC0415  # `ports` does without

    shown = hang(report.hang, style) if report.hang else ()
    return [*shown, *_findings(report, style)]


def _diagnose_body(report: Report, style: Style) -> list[RenderableType]:
    from mlxdiag.render.diagnosed import diagnosed  # noqa: PLC0415  # `ports` does without
    from mlxdiag.render.recommend import laid_out  # noqa: PLC0415

    return list(laid_out(diagnosed(report.diagnosed), style)) if report.diagnosed else []


def _server_body(report: Report, style: Style) -> list[RenderableType]:
    if report.server is None:
        return []
    from mlxdiag.render.server import server  # noqa: PLC0415  # `ports` does without

    return [*server(report.server, style), *_findings(report, style)]


BODIES = {
    "check": _check_body,
    "diagnose": _diagnose_body,
    "fix": _fix_body,
    "hang": _hang_body,
    "hostfile check": _hostfile_body,
    "preflight": _preflight_body,
    "probe": _probe_body,
    "recommend": _recommend_body,
    "server": _server_body,
}
"""What stands between title and verdict, of the commands that show something else than `ports`."""


def _printed(parts: list[RenderableType], style: Style) -> str:
    console = Console(
        file=StringIO(),
        width=style.width,
        force_terminal=style.color,
        color_system="standard" if style.color else None,
        no_color=not style.color,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
        safe_box=True,
    )
    with console.capture() as captured:
        console.print(Group(*parts), crop=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _title(report: Report, style: Style) -> Text:
    name = style.text(report.cluster.inventory.cluster)
    count = len(report.cluster.facts)
    title = Text(f"mlxdiag {report.command}", style="bold")
    if not count and report.server is None:
        return title.append("  no host was asked", style="not bold")
    what = f"{count} host{'s' if count > 1 else ''}"
    if report.server is not None:
        what = style.text(report.server.asked.url)
    tail = f"{what}  {report.started_at}  {report.duration_s:.1f} s"
    return title.append(f"  {name}  {tail}", style="not bold")


def _hosts(report: Report, style: Style) -> Table:
    table = grid(*HOST)
    for facts in report.cluster.facts:
        table.add_row(*(style.text(c) for c in of_host(report, facts)))
    return table


def matrix(
    report: Report, style: Style, *, narrow: bool = False, links: bool = True
) -> list[RenderableType]:
    """Lay out the port pairs with their legend: in signs for many hosts, or where it is `narrow`.

    Beside the signs stand the links that are not clean, unless they are shown otherwise.
    """
    hosts = report.cluster.topology.hosts
    compact = narrow or len(hosts) >= COMPACT_FROM
    cells = {(a, b): cell(report, a, b) for a in hosts for b in hosts}
    parts = [_compact(hosts, cells, style) if compact else _full(hosts, cells, style)]
    used = {c.mark for c in cells.values()}
    legend = [f"{style.mark(mark)} {text}" for mark, text in LEGEND if mark in used]
    parts.append(Padding(Text("   ".join(legend), style="dim"), (0, 0, 0, 0)))
    if compact and links:
        parts += _unclean(report, style)
    return parts


def _full(hosts: tuple[str, ...], cells: dict[tuple[str, str], Cell], style: Style) -> Table:
    table = grid("", *map(style.text, hosts))
    room = (style.width - max(map(len, hosts))) // len(hosts) - 2
    for one in hosts:
        row = [_cell(cells[one, other], style, room) for other in hosts]
        table.add_row(Text(style.text(one)), *row)
    return table


def _cell(shown: Cell, style: Style, room: int) -> Text:
    text = f"{style.mark(shown.mark)} {shown.port} {shown.word}".rstrip()
    if len(text) > room:
        text = f"{style.mark(shown.mark)} {shown.port}".rstrip()
    return Text(style.text(text), style=COLORS[shown.mark])


def _compact(
    hosts: tuple[str, ...], cells: dict[tuple[str, str], Cell], style: Style
) -> RenderableType:
    """One sign per pair, columns by number; in bands where the terminal is too narrow."""
    label = max(map(len, hosts)) + 1
    digits = len(str(len(hosts)))
    per_band = max(1, (style.width - label - digits - 1) // (digits + 1))
    bands: list[RenderableType] = []
    for start in range(0, len(hosts), per_band):
        columns = range(start, min(start + per_band, len(hosts)))
        head = " " * (label + digits + 1) + " ".join(f"{c + 1:>{digits}}" for c in columns)
        bands.append(Text(head, style="dim", no_wrap=True))
        for row, one in enumerate(hosts):
            line = Text(f"{style.text(one):<{label}}{row + 1:>{digits}} ", no_wrap=True)
            for column in columns:
                shown = cells[one, hosts[column]]
                line.append(f"{style.mark(shown.mark):>{digits}} ", style=COLORS[shown.mark])
            bands.append(line)
    return Group(*bands)


def _unclean(report: Report, style: Style) -> list[RenderableType]:
    rows = [state for state in report.links if not state.clean]
    missing = sum(
        not report.cluster.topology.between(a, b)
        for a, b in combinations(report.cluster.topology.hosts, 2)
    )
    clean = len(report.links) - len(rows)
    note = f"{clean} clean, {len(rows)} not clean, {missing} pairs without a cable"
    parts: list[RenderableType] = [head("LINKS", note)]
    if rows:
        table = grid("one end", "", "other end", "", "Gb/s")
        for state in rows:
            table.add_row(*_link_row(report, state, style))
        parts.append(table)
    return parts


def _link_row(report: Report, state: LinkState, style: Style) -> tuple[Text, ...]:
    found: list[Text] = []
    for end in state.link.ends:
        shown = cell(report, end.host, state.link.other(end).host)
        found.append(Text(style.text(f"{end.host} {end.name}")))
        word = f"{style.mark(shown.mark)} {shown.word or end.state or ''}"
        found.append(Text(style.text(word), style=COLORS[shown.mark]))
    speed = state.link.speed_gbps
    return (*found, Text(f"{speed:g}" if speed else "?"))


def _findings(report: Report, style: Style) -> list[RenderableType]:
    folded = groups(report)
    if not folded:
        return [head("FINDINGS", f"none: {report.summary['pass']} checks passed")]
    parts: list[RenderableType] = [head("FINDINGS", "causes; cheapest repair first")]
    return parts + [block for group in folded for block in _finding(group, style)]


def _finding(group: CauseGroup, style: Style) -> list[RenderableType]:
    """Lay out one group: a sign in the margin, the text beside it, commands whole to be copied."""
    cause = group.first
    mark = style.mark("unknown" if group.unknown else _MARK_OF[group.severity])
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="magenta" if group.unknown else SEVERITIES[group.severity])
    grid.add_column(overflow="fold")
    title = Text(style.text(group.subjects), style="bold")
    grid.add_row(mark, title.append(style.text(f": {group.seen}"), style="not bold"))
    if cause.evidence:
        source = f"{cause.evidence.source}; expected {cause.evidence.expected}  [{cause.id}]"
        grid.add_row("", Text(style.text(source), style="dim"))
    if cause.fix:
        kind = "" if cause.fix.kind is FixKind.NONE else f"{cause.fix.kind.value}: "
        grid.add_row("", Text(style.text(kind + cause.fix.text)))
    shown = group.commands if style.verbose else group.commands[:3]
    lines: list[RenderableType] = [grid]
    for host, line in shown:
        text = style.text(f"    {host}$ {line}")
        lines.append(Text(text, style="cyan", no_wrap=True, overflow="ignore"))
    if len(group.commands) > len(shown):
        more = f"    and {len(group.commands) - len(shown)} more: --verbose"
        lines.append(Text(more, style="dim"))
    if group.followers:
        lines.append(
            Padding(Text(f"follows from it: {group.followers}", style="dim"), (0, 0, 0, 2))
        )
    return lines


_MARK_OF = {Severity.ERROR: "bad", Severity.WARNING: "bent", Severity.INFO: "tcp"}


def _file(file: HeldFile, style: Style) -> list[RenderableType]:
    """Show what is to be changed in a hostfile, line by line as it is to be read by a machine."""
    if file.why:
        return [head("CORRECTED", "there is none"), Text(style.text(file.why))]
    if not file.diff:
        return []
    colors = {"+": "green", "-": "red", "@": "cyan"}
    lines = [
        Text(style.text(line), style=colors.get(line[:1], ""), no_wrap=True, overflow="ignore")
        for line in file.diff.splitlines()
    ]
    return [head("CORRECTED", "`--write` puts it in place"), *lines]


def _ladders(report: Report, style: Style) -> Table:
    short = {"interface": "iface", "device": "dev", "far service": "far"}
    table = grid("end", *(short.get(rung, rung) for rung in RUNGS))
    for state in report.links:
        for end in state.link.ends:
            marks = [_rung(worst, style) for worst in state.rungs(end).values()]
            table.add_row(style.text(f"{end.host} {end.name}"), *marks)
    return table


def _rung(worst: Finding | None, style: Style) -> Text:
    if worst is None or worst.status is Status.SKIP:
        name = "none"
    elif worst.status is Status.FAIL:
        name = "bad" if breaks(worst) else "bent"
    else:
        name = {Status.PASS: "good"}.get(worst.status, "unknown")
    return Text(style.mark(name), style=COLORS[name])


def _ports(report: Report, style: Style) -> Table:
    shown = len(PORT) - (style.width < 100)
    table = grid(*PORT[:shown])
    for group in report.cluster.topology.ports.values():
        for port in group:
            table.add_row(*(style.text(c) for c in of_port(report, port)[:shown]))
    return table


def _pythons(report: Report, style: Style) -> list[RenderableType]:
    """Say which interpreters were found where the inventory names none, and what else was seen."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for facts in report.cluster.facts:
        runtime = known(facts.mlx_runtime)
        if runtime is not None and runtime.chosen is not None:
            said = (str(runtime.chosen), *map(str, runtime.looked))
            alike.setdefault(said, []).append(facts.host.name)
    if not alike:
        return []
    parts: list[RenderableType] = [head("PYTHON", "the inventory names none: what was found")]
    for (chosen, *others), names in alike.items():
        parts.append(Text(style.text(f"{fold(names)}: {chosen}")))
        parts += [Text(style.text(f"  not {other}"), style="dim") for other in others]
    return parts


def _verdict(report: Report, style: Style) -> Text:
    colors = {"pass": "bold green", "fail": "bold red", "unknown": "bold magenta"}
    return Text(verdict_line(report, style), style=colors[report.verdict])
