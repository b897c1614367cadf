"""Metrics: the report in Prometheus' text format, and what only a watch knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from mlxdiag.capture import ACCESS
from mlxdiag.render import prometheus
from mlxdiag.render.prometheus import Labels
from mlxdiag.render.style import Style
from mlxdiag.watch.loop import Now

HELP = {
    "mlxdiag_watch_rounds_total": "Moments that were looked at.",
    "mlxdiag_watch_events_total": "Changes that were told, by kind.",
    "mlxdiag_watch_flaps_total": "How often it was lost since the watch began.",
    "mlxdiag_watch_reconnects_total": "Connections to the host that broke.",
    "mlxdiag_watch_connected": "1 while the connection to the host is open.",
    "mlxdiag_watch_answer_age_seconds": "Since the host last answered this command.",
}
FLAPPING = frozenset({"reachable", "port", "cable"})


@dataclass
class Metrics:
    """Counts events as they come; the text is made when somebody asks for it."""

    events: Counter[str] = field(default_factory=Counter)
    now: Now | None = None

    def take(self, now: Now) -> None:
        """Take in a moment."""
        self.now = now
        self.events.update(event.kind for event in now.events)

    def text(self) -> str:
        """Write all families; those of the watch alone before the first moment is through."""
        if self.now is None:
            return ""
        style = Style()
        kinds = {name: "counter" if name.endswith("_total") else "gauge" for name in HELP}
        own = prometheus.families(self._own(self.now), HELP, style, kinds)
        return prometheus.render(self.now.report, style) + own

    def _own(self, now: Now) -> Iterator[tuple[str, Labels, float]]:
        yield "mlxdiag_watch_rounds_total", {}, now.number
        for kind, count in sorted(self.events.items()):
            yield "mlxdiag_watch_events_total", {"kind": kind}, count
        for topic, state in now.timeline.states.items():
            if topic.what in FLAPPING:
                labels = {"what": topic.what, "subject": topic.subject}
                yield "mlxdiag_watch_flaps_total", labels, state.flaps
        for host, line in now.lines.items():
            labels = {"host": host}
            reached = now.captures[host][ACCESS].outcome.value == "exited"
            yield "mlxdiag_watch_reconnects_total", labels, line.reconnects
            yield "mlxdiag_watch_connected", labels, reached
            for command, age_s in line.ages.items():
                told = {**labels, "command": command}
                yield "mlxdiag_watch_answer_age_seconds", told, round(age_s, 3)
