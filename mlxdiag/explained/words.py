"""Words for what a check and its text say, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import TextWrapper

from mlxdiag.explained import entries
from mlxdiag.explained.entry import Explained
from mlxdiag.finding import Check

PLACES = {
    "here": "where mlxdiag runs",
    "host": "on the host",
    "person": "at the machine, by a person",
    "recovery": "in the host's Recovery, by a person",
}
INDENT = 11


def lasting(entry: Explained) -> str:
    """Say whether the fix outlives a restart."""
    if entry.survives_reboot is None:
        return "changes nothing lasting"
    return "survives a restart" if entry.survives_reboot else "is undone by a restart"


def said(id_: str) -> dict[str, object]:
    """Give the text of a check as the keys of a report."""
    entry = entries()[id_]
    return {
        "detect": entry.detect,
        "steps": list(entry.steps),
        "risk": entry.risk,
        "survives_reboot": entry.survives_reboot,
        "place": entry.place,
        "versions": entry.versions,
        "sources": list(entry.sources),
    }


def terminal(check: Check, width: int) -> str:
    """Explain a check in lines of `width` columns."""
    head = f"{check.id}  per {check.per}, {check.severity.value}, {check.confidence.value}"
    wrapper = TextWrapper(
        width=max(width, 40),
        subsequent_indent=" " * INDENT,
        break_on_hyphens=False,
        break_long_words=False,
    )
    lines = [
        wrapper.fill(f"{name:<{INDENT}}{text}") if name else wrapper.fill(" " * INDENT + text)
        for name, text in _rows(check)
    ]
    return "\n".join([head, *lines]) + "\n"


def _rows(check: Check) -> Iterator[tuple[str, str]]:
    entry = entries()[check.id]
    yield "healthy", check.title
    yield "why", " ".join(check.why.split())
    yield "looks at", entry.detect
    yield "fix", f"{check.fix.kind.value}: {check.fix.text}"
    if check.fix.command:
        yield "", check.fix.command
    for number, step in enumerate(entry.steps, 1):
        yield "", f"{number}. {step}"
    yield "risk", entry.risk
    yield "where", f"{PLACES[entry.place]}; {lasting(entry)}"
    yield "versions", entry.versions
    if check.needs:
        yield "follows", "from " + ", ".join(check.needs)
    for number, source in enumerate(entry.sources):
        yield "" if number else "sources", source


def markdown(check: Check) -> Iterator[str]:
    """Explain a check below its heading on the page of all checks, paragraph by paragraph."""
    entry = entries()[check.id]
    yield (
        f"Healthy: {check.title}. Asked per {check.per}; {check.severity.value};"
        f" {check.confidence.value}."
    )
    yield " ".join(check.why.split())
    yield f"Looks at: {entry.detect}"
    command = f" `{check.fix.command}`" if check.fix.command else ""
    yield f"Fix ({check.fix.kind.value}): {check.fix.text}.{command}"
    yield "\n".join(f"{number}. {step}" for number, step in enumerate(entry.steps, 1))
    yield f"Risk: {entry.risk} Done {PLACES[entry.place]}; {lasting(entry)}."
    yield f"Versions: {entry.versions}."
    if check.needs:
        yield f"Follows from: {', '.join(f'`{need}`' for need in check.needs)}."
    yield f"Sources: {', '.join(map(_link, entry.sources))}."


def _link(source: str) -> str:
    return f"<{source}>" if source.startswith("https://") else source
