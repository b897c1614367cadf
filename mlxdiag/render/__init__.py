"""Formats: one file each, and one line here."""

from __future__ import annotations

from collections.abc import Callable

from mlxdiag.render.style import Style
from mlxdiag.report import Report

Render = Callable[[Report, Style], str]


def _table(report: Report, style: Style) -> str:
    from mlxdiag.render.table import render  # noqa: PLC0415  # rich, only where it is used

    return render(report, style)


def _short(report: Report, style: Style) -> str:
    from mlxdiag.render.short import render  # noqa: PLC0415

    return render(report, style)


def _json(report: Report, style: Style) -> str:
    from mlxdiag.render.json import render  # noqa: PLC0415

    return render(report, style)


def _junit(report: Report, style: Style) -> str:
    from mlxdiag.render.junit import render  # noqa: PLC0415

    return render(report, style)


def _markdown(report: Report, style: Style) -> str:
    from mlxdiag.render.markdown import render  # noqa: PLC0415

    return render(report, style)


def _github(report: Report, style: Style) -> str:
    from mlxdiag.render.github import render  # noqa: PLC0415

    return render(report, style)


def _prometheus(report: Report, style: Style) -> str:
    from mlxdiag.render.prometheus import render  # noqa: PLC0415

    return render(report, style)


def _nagios(report: Report, style: Style) -> str:
    from mlxdiag.render.nagios import render  # noqa: PLC0415

    return render(report, style)


def _dot(report: Report, style: Style) -> str:
    from mlxdiag.render.dot import render  # noqa: PLC0415

    return render(report, style)


def _html(report: Report, style: Style) -> str:
    from mlxdiag.render.html import render  # noqa: PLC0415  # jinja2, only where it is used

    return render(report, style)


def _nagios_code(report: Report) -> int:
    from mlxdiag.render.nagios import exit_code  # noqa: PLC0415

    return exit_code(report)


FORMATS: dict[str, Render] = {
    "table": _table,
    "short": _short,
    "json": _json,
    "junit": _junit,
    "markdown": _markdown,
    "github": _github,
    "prometheus": _prometheus,
    "nagios": _nagios,
    "dot": _dot,
    "html": _html,
}
EXIT_CODES: dict[str, Callable[[Report], int]] = {"nagios": _nagios_code}
"""Formats whose readers want other exit codes than ours."""

SUMMARIES = frozenset({"markdown", "github"})
"""Formats after which the summary of a step of a GitHub workflow gets the report as Markdown."""
