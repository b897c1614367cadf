"""Page: every entry in words, for docs/diagnose.md."""

from __future__ import annotations

from collections.abc import Iterator

from mlxdiag.diagnose.entry import Confidence, Entry
from mlxdiag.diagnose.messages import MESSAGES

CONFIDENCE: dict[Confidence, str] = {
    "confirmed": "confirmed by MLX's maintainers, its documentation or a merged change",
    "several": "several independent reports",
    "single": "a single report",
    "source": "read in the source that prints it",
    "inferred": "inferred from sources, not observed",
}

HEAD = "## All messages"
"""What stands above it in docs/diagnose.md is written by hand."""


def page() -> str:
    """Write the end of the page; a test holds docs/diagnose.md against it."""
    rows = [
        "| id | printed by | text | role |",
        "| --- | --- | --- | --- |",
        *(f"| [{e.id}](#{e.id}) | {e.by} | {_cell(e.says)} | {e.role.value} |" for e in MESSAGES),
    ]
    blocks = ("\n".join(_entry(entry)) for entry in MESSAGES)
    return f"{HEAD}\n\n" + "\n".join(rows) + "\n\n" + "\n\n".join(blocks) + "\n"


def _cell(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def _entry(entry: Entry) -> Iterator[str]:
    yield f"### {entry.id}\n"
    yield f"`{entry.says}`\n"
    yield f"Means: {entry.means}."
    if entry.errnos:
        yield ""
        yield from (f"- `{name}`: {means}" for name, means in entry.errnos.items())
    if entry.causes:
        yield "\nLook for:\n"
        yield from (f"{n}. {_likely(entry, n - 1)}" for n in range(1, len(entry.causes) + 1))
    command = f" `{entry.fix.command}`" if entry.fix.command else ""
    yield f"\nRepair ({entry.fix.kind.value}): {entry.fix.text}.{command}"
    if entry.no_retry:
        yield "\nDo not start it again before that: a failed start may leak kernel resources."
    versions = f" Printed by: {entry.versions}." if entry.versions else ""
    yield f"\nConfidence: {CONFIDENCE[entry.confidence]}.{versions}"
    yield f"Sources: {', '.join(f'<{source}>' for source in entry.sources)}"


def _likely(entry: Entry, number: int) -> str:
    one = entry.causes[number]
    checks = ", ".join(f"[{id_}](checks.md#{id_})" for id_ in one.checks)
    return one.text + (f": {checks}" if checks else "")
