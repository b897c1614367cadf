"""DOT: hosts, their ports and the cables between them, for Graphviz."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from mlxdiag.ladder import LinkState
from mlxdiag.readings import HostFacts
from mlxdiag.render.cells import WORDS as SHORT
from mlxdiag.render.cells import end
from mlxdiag.render.rows import of_host
from mlxdiag.render.short import verdict_line
from mlxdiag.render.style import Style
from mlxdiag.render.verdicts import WORDS, LinkMark, of_link, said
from mlxdiag.report import Report

LINES: dict[LinkMark, str] = {
    "good": 'color="#1a7f37", style=solid, penwidth=2',
    "bent": 'color="#9a6700", style=solid, penwidth=2',
    "bad": 'color="#cf222e", style=dashed, penwidth=2',
    "tcp": 'color="#0969da", style=solid, penwidth=1',
    "unknown": 'color="#8250df", style=dotted, penwidth=2',
}
"""Colour, and a line and a word beside it for whoever sees none."""

PORTS = {"good": "#dafbe1", "bent": "#fff8c5", "bad": "#ffebe9", "far": "#ffffff", "tcp": "#ddf4ff"}


def render(report: Report, style: Style) -> str:
    """Write an undirected graph: `neato -Tsvg`, or any other of Graphviz's programs."""
    quoted = _quoted(report.cluster.inventory.cluster, style)
    title = _quoted(f"{report.cluster.inventory.cluster}\n{verdict_line(report, style)}", style)
    lines = [
        f"graph {quoted} {{",
        f"  label={title}; labelloc=t; layout=circo; mindist=2; splines=true;",
        '  node [shape=plaintext, fontname="Helvetica"]; edge [fontname="Helvetica", fontsize=10];',
    ]
    numbers = {name: f"h{n}" for n, name in enumerate(report.cluster.topology.hosts)}
    lines += [
        f"  {numbers[facts.host.name]} [label={_host(report, facts, style)}];"
        for facts in report.cluster.facts
    ]
    lines += [_cable(state, numbers, style) for state in report.links]
    return "\n".join(lines) + "\n}\n"


def _host(report: Report, facts: HostFacts, style: Style) -> str:
    """Draw a host as a table: its name, what it said of itself, a cell a port."""
    name, chip, macos, mlx, *_ = of_host(report, facts)
    cells = list(_ports(report, facts.host.name, style))
    span = max(1, len(cells))
    told = f"{chip}, macOS {macos}, MLX {mlx}" if facts.reached else chip
    rows = [
        f'<TR><TD COLSPAN="{span}"><B>{_html(name, style)}</B></TD></TR>',
        f'<TR><TD COLSPAN="{span}"><FONT POINT-SIZE="10">{_html(told, style)}</FONT></TD></TR>',
    ]
    if cells:
        rows.append(f"<TR>{''.join(cells)}</TR>")
    table = '<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0" BGCOLOR="white">'
    return f"<{table}{''.join(rows)}</TABLE>>"


def _ports(report: Report, host: str, style: Style) -> Iterator[str]:
    cells = {(p.host, p.receptacle): end(s, p) for s in report.links for p in s.link.ends}
    for port in report.cluster.topology.ports[host]:
        shown = cells.get((host, port.receptacle))
        color = PORTS.get(shown.mark, "#ffffff") if shown else "#f6f8fa"
        word = f"{style.mark(shown.mark)} {shown.word}".rstrip() if shown else style.mark("none")
        text = f"{_html(port.name, style)}<BR/>{_html(word, style)}"
        yield (
            f'<TD PORT="p{port.receptacle}" BGCOLOR="{color}">'
            f'<FONT POINT-SIZE="10">{text}</FONT></TD>'
        )


def _cable(state: LinkState, numbers: dict[str, str], style: Style) -> str:
    a, b = state.link.ends
    mark = of_link(state)
    ends = f"{numbers[a.host]}:p{a.receptacle} -- {numbers[b.host]}:p{b.receptacle}"
    blockers = [SHORT.get(id_, id_) for id_ in state.jaccl.blockers]
    label = ", ".join(dict.fromkeys(blockers)) if blockers else WORDS[mark]
    told = f"label={_quoted(label, style)}, tooltip={_quoted(said(state), style)}"
    return f"  {ends} [{told}, {LINES[mark]}];"


def _html(text: str, style: Style) -> str:
    return escape(style.text(text), {'"': "&quot;"})


def _quoted(text: str, style: Style) -> str:
    r"""Quote a string; a backslash would begin one of Graphviz's escapes (\N, \G, \l)."""
    lines = (style.text(one).replace("\\", "\\\\").replace('"', '\\"') for one in text.split("\n"))
    return '"' + "\\n".join(lines) + '"'
