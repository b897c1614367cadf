"""Tell: events as lines: JSON for programs, words for people."""

from __future__ import annotations

import json
from collections.abc import Mapping

from mlxdiag.render.style import Style
from mlxdiag.report import Report
from mlxdiag.watch.changes import Event

SCHEMA, SCHEMA_VERSION = "mlxdiag/event", 1


def document(event: Event, cluster: str) -> dict[str, object]:
    """Give what a line of JSON holds of an event; docs/watch.md says what each key means."""
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "cluster": cluster,
        "at": event.at,
        "kind": event.kind,
        "subject": event.subject,
        "hosts": list(event.hosts),
        "before": event.before,
        "after": event.after,
        "last_seen": event.last_seen,
        "flaps": event.flaps,
    }


def line_of(said: Mapping[str, object]) -> str:
    """Write one line of JSON; what a host said cannot break it, nor the terminal it is shown on."""
    return json.dumps(said, sort_keys=True, ensure_ascii=True) + "\n"


def began(report: Report, at: str, every_s: float) -> dict[str, object]:
    """Give the first line of a watch: who is watched, how it stands."""
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "cluster": report.cluster.inventory.cluster,
        "at": at,
        "kind": "watch-began",
        "hosts": [host.name for host in report.cluster.inventory.hosts],
        "every_s": every_s,
        "verdict": report.verdict,
        "tool_version": report.tool_version,
    }


def ended(cluster: str, at: str, how: str, events: int) -> dict[str, object]:
    """Give the last line of a watch: how it ended, how many events there were."""
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "cluster": cluster,
        "at": at,
        "kind": "watch-ended",
        "ended": how,
        "events": events,
    }


def words(event: Event, style: Style) -> str:
    """Write one line for a person."""
    return f"{event.at}  {style.text(event.text)}\n"
