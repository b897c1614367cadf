"""Markdown, GitHub's flavour: for a pull request, an issue, or the summary of a workflow's step."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from mlxdiag.finding import FixKind, Severity
from mlxdiag.render.cells import LEGEND, cell
from mlxdiag.render.fold import Group, groups
from mlxdiag.render.measured import Measured, measured
from mlxdiag.render.rows import HOST, basis, because, of_host
from mlxdiag.render.short import verdict_line
from mlxdiag.render.sizes import number, size
from mlxdiag.render.style import Style
from mlxdiag.render.verdicts import WORDS, of_link
from mlxdiag.report import Report

if TYPE_CHECKING:
    from mlxdiag.hang.verdict import Hang
    from mlxdiag.preflight.judge import Preflight
    from mlxdiag.render.advised import Part
    from mlxdiag.render.launches import Block
    from mlxdiag.render.served import Row
    from mlxdiag.repair.step import Plan
    from mlxdiag.server.judge import Served

COMPACT_FROM = 9
"""From this many hosts on, the cables that are not clean are listed in place of the matrix."""

AT_MOST = 100
"""So many rows or causes are written; GitHub takes a megabyte for the summary of a step."""

MARKS = {Severity.ERROR: "bad", Severity.WARNING: "bent", Severity.INFO: "tcp"}


def render(report: Report, style: Style) -> str:
    """Write verdict, hosts, pairs, findings with their fixes, backends, launches."""
    return "\n".join(_lines(report, style)) + "\n"


def _lines(report: Report, style: Style) -> Iterator[str]:
    name = report.cluster.inventory.cluster
    yield f"# mlxdiag {report.command}" + (f": {_text(name, style)}" if name else "")
    yield ""
    yield f"**{_text(verdict_line(report, style), style)}**"
    yield ""
    if report.server is not None:
        yield f"{_text(report.server.asked.url, style)}, {report.started_at}"
        yield from _served(report.server, style)
        yield from _findings(report, style)
        return
    count = len(report.cluster.facts)
    asked = (
        f"{count} host{'s' if count > 1 else ''}, {report.started_at}, {report.duration_s:.1f} s"
    )
    yield asked if count else "no host was asked"
    if report.diagnosed is not None:
        from mlxdiag.render.diagnosed import diagnosed  # noqa: PLC0415  # `ports` does without

        yield from _parts(diagnosed(report.diagnosed), style)
        return
    if report.plan is not None:
        yield from _plan(report.plan, style)
        return
    if report.preflight is not None:
        yield from _stages(report, report.preflight, style)
    if report.hang is not None:
        yield from _ranks(report.hang, style)
    if report.command not in ("probe", "hang"):
        yield from _heading("Hosts")
        yield from _table(HOST, (of_host(report, facts) for facts in report.cluster.facts), style)
        yield from _pairs(report, style)
    if report.probes or report.command == "probe":
        yield from _launches(report, style)
    for of in measured(report):
        yield from _links(of, style)
    yield from _findings(report, style)
    if report.command not in ("probe", "hang"):
        yield from _backends(report, style)


def _served(found: Served, style: Style) -> Iterator[str]:
    from mlxdiag.render import served  # noqa: PLC0415  # for `server` only

    yield from _heading("Requests")
    yield from (_text(served.asked(found), style), "")
    yield from _table(("", *served.COLUMNS), _marked(served.requests(found), style), style)
    if why := served.unsent(found):
        yield from _list([why], style)
    if said := served.numbers(found):
        yield from _list([f"{said} ({served.basis(found)})"], style)
    if text := served.words(found):
        yield from _list([f"it says: {text}"], style)
    if found.paths:
        yield from _heading("Paths")
        yield from _table(("", *served.PATH_COLUMNS), _marked(served.paths(found), style), style)
    if found.hang:
        yield from _heading("Hang")
        yield from _list([found.hang.conclusion, *found.hang.lines], style)
    if found.asked.before:
        yield from _heading("Changes")
        yield _text(f"beside the baseline of {found.asked.before.started_at}:", style)
        yield from _list(found.changes or ("none",), style)


def _marked(rows: Iterable[Row], style: Style) -> Iterator[Sequence[str]]:
    return ((style.mark(row.mark), *row.cells) for row in rows)


def _stages(report: Report, found: Preflight, style: Style) -> Iterator[str]:
    from mlxdiag.render.json import changes  # noqa: PLC0415
    from mlxdiag.render.staged import mark_of, told  # noqa: PLC0415

    yield from _heading("Stages")
    rows = ((f"{style.mark(mark_of(s))} {s.name}", s.status, told(s)) for s in found.stages)
    yield from _table(("stage", "", ""), rows, style)
    if found.asked.baseline is not None:
        yield from _heading("Changes")
        when = found.asked.baseline["started_at"]
        yield _text(f"beside the baseline of {when}:", style)
        yield from _list(changes(report) or ("none",), style)


def _ranks(hang: Hang, style: Style) -> Iterator[str]:
    from mlxdiag.render.ranks import HOST as HOST_OF_RANKS  # noqa: PLC0415
    from mlxdiag.render.ranks import RANK, of_rank, stacks, to_look_at  # noqa: PLC0415
    from mlxdiag.render.ranks import of_host as host_of_ranks  # noqa: PLC0415

    if hang.ranks:
        yield from _heading("Ranks")
        yield from _table(RANK, map(of_rank, hang.ranks), style)
    yield from _heading("Hosts")
    yield from _table(HOST_OF_RANKS, map(host_of_ranks, hang.hosts), style)
    if blamed := to_look_at(hang):
        yield from _heading("Stacks")
        lines = [line.strip() for row in blamed for line in stacks(row)]
        yield from (f"- {_code(line, style)}" for line in lines[:AT_MOST])


def _heading(text: str) -> tuple[str, ...]:
    return ("", f"## {text}", "")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], style: Style) -> Iterator[str]:
    yield _row(head, style)
    yield _row(["---"] * len(head), None)
    for row in rows:
        yield _row(row, style)


def _row(cells: Iterable[str], style: Style | None) -> str:
    return "| " + " | ".join(_text(c, style) if style else c for c in cells) + " |"


def _pairs(report: Report, style: Style) -> Iterator[str]:
    hosts = report.cluster.topology.hosts
    if len(hosts) < 2:
        return
    if len(hosts) >= COMPACT_FROM:
        yield from _unclean(report, style)
        return
    yield from _heading("Port pairs")
    cells = {(a, b): cell(report, a, b) for a in hosts for b in hosts}
    rows = (
        [one, *(_cell(style.mark(c.mark), c.port, c.word) for c in (cells[one, b] for b in hosts))]
        for one in hosts
    )
    yield from _table(("", *hosts), rows, style)
    used = {c.mark for c in cells.values()}
    yield ""
    yield "; ".join(f"{_text(style.mark(m), style)} {words}" for m, words in LEGEND if m in used)


def _cell(*words: str) -> str:
    return " ".join(filter(None, words)).strip()


def _unclean(report: Report, style: Style) -> Iterator[str]:
    yield from _heading("Links")
    found = [state for state in report.links if not state.clean]
    yield f"{len(report.links) - len(found)} clean, {len(found)} not clean"
    if found:
        yield ""
        rows = (
            [f"{end.host} {end.name}" for end in state.link.ends]
            + [WORDS[of_link(state)], ", ".join(state.jaccl.blockers)]
            for state in found[:AT_MOST]
        )
        yield from _table(("one end", "other end", "RDMA", "because"), rows, style)
        yield from _more(len(found))


def _more(count: int) -> Iterator[str]:
    if count > AT_MOST:
        yield from ("", f"... and {count - AT_MOST} more")


def _plan(plan: Plan, style: Style) -> Iterator[str]:
    """Write the plan as a checklist, to be ticked off where it is pasted."""
    from mlxdiag.render.planned import AGAIN, NOTHING, folded, notes  # noqa: PLC0415

    yield from _heading("Plan")
    if not plan.steps:
        yield NOTHING
    for stage in plan.stages:
        yield f"**{stage.name}**"
        yield ""
        for one in folded(stage.steps):
            yield f"- [ ] {_text(one.heading, style)}"
            if one.step.command:
                where = _text(one.hosts or "here", style)
                yield f"  - on {where}: {_code(one.step.command, style)}"
            yield from (f"  - {_text(note, style)}" for note in notes(one.step))
        yield f"- [ ] {AGAIN}"
        yield ""
    if plan.unknown:
        yield f"Not known, so no step for it: {_text(', '.join(plan.unknown), style)}"


def _findings(report: Report, style: Style) -> Iterator[str]:
    yield from _heading("Findings")
    folded = groups(report)
    if not folded:
        yield f"None: {report.summary['pass']} checks passed."
        return
    for group in folded[:AT_MOST]:
        yield from _finding(group, style)
    yield from _more(len(folded))


def _finding(group: Group, style: Style) -> Iterator[str]:
    first = group.first
    mark = style.mark("unknown" if group.unknown else MARKS[group.severity])
    word = "not known" if group.unknown else group.severity.value
    subjects, seen = _text(group.subjects, style), _text(group.seen, style)
    yield f"- {_text(mark, style)} **{subjects}**: {seen} ({word}, `{first.id}`)"
    if first.evidence:
        source, expected = first.evidence.source, first.evidence.expected
        yield f"  - {_text(source, style)}; expected {_text(expected, style)}"
    if first.fix:
        kind = "" if first.fix.kind is FixKind.NONE else f"{first.fix.kind.value}: "
        yield f"  - {_text(kind + first.fix.text, style)}"
    for host, line in group.commands[:AT_MOST]:
        yield f"  - on {_text(host, style)}: {_code(line, style)}"
    if group.followers:
        yield f"  - follows from it: {_text(group.followers, style)}"


def _backends(report: Report, style: Style) -> Iterator[str]:
    found = report.recommendation
    yield from _heading("Backends")
    words = {True: "yes", False: "no", None: "unknown"}
    rows = ((c.backend, words[c.usable], because(c)) for c in found.choices)
    yield from _table(("backend", "usable", "because"), rows, style)
    yield ""
    chosen = f"{style.mark('arrow')} {found.backend or 'none'}: {found.reason}"
    yield _text(f"{chosen} ({basis(found)})", style)
    if report.command == "recommend":
        yield from _advised(report, style)


def _advised(report: Report, style: Style) -> Iterator[str]:
    from mlxdiag.render.advised import advised  # noqa: PLC0415  # for `recommend` only

    yield from _parts(advised(report), style)


def _parts(parts: Iterable[Part], style: Style) -> Iterator[str]:
    for part in parts:
        yield from _heading(part.title)
        if part.note:
            yield from (_text(part.note, style), "")
        for line in part.lines:
            mark = "" if line.mark in ("", "step") else style.mark(line.mark)
            name = f"**{_text(line.name, style)}**:" if line.name else ""
            indent = "" if line.name or line.mark != "step" else "  "
            yield f"{indent}- {_cell(_text(mark, style), name, _text(line.text, style))}"
            for host, command in line.commands:
                yield f"{indent}  - on {_text(host, style)}: {_code(command, style)}"


def _launches(report: Report, style: Style) -> Iterator[str]:
    from mlxdiag.render.launches import BESIDE, beside, blocks, refusals, whole  # noqa: PLC0415

    found = blocks(report)
    shown = [block for block in found if block.whole or not block.passed]
    for block in shown[:AT_MOST]:
        yield from _launch(block, style)
    yield from _more(len(shown))
    complete = whole(found)
    if rows := beside(complete):
        yield from _heading("Side by side")
        yield from (_text(f"speed: how many times that of {complete[0].backend}", style), "")
        yield from _table(BESIDE, rows, style)
    if refused := refusals(report):
        yield from _heading("Not launched")
        yield from (f"- {_text(said, style)}" for said in refused)


def _launch(block: Block, style: Style) -> Iterator[str]:
    from mlxdiag.render.launches import SOAK  # noqa: PLC0415

    yield from _heading(f"Probe {_text(block.backend, style)}")
    yield _text(block.asked, style)
    yield from _list(block.notes, style)
    if block.rows:
        yield ""
        yield from _table(block.columns, block.rows, style)
        yield from ("", _text(block.models, style))
    for rows, said in block.soaks:
        yield ""
        yield from _table(SOAK, rows, style)
        yield from ("", _text(said, style))
    yield from _list([*(said for said, _ in block.blames), *block.left], style)


def _links(of: Measured, style: Style) -> Iterator[str]:
    """List what was measured between pairs, the least bandwidth first."""
    yield from _heading(f"Pairs: {_text(of.backend, style)}")
    small, large = map(size, of.sizes)
    columns = ("", "", f"p50 us of {small}", f"GB/s at {large}")
    found = sorted(of.pairs.items(), key=lambda item: item[1].gb_per_s)
    rows = ((*hosts, number(p.latency_us), number(p.gb_per_s)) for hosts, p in found[:AT_MOST])
    yield from _table(columns, rows, style)
    yield from _more(len(found))


def _list(lines: Sequence[str], style: Style) -> Iterator[str]:
    if lines:
        yield ""
    yield from (f"- {_text(line, style)}" for line in lines)


_SPECIAL = re.compile(r"[\\`*\[\]<>|~&$#]|(?<![^\W_])_|_(?![^\W_])")
_LINK = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp)(?=:)|\bwww(?=\.)")
_FENCE = re.compile("`+")


def _text(text: str, style: Style) -> str:
    """Escape what would be markup, a link of its own accord, or call somebody (`@name`)."""
    plain = _SPECIAL.sub(r"\\\g<0>", style.text(text))
    plain = _LINK.sub(r"\g<0>\\", plain)
    return plain.replace("@", "@\u2060" if style.unicode else "(at)")


def _code(text: str, style: Style) -> str:
    """Quote a line as code, with more backticks than are in it."""
    safe = style.text(text)
    fence = "`" * (max((len(run) for run in _FENCE.findall(safe)), default=0) + 1)
    return f"{fence} {safe} {fence}" if "`" in safe else f"{fence}{safe}{fence}"
