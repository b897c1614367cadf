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


FORMATS: dict[str, Render] = {"table": _table, "short": _short, "json": _json}
