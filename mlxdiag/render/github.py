"""GitHub: workflow commands, which a run shows as annotations; causes folded."""

from __future__ import annotations

from collections.abc import Sequence

from mlxdiag.finding import Severity
from mlxdiag.render.fold import Group, groups
from mlxdiag.render.short import verdict_line
from mlxdiag.render.style import Style
from mlxdiag.report import LEVELS, Report

FILE = "inventory.yaml"
"""What the annotations are put on: the hosts are listed there."""

AT_MOST = 10
"""GitHub shows so many annotations of a level for a step; the last one names what is left."""


def render(report: Report, style: Style) -> str:
    """One annotation per folded cause, worst first, and the verdict as a notice."""
    by_level: dict[str, list[Group]] = {"error": [], "warning": [], "notice": []}
    for group in groups(report):
        by_level[_level(report, group)].append(group)
    lines = [line for level, found in by_level.items() for line in _lines(level, found, style)]
    lines.append(_command("notice", f"mlxdiag {report.command}", verdict_line(report, style)))
    return "\n".join(lines) + "\n"


def _level(report: Report, group: Group) -> str:
    if group.unknown:
        return "warning"
    if LEVELS[group.severity] >= LEVELS[report.fail_on]:
        return "error"
    return "warning" if group.severity is Severity.WARNING else "notice"


def _lines(level: str, found: Sequence[Group], style: Style) -> list[str]:
    room = AT_MOST - (level == "notice")  # the verdict is one
    shown = found if len(found) <= room else found[: room - 1]
    lines = [_annotation(level, group, style) for group in shown]
    if len(shown) < len(found):
        rest = [f"{group.subjects}: {group.seen}" for group in found[len(shown) :]]
        text = "\n".join(style.text(line) for line in rest)
        lines.append(_command(level, f"{len(rest)} more", text))
    return lines


def _annotation(level: str, group: Group, style: Style) -> str:
    first = group.first
    said = [group.seen]
    if first.evidence:
        said.append(f"{first.evidence.source}; expected {first.evidence.expected}")
    if first.fix:
        said.append(f"{first.fix.kind.value}: {first.fix.text}")
    said += [f"{host}$ {command}" for host, command in group.commands]
    if group.followers:
        said.append(f"follows from it: {group.followers}")
    unknown = "not known: " if group.unknown else ""
    title = style.text(f"{unknown}{first.id} {group.subjects}")
    return _command(level, title, "\n".join(style.text(line) for line in said))


def _command(level: str, title: str, text: str) -> str:
    """Spell a workflow command with the escapes of actions/toolkit (command.ts)."""
    return f"::{level} file={_property(FILE)},title={_property(title)}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
